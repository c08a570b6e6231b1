//! What the fuzz targets do with their input, and what must hold of it.
//!
//! NOTE: `tests/tests/corpora.rs` includes this module by its path and replays the corpora, so
//! that every seed is an ordinary test; its dependencies are those of both packages.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    reason = "where it is included nobody is outside; and what cannot be set up has failed"
)]

mod answer_json;
mod frames;
mod pieces;
mod request;
mod sse;
mod stream_meter;

pub use answer_json::answer_json;
pub use frames::frames;
pub use request::request;
pub use sse::sse;
pub use stream_meter::stream_meter;

/// Reads bytes, whole and cut at a place, and panics if something does not hold of them.
pub type Target = fn(&[u8], usize);

/// Runs a target on what a fuzzer has made up.
///
/// The last two bytes say where to cut. They are data too: so any recorded file is a seed.
pub fn run(target: Target, data: &[u8]) {
    let at = match data.last_chunk::<2>() {
        Some(last) => usize::from(u16::from_be_bytes(*last)) % (data.len() + 1),
        None => data.len() / 2,
    };
    target(data, at);
}
