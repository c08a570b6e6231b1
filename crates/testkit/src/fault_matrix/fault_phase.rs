/// How far an attempt has come when it goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FaultPhase {
    /// Nothing of the request is sent.
    BeforeSend,
    /// The request is sent, and there is no head of an answer.
    NoReply,
    /// The answer itself is what is wrong.
    Head,
    /// There is a good head, and nothing of the body.
    Beginning,
    /// There is `message_start`.
    Started,
    /// There is `message_start`, and pings for a minute: longer than any gate is held.
    Waiting,
    /// There is a part of what the model says.
    Content,
    /// All is said and the final usage reported; there is no `message_stop`.
    Ending,
    /// There is `message_stop`; the body is not at its end.
    Stopped,
}

// === impl FaultPhase ===

impl FaultPhase {
    /// The words for it in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BeforeSend => "before sending",
            Self::NoReply => "after sending, before the head",
            Self::Head => "as the answer",
            Self::Beginning => "after the head",
            Self::Started => "after `message_start`",
            Self::Waiting => "after a minute of pings",
            Self::Content => "amid content",
            Self::Ending => "before `message_stop`",
            Self::Stopped => "after `message_stop`",
        }
    }

    /// Whether a caller may have content by then, so that nothing can be taken back.
    #[must_use]
    pub const fn has_content(self) -> bool {
        matches!(self, Self::Content | Self::Ending | Self::Stopped)
    }
}
