//! Answers as upstream sends them, whole, and the record each must leave: its cost worked out
//! by hand from the published prices, in millionths of a dollar.
//!
//! The prices stand beside each case as they are published, in dollars for a million tokens,
//! so that a token's price is as many millionths.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

#[path = "golden/case.rs"]
mod case;
#[path = "golden/cut.rs"]
mod cut;
#[path = "golden/iterations.rs"]
mod iterations;
#[path = "golden/length.rs"]
mod length;
#[path = "golden/places.rs"]
mod places;
#[path = "golden/plain.rs"]
mod plain;
#[path = "golden/refusals.rs"]
mod refusals;
#[path = "golden/sample.rs"]
mod sample;
mod support;
#[path = "golden/terms.rs"]
mod terms;
#[path = "golden/tools.rs"]
mod tools;
#[path = "golden/unpriced.rs"]
mod unpriced;
