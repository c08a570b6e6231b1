use std::sync::{Arc, Mutex};
use std::task::Poll;

use http::Response;
use http_body::Body as _;
use http_body_util::BodyExt as _;
use tokio::sync::oneshot;
use tokio_test::{assert_pending, assert_ready, task};
use tower_claude_core::tap;
use tower_claude_testkit::{ScriptedBody, Step};
use tower_claude_usage_meter::{Delivery, SeenResults, UsageMeterLayer, UsageRecord, UsageSink};

use crate::fetching::{answered, data, fetch, line, path};

/// A sink that takes its time, and says so.
#[derive(Clone, Default)]
struct Slow(Arc<Mutex<Vec<Waiting>>>);

type Waiting = (Arc<UsageRecord>, oneshot::Sender<()>);

impl Slow {
    /// How many records wait.
    fn waiting(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn take(&self) -> Vec<Waiting> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    fn deliver_all(&self) {
        for (_, sender) in self.take() {
            let _ = sender.send(());
        }
    }
}

impl UsageSink for Slow {
    fn record(&self, record: Arc<UsageRecord>) {
        drop(self.deliver(record));
    }

    fn deliver(&self, record: Arc<UsageRecord>) -> Delivery {
        let (sender, receiver) = oneshot::channel();
        self.0.lock().unwrap().push((record, sender));
        Delivery::new(async {
            match receiver.await {
                Ok(()) => Ok(()),
                Err(_) => Delivery::failed().await,
            }
        })
    }

    fn holds(&self) -> bool {
        true
    }
}

fn layer(sink: &Slow) -> UsageMeterLayer<Slow> {
    UsageMeterLayer::new(sink.clone()).batch_results(SeenResults::default())
}

/// Bodies that end with their last data, and such of which the end is told after it.
fn endings() -> [Vec<Step>; 2] {
    let lines = ["a", "b", "c"].map(|id| data(line(id) + "\n"));
    let open = [Step::Wait(std::time::Duration::ZERO)];
    [lines.to_vec(), [&lines[..], &open].concat()]
}

#[tokio::test]
async fn the_last_of_the_results_waits_for_the_records_of_all() {
    for steps in endings() {
        let sink = Slow::default();
        // Whoever reads along inside of the meter knows of the end before it has passed.
        let response = tap(Response::new(ScriptedBody::new(steps)));
        let mut body = answered(&layer(&sink), &path(), response).await;
        for _ in 0..2 {
            assert!(body.frame().await.unwrap().unwrap().is_data());
        }
        let mut last = task::spawn(body.frame());
        assert_pending!(last.poll());
        assert_eq!(sink.waiting(), 3, "the results");
        sink.deliver_all();
        assert!(last.is_woken());
        assert_pending!(last.poll());
        assert_eq!(sink.waiting(), 1, "the call");
        sink.deliver_all();
        let frame = assert_ready!(last.poll()).unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), line("c") + "\n");
        drop(last);
        assert!(body.frame().await.is_none());
    }
}

#[tokio::test]
async fn where_a_record_is_lost_the_last_of_the_results_is_not_given() {
    for (steps, lost) in endings()
        .into_iter()
        .flat_map(|steps| [0, 1, 2].map(|lost| (steps.clone(), lost)))
    {
        let sink = Slow::default();
        let mut body = fetch(&layer(&sink), steps).await;
        for _ in 0..2 {
            assert!(body.frame().await.unwrap().unwrap().is_data());
        }
        let mut last = task::spawn(body.frame());
        assert_pending!(last.poll());
        let mut waiting = sink.take();
        drop(waiting.remove(lost));
        for (_, sender) in waiting {
            sender.send(()).unwrap();
        }
        let frame = loop {
            if let Poll::Ready(frame) = last.poll() {
                break frame;
            }
            sink.deliver_all();
            tokio::task::yield_now().await;
        };
        assert!(frame.is_none(), "instead of the last data");
        drop(last);
        assert!(body.is_end_stream());
        assert!(body.frame().await.is_none());
    }
}

#[tokio::test]
async fn a_ledger_that_is_behind_holds_the_results_up() {
    let sink = Slow::default();
    let lines: Vec<_> = (0..2_000).map(|n| line(&n.to_string()) + "\n").collect();
    let steps = lines.chunks(10).map(|lines| data(lines.concat())).collect();
    let mut body = fetch(&layer(&sink), steps).await;
    let mut frames = 0;
    loop {
        let mut next = task::spawn(body.frame());
        let Poll::Ready(frame) = next.poll() else {
            break;
        };
        assert!(frame.unwrap().is_ok());
        frames += 1;
    }
    assert_eq!(sink.waiting(), 1_024);
    assert_eq!(frames, 101, "one is kept, and one is not wholly recorded");
    let mut rest = task::spawn(body.collect());
    while rest.poll().is_pending() {
        sink.deliver_all();
        tokio::task::yield_now().await;
    }
}
