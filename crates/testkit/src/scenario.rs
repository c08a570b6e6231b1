use std::fmt;

use crate::Asked;

/// A part the fake can be asked to play, by the last words of the user or by the model.
///
/// [`FakeClaude::scenarios`](crate::FakeClaude::scenarios) plays it when either is
/// `scenario:NAME`. Errors with a status are plain responses. Where a scenario is about
/// streaming it streams whatever the body says; the others go by the body's `stream`.
///
/// | name | what happens |
/// |---|---|
/// | `plain` | the standard answer |
/// | `stream` | the standard answer, always streamed |
/// | `thinking-tool-use` | thinking, text and two tools |
/// | `overloaded` | 529 |
/// | `rate-limited` | 429 with `retry-after: 1` |
/// | `spend-cap` | 429 without `retry-after`, until the month ends |
/// | `spend-limit` | 400 for a limit the customer has set |
/// | `bad-request` | 400 |
/// | `authentication` | 401 |
/// | `permission` | 403 |
/// | `not-found` | 404 |
/// | `too-large` | 413 |
/// | `server-error` | 500 |
/// | `timeout` | 504 |
/// | `in-band-error-before-content` | 200, then only an `error` event |
/// | `in-band-error-midway` | 200, some text, then an `error` event |
/// | `truncated` | 200, some text, then a clean end without `message_stop` |
/// | `stalled` | 200, some text, then silence for ever |
/// | `slow` | 200 deltas, one each 20 ms; not streamed, the head comes as late |
/// | `refusal` | 200 with `stop_reason: refusal` |
/// | `long` | 200 deltas in a burst |
/// | `reset` | the connection breaks before the head |
/// | `flaky` | 529 the first time, then fine; by `x-scenario-key`, or else by body |
///
/// `slow` and `long` report 200 output tokens, or `max_tokens` if that is less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scenario {
    /// The standard answer.
    Plain,
    /// The standard answer, always streamed.
    Stream,
    /// Thinking, text and two tools.
    ThinkingToolUse,
    /// 529.
    Overloaded,
    /// 429 with `retry-after`.
    RateLimited,
    /// 429 until the month ends.
    SpendCap,
    /// 400 for a limit the customer has set.
    SpendLimit,
    /// 400.
    BadRequest,
    /// 401.
    Authentication,
    /// 403.
    Permission,
    /// 404.
    NotFound,
    /// 413.
    TooLarge,
    /// 500.
    ServerError,
    /// 504.
    Timeout,
    /// An `error` event and nothing else.
    InBandErrorBeforeContent,
    /// An `error` event after some text.
    InBandErrorMidway,
    /// A stream without an end.
    Truncated,
    /// A stream that goes silent.
    Stalled,
    /// A long stream, slowly.
    Slow,
    /// A refusal.
    Refusal,
    /// A long stream, at once.
    Long,
    /// No answer.
    Reset,
    /// 529 the first time.
    Flaky,
}

// === impl Scenario ===

impl Scenario {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 23] = [
        Self::Plain,
        Self::Stream,
        Self::ThinkingToolUse,
        Self::Overloaded,
        Self::RateLimited,
        Self::SpendCap,
        Self::SpendLimit,
        Self::BadRequest,
        Self::Authentication,
        Self::Permission,
        Self::NotFound,
        Self::TooLarge,
        Self::ServerError,
        Self::Timeout,
        Self::InBandErrorBeforeContent,
        Self::InBandErrorMidway,
        Self::Truncated,
        Self::Stalled,
        Self::Slow,
        Self::Refusal,
        Self::Long,
        Self::Reset,
        Self::Flaky,
    ];

    /// The name it is asked for by, after `scenario:`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Stream => "stream",
            Self::ThinkingToolUse => "thinking-tool-use",
            Self::Overloaded => "overloaded",
            Self::RateLimited => "rate-limited",
            Self::SpendCap => "spend-cap",
            Self::SpendLimit => "spend-limit",
            Self::BadRequest => "bad-request",
            Self::Authentication => "authentication",
            Self::Permission => "permission",
            Self::NotFound => "not-found",
            Self::TooLarge => "too-large",
            Self::ServerError => "server-error",
            Self::Timeout => "timeout",
            Self::InBandErrorBeforeContent => "in-band-error-before-content",
            Self::InBandErrorMidway => "in-band-error-midway",
            Self::Truncated => "truncated",
            Self::Stalled => "stalled",
            Self::Slow => "slow",
            Self::Refusal => "refusal",
            Self::Long => "long",
            Self::Reset => "reset",
            Self::Flaky => "flaky",
        }
    }

    /// The scenario of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|scenario| scenario.name() == name)
    }

    /// The name a request asks for, known or not; the user's words come before the model.
    pub(crate) fn asked_for(asked: &Asked) -> Option<String> {
        // Nobody else pays for reading the conversation.
        memchr::memmem::find(asked.body(), b"scenario:")?;
        let text = asked.last_user_text();
        [text.as_deref(), asked.model()]
            .into_iter()
            .flatten()
            .find_map(|text| text.trim().strip_prefix("scenario:"))
            .map(str::to_owned)
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
