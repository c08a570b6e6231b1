#![allow(dead_code, reason = "each test binary uses its own part")]

use tower_claude_core::Usage;
use tower_claude_pricing::{Call, Cost, Day, PriceTable, Unpriced};

/// A day on which all of today's prices hold.
pub(crate) fn today() -> Day {
    Day::from_date(2026, 11, 20).expect("a date")
}

pub(crate) fn usage(json: &str) -> Usage {
    Usage::from_json(json.as_bytes()).expect("a usage object")
}

pub(crate) fn call(served: &str) -> Call<'_> {
    Call::new(served, today())
}

pub(crate) fn cost(call: &Call<'_>, json: &str) -> Result<Cost, Unpriced> {
    PriceTable::builtin().cost(call, &usage(json))
}

/// What a call costs, as printed.
pub(crate) fn dollars(call: &Call<'_>, json: &str) -> String {
    cost(call, json).expect("a price").to_string()
}
