//! What a stream does after its first content is never made good by asking again.

#[path = "after_content/case.rs"]
mod case;
#[path = "after_content/stream.rs"]
mod stream;
mod support;

use std::collections::BTreeMap;

use case::{ARRIVALS, Arrival, Case, FAULTS, Fault, read};
use stream::Stream;
use support::{layer, stream_request};
use tower::Layer as _;
use tower_claude_core::UsageCell;
use tower_claude_retry::RetryQuota;
use tower_claude_testkit::FakeClaude;

/// Upstream's word, which asks for what must not be.
const WORDS: [Option<&str>; 2] = [None, Some("true")];

#[tokio::test(start_paused = true)]
async fn no_fault_after_content_is_made_good_by_asking_again() {
    let streams = Stream::all();
    let mut faults = BTreeMap::<Fault, [u64; 3]>::new();
    let mut problems = Vec::new();
    for possibly_billed in [false, true] {
        // A quota of its own for each call: it is not to be what keeps retries back.
        let layer = || {
            layer()
                .possibly_billed(possibly_billed)
                .quota(RetryQuota::new())
        };
        for stream in &streams {
            assert!(stream.content.is_some(), "a stream with content");
            for cut in stream.cuts() {
                for fault in FAULTS {
                    for arrival in ARRIVALS {
                        for should_retry in WORDS {
                            let case = Case {
                                stream,
                                fault,
                                cut,
                                arrival,
                                should_retry,
                            };
                            let seen = case.play(&layer()).await;
                            let counts = faults.entry(fault).or_default();
                            counts[0] += 1;
                            counts[1] += u64::from(case.has_content());
                            counts[2] += seen.asked.1 - 1;
                            problems.extend(case.check(&seen).err());
                        }
                    }
                }
            }
        }
    }
    for (fault, [injected, after, retried]) in &faults {
        println!("{fault:?}: {injected} injected, {after} after content, {retried} retried");
    }
    let sum = |index: usize| faults.values().map(|counts| counts[index]).sum::<u64>();
    println!(
        "{} faults, {} after content, {} retries",
        sum(0),
        sum(1),
        sum(2)
    );
    assert!(
        problems.is_empty(),
        "{} wrong, such as {}",
        problems.len(),
        problems[0]
    );
    assert!(sum(1) >= 10_000, "too few faults after content");
    assert!(sum(2) >= 1_000, "nothing that is retried at all");
}

#[tokio::test(start_paused = true)]
async fn the_streams_have_their_content_where_our_reader_has_it() {
    for stream in Stream::all() {
        let content = stream.content.expect("content");
        let before = stream
            .ends
            .iter()
            .rev()
            .find(|end| **end < content)
            .copied();
        for (cut, expected) in [(before.expect("a start"), false), (content, true)] {
            let case = Case {
                stream: &stream,
                fault: Fault::Truncate,
                cut,
                arrival: Arrival::AtOnce,
                should_retry: None,
            };
            let service = layer().layer(FakeClaude::sequence([case.answer()]));
            let response = tower::ServiceExt::oneshot(service, stream_request())
                .await
                .expect("an answer");
            let cell = UsageCell::of(&response).expect("a cell").clone();
            read(response).await;
            assert_eq!(
                cell.read(|metered| metered.has_content),
                expected,
                "{}",
                stream.bytes
            );
        }
    }
}
