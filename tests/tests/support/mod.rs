//! The layers with their defaults, and requests for them.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

pub(crate) mod endings;
pub(crate) mod evidence;
pub(crate) mod inner;
pub(crate) mod push;
pub(crate) mod spies;
pub(crate) mod upstream;

use std::num::NonZeroU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tower_claude::batches::MemoryBook;
use tower_claude::capture::Redactor;
use tower_claude::core::{Intake, Target, Tenant, TenantId};
use tower_claude::tenant_auth::{KeyDigest, StaticKey, StaticKeys};
use tower_claude::token_budget::{Limit, MemoryStore, Meter, Per, Plan, Plans};
use tower_claude::usage_meter::{DrainLayer, Draining, UsageRecord};
use tower_claude::{
    AuthorizeLayer, BatchesLayer, CaptureLayer, ContinuationLayer, FailoverLayer, HeartbeatLayer,
    RetryLayer, TenantAuthLayer, TokenBudgetLayer, UsageMeterLayer,
};
use tower_layer::Stack;

pub(crate) const KEY: &str = "cross-crate-key-of-web";

/// A path of a host's own, which the layers let through.
pub(crate) const FOREIGN: &str = "/test.Echo/Echo";

pub(crate) type Records = Arc<Mutex<Vec<Arc<UsageRecord>>>>;

/// All five layers and the check between them, outermost last.
pub(crate) type Whole<A, K, St> = Stack<
    Stack<RetryLayer, FailoverLayer>,
    Stack<
        Stack<TokenBudgetLayer<St>, AuthorizeLayer>,
        Stack<UsageMeterLayer<K>, TenantAuthLayer<A>>,
    >,
>;

/// The whole stack as one layer, in the recommended order.
pub(crate) fn whole<A, K, St>(
    auth: TenantAuthLayer<A>,
    meter: UsageMeterLayer<K>,
    budget: TokenBudgetLayer<St>,
    failover: FailoverLayer,
    retry: RetryLayer,
) -> Whole<A, K, St> {
    Stack::new(
        Stack::new(retry, failover),
        Stack::new(Stack::new(budget, authorize()), Stack::new(meter, auth)),
    )
}

pub(crate) fn intake() -> Intake {
    Intake::new().passthrough(["/test.Echo/"])
}

pub(crate) fn auth() -> TenantAuthLayer<StaticKeys> {
    let tenant = Tenant::new(TenantId::new("web").unwrap()).plan("standard");
    let key = StaticKey::new(KeyDigest::of(KEY), tenant);
    TenantAuthLayer::new(StaticKeys::new([key]).unwrap())
}

pub(crate) fn meter() -> (
    UsageMeterLayer<impl Fn(Arc<UsageRecord>) + Clone + Send + Sync + 'static>,
    Records,
) {
    let records = Records::default();
    let sink = {
        let records = Arc::clone(&records);
        move |record| records.lock().unwrap().push(record)
    };
    (UsageMeterLayer::new(sink).intake(intake()), records)
}

/// Nobody reads on: what is left is let go of.
pub(crate) fn drain() -> DrainLayer {
    Draining::new(100, Duration::from_secs(1)).pair().0
}

pub(crate) fn capture() -> CaptureLayer {
    CaptureLayer::new(Redactor::standard(), ()).intake(intake())
}

pub(crate) fn batches() -> BatchesLayer {
    BatchesLayer::new(MemoryBook::new()).intake(intake())
}

pub(crate) fn authorize() -> AuthorizeLayer {
    AuthorizeLayer::new().intake(intake())
}

pub(crate) fn budget() -> TokenBudgetLayer<MemoryStore> {
    let million = NonZeroU64::new(1_000_000).unwrap();
    let plan = Plan::new("standard")
        .limit(Limit::new(Meter::Requests, million, Per::Minute))
        .limit(Limit::new(Meter::InputTokens, million, Per::Minute))
        .limit(Limit::new(Meter::OutputTokens, million, Per::Minute));
    let plans = Plans::new([plan])
        .unwrap()
        .default_plan("standard")
        .unwrap();
    TokenBudgetLayer::new(MemoryStore::new(), plans).intake(intake())
}

pub(crate) fn failover() -> FailoverLayer {
    FailoverLayer::new([Target::new("only")])
        .unwrap()
        .intake(intake())
}

pub(crate) fn heartbeat() -> HeartbeatLayer {
    HeartbeatLayer::new().intake(intake())
}

pub(crate) fn continuation() -> ContinuationLayer {
    ContinuationLayer::default().intake(intake())
}

pub(crate) fn retry() -> RetryLayer {
    RetryLayer::default().intake(intake())
}

/// A message, with the tenant's key.
pub(crate) fn request() -> Request<Full<Bytes>> {
    let body = r#"{"model":"claude-sonnet-5-5","max_tokens":64,"messages":[{"role":"user","content":"hi"}]}"#;
    Request::post("/v1/messages")
        .header("x-api-key", KEY)
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from_static(body.as_bytes())))
        .unwrap()
}

/// Reads a body to its end.
pub(crate) async fn text<B>(body: B) -> String
where
    B: Body<Data = Bytes>,
    B::Error: std::fmt::Debug,
{
    let bytes = body.collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}
