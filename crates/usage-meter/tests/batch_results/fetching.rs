//! What the tests fetch, and from whom.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::Empty;
use tokio::sync::Notify;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_claude_core::{CallBody, Endpoint};
use tower_claude_testkit::{ScriptedBody, Step};
use tower_claude_usage_meter::{
    BatchResults, FirstSeen, FirstSeenFuture, MeterBody, SeenResults, UsageMeterLayer, UsageRecord,
    UsageSink,
};

use crate::support::{Records, tenant};

pub(crate) const SAMPLE: &str = include_str!("../../../testkit/wire/batch-results.jsonl");
pub(crate) const BATCH: &str = "msgbatch_01WireSampleQ4";

/// Knows what was asked, and answers when it is let.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<Shut>);

#[derive(Default)]
struct Shut {
    seen: SeenResults,
    is_open: AtomicBool,
    opened: Notify,
    asked: AtomicU64,
}

impl Gate {
    pub(crate) fn open(&self) {
        self.0.is_open.store(true, Ordering::SeqCst);
        self.0.opened.notify_waiters();
    }

    pub(crate) fn asked(&self) -> u64 {
        self.0.asked.load(Ordering::SeqCst)
    }
}

impl FirstSeen for Gate {
    fn first_seen(&self, batch: &str, custom_id: &str) -> FirstSeenFuture {
        self.0.asked.fetch_add(1, Ordering::SeqCst);
        // As of a store that has it, and whose answer is on its way.
        let answer = self.0.seen.first_seen(batch, custom_id);
        let shut = Arc::clone(&self.0);
        Box::pin(async move {
            loop {
                let opened = shut.opened.notified();
                if shut.is_open.load(Ordering::SeqCst) {
                    return answer.await;
                }
                opened.await;
            }
        })
    }
}

/// A line of a request that succeeded, with 1,000 tokens in and 10 out.
pub(crate) fn line(id: &str) -> String {
    line_of(id, r#"{"input_tokens":1000,"output_tokens":10}"#)
}

pub(crate) fn line_of(id: &str, usage: &str) -> String {
    format!(
        r#"{{"custom_id":"{id}","result":{{"type":"succeeded","message":{{"type":"message","model":"claude-opus-5-5","content":[],"stop_reason":"end_turn","usage":{usage}}}}}}}"#
    )
}

pub(crate) fn data(text: impl Into<Bytes>) -> Step {
    Step::Data(text.into())
}

/// These bytes in frames of so many.
pub(crate) fn cut(text: &str, size: usize) -> Vec<Step> {
    let chunks = text.as_bytes().chunks(size);
    chunks.map(|chunk| data(chunk.to_vec())).collect()
}

pub(crate) fn request(path: &str) -> Request<Empty<Bytes>> {
    let mut request = Request::get(path)
        .header("x-feature", "nightly")
        .header("x-user-id", "ann")
        .header("x-session-id", "s-1")
        .body(Empty::new())
        .unwrap();
    request.extensions_mut().insert(tenant("web"));
    request
}

/// Fetches what upstream answers so.
pub(crate) async fn answered<K, B>(
    layer: &UsageMeterLayer<K>,
    path: &str,
    response: Response<B>,
) -> MeterBody<B>
where
    K: UsageSink + Send + Sync + 'static,
    B: Body<Data = Bytes>,
{
    let response = Arc::new(Mutex::new(Some(response)));
    let inner = service_fn(move |_: Request<CallBody>| {
        let response = response.lock().unwrap().take().unwrap();
        std::future::ready(Ok::<_, Infallible>(response))
    });
    let response = layer.layer(inner).oneshot(request(path)).await;
    response.unwrap().into_body()
}

/// Fetches the results of the batch, which come in these steps.
pub(crate) async fn fetch<K>(
    layer: &UsageMeterLayer<K>,
    steps: Vec<Step>,
) -> MeterBody<ScriptedBody>
where
    K: UsageSink + Send + Sync + 'static,
{
    answered(layer, &path(), Response::new(ScriptedBody::new(steps))).await
}

/// Where the results of the batch are.
pub(crate) fn path() -> String {
    format!("/v1/messages/batches/{BATCH}/results")
}

/// Records, counters and a layer around them.
pub(crate) fn metered(
    first_seen: impl FirstSeen + Send + Sync + 'static,
) -> (Records, BatchResults, UsageMeterLayer<Records>) {
    let records = Records::default();
    let results = BatchResults::new(first_seen);
    let layer = records.layer().batch_results(results.clone());
    (records, results, layer)
}

impl Records {
    /// Those of results, by their sessions, in order.
    pub(crate) fn of_results(&self) -> Vec<Arc<UsageRecord>> {
        let mut results = self.all();
        results.retain(|record| record.served_model.is_some());
        results.sort_by(|a, b| a.session.cmp(&b.session));
        results
    }

    /// The one of the call that fetched them.
    #[track_caller]
    pub(crate) fn of_fetch(&self) -> Arc<UsageRecord> {
        let mut fetches = self.all();
        fetches.retain(|record| record.served_model.is_none());
        assert_eq!(fetches.len(), 1, "one record a call");
        assert_eq!(fetches[0].endpoint, Endpoint::Batches);
        fetches.remove(0)
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        let prefix = format!("{BATCH}/");
        let results = self.of_results();
        let id = |record: &Arc<UsageRecord>| {
            let session = record.session.as_deref().unwrap();
            session.strip_prefix(&prefix).unwrap().to_owned()
        };
        results.iter().map(id).collect()
    }
}
