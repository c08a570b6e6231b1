/// What upstream bills for an attempt that went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FaultBill {
    /// Nothing: it was refused, or failed before any content.
    Nothing,
    /// The usage that it has reported to the end.
    Told,
    /// Something, perhaps; it never says how much.
    Untold,
}
