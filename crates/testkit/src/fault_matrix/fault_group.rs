/// What faults have in common, as the headings of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FaultGroup {
    /// The connection is not made, or breaks.
    Connection,
    /// Upstream says that it passes.
    Passing,
    /// The account has used up something.
    Limits,
    /// Upstream fails, and may have done the work.
    Failing,
    /// The answer is slow, or does not come to its end.
    Breaking,
    /// It is about our account, or about where the target is.
    Ours,
    /// It is about the call.
    Callers,
}

// === impl FaultGroup ===

impl FaultGroup {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 7] = [
        Self::Connection,
        Self::Passing,
        Self::Limits,
        Self::Failing,
        Self::Breaking,
        Self::Ours,
        Self::Callers,
    ];

    /// The heading.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connection => "The connection is refused or breaks",
            Self::Passing => "Upstream says that it passes",
            Self::Limits => "The account has used up something",
            Self::Failing => "Upstream fails, and may have done the work",
            Self::Breaking => "The answer is slow, stalls, is cut off or is no answer",
            Self::Ours => "It is about our account, or about where the target is",
            Self::Callers => "It is about the call",
        }
    }
}
