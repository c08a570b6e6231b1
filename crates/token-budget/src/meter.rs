use std::time::Duration;

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Meter {
    /// Calls to messages and count_tokens.
    Requests,
    /// Input and cache creation; cache reads are free.
    InputTokens,
    /// Output, thinking included.
    OutputTokens,
    /// The sum of [`InputTokens`](Self::InputTokens) and [`OutputTokens`](Self::OutputTokens).
    Tokens,
    /// Money, in nano-dollars, rounded up.
    Usd,
    /// Calls that run at the same time.
    Concurrency,
}

/// The period a limit is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Per {
    /// Any second.
    Second,
    /// Any minute.
    Minute,
    /// Any hour.
    Hour,
    /// A calendar day in UTC.
    Day,
    /// A calendar month in UTC.
    Month,
}

// === impl Meter ===

impl Meter {
    /// The word for it in configuration, records and `error.details`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::InputTokens => "input_tokens",
            Self::OutputTokens => "output_tokens",
            Self::Tokens => "tokens",
            Self::Usd => "usd",
            Self::Concurrency => "concurrency",
        }
    }

    /// The meter of a word, as [`Meter::as_str`] writes it.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [
            Self::Requests,
            Self::InputTokens,
            Self::OutputTokens,
            Self::Tokens,
            Self::Usd,
            Self::Concurrency,
        ]
        .into_iter()
        .find(|meter| meter.as_str() == word)
    }

    /// The words for it in messages that people read.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::InputTokens => "input tokens",
            Self::OutputTokens => "output tokens",
            Self::Tokens => "tokens",
            Self::Usd => "nano-dollars",
            Self::Concurrency => "concurrent requests",
        }
    }

    /// Whether what a call takes of it is known, and used up, the moment the call begins.
    pub(crate) const fn is_spent_at_once(self) -> bool {
        matches!(self, Self::Requests)
    }
}

// === impl Per ===

impl Per {
    /// The word for it in configuration and `error.details`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Month => "month",
        }
    }

    /// The period of a word, as [`Per::as_str`] writes it.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [
            Self::Second,
            Self::Minute,
            Self::Hour,
            Self::Day,
            Self::Month,
        ]
        .into_iter()
        .find(|per| per.as_str() == word)
    }

    /// The length of a period that slides; `None` for those of the calendar.
    #[must_use]
    pub const fn window(self) -> Option<Duration> {
        match self {
            Self::Second => Some(Duration::from_secs(1)),
            Self::Minute => Some(Duration::from_secs(60)),
            Self::Hour => Some(Duration::from_secs(3600)),
            Self::Day | Self::Month => None,
        }
    }

    /// What comes after the slash in messages that people read.
    pub(crate) const fn short(self) -> &'static str {
        match self {
            Self::Second => "s",
            Self::Minute => "min",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Month => "month",
        }
    }
}
