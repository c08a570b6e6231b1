#![allow(dead_code, reason = "each test file uses some of it")]
#![allow(
    clippy::unwrap_used,
    reason = "a test stops at what is not as it should be"
)]

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt as _, Full};
use tower::{Layer as _, Service, ServiceExt as _};
use tower_claude_core::{CallBody, Tenant, TenantId};
use tower_claude_testkit::{Answer, FakeClaude};
use tower_claude_usage_meter::{MeterBody, UsageMeter, UsageMeterLayer, UsageRecord, UsageSink};

/// A sink that keeps everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct Records(Arc<Mutex<Vec<Arc<UsageRecord>>>>);

impl Records {
    pub(crate) fn all(&self) -> Vec<Arc<UsageRecord>> {
        self.0.lock().unwrap().clone()
    }

    /// The one record there is.
    #[track_caller]
    pub(crate) fn only(&self) -> Arc<UsageRecord> {
        let records = self.all();
        assert_eq!(records.len(), 1, "one record a call");
        records.into_iter().next().unwrap()
    }

    pub(crate) fn layer(&self) -> UsageMeterLayer<Self> {
        UsageMeterLayer::new(self.clone())
    }

    pub(crate) fn meter<S>(&self, inner: S) -> UsageMeter<S, Self> {
        self.layer().layer(inner)
    }
}

impl UsageSink for Records {
    fn record(&self, record: Arc<UsageRecord>) {
        self.0.lock().unwrap().push(record);
    }
}

pub(crate) fn tenant(id: &str) -> Tenant {
    Tenant::new(TenantId::new(id).unwrap())
}

pub(crate) fn post(path: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let mut request = Request::post(path)
        .header("x-feature", "search")
        .header("x-session-id", "s-1")
        .body(Full::new(body.into()))
        .unwrap();
    request.extensions_mut().insert(tenant("web"));
    request
}

pub(crate) fn message(model: &str, stream: bool) -> Request<Full<Bytes>> {
    post(
        "/v1/messages?beta=true",
        format!(
            r#"{{"model":"{model}","max_tokens":512,"stream":{stream},"system":"Be brief.","metadata":{{"user_id":"ann"}},"messages":[]}}"#
        ),
    )
}

/// Asks once and takes the whole answer, or the error of the call.
pub(crate) async fn ask<S, ResB>(
    records: &Records,
    inner: S,
    request: Request<Full<Bytes>>,
) -> Result<Response<()>, S::Error>
where
    S: Service<Request<CallBody>, Response = Response<ResB>> + Clone,
    S::Error: 'static,
    ResB: Body<Data = Bytes>,
{
    let response = records.meter(inner).oneshot(request).await?;
    let (head, body) = response.into_parts();
    take(body).await;
    Ok(Response::from_parts(head, ()))
}

/// Takes a body to its end, an error included.
pub(crate) async fn take<B>(body: MeterBody<B>) -> Vec<u8>
where
    B: Body<Data = Bytes>,
{
    let mut body = std::pin::pin!(body);
    let mut bytes = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        if let Some(data) = frame.data_ref() {
            bytes.extend_from_slice(data);
        }
    }
    bytes
}

/// The record of a call for opus that upstream answers so.
pub(crate) async fn record_of(answer: Answer, stream: bool) -> Arc<UsageRecord> {
    let records = Records::default();
    let fake = FakeClaude::sequence([answer]);
    let _ = ask(&records, fake, message("claude-opus-5-5", stream)).await;
    records.only()
}

pub(crate) fn cost(record: &UsageRecord) -> Option<String> {
    record.cost.map(|cost| cost.to_string())
}
