use std::fmt;
use std::mem;
use std::sync::Arc;
use std::thread;

use http::{Request, response};
use sha2::{Digest, Sha256};
use tower_claude_core::{Call, End, Endpoint, RequestId, Tenant, Timestamp};

use crate::answer::Answer;
use crate::captured::{Facts, RawSide};
use crate::raw_text::RawText;
use crate::reader::{At, Reader};
use crate::shared::Outlet;
use crate::texts::Texts;
use crate::{Captured, Role, Unread};

/// Gathers what is said in one call, and hands it over exactly once, whatever ends the call.
///
/// It travels from the future into the body; dropped before the end, it says so.
pub(crate) struct Guard {
    outlet: Arc<dyn Outlet>,
    /// `None` once it is handed over, or if the call is not captured at all.
    facts: Option<Box<Facts>>,
    /// Until it is read: a call holds its body.
    call: Option<Call>,
    request: RawSide,
    answer: Option<Box<Answer>>,
}

// === impl Guard ===

impl Guard {
    pub(crate) fn new<B>(outlet: Arc<dyn Outlet>, request: &Request<B>) -> Self {
        let extensions = request.extensions();
        let facts = Facts {
            timestamp: Timestamp::now(),
            // A new one stands only until there is a call with its own.
            request_id: RequestId::of(extensions).unwrap_or_else(RequestId::generate),
            tenant: extensions.get::<Tenant>().map(|tenant| tenant.id().clone()),
            feature: None,
            model: None,
            endpoint: Endpoint::Unknown,
            stream: false,
            status: None,
            end: End::Dropped,
            system_prompt_sha256: None,
        };
        Self {
            outlet,
            facts: Some(Box::new(facts)),
            call: None,
            request: absent(),
            answer: None,
        }
    }

    /// The request is there, or all there will be of it.
    pub(crate) fn asks(&mut self, call: Call) {
        let Some(facts) = &mut self.facts else {
            return;
        };
        if call.endpoint() != Endpoint::Messages {
            self.facts = None;
            return;
        }
        let most = Captured::LONGEST_WORD + RawText::MARGIN;
        let model = |model: &str| model[..model.floor_char_boundary(most)].into();
        facts.request_id = call.id();
        facts.endpoint = call.endpoint();
        facts.feature = call.attribution().feature.as_deref().map(Into::into);
        facts.model = call.model().map(model);
        facts.stream = call.is_stream();
        self.call = Some(call);
    }

    /// Reads the request, the first time; a good time is while upstream is at work.
    pub(crate) fn read_request(&mut self) {
        let (Some(facts), Some(call)) = (&mut self.facts, self.call.take()) else {
            return;
        };
        let system = call.system_json();
        facts.system_prompt_sha256 = system.map(|json| Sha256::digest(json).into());
        self.request = read_request(&call, self.outlet.settings().limit);
    }

    /// There is an answer, and its head is about to be handed out.
    pub(crate) fn answered(&mut self, head: &response::Parts) {
        self.read_request();
        if let Some(facts) = &mut self.facts {
            facts.status = Some(head.status.as_u16());
            let answer = Answer::new(head, self.outlet.settings().limit);
            self.answer = Some(Box::new(answer));
        }
    }

    /// A piece of the answer has come.
    pub(crate) fn read(&mut self, data: &[u8]) {
        if let Some(answer) = &mut self.answer {
            answer.read(data);
        }
    }

    /// It is over; `looked` is how it looked from here.
    pub(crate) fn end(&mut self, looked: End) {
        self.read_request();
        let answer = self.answer.take();
        let Some(mut facts) = self.facts.take() else {
            return;
        };
        // Before there was a call, it is not known whether it was one for a message.
        if facts.endpoint != Endpoint::Messages {
            return;
        }
        facts.end = looked;
        let mut response = absent();
        if let Some(answer) = answer {
            let (said, end) = answer.finish(looked);
            facts.end = end;
            let (texts, is_truncated) = said.texts.into_parts();
            response = RawSide {
                texts,
                is_truncated,
                unread: said.unread,
                unreadable_events: said.unreadable_events,
            };
        }
        self.outlet.hand_over(Captured {
            facts: *facts,
            redactor: Arc::clone(&self.outlet.settings().redactor),
            request: mem::take(&mut self.request),
            response,
        });
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.end(if thread::panicking() {
            End::Errored
        } else {
            End::Dropped
        });
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("answer", &self.answer)
            .field("has_ended", &self.facts.is_none())
            .finish_non_exhaustive()
    }
}

fn absent() -> RawSide {
    RawSide {
        unread: Some(Unread::Absent),
        ..RawSide::default()
    }
}

/// The system prompt's beginning, in at most half of the room, and the last of the messages:
/// the first of them were in earlier calls.
fn read_request(call: &Call, limit: usize) -> RawSide {
    let Some(body) = call.body().filter(|body| !body.is_empty()) else {
        return absent();
    };
    let mut system = Texts::first(limit / 2);
    let at = At::Content(Some(Role::System));
    let mut is_read = call
        .system_json()
        .is_none_or(|json| Reader::read(&mut system, at, json));
    let mut messages = Texts::last(limit - system.cost());
    is_read &= Reader::read(&mut messages, At::Body, body);
    let (mut texts, is_system_cut) = system.into_parts();
    let (more, is_cut) = messages.into_parts();
    texts.extend(more);
    RawSide {
        texts,
        is_truncated: is_system_cut || is_cut,
        unread: (!is_read).then_some(Unread::Malformed),
        unreadable_events: 0,
    }
}
