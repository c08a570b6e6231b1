/// How far a fault reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FaultSpread {
    /// The first attempt at the first target; all is well after it.
    Once,
    /// All attempts at the first target; the second one is well.
    First,
    /// All attempts at both targets.
    All,
}
