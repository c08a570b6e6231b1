use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use bytes::{BufMut, Bytes, BytesMut};
use http::Request;

use crate::byte_semaphore::BytePermit;
use crate::facts::{Facts, Places};
use crate::needs::{self, Needs};
use crate::{
    AttemptLog, Attribution, CallBody, Capabilities, Capability, ContentSizes, Dialect, Endpoint,
    RequestId, Text,
};
use crate::{conversation, count_tokens};

/// The facts of one call, read once. An extension of requests, put there by
/// [`Prepare`](crate::Prepare).
///
/// A clone is a reference count. The facts belong to the very buffer they were read from:
/// a layer that meets another buffer has them read again, and only the id, the attribution
/// and the log of attempts carry over.
#[derive(Clone)]
pub struct Call(Arc<Inner>);

struct Inner {
    id: RequestId,
    endpoint: Endpoint,
    dialect: Dialect,
    attribution: Attribution,
    model: Option<Text>,
    max_tokens: Option<u64>,
    stream: bool,
    body: Option<Bytes>,
    places: Places,
    /// Of the top level of the body.
    shallow: Needs,
    sizes: OnceLock<ContentSizes>,
    needs: OnceLock<Needs>,
    has_thinking: OnceLock<bool>,
    /// Shared with those who outlive the body, and with whoever rewrites it.
    attempts: Arc<AttemptLog>,
    _permit: Option<BytePermit>,
}

/// What is known of a call before its body is.
pub(crate) struct Head {
    pub(crate) id: RequestId,
    pub(crate) endpoint: Endpoint,
    pub(crate) dialect: Dialect,
    pub(crate) attribution: Attribution,
    pub(crate) origin: Option<Call>,
}

// === impl Call ===

impl Call {
    pub(crate) fn new(
        head: Head,
        facts: Facts,
        body: Option<Bytes>,
        permit: Option<BytePermit>,
    ) -> Self {
        let origin = head.origin.as_ref();
        let mut attribution = head.attribution;
        attribution.user = attribution.user.or(facts.user);
        Self(Arc::new(Inner {
            id: head.id,
            endpoint: head.endpoint,
            dialect: head.dialect,
            attribution,
            model: facts.model,
            max_tokens: facts.max_tokens,
            stream: facts.stream,
            body,
            places: facts.places,
            shallow: facts.needs,
            sizes: OnceLock::new(),
            needs: OnceLock::new(),
            has_thinking: OnceLock::new(),
            attempts: origin.map_or_else(Arc::default, |call| Arc::clone(&call.0.attempts)),
            _permit: permit,
        }))
    }

    /// The facts that travel with a request; `None` if nobody has read it yet.
    #[must_use]
    pub fn of<B>(request: &Request<B>) -> Option<&Self> {
        request.extensions().get()
    }

    /// The facts that travel with a request, if they were read from the body it has now.
    ///
    /// Then there is nothing for [`Prepare`](crate::Prepare) to do.
    #[must_use]
    pub fn current(request: &Request<CallBody>) -> Option<&Self> {
        Self::of(request).filter(|call| call.is_of(request.body()))
    }

    /// Our id of the call.
    #[must_use]
    pub fn id(&self) -> RequestId {
        self.0.id
    }

    /// What the call is for.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint {
        self.0.endpoint
    }

    /// The form in which the caller reads refusals.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.0.dialect
    }

    /// Feature, user and session.
    #[must_use]
    pub fn attribution(&self) -> &Attribution {
        &self.0.attribution
    }

    /// The model that is asked, in the caller's words; `None` where none is.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        self.0.model.as_deref()
    }

    /// The most output tokens the caller wants; `Some(0)` is legal.
    #[must_use]
    pub fn max_tokens(&self) -> Option<u64> {
        self.0.max_tokens
    }

    /// Whether the caller wants a stream.
    #[must_use]
    pub fn is_stream(&self) -> bool {
        self.0.stream
    }

    /// The body the facts were read from; `None` if it is not buffered.
    #[must_use]
    pub fn body(&self) -> Option<&Bytes> {
        self.0.body.as_ref()
    }

    /// Sizes by kind of content; measured when first asked for.
    pub fn sizes(&self) -> ContentSizes {
        *self.0.sizes.get_or_init(|| {
            let [system, tools, messages] = self.prompt();
            ContentSizes::measure(system, tools, messages)
        })
    }

    /// What the call needs of the place where it is served, beyond what all platforms offer.
    ///
    /// It is looked for when first asked: at the top level of the body, and deep in `tools`
    /// and `messages` as bytes, which takes time in proportion to them and no memory.
    ///
    /// It errs on the side of needing. Not found are tools, blocks and files whose type or
    /// name is spelt in `\u` escapes, which serialisers do to none of its letters; tools that
    /// are `strict`; and what the items of a batch need. Betas stand in the headers: see
    /// [`Target::takes_beta`](crate::Target::takes_beta).
    #[must_use]
    pub fn needs(&self) -> Capabilities {
        self.all_needs().capabilities
    }

    /// Whether the call refers to something that exists in one account only.
    ///
    /// That is a file, a container, a skill of one's own, a thread or message before, a user
    /// profile, the credit for a fallback, a batch; and any call about files, or at a path that
    /// is passed through unread. Another account would not know it, so the call cannot move.
    ///
    /// To begin a batch or a thread is not bound, unless it names a file; all that follows is.
    /// What is spelt in escapes is not found, as with [`Call::needs`].
    #[must_use]
    pub fn is_bound_to_account(&self) -> bool {
        self.all_needs().is_bound
    }

    /// Whether the messages hold thinking that came back from a model.
    ///
    /// It is signed: another model, organisation or platform may drop it without a word, or
    /// refuse the call. It is looked for as [`Call::needs`] looks, by itself and once.
    #[must_use]
    pub fn has_thinking(&self) -> bool {
        let [_, _, messages] = self.prompt();
        let has_thinking = || needs::has_thinking(messages);
        *self.0.has_thinking.get_or_init(has_thinking)
    }

    /// The same number for all turns of one conversation: by it, they find their cached prompt
    /// again. It is the same in all processes.
    ///
    /// It is made of the session, if the [`Attribution`] has one. Else it is made of the user's
    /// first message, and of the beginnings and lengths of `system` and `tools`: never of these
    /// alone, which thousands of conversations share. Of each part at most four KiB are hashed:
    /// of `system` and `tools` the beginning, of each block of the message both ends. So two
    /// conversations may be taken for one if they differ nowhere there.
    ///
    /// Where `cache_control` marks the first message does not matter, nor whether that is a
    /// string or a block of text: both change from turn to turn. A marker that moves in `system`
    /// or `tools` makes another conversation of it, as does any other change of the prompt's
    /// beginning, with which the cached prompt is lost anyway. It costs a few microseconds.
    ///
    /// `None` without a session where there is nothing to come back to: if no user's message
    /// begins in the first 16 KiB, if the server keeps the conversation, and if the prompt is
    /// under 1 KiB, as the shortest that any model caches has 512 tokens. The first turns of a
    /// conversation may therefore have none.
    #[must_use]
    pub fn conversation(&self) -> Option<u64> {
        if let Some(session) = &self.0.attribution.session {
            return Some(conversation::of_session(session));
        }
        if self.0.shallow.capabilities.contains(Capability::Threads) {
            return None;
        }
        let [system, tools, messages] = self.prompt();
        conversation::of_prompt(system, tools, messages)
    }

    /// The raw JSON of the system prompt, if there is one.
    #[must_use]
    pub fn system_json(&self) -> Option<&[u8]> {
        self.part(&self.0.places.system)
    }

    /// The tries of this call so far.
    ///
    /// The log may be kept when the call is let go: a call holds its body, and that memory is
    /// needed by others long before a long answer ends.
    #[must_use]
    pub fn attempts(&self) -> &Arc<AttemptLog> {
        &self.0.attempts
    }

    /// The body with another model name in place, all other bytes as they were.
    ///
    /// `None` if there is no model to replace. The only way in which a body is ever changed:
    /// signatures of thinking blocks are bound to the bytes around them.
    #[must_use]
    pub fn body_with_model(&self, model: &str) -> Option<Bytes> {
        let body = self.0.body.as_ref()?;
        let place = &self.0.places.model;
        let (before, after) = (body.get(..place.start)?, body.get(place.end..)?);
        self.0.model.as_ref()?;
        let mut spliced = BytesMut::with_capacity(before.len() + model.len() + after.len() + 2);
        spliced.put_slice(before);
        serde_json::to_writer((&mut spliced).writer(), model).ok()?;
        spliced.put_slice(after);
        Some(spliced.freeze())
    }

    /// The body of a call to `count_tokens` that asks how much input this call is.
    ///
    /// The parts that both know stand in it byte for byte, and nothing else does: upstream
    /// refuses what it does not know. It is a copy, whose size only the body's limit bounds.
    ///
    /// `None` if it is no call for a message, or one of which upstream does not count all: one
    /// with a `thread` or MCP servers, with tools that the server runs, or with content that is
    /// only referred to.
    #[must_use]
    pub fn count_tokens_body(&self) -> Option<Bytes> {
        let is_message = self.0.endpoint == Endpoint::Messages;
        let body = self.0.body.as_ref().filter(|_| is_message)?;
        if self.sizes().references > 0 {
            return None;
        }
        count_tokens::body(body)
    }

    /// Whether these facts were read from this very body, or both are streams.
    #[must_use]
    pub fn is_of(&self, body: &CallBody) -> bool {
        match (&self.0.body, body.as_bytes()) {
            (Some(read), Some(now)) => is_same_buffer(read, now),
            (None, None) => true,
            _ => false,
        }
    }

    fn all_needs(&self) -> Needs {
        *self.0.needs.get_or_init(|| {
            let [_, tools, messages] = self.prompt();
            match self.0.endpoint {
                Endpoint::Messages | Endpoint::CountTokens => self.0.shallow.deep(tools, messages),
                Endpoint::Batches => Needs::of_batch(self.0.body.as_deref().unwrap_or_default()),
                other => Needs::of_endpoint(other),
            }
        })
    }

    /// The raw JSON of `system`, `tools` and `messages`; empty where there is none.
    fn prompt(&self) -> [&[u8]; 3] {
        let places = &self.0.places;
        [&places.system, &places.tools, &places.messages]
            .map(|place| self.part(place).unwrap_or_default())
    }

    fn part(&self, place: &Range<usize>) -> Option<&[u8]> {
        let body = self.0.body.as_ref()?;
        body.get(place.clone()).filter(|part| !part.is_empty())
    }
}

/// Sound, not only likely: the facts keep the buffer alive, so its address is not reused.
pub(crate) fn is_same_buffer(a: &Bytes, b: &Bytes) -> bool {
    a.len() == b.len() && (a.is_empty() || a.as_ptr() == b.as_ptr())
}

impl fmt::Debug for Call {
    /// Prints facts, never content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("id", &self.0.id)
            .field("endpoint", &self.0.endpoint)
            .field("model", &self.0.model)
            .field("stream", &self.0.stream)
            .field("attempts", self.attempts())
            .finish_non_exhaustive()
    }
}
