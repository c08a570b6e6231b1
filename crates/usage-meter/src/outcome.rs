use tower_claude_core::{End, FailureKind};

/// How a call ended, in the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The caller got the whole answer; a model's refusal is one too.
    Complete,
    /// We refused it.
    Refused,
    /// Upstream answered with an error, in band or not, or did not answer.
    Errored,
    /// The answer ended before its end.
    Truncated,
    /// The caller left.
    Dropped,
}

/// How one attempt ended, in the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AttemptOutcome {
    /// Its answer ended so.
    Ended(End),
    /// It failed in a way that is known.
    Failed(FailureKind),
}

/// How the token counts of a record came about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UsageSource {
    /// Upstream's final report.
    Exact,
    /// Upstream's first report, and output counted from what passed until the stream was cut.
    Partial,
    /// Counted from what passed; upstream reported nothing.
    Estimated,
    /// Nothing is known, or nothing was used.
    #[default]
    None,
}

// === impl Outcome ===

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Complete,
        Self::Refused,
        Self::Errored,
        Self::Truncated,
        Self::Dropped,
    ];

    /// The word for it in records and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Refused => "refused",
            Self::Errored => "errored",
            Self::Truncated => "truncated",
            Self::Dropped => "dropped",
        }
    }
}

impl From<End> for Outcome {
    fn from(end: End) -> Self {
        match end {
            End::Complete => Self::Complete,
            End::Truncated => Self::Truncated,
            End::Dropped => Self::Dropped,
            _ => Self::Errored,
        }
    }
}

// === impl AttemptOutcome ===

impl AttemptOutcome {
    /// The word for it in records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ended(end) => end.as_str(),
            Self::Failed(kind) => kind.as_str(),
        }
    }
}

// === impl UsageSource ===

impl UsageSource {
    /// The word for it in records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Partial => "partial",
            Self::Estimated => "estimated",
            Self::None => "none",
        }
    }
}
