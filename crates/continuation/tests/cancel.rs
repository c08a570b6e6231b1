//! What is left when an answer is dropped.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod support;

use std::time::Duration;

use http::Response;
use http_body::Body;
use http_body_util::BodyExt as _;
use support::{Gated, attempts, layer, prefill, prepared, request, rest, whole};
use tower::{Layer as _, ServiceExt as _};
use tower_claude_core::{End, FailureKind, UsageCell};
use tower_claude_testkit::{Answer, Ended, FakeClaude, ServiceProbe};

fn broken() -> Answer {
    whole().truncate_after(12)
}

/// A model whose second answer begins so late.
fn slow(delay: Duration) -> FakeClaude {
    FakeClaude::new(move |asked| match prefill(asked) {
        None => broken(),
        Some(_) => rest(asked).head_delay(delay),
    })
}

/// Reads until nothing is there for now.
fn read_on<B>(response: Response<B>) -> (UsageCell, Option<B>)
where
    B: Body + Unpin,
{
    let cell = UsageCell::of(&response).unwrap().clone();
    let mut body = response.into_body();
    loop {
        let mut next = tokio_test::task::spawn(body.frame());
        match next.poll() {
            std::task::Poll::Ready(Some(_)) => {}
            std::task::Poll::Ready(None) => return (cell, None),
            std::task::Poll::Pending => break,
        }
    }
    (cell, Some(body))
}

#[tokio::test(start_paused = true)]
async fn dropped_while_the_further_attempt_runs_it_drops_that() {
    for is_written in [true, false] {
        let (request, call) = prepared(request()).await;
        let fake = slow(Duration::from_secs(5));
        let truth = fake.truth();
        let cell = if is_written {
            let response = layer().layer(Gated(fake)).oneshot(request).await.unwrap();
            let (cell, body) = read_on(response);
            drop(body.unwrap());
            cell
        } else {
            let probe = ServiceProbe::new(fake);
            let handle = probe.handle();
            let response = layer().layer(probe).oneshot(request).await.unwrap();
            let (cell, body) = read_on(response);
            assert_eq!(handle.in_flight(), 1);
            drop(body);
            assert_eq!((handle.in_flight(), handle.dropped_unfinished()), (0, 1));
            cell
        };
        assert_eq!(truth.entries()[1].ended, Ended::DroppedByReceiver);
        // The first is what the caller got, and what it took is known.
        let log = attempts(&call);
        assert_eq!(log.len(), 2);
        assert_eq!((log[0].is_final, log[1].is_final), (true, false));
        assert_eq!((log[1].status, log[1].failure), (None, None), "open");
        assert_eq!(log[1].reason, Some(FailureKind::Truncated));
        let first = log[0].usage.as_ref().unwrap();
        let deltas = first.read(|metered| metered.deltas);
        assert_eq!(deltas, 9);
        cell.read(|metered| {
            assert_eq!((metered.deltas, metered.end), (deltas, None));
            assert_eq!(metered.usage.input_tokens, Some(20));
        });
    }
}

#[tokio::test(start_paused = true)]
async fn dropped_while_waiting_for_readiness_nothing_is_in_flight() {
    let probe = ServiceProbe::new(FakeClaude::sequence([broken()]));
    let handle = probe.handle();
    let (request, call) = prepared(request()).await;
    let response = layer().layer(probe).oneshot(request).await.unwrap();
    handle.hold_ready();
    let (_, body) = read_on(response);
    drop(body.unwrap());
    assert_eq!((handle.calls(), handle.in_flight()), (1, 0));
    let log = attempts(&call);
    assert_eq!((log.len(), log[0].is_final), (1, true));
}

#[tokio::test(start_paused = true)]
async fn the_first_answer_is_dropped_before_anything_else_is_asked() {
    let broken = whole().error_event_after(12, "overloaded_error", "no");
    let fake = FakeClaude::sequence([broken.stall_after(14)]);
    let truth = fake.truth();
    let probe = ServiceProbe::new(fake);
    let handle = probe.handle();
    let response = layer().layer(probe).oneshot(request()).await.unwrap();
    handle.hold_ready();
    let (_, body) = read_on(response);
    assert_ne!(truth.entries()[0].ended, Ended::InProgress);
    drop(body);
}

#[tokio::test(start_paused = true)]
async fn an_answer_dropped_midway_drops_what_passes() {
    for stalled in [
        FakeClaude::sequence([whole().stall_after(12)]),
        FakeClaude::new(|asked| match prefill(asked) {
            None => broken(),
            Some(_) => rest(asked).stall_after(5),
        }),
        FakeClaude::new(|asked| match prefill(asked) {
            None => broken(),
            Some(_) => rest(asked).stall_after(1),
        }),
    ] {
        let truth = stalled.truth();
        let response = layer().layer(stalled).oneshot(request()).await.unwrap();
        let (cell, body) = read_on(response);
        assert!(!cell.has_ended());
        drop(body.unwrap());
        let last = truth.entries().len() - 1;
        assert_eq!(truth.entries()[last].ended, Ended::Stalled);
        let (deltas, end) = cell.read(|metered| (metered.deltas, metered.end));
        assert!(deltas > 0 && matches!(end, None | Some(End::Dropped)));
    }
}

#[tokio::test(start_paused = true)]
async fn dropped_before_the_head_it_drops_the_attempt() {
    let probe = ServiceProbe::new(FakeClaude::sequence([
        whole().head_delay(Duration::from_secs(5))
    ]));
    let handle = probe.handle();
    let mut call = tokio_test::task::spawn(layer().layer(probe).oneshot(request()));
    assert!(call.poll().is_pending());
    drop(call);
    assert_eq!((handle.in_flight(), handle.dropped_unfinished()), (0, 1));
}
