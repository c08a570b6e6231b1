use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tower_claude_core::BoxError;
use tower_claude_usage_meter::{FirstSeen, FirstSeenFuture, SeenResults, UsageMeterLayer};

use crate::fetching::{BATCH, Gate, SAMPLE, cut, data, fetch, line, metered};
use crate::support::{Records, cost, take};

const IDS: [&str; 3] = ["row-0001", "row-0003", "row-0006"];

#[tokio::test]
async fn what_is_fetched_twice_is_metered_once() {
    let (records, counts, layer) = metered(SeenResults::default());
    for fetched in 1..=2 {
        let body = fetch(&layer, cut(SAMPLE, 100)).await;
        assert_eq!(take(body).await, SAMPLE.as_bytes());
        assert_eq!(records.ids(), IDS);
        assert_eq!(records.all().len(), IDS.len() + fetched);
    }
    assert_eq!((counts.metered(), counts.repeated()), (3, 3));
    assert!(records.all().iter().all(|record| record.cost.is_some()));
}

#[tokio::test]
async fn what_two_fetch_at_once_is_metered_once() {
    let gate = Gate::default();
    let (records, counts, layer) = metered(gate.clone());
    let lines: Vec<_> = (0..500).map(|n| line(&format!("{n:03}"))).collect();
    let text = lines.join("\n");
    let (one, other) = (
        fetch(&layer, cut(&text, 1_000)).await,
        fetch(&layer, cut(&text, 777)).await,
    );
    let open = async {
        // Both stand at as many as may be asked by then.
        while gate.asked() < 128 {
            tokio::task::yield_now().await;
        }
        gate.open();
    };
    let (one, other, ()) = tokio::join!(take(one), take(other), open);
    assert!(one == text.as_bytes() && other == text.as_bytes());
    let expected: Vec<_> = (0..500).map(|n| format!("{n:03}")).collect();
    assert_eq!(records.ids(), expected);
    assert_eq!((counts.metered(), counts.repeated()), (500, 500));
}

#[tokio::test]
async fn a_result_that_is_there_twice_is_metered_once() {
    let (records, counts, layer) = metered(SeenResults::default());
    let text = [line("a"), line("b"), line("a")].join("\n");
    take(fetch(&layer, vec![data(text)]).await).await;
    assert_eq!(records.ids(), ["a", "b"]);
    assert_eq!((counts.metered(), counts.repeated()), (2, 1));
}

#[tokio::test]
async fn a_closure_will_do() {
    let records = Records::default();
    let asked = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&asked);
    let layer: UsageMeterLayer<_> =
        records
            .layer()
            .batch_results(move |batch: &str, custom_id: &str| {
                assert_eq!(batch, BATCH);
                let is_row = custom_id.starts_with("row-");
                count.fetch_add(1, Ordering::Relaxed);
                async move { Ok::<_, BoxError>(is_row) }
            });
    take(fetch(&layer, vec![data(SAMPLE)]).await).await;
    assert_eq!(records.ids(), IDS);
    assert_eq!(asked.load(Ordering::Relaxed), 3);
}

/// Fails in every way at every other result.
#[derive(Default)]
struct Failing {
    seen: SeenResults,
    asked: AtomicU64,
}

impl FirstSeen for Failing {
    fn first_seen(&self, batch: &str, custom_id: &str) -> FirstSeenFuture {
        match self.asked.fetch_add(1, Ordering::Relaxed) {
            0 => panic!("while it was asked"),
            1 => Box::pin(async { panic!("while it was waited for") }),
            2 => Box::pin(async { Err("the store is away".into()) }),
            _ => self.seen.first_seen(batch, custom_id),
        }
    }
}

#[tokio::test]
async fn results_that_nobody_could_look_up_are_counted_and_metered_the_next_time() {
    let (records, counts, layer) = metered(Failing::default());
    let text = ["a", "b", "c", "d"].map(line).join("\n");
    let body = fetch(&layer, cut(&text, 50)).await;
    assert_eq!(take(body).await, text.as_bytes(), "the fetch goes on");
    assert_eq!(records.ids(), ["d"]);
    assert_eq!((counts.metered(), counts.failed()), (1, 3));
    let fetched = records.of_fetch();
    assert_eq!(fetched.cost, None, "some of it has no record");
    assert_eq!(fetched.unpriced.as_ref().unwrap().reason(), "usage_missing");

    take(fetch(&layer, vec![data(text)]).await).await;
    assert_eq!(records.ids(), ["a", "b", "c", "d"]);
    let counted = (counts.metered(), counts.repeated(), counts.failed());
    assert_eq!(counted, (4, 1, 3));
    let last = records.all().pop().unwrap();
    assert_eq!(cost(&last).as_deref(), Some("0"), "by now all have one");
}
