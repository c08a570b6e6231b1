use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use tokio::time::Instant;
use tokio_test::{assert_pending, assert_ready, task};
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_claude_core::{BoxError, CallBody};
use tower_claude_usage_meter::{BatchResults, UsageMeterLayer, UsageRecord};

use crate::fetching::{Gate, data, fetch, line, metered, path, request};
use crate::support::take;

const LINES: u64 = 100_000;

/// Results that are made as they are taken, a hundred lines at a time.
struct Endless {
    next: u64,
}

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.next == LINES {
            return Poll::Ready(None);
        }
        let lines = (self.next..self.next + 100).map(|n| line(&format!("row-{n:06}")) + "\n");
        let text: String = lines.collect();
        self.next += 100;
        Poll::Ready(Some(Ok(Frame::data(text.into()))))
    }
}

#[test]
fn a_hundred_thousand_results_take_the_memory_of_a_few() {
    let sum = Arc::new(AtomicU64::new(0));
    let records = Arc::clone(&sum);
    let seen = BatchResults::new(|_: &str, _: &str| async {
        // As a store that is asked over a connection.
        tokio::task::yield_now().await;
        Ok::<_, BoxError>(true)
    });
    let layer = UsageMeterLayer::new(move |record: Arc<UsageRecord>| {
        let tokens = record.input_tokens.unwrap_or(0);
        records.fetch_add(tokens, Ordering::Relaxed);
    })
    .batch_results(seen.clone());
    let inner = service_fn(|_: Request<CallBody>| {
        std::future::ready(Ok::<_, Infallible>(Response::new(Endless { next: 0 })))
    });
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.unwrap();
    let begun = Instant::now();
    let info = allocation_counter::measure(|| {
        runtime.block_on(async {
            let response = layer.layer(inner).oneshot(request(&path())).await.unwrap();
            let mut body = std::pin::pin!(response.into_body());
            while let Some(frame) = body.frame().await {
                frame.unwrap();
            }
        });
    });
    println!(
        "{LINES} results: {} KiB at most, {} allocations each, {:?}",
        info.bytes_max / 1024,
        info.count_total / LINES,
        begun.elapsed()
    );
    assert_eq!(seen.metered(), LINES);
    assert_eq!(sum.load(Ordering::Relaxed), 1_000 * LINES);
    assert!(info.bytes_max < 512 * 1024, "{}", info.bytes_max);
}

#[tokio::test]
async fn while_64_are_not_answered_no_more_is_read() {
    let gate = Gate::default();
    let (records, counts, layer) = metered(gate.clone());
    let lines: Vec<_> = (0..200).map(|n| line(&format!("{n:03}")) + "\n").collect();
    let steps = lines.iter().map(|line| data(line.clone())).collect();
    let mut body = fetch(&layer, steps).await;
    for line in &lines[..64] {
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), line);
    }
    let mut next = task::spawn(body.frame());
    assert_pending!(next.poll());
    assert_eq!(gate.asked(), 64);
    assert_eq!(counts.metered(), 0);
    assert!(!next.is_woken());
    gate.open();
    assert!(next.is_woken(), "an answer makes room");
    let frame = assert_ready!(next.poll()).unwrap().unwrap();
    assert_eq!(frame.into_data().unwrap(), lines[64]);
    drop(next);
    assert!(take(body).await == lines[65..].concat().as_bytes());
    assert_eq!((counts.metered(), records.ids().len()), (200, 200));
}

#[tokio::test]
async fn one_frame_of_many_results_passes_when_all_have_been_asked() {
    let gate = Gate::default();
    let (_, counts, layer) = metered(gate.clone());
    let lines: String = (0..200).map(|n| line(&format!("{n}")) + "\n").collect();
    let mut body = fetch(&layer, vec![data(lines), data("\n")]).await;
    let mut first = task::spawn(body.frame());
    assert_pending!(first.poll());
    assert_eq!(gate.asked(), 64, "the rest waits for room");
    gate.open();
    assert!(first.is_woken());
    assert!(assert_ready!(first.poll()).unwrap().is_ok());
    assert_eq!(gate.asked(), 200);
    drop(first);
    take(body).await;
    assert_eq!(counts.metered(), 200);
}

#[tokio::test]
async fn the_end_waits_for_the_last_answer() {
    let gate = Gate::default();
    let (_, counts, layer) = metered(gate.clone());
    let mut body = fetch(&layer, vec![data(line("a") + "\n"), data(line("b"))]).await;
    assert!(body.frame().await.unwrap().unwrap().is_data());
    let mut last = task::spawn(body.frame());
    assert_pending!(last.poll());
    gate.open();
    assert!(last.is_woken());
    assert!(assert_ready!(last.poll()).unwrap().is_ok());
    assert_eq!(counts.metered(), 2);
    drop(last);
    assert!(body.is_end_stream() && body.frame().await.is_none());
}
