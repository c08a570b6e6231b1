use std::time::Duration;

use crate::SpillFile;

/// What a sink does with a record that its queue has no room for.
///
/// Whatever it is, the calls are not slowed beyond what it says.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Overflow {
    /// It is dropped, and counted. The default.
    #[default]
    Drop,
    /// The end of the answer waits for room, for so long at most; then the record is dropped,
    /// and counted. Where nobody waits, as when the caller has left, it is dropped at once.
    ///
    /// A durable sink waits no longer than that for the record to be where it should be, either:
    /// for both together.
    ///
    /// Waiting needs a tokio runtime with time.
    Wait(Duration),
    /// It is written into another file, at once and by whoever ends the call: as long as that
    /// takes. What cannot be written is counted. Where somebody waits for the record, as with a
    /// durable sink, it is synced as well.
    Spill(SpillFile),
}
