//! The corpora of the fuzz targets, replayed: every seed, cut at every place.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

#[path = "../../fuzz/src/lib.rs"]
mod targets;

use std::fs;
use std::path::Path;

use targets::{Target, answer_json, frames, request, run, sse, stream_meter};

/// A seed up to this many bytes is cut at every place; a longer one at as many places.
const PLACES: usize = 1_024;

/// Replays all seeds of a target; the last one printed is the one that failed.
fn replay(name: &str, target: Target) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/corpus")
        .join(name);
    let mut paths: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(paths.len() >= 12, "the corpus of {name} is gone");
    for path in paths {
        println!("{}", path.display());
        let data = fs::read(path).unwrap();
        run(target, &data);
        for at in (0..=data.len()).step_by(data.len() / PLACES + 1) {
            target(&data, at);
        }
    }
}

#[test]
fn plain_answers_are_metered_the_same_at_every_split() {
    replay("answer_json", answer_json);
}

#[test]
fn frames_are_found_the_same_at_every_split() {
    replay("frames", frames);
}

#[test]
fn requests_are_read_the_same_at_every_split() {
    replay("request", request);
}

#[test]
fn server_sent_events_are_found_the_same_at_every_split() {
    replay("sse", sse);
}

#[test]
fn streamed_answers_are_metered_the_same_at_every_split() {
    replay("stream_meter", stream_meter);
}
