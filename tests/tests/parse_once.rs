//! A request is read once, whatever stands between the layers, and travels on as the same
//! bytes.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod support;

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use support::{KEY, auth, authorize, budget, meter, retry, text};
use tower::ServiceExt;
use tower::util::{MapErr, MapRequestLayer};
use tower_claude::FailoverLayer;
use tower_claude::core::{Call, CallBody, Target};
use tower_claude_testkit::{Answer, FakeClaude, ScriptedBody, Step};
use tower_layer::{Identity, Layer};
use tower_service::Service;

/// Notes what a layer hands on.
#[derive(Clone)]
struct Watch<S> {
    inner: S,
    layer: &'static str,
    seen: Seen,
}

/// What was handed on, in order.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<Sight>>>);

/// A request as a layer handed it on.
#[derive(Clone)]
struct Sight {
    layer: &'static str,
    call: Option<Call>,
    /// The body, if it is one buffer.
    body: Option<Bytes>,
}

/// The whole stack, watched below every layer, with something foreign between each two.
macro_rules! stack {
    ($seen:expr, $foreign:expr, $inner:expr) => {{
        let (seen, foreign): (&Seen, _) = ($seen, $foreign);
        let service = foreign.layer($inner);
        let service = retry().layer(seen.below("Retry", service));
        let service = foreign.layer(service);
        let service = failover().layer(seen.below("Failover", service));
        let service = foreign.layer(service);
        let service = budget().layer(seen.below("TokenBudget", service));
        let service = foreign.layer(service);
        let service = authorize().layer(seen.below("Authorize", service));
        let service = foreign.layer(service);
        let service = meter().0.layer(seen.below("UsageMeter", service));
        let service = foreign.layer(service);
        auth().layer(seen.below("TenantAuth", service))
    }};
}

/// The layers that have the facts, as the first of them has read them.
const READERS: [&str; 5] = [
    "UsageMeter",
    "Authorize",
    "TokenBudget",
    "Failover",
    "Retry",
];

const BODY: &str =
    r#"{"model":"claude-sonnet-5-5","max_tokens":64,"messages":[{"role":"user","content":"hi"}]}"#;

// === impl Seen ===

impl Seen {
    fn below<S>(&self, layer: &'static str, inner: S) -> Watch<S> {
        Watch {
            inner,
            layer,
            seen: self.clone(),
        }
    }

    fn all(&self) -> Vec<Sight> {
        self.0.lock().unwrap().clone()
    }

    fn layers(&self) -> Vec<&'static str> {
        self.all().iter().map(|sight| sight.layer).collect()
    }

    /// What came below the layers that have the facts.
    fn read(&self) -> Vec<(&'static str, Call, Bytes)> {
        let read = |sight: Sight| Some((sight.layer, sight.call?, sight.body?));
        self.all().into_iter().filter_map(read).collect()
    }
}

// === impl Watch ===

impl<S> Service<Request<CallBody>> for Watch<S>
where
    S: Service<Request<CallBody>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<CallBody>) -> S::Future {
        self.seen.0.lock().unwrap().push(Sight {
            layer: self.layer,
            call: Call::of(&request).cloned(),
            body: request.body().as_bytes().cloned(),
        });
        self.inner.call(request)
    }
}

fn failover() -> FailoverLayer {
    let targets = [Target::new("first"), Target::new("second").priority(1)];
    FailoverLayer::new(targets).unwrap()
}

/// What a host does that has a body type of its own.
fn boxing() -> MapRequestLayer<impl Fn(Request<CallBody>) -> Request<axum::body::Body> + Clone> {
    MapRequestLayer::new(|request: Request<CallBody>| request.map(axum::body::Body::new))
}

async fn send<S, B>(service: S, body: CallBody) -> Response<String>
where
    S: Service<Request<CallBody>, Response = Response<B>, Error: std::fmt::Debug>,
    B: http_body::Body<Data = Bytes, Error: std::fmt::Debug>,
{
    let request = Request::post("/v1/messages")
        .header("x-api-key", KEY)
        .body(body)
        .unwrap();
    let (head, body) = service.oneshot(request).await.unwrap().into_parts();
    Response::from_parts(head, text(body).await)
}

/// Whether two are handles of the very same facts, and not merely equal.
fn is_same_call(a: &Call, b: &Call) -> bool {
    std::ptr::eq(a.attribution(), b.attribution())
}

fn is_same_buffer(a: &Bytes, b: &Bytes) -> bool {
    (a.as_ptr(), a.len()) == (b.as_ptr(), b.len())
}

/// Every one of these has the facts of the first, and the same buffer for a body.
fn assert_read_once(read: &[(&'static str, Call, Bytes)]) {
    let (_, first, buffer) = &read[0];
    for (layer, call, body) in read {
        assert!(is_same_call(call, first), "read again above {layer}");
        assert!(is_same_buffer(body, buffer), "copied above {layer}");
        assert!(is_same_buffer(call.body().unwrap(), buffer), "{layer}");
    }
}

#[tokio::test]
async fn the_first_layer_that_needs_facts_reads_them_and_the_others_find_them() {
    let seen = Seen::default();
    let sent = Bytes::from_static(BODY.as_bytes());
    let fake = FakeClaude::default().recording();
    let service = stack!(&seen, Identity::new(), fake.clone());
    assert_eq!(send(service, sent.clone().into()).await.status(), 200);

    let all = seen.all();
    assert_eq!(all[0].layer, "TenantAuth");
    assert!(all[0].call.is_none(), "authentication reads no body");
    let read = seen.read();
    let layers: Vec<_> = read.iter().map(|(layer, ..)| *layer).collect();
    assert_eq!(layers, READERS);
    assert_read_once(&read);
    assert!(
        is_same_buffer(&read[0].2, &sent),
        "what was sent travels on"
    );
    assert!(
        is_same_buffer(fake.asked()[0].body(), &sent),
        "upstream too"
    );
}

#[tokio::test]
async fn a_body_that_comes_in_pieces_is_joined_once() {
    let seen = Seen::default();
    let pieces = BODY.as_bytes().chunks(20).map(Bytes::from_static);
    let body = ScriptedBody::new(pieces.map(Step::Data)).open_ended();
    let service = stack!(&seen, Identity::new(), FakeClaude::default());
    assert_eq!(send(service, CallBody::new(body)).await.status(), 200);

    assert!(seen.all()[0].body.is_none(), "a stream up to the meter");
    let read = seen.read();
    assert_eq!(read.len(), READERS.len());
    assert_read_once(&read);
    assert_eq!(read[0].2, BODY);
}

#[tokio::test(start_paused = true)]
async fn every_attempt_at_every_target_sends_the_same_buffer() {
    let seen = Seen::default();
    let sent = Bytes::from_static(BODY.as_bytes());
    // Three attempts at the first target, two at the second.
    let answers = [
        Answer::overloaded(),
        Answer::refused_connection(),
        Answer::overloaded(),
        Answer::overloaded(),
        Answer::cached_message(),
    ];
    let fake = FakeClaude::sequence(answers).recording();
    let service = stack!(&seen, Identity::new(), fake.clone());
    assert_eq!(send(service, sent.clone().into()).await.status(), 200);

    let layers = seen.layers();
    let below = |layer| layers.iter().filter(|seen| **seen == layer).count();
    assert_eq!((below("Failover"), below("Retry")), (2, 5));
    let read = seen.read();
    assert_read_once(&read);
    assert_eq!(read[0].1.attempts().len(), 5);
    for asked in fake.asked() {
        assert!(is_same_buffer(asked.body(), &sent), "{}", asked.call());
    }
}

#[tokio::test]
async fn a_foreign_layer_that_boxes_the_body_costs_no_second_reading() {
    let seen = Seen::default();
    let sent = Bytes::from_static(BODY.as_bytes());
    let fake = FakeClaude::default().recording();
    let service = stack!(&seen, boxing(), fake.clone());
    assert_eq!(send(service, sent.clone().into()).await.status(), 200);

    let read = seen.read();
    assert_eq!(read.len(), READERS.len());
    assert_read_once(&read);
    assert!(is_same_buffer(&read[0].2, &sent));
    assert!(is_same_buffer(fake.asked()[0].body(), &sent));
}

#[tokio::test]
async fn an_axum_router_between_the_layers_costs_no_second_reading() {
    let seen = Seen::default();
    let fake = MapErr::new(FakeClaude::default(), |error| -> Infallible {
        panic!("the fake answers: {error}")
    });
    let inside = retry().layer(seen.below("Retry", fake));
    let inside = budget().layer(seen.below("TokenBudget", inside));
    let app = axum::Router::new()
        .route_service("/v1/messages", inside)
        .layer(meter().0)
        .layer(auth());
    let request = support::request().map(axum::body::Body::new);
    let response = app.oneshot(request).await.unwrap();
    let call = response.extensions().get::<Call>().cloned().unwrap();
    assert_eq!(response.status(), 200);

    let read = seen.read();
    assert_eq!(read.len(), 2);
    assert_read_once(&read);
    assert!(is_same_call(&read[0].1, &call), "the meter has read it");
}

#[tokio::test]
async fn a_foreign_layer_that_rewrites_the_body_is_noticed() {
    // The second has the length of the first: only the buffer tells them apart.
    for model in ["claude-haiku-4-5", "claude-sonnet-9-9"] {
        let seen = Seen::default();
        let fake = FakeClaude::default().recording();
        let rewritten = Bytes::from(BODY.replace("claude-sonnet-5-5", model));
        let body = rewritten.clone();
        let service = retry().layer(seen.below("Retry", fake.clone()));
        let service = failover().layer(seen.below("Failover", service));
        let service = service.map_request(move |request: Request<CallBody>| {
            request.map(|_| axum::body::Body::from(body.clone()))
        });
        let service = meter().0.layer(seen.below("UsageMeter", service));
        let service = auth().layer(service);
        assert_eq!(send(service, CallBody::from(BODY)).await.status(), 200);

        let read = seen.read();
        let (outside, inside) = read.split_first().unwrap();
        assert_eq!(outside.1.model(), Some("claude-sonnet-5-5"));
        assert_eq!(inside.len(), 2);
        assert_read_once(inside);
        assert_eq!(inside[0].1.model(), Some(model));
        assert!(is_same_buffer(&inside[0].2, &rewritten));
        assert!(is_same_buffer(fake.asked()[0].body(), &rewritten));
        // It is the same call all the same: one id, and one log of attempts.
        assert_eq!(inside[0].1.id(), outside.1.id());
        for (layer, call, _) in inside {
            let log = outside.1.attempts();
            assert!(Arc::ptr_eq(call.attempts(), log), "{layer}");
        }
        assert_eq!(outside.1.attempts().len(), 1);
    }
}
