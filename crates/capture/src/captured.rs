use std::fmt;
use std::sync::Arc;

use tower_claude_core::{End, Endpoint, RequestId, TenantId, Timestamp};

use crate::raw_text::RawText;
use crate::{CaptureRecord, CapturedSide, Redactions, Redactor, Unread};

/// A call that has ended, with what was said, not redacted yet.
///
/// What was said cannot be had from it: [`redact`](Self::redact) makes the record of it. That
/// takes time in proportion to the text, so it is done behind a queue, and not where a sink is
/// called.
#[must_use]
pub struct Captured {
    pub(crate) facts: Facts,
    pub(crate) redactor: Arc<Redactor>,
    pub(crate) request: RawSide,
    pub(crate) response: RawSide,
}

/// What is known of a call beside what was said; words of the caller's choice among it.
#[derive(Clone)]
pub(crate) struct Facts {
    pub(crate) timestamp: Timestamp,
    pub(crate) request_id: RequestId,
    pub(crate) tenant: Option<TenantId>,
    pub(crate) feature: Option<Box<str>>,
    pub(crate) model: Option<Box<str>>,
    pub(crate) endpoint: Endpoint,
    pub(crate) stream: bool,
    pub(crate) status: Option<u16>,
    pub(crate) end: End,
    pub(crate) system_prompt_sha256: Option<[u8; 32]>,
}

/// One direction of a call.
#[derive(Debug, Default)]
pub(crate) struct RawSide {
    pub(crate) texts: Vec<RawText>,
    pub(crate) is_truncated: bool,
    pub(crate) unread: Option<Unread>,
    pub(crate) unreadable_events: u64,
}

// === impl Captured ===

impl Captured {
    /// The longest name of a model or a feature that is kept, in bytes.
    pub(crate) const LONGEST_WORD: usize = 256;

    /// Our id of the call.
    #[must_use]
    pub fn request_id(&self) -> RequestId {
        self.facts.request_id
    }

    /// Who called.
    #[must_use]
    pub fn tenant(&self) -> Option<&TenantId> {
        self.facts.tenant.as_ref()
    }

    /// About how much memory it takes, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        let texts = self.request.texts.iter().chain(&self.response.texts);
        let texts = texts.map(|text| text.cost() + RawText::MARGIN);
        size_of::<Self>() + texts.sum::<usize>()
    }

    /// What may be written down of it.
    #[must_use]
    pub fn redact(self) -> CaptureRecord {
        let Self {
            facts,
            redactor,
            request,
            response,
        } = self;
        let mut redactions = Redactions::default();
        let mut word = |word: Option<Box<str>>| {
            let redact = |word: Box<str>| {
                let kept = word.floor_char_boundary(Self::LONGEST_WORD);
                redactor.redact_cut(&word, kept, &mut redactions)
            };
            word.map(redact).map(String::into_boxed_str)
        };
        let feature = word(facts.feature);
        let model = word(facts.model);
        CaptureRecord {
            timestamp: facts.timestamp,
            request_id: facts.request_id,
            tenant: facts.tenant,
            feature,
            model,
            endpoint: facts.endpoint,
            stream: facts.stream,
            status: facts.status,
            end: facts.end,
            system_prompt_sha256: facts.system_prompt_sha256,
            request: request.redact(&redactor, &mut redactions),
            response: response.redact(&redactor, &mut redactions),
            redactions,
        }
    }
}

impl fmt::Debug for Captured {
    /// Prints lengths, never what was said.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Captured")
            .field("request_id", &self.facts.request_id)
            .field("tenant", &self.facts.tenant)
            .field("size", &self.size())
            .finish_non_exhaustive()
    }
}

// === impl RawSide ===

impl RawSide {
    fn redact(self, redactor: &Redactor, redactions: &mut Redactions) -> CapturedSide {
        let texts = self.texts.into_iter();
        CapturedSide {
            texts: texts
                .map(|text| text.redact(redactor, redactions))
                .collect(),
            truncated: self.is_truncated,
            unread: self.unread,
            unreadable_events: self.unreadable_events,
        }
    }
}
