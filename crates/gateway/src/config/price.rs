use super::dollars::Dollars;
use super::reader::TableReader;

/// `[prices."MODEL"]`: what a million tokens cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Price {
    /// A million input tokens; whole pico-dollars for one.
    pub input: Dollars,
    /// A million output tokens; whole pico-dollars for one.
    pub output: Dollars,
}

// === impl Price ===

impl Price {
    pub(super) fn read(mut table: TableReader<'_>) -> Option<Self> {
        let input = table.required("input", Dollars::read_per_million);
        let output = table.required("output", Dollars::read_per_million);
        table.finish();
        Some(Self {
            input: input?,
            output: output?,
        })
    }
}
