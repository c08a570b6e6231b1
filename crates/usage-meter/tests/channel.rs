//! The channel sink: records come out once each, and what does not is counted.
#![allow(
    clippy::unwrap_used,
    reason = "a test stops at what is not as it should be"
)]

mod support;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use support::{message, take};
use tokio::time::Instant;
use tokio_test::task;
use tokio_test::{assert_pending, assert_ready, assert_ready_ok};
use tower::{Layer as _, ServiceExt as _};
use tower_claude_core::{RequestId, Timestamp};
use tower_claude_testkit::{Answer, FakeClaude};
use tower_claude_usage_meter::{
    Channel, Outcome, Overflow, SpillFile, UsageMeterLayer, UsageRecord, UsageSink,
};

const SOON: Duration = Duration::from_millis(100);

fn record() -> Arc<UsageRecord> {
    let timestamp = Timestamp::from_unix_millis(1_795_169_701_250);
    Arc::new(UsageRecord::new(timestamp, RequestId::generate()))
}

fn room(records: usize) -> NonZeroUsize {
    NonZeroUsize::new(records).unwrap()
}

#[tokio::test]
async fn a_call_comes_out_when_its_answer_has_ended() {
    let (channel, mut receiver) = Channel::bounded(room(4));
    let layer = UsageMeterLayer::new(channel.clone());
    let meter = layer.layer(FakeClaude::sequence([Answer::cached_message()]));
    let response = meter.oneshot(message("claude-opus-5-5", false)).await;
    assert!(receiver.try_recv().is_none());
    take(response.unwrap().into_body()).await;
    let record = receiver.recv().await.unwrap();
    assert_eq!(record.outcome, Outcome::Complete);
    assert_eq!(channel.lost(), 0);
}

#[tokio::test]
async fn ten_thousand_records_of_four_threads_come_out_once_each() {
    let (channel, mut receiver) = Channel::bounded(room(10_000));
    let put = |channel: Channel| {
        let records: Vec<_> = (0..2_500).map(|_| record()).collect();
        for record in &records {
            channel.record(Arc::clone(record));
        }
        records
    };
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let channel = channel.clone();
            std::thread::spawn(move || put(channel))
        })
        .collect();
    let mut sent: Vec<_> = threads
        .into_iter()
        .flat_map(|thread| thread.join().unwrap())
        .map(|record| record.request_id.as_str().to_owned())
        .collect();
    assert_eq!(channel.lost(), 0);
    drop(channel);
    let mut received = Vec::new();
    while let Some(record) = receiver.recv().await {
        received.push(record.request_id.as_str().to_owned());
    }
    sent.sort();
    received.sort();
    assert_eq!(sent, received);
}

#[test]
fn what_does_not_fit_is_counted() {
    let (channel, mut receiver) = Channel::bounded(room(2));
    let records = [record(), record(), record()];
    for record in &records {
        channel.record(Arc::clone(record));
    }
    assert_eq!(channel.lost(), 1);
    for record in &records[..2] {
        assert!(Arc::ptr_eq(&receiver.try_recv().unwrap(), record));
    }
    assert!(receiver.try_recv().is_none());
    channel.record(record());
    assert_eq!(channel.lost(), 1, "there is room again");
}

#[test]
fn what_nobody_received_is_counted() {
    let (channel, mut receiver) = Channel::bounded(room(8));
    for _ in 0..5 {
        channel.record(record());
    }
    receiver.try_recv().unwrap();
    drop(receiver);
    assert_eq!(channel.lost(), 4);
    channel.record(record());
    assert_eq!(channel.lost(), 5);
}

#[tokio::test]
async fn a_receiver_that_is_closed_gets_what_is_there() {
    let (channel, mut receiver) = Channel::bounded(room(8));
    channel.record(record());
    receiver.close();
    channel.record(record());
    assert!(receiver.recv().await.is_some());
    assert!(receiver.recv().await.is_none());
    assert_eq!(channel.lost(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_an_answer_waits_for_room_and_no_longer_than_it_should() {
    let (channel, mut receiver) = Channel::builder(room(1))
        .overflow(Overflow::Wait(SOON))
        .build();
    let mut first = task::spawn(channel.deliver(record()));
    assert_ready_ok!(first.poll());

    let late = record();
    let mut second = task::spawn(channel.deliver(Arc::clone(&late)));
    assert_pending!(second.poll());
    receiver.recv().await.unwrap();
    second.await.unwrap();
    assert!(Arc::ptr_eq(&receiver.recv().await.unwrap(), &late));

    channel.record(record());
    let began = Instant::now();
    channel.deliver(record()).await.unwrap();
    let waited = began.elapsed();
    assert!(waited >= SOON && waited < SOON * 2, "{waited:?}");
    assert_eq!(channel.lost(), 1, "that it was waited for is all");

    channel.record(record());
    assert_eq!(channel.lost(), 2, "nobody waits where nobody can");
}

#[test]
fn what_does_not_fit_is_spilled_to_a_file() {
    let path = std::env::temp_dir().join(format!("usage-channel-{}.jsonl", std::process::id()));
    let spill = SpillFile::open(&path).unwrap();
    let (channel, receiver) = Channel::builder(room(1))
        .overflow(Overflow::Spill(spill))
        .build();
    let spilled = record();
    channel.record(record());
    channel.record(Arc::clone(&spilled));
    assert!(assert_ready!(task::spawn(channel.deliver(record())).poll()).is_ok());
    assert_eq!((channel.lost(), channel.spilled()), (0, 2));
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(text.lines().count(), 2);
    assert!(text.contains(spilled.request_id.as_str()));
    drop(receiver);
}

#[test]
fn a_capacity_beyond_all_bounds_is_no_panic() {
    let (channel, mut receiver) = Channel::bounded(NonZeroUsize::MAX);
    channel.record(record());
    assert!(receiver.try_recv().is_some());
}
