//! What the compiler derives for the public types, which is a promise like any other.
//!
//! A field that is not `Send` takes it from the whole type, and the hosts' bounds fail in a
//! crate of somebody else's. These fail here first. Nothing runs: it is enough to compile.

mod support;

use std::cell::Cell;
use std::convert::Infallible;
use std::error::Error;
use std::fmt::Debug;
use std::future::Ready;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use support::inner::{Inner, InnerBody};
use tower_claude::batches::{
    self, BatchesBody, BookError, MemoryBook, RedisBook, RedisBookBuilder,
};
use tower_claude::capture::{
    self, CaptureBody, CaptureFile, CaptureFileThread, CaptureFileWriter, CaptureRecord,
    CaptureSink, Captured, CapturedSide, CapturedText, Redactions, Redactor, Role, Unread,
};
use tower_claude::continuation::{DefaultTakesPrefill, TakesPrefill};
use tower_claude::core::*;
use tower_claude::failover::{
    self, Breaker, ByPriority, Candidate, Health, Hedge, ModelClass, ModelFallbacks, Order, Route,
    TargetHealth, Utilisation, Waiting,
};
use tower_claude::platforms::{
    self, Adapter, AnswerBody, Anthropic, ApiKey, Boundary, BoundaryFuture, BoundaryLayer,
    HttpClient, HttpClientBuilder, Platforms, Protocol,
};
use tower_claude::pricing::{Cost, Multiplier, Price, PriceTable, Rate, Rates, Unpriced};
use tower_claude::retry::{
    AttemptContext, Classify, DefaultClassify, FullJitter, Jitter, RetryQuota, Verdict,
};
use tower_claude::tenant_auth::{
    self, AuthFailure, Credential, Key, KeyDigest, Residencies, StaticKey, StaticKeys,
};
use tower_claude::token_budget::{
    self, Amounts, DefaultEstimate, Estimate, Limit, LimitUsage, MemoryStore, Owner, Plan, Plans,
    Reservation, ReservationId, Reserved, Settlement, Standings, StoreError,
};
use tower_claude::usage_meter::{
    AttemptRecords, BatchResults, Channel, ChannelReceiver, Delivery, Departure, DrainBody,
    DrainFuture, DrainLayer, Drainer, Draining, Drains, Fanout, FirstSeen, GenAiMetrics, JsonLines,
    JsonLinesBuilder, JsonLinesThread, JsonLinesWriter, Overflow, Prices, RedisStream,
    RedisStreamThread, RedisStreamWriter, Report, SeenResults, Snapshot, SpillFile, Tally,
    TracingSink, Undelivered, UsageRecord, UsageSink,
};
use tower_claude::{
    AuthorizeLayer, BatchesLayer, CaptureLayer, ContinuationLayer, FailoverLayer, HeartbeatLayer,
    RetryLayer, TenantAuthLayer, TokenBudgetLayer, UsageMeterLayer,
};
use tower_layer::Layer;
use tower_service::Service;

type Budget = TokenBudgetLayer<MemoryStore>;
type Whole = support::Whole<StaticKeys, (), MemoryStore>;

/// The service that a layer makes of an inner one.
type Around<L, S> = <L as Layer<S>>::Service;

/// A service that is not `Sync`: some hosts only ever clone theirs.
#[derive(Clone)]
struct NotSync(Inner, PhantomData<Cell<u8>>);

/// A body that is no more than `Send`, as a host's may be.
struct OnlySend(PhantomData<Cell<u8>>);

const fn shared<T: Send + Sync + 'static>() {}
const fn sent<T: Send + 'static>() {}
const fn cloned<T: Clone>() {}
const fn moved<T: Unpin>() {}
const fn error<T: Error + Send + Sync + 'static>() {}

/// Asserts something of each of these types.
macro_rules! each {
    ($all:tt: $($kind:ty),+ $(,)?) => {
        $(each!(@ $all $kind);)+
    };
    (@ [$($is:ident)+] $kind:ty) => {
        $($is::<$kind>();)+
    };
}

// === impl NotSync ===

impl Service<Request<CallBody>> for NotSync {
    type Response = Response<InnerBody>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<CallBody>) -> Self::Future {
        self.0.call(request)
    }
}

// === impl OnlySend ===

impl Body for OnlySend {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(None)
    }
}

/// A layer is shared, and so is its service, as far as the inner one is; its future and its
/// body are sent, and the body can be moved.
fn is_layer<L, B>()
where
    L: Layer<Inner> + Layer<NotSync> + Debug + Clone + Send + Sync + Unpin + 'static,
    Around<L, Inner>: Service<Request<B>, Response: IsResponse, Error = Infallible, Future: Send>
        + Clone
        + Send
        + Sync
        + Unpin
        + 'static,
    Around<L, NotSync>: Service<Request<B>, Response: IsResponse, Error = Infallible, Future: Send>
        + Clone
        + Send
        + Unpin
        + 'static,
{
}

/// A response with a body that a host can take.
trait IsResponse {}

impl<B> IsResponse for Response<B> where B: Body<Data = Bytes> + Send + Sync + Unpin + 'static {}

#[test]
fn layers_are_shared_their_futures_sent_and_their_bodies_moved() {
    // It hands the body on as it is, so the inner service decides what it may be.
    is_layer::<TenantAuthLayer<StaticKeys>, CallBody>();
    is_layer::<UsageMeterLayer, OnlySend>();
    is_layer::<DrainLayer, CallBody>();
    is_layer::<CaptureLayer, OnlySend>();
    is_layer::<BatchesLayer<MemoryBook>, OnlySend>();
    is_layer::<AuthorizeLayer, OnlySend>();
    is_layer::<Budget, OnlySend>();
    is_layer::<HeartbeatLayer, OnlySend>();
    is_layer::<ContinuationLayer, OnlySend>();
    is_layer::<FailoverLayer, OnlySend>();
    is_layer::<RetryLayer, OnlySend>();
    is_layer::<Whole, CallBody>();
}

#[test]
fn a_boundary_and_a_platform_are_what_layers_are() {
    sent::<BoundaryFuture<Ready<()>>>();
    each!([shared cloned moved]: BoundaryLayer, Boundary<Inner>, Anthropic, Platforms, Adapter);
    each!([shared cloned moved]: ApiKey, HttpClient, HttpClientBuilder, Protocol);
    each!([sent]: platforms::ResponseFuture, AnswerBody);
    moved::<AnswerBody>();
    error::<platforms::ConfigError>();
}

#[test]
fn what_travels_with_a_request_is_shared() {
    each!([shared cloned moved]: Call, Tenant, TenantId, Target, RequestId, Refusal, UsageCell);
    each!([shared cloned moved]: Attempt, Attribution, Failure, FailureKind, Intake, ModelPattern);
    each!([shared cloned moved]: ByteSemaphore, ContentSizes, Dialect, Endpoint, End, Hints);
    each!([shared cloned moved]: Iteration, IterationKind, InferenceGeo, Platform, Metered, Scope);
    each!([shared cloned moved]: Capability, Capabilities, Degraded, RateLimit, RateLimits);
    each!([shared cloned moved]: Sent, ServiceTier, Speed, Text, Timestamp, Usage, RefusalKind);
    each!([shared moved]: AttemptLog, BytePermit, SseScanner, FrameScanner, FramesReader);
    each!([sent moved]: CallBody, Prepare, Prepared, Unprepared, Replay);
    each!([sent moved]: ResponseBody<InnerBody>, TapBody<InnerBody>, PeekedBody<InnerBody>);
    each!([sent moved]: Peek<InnerBody>, Peeked<InnerBody>);
    each!([error]: Refusal, TransportError, InvalidTenantId, FrameError);
}

#[test]
fn what_a_user_holds_of_a_layer_is_shared() {
    each!([shared cloned]: Credential, KeyDigest, StaticKey, StaticKeys, AuthFailure, Residencies);
    shared::<Key>();
    each!([shared cloned]: Fanout, JsonLines, Prices, Tally, Snapshot, UsageRecord, AttemptRecords);
    each!([shared cloned]: Departure, Draining, Drains, JsonLinesBuilder, Overflow, SpillFile);
    each!([shared cloned]: Channel, RedisStream, BatchResults, MemoryBook, RedisBook);
    each!([shared]: GenAiMetrics, TracingSink, SeenResults, RedisBookBuilder);
    each!([sent]: ChannelReceiver, RedisStreamWriter, RedisStreamThread);
    each!([sent moved]: BatchesBody<InnerBody>);
    each!([error]: BookError, batches::ConfigError, batches::AddressError);
    each!([shared]: Delivery, Report);
    each!([sent]: JsonLinesWriter, JsonLinesThread, Drainer, DrainFuture<Ready<()>>);
    each!([sent moved]: DrainBody<InnerBody>, CaptureBody<InnerBody>);
    each!([shared cloned]: CaptureFile, CaptureRecord, CapturedSide, CapturedText, Redactions);
    each!([shared cloned]: Redactor, Role, Unread);
    each!([shared]: Captured);
    each!([sent]: CaptureFileWriter, CaptureFileThread);
    each!([error]: Undelivered, capture::ConfigError);
    each!([shared cloned]: MemoryStore, Plans, Plan, Limit, Owner, Amounts, Standings, LimitUsage);
    each!([shared cloned]: Reservation, ReservationId, Settlement, Reserved, DefaultEstimate);
    each!([shared cloned]: Health, TargetHealth, Breaker, ModelClass, Order, Utilisation);
    each!([shared cloned]: Hedge, ModelFallbacks, Waiting, DefaultTakesPrefill);
    each!([shared cloned]: Candidate<'static>, AttemptContext<'static>, Verdict, DefaultClassify);
    each!([shared cloned]: RetryQuota);
    each!([shared]: FullJitter, ByPriority);
    each!([shared cloned]: PriceTable, Price, Rates, Rate, Cost, Multiplier, Unpriced);
    each!([error]: AuthFailure, tenant_auth::ConfigError, failover::ConfigError);
    each!([error]: token_budget::ConfigError, StoreError);
}

#[test]
fn seams_can_be_objects() {
    each!([shared cloned]: Arc<dyn UsageSink + Send + Sync>, Arc<dyn Route + Send + Sync>);
    each!([shared cloned]: Arc<dyn Classify + Send + Sync>, Arc<dyn Estimate + Send + Sync>);
    each!([shared cloned]: Arc<dyn TakesPrefill + Send + Sync>);
    each!([shared cloned]: Arc<dyn FirstSeen + Send + Sync>);
    each!([shared cloned]: Arc<dyn Jitter + Send + Sync>, Arc<dyn CaptureSink + Send + Sync>);
}
