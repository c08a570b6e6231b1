//! Sinks that promise something: the end of an answer waits for its record.

#![allow(
    clippy::unwrap_used,
    reason = "a test stops at what is not as it should be"
)]

#[path = "durable/disk.rs"]
mod disk;
#[path = "durable/outages.rs"]
mod outages;
mod support;

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use disk::Disk;
use http::Response;
use http_body::Body as _;
use http_body_util::BodyExt as _;
use support::{message, take};
use tokio_test::task;
use tokio_test::{assert_pending, assert_ready};
use tower::{Layer as _, ServiceExt as _};
use tower_claude_core::{CallBody, RequestId, Timestamp};
use tower_claude_testkit::{Answer, FakeClaude, Split, wire};
use tower_claude_usage_meter::{
    Delivery, JsonLines, Overflow, SpillFile, UsageMeterLayer, UsageRecord, UsageSink,
};

type Meter = tower_claude_usage_meter::UsageMeter<FakeClaude, JsonLines>;

fn meter(ledger: &JsonLines, answers: impl IntoIterator<Item = Answer>) -> Meter {
    UsageMeterLayer::new(ledger.clone()).layer(FakeClaude::sequence(answers))
}

fn record() -> Arc<UsageRecord> {
    let timestamp = Timestamp::from_unix_millis(1_795_169_701_250);
    Arc::new(UsageRecord::new(timestamp, RequestId::generate()))
}

#[tokio::test]
async fn the_last_event_waits_for_the_disk_and_the_others_do_not() {
    let disk = Disk::default();
    let (ledger, writer) = JsonLines::builder().durable().write_to(disk.clone());
    let writer = writer.spawn_thread().unwrap();
    let answer = Answer::thinking_tool_use().split(Split::Events);
    let meter = meter(&ledger, [answer]);
    disk.set(|state| state.is_stuck = true);

    let events = wire::STREAM_THINKING_TOOL_USE.matches("\n\n").count();
    let response = meter.oneshot(message("claude-opus-5-5", true)).await;
    let mut body = response.unwrap().into_body();
    for _ in 1..events {
        let frame = body.frame().await.unwrap().unwrap();
        assert!(!String::from_utf8_lossy(frame.data_ref().unwrap()).contains("message_stop"));
    }
    let mut last = task::spawn(body.frame());
    assert_pending!(last.poll());
    assert_eq!(disk.lines(), 0);

    disk.set(|state| state.is_stuck = false);
    let frame = last.await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(frame.data_ref().unwrap()).contains("message_stop"));
    assert_eq!(disk.lines(), 1, "before the caller has it");
    assert!(body.frame().await.is_none());
    writer.close().unwrap();
    assert_eq!((disk.lines(), ledger.lost()), (1, 0));
}

#[tokio::test]
async fn the_last_bytes_of_a_plain_answer_wait_for_the_disk() {
    let disk = Disk::default();
    let (ledger, writer) = JsonLines::builder().durable().write_to(disk.clone());
    let writer = writer.spawn_thread().unwrap();
    // Of a length that is told, and of one that is not.
    let unknown = Answer::cached_message().trailers(http::HeaderMap::new());
    for answer in [Answer::cached_message(), unknown] {
        let before = disk.lines();
        disk.set(|state| state.is_stuck = true);
        let response = meter(&ledger, [answer]).oneshot(message("claude-opus-5-5", false));
        let mut body = response.await.unwrap().into_body();
        let hint = body.size_hint();
        let mut last = task::spawn(body.frame());
        assert_pending!(last.poll());
        disk.set(|state| state.is_stuck = false);
        let data = last.await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(disk.lines(), before + 1);
        assert!(
            hint.exact()
                .is_none_or(|length| length == data.len() as u64)
        );
        assert!(data.ends_with(b"}") || data.ends_with(b"}\n"));
    }
    writer.close().unwrap();
}

#[tokio::test]
async fn records_that_come_together_are_written_together() {
    let disk = Disk::default();
    let (ledger, writer) = JsonLines::builder().durable().write_to(disk.clone());
    let writer = writer.spawn_thread().unwrap();
    disk.set(|state| state.is_stuck = true);
    let deliveries: Vec<Delivery> = (0..100).map(|_| ledger.deliver(record())).collect();
    assert!(!deliveries[99].is_delivered());
    disk.set(|state| state.is_stuck = false);
    for delivery in deliveries {
        delivery.await.unwrap();
    }
    assert_eq!(disk.lines(), 100);
    writer.close().unwrap();
}

#[tokio::test]
async fn without_a_disk_calls_are_refused_and_an_answer_under_way_loses_its_end() {
    let disk = Disk::default();
    let (ledger, writer) = JsonLines::builder().durable().write_to(disk.clone());
    let writer = writer.spawn_thread().unwrap();
    let stream = Answer::thinking_tool_use().split(Split::Events);
    let plain = Answer::cached_message();
    let meter = meter(&ledger, [stream, plain, Answer::cached_message()]);
    let call = |stream| meter.clone().oneshot(message("claude-opus-5-5", stream));
    let streamed = call(true).await.unwrap().into_body();
    let plain = call(false).await.unwrap().into_body();

    disk.set(|state| state.is_broken = true);
    let text = String::from_utf8(take(streamed).await.to_vec()).unwrap();
    assert!(!text.contains("event: message_stop"), "{text}");
    let last = text.trim_end().rsplit("\n\n").next().unwrap();
    assert!(last.starts_with("event: error\n"), "{last}");
    assert!(last.contains("usage cannot be recorded"), "{last}");
    // The same is tried on; what comes now would be behind it.
    assert!(!ledger.is_ready());
    let response = call(false).await.unwrap();
    assert_eq!(response.status(), 503);
    let refusal = String::from_utf8(take(response.into_body()).await.to_vec()).unwrap();
    assert!(refusal.contains("usage cannot be recorded"), "{refusal}");
    // What ends meanwhile is not waited for.
    assert!(take(plain).await.is_empty());

    // Whoever left or was refused is in the ledger once it can be written.
    disk.set(|state| state.is_broken = false);
    writer.flush().unwrap();
    assert!(ledger.is_ready());
    assert_eq!(disk.lines(), 3);
    let response = call(false).await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(!take(response.into_body()).await.is_empty());
    writer.close().unwrap();
    assert_eq!((disk.lines(), ledger.lost()), (4, 0));
}

#[tokio::test]
async fn a_durable_ledger_without_a_writer_is_not_ready() {
    let (ledger, writer) = JsonLines::builder().durable().write_to(io::sink());
    assert!(ledger.is_ready());
    drop(writer);
    assert!(!ledger.is_ready());
    let (ledger, writer) = JsonLines::builder().write_to(io::sink());
    drop(writer);
    assert!(ledger.is_ready(), "what is lost is counted");
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_is_waited_for_within_the_bound_and_no_longer() {
    let (ledger, writer) = JsonLines::builder()
        .capacity(NonZeroUsize::MIN)
        .overflow(Overflow::Wait(Duration::from_millis(50)))
        .write_to(io::sink());
    assert!(ledger.deliver(record()).is_delivered());
    let before = tokio::time::Instant::now();
    ledger.deliver(record()).await.unwrap();
    assert_eq!(before.elapsed().as_millis(), 50);
    assert_eq!(ledger.lost(), 1, "there was no room in time");

    // Where nobody waits it is counted at once.
    ledger.record(record());
    assert_eq!(ledger.lost(), 2);
    let mut abandoned = task::spawn(ledger.deliver(record()));
    assert_pending!(abandoned.poll());
    drop(abandoned);
    assert_eq!(ledger.lost(), 3);

    let mut patient = task::spawn(ledger.deliver(record()));
    assert_pending!(patient.poll());
    let thread = writer.spawn_thread().unwrap();
    // The clock stands still, the thread does not.
    thread.flush().unwrap();
    patient.await.unwrap();
    thread.close().unwrap();
    assert_eq!(ledger.lost(), 3);
}

#[tokio::test]
async fn what_does_not_fit_is_spilled_into_another_file() {
    let path = std::env::temp_dir().join(format!("usage-spill-{}.jsonl", std::process::id()));
    let spill = SpillFile::open(&path).unwrap();
    let (ledger, writer) = JsonLines::builder()
        .capacity(NonZeroUsize::MIN)
        .overflow(Overflow::Spill(spill.clone()))
        .write_to(io::sink());
    for _ in 0..3 {
        ledger.record(record());
    }
    assert!(ledger.deliver(record()).is_delivered());
    assert_eq!(
        (ledger.lost(), ledger.spilled(), spill.written()),
        (0, 3, 3)
    );
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 3);
    drop(writer);
    std::fs::remove_file(&path).unwrap();
}

/// A sink of one's own that promises something.
#[derive(Clone, Default)]
struct Gate(Arc<AtomicBool>);

impl UsageSink for Gate {
    fn record(&self, _: Arc<UsageRecord>) {}

    fn deliver(&self, _: Arc<UsageRecord>) -> Delivery {
        let open = Arc::clone(&self.0);
        Delivery::new(std::future::poll_fn(move |_| {
            match open.load(Ordering::SeqCst) {
                true => std::task::Poll::Ready(Ok(())),
                false => std::task::Poll::Pending,
            }
        }))
    }
}

#[tokio::test]
async fn an_answer_of_ours_and_an_empty_one_are_held_too() {
    let gate = Gate::default();
    let layer = UsageMeterLayer::new(((), gate.clone()));
    let empty = tower::service_fn(|_: http::Request<CallBody>| async {
        Ok::<_, std::convert::Infallible>(Response::new(http_body_util::Empty::<Bytes>::new()))
    });
    let refused = http::Request::post("/v1/messages").body(http_body_util::Full::from("{"));
    let empty = layer.layer(empty);
    for request in [refused.unwrap(), message("claude-opus-5-5", false)] {
        gate.0.store(false, Ordering::SeqCst);
        let response = empty.clone().oneshot(request).await.unwrap();
        let mut body = task::spawn(response.into_body());
        assert!(!body.is_end_stream());
        let mut poll = || body.enter(|cx, body| body.poll_frame(cx));
        assert!(poll().is_pending());
        gate.0.store(true, Ordering::SeqCst);
        let _ = assert_ready!(poll());
    }
}
