//! A disk that does not answer, instead of failing.

use std::num::NonZeroUsize;
use std::time::Duration;

use tokio::time::{Instant, advance};
use tokio_test::{assert_pending, task};
use tower::ServiceExt as _;
use tower_claude_testkit::{Answer, Split};
use tower_claude_usage_meter::{JsonLines, Overflow, Undelivered, UsageSink as _};

use super::disk::Disk;
use super::support::{message, take};
use super::{meter, record};

const BOUND: Duration = Duration::from_secs(5);

#[tokio::test(start_paused = true)]
async fn an_answer_loses_its_end_in_time_and_calls_are_refused_while_the_disk_hangs() {
    let disk = Disk::default();
    let (ledger, writer) = JsonLines::builder().durable().write_to(disk.clone());
    let writer = writer.spawn_thread().unwrap();
    let stream = Answer::thinking_tool_use().split(Split::Events);
    let meter = meter(&ledger, [stream.clone(), stream]);
    let call = || meter.clone().oneshot(message("claude-opus-5-5", true));
    let (first, second) = (call().await.unwrap(), call().await.unwrap());
    disk.set(|state| state.is_stuck = true);

    let began = Instant::now();
    let text = String::from_utf8(take(first.into_body()).await.to_vec()).unwrap();
    assert_eq!(began.elapsed().as_millis(), BOUND.as_millis());
    assert!(!text.contains("event: message_stop"), "{text}");
    assert!(text.contains("usage cannot be recorded"), "{text}");

    disk.wait_until_asked(1);
    // The writer's clock is not the one that is paused.
    advance(BOUND).await;
    assert!(!ledger.is_ready());
    assert_eq!(call().await.unwrap().status(), 503);
    let began = Instant::now();
    let text = String::from_utf8(take(second.into_body()).await.to_vec()).unwrap();
    assert!(!text.contains("event: message_stop"), "{text}");
    assert_eq!(began.elapsed(), Duration::ZERO, "that is known by now");

    disk.set(|state| state.is_stuck = false);
    writer.flush().unwrap();
    assert!(ledger.is_ready());
    writer.close().unwrap();
    assert_eq!((disk.lines(), ledger.lost()), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn the_wait_for_room_and_the_one_for_the_disk_have_one_bound() {
    let disk = Disk::default();
    let (ledger, writer) = JsonLines::builder()
        .durable()
        .capacity(NonZeroUsize::MIN)
        .write_to(disk.clone());
    disk.set(|state| state.is_stuck = true);
    let writer = writer.spawn_thread().unwrap();
    ledger.record(record());
    disk.wait_until_asked(1);
    let began = Instant::now();
    let (first, second) = (ledger.deliver(record()), ledger.deliver(record()));
    let (first, second) = tokio::join!(first, second);
    assert_eq!((first, second), (Err(Undelivered), Err(Undelivered)));
    assert_eq!(began.elapsed().as_millis(), BOUND.as_millis());
    assert_eq!(ledger.lost(), 1, "there was room for one");
    disk.set(|state| state.is_stuck = false);
    writer.close().unwrap();
    assert_eq!(disk.lines(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_wait_without_a_bound_is_none() {
    let (ledger, _writer) = JsonLines::builder()
        .durable()
        .capacity(NonZeroUsize::MIN)
        .overflow(Overflow::Wait(Duration::MAX))
        .write_to(Disk::default());
    let mut held = [(); 2].map(|()| task::spawn(ledger.deliver(record())));
    for delivery in &mut held {
        assert_pending!(delivery.poll());
    }
    advance(BOUND * 1_000).await;
    for delivery in &mut held {
        assert_pending!(delivery.poll());
    }
}
