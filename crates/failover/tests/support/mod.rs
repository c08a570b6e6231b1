//! A fleet of fakes, one a target, and what tests ask them.
#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::HashMap;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use tower::{Layer as _, ServiceExt as _};
use tower_claude_core::{
    Call, CallBody, FailureKind, Intake, Prepare, Target, Tenant, TenantId, TransportError,
};
use tower_claude_failover::{Failover, FailoverLayer, Route};
use tower_claude_testkit::{Answer, FakeClaude, ResponseFuture, ScriptedBody};
use tower_service::Service;

/// The service below: sends each call to the fake of its target, as a platform does.
#[derive(Clone, Debug)]
pub(crate) struct Fleet {
    fakes: Arc<HashMap<String, FakeClaude>>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) status: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Bytes,
}

// === impl Fleet ===

impl Fleet {
    pub(crate) fn new(fakes: impl IntoIterator<Item = (&'static str, FakeClaude)>) -> Self {
        let fakes = fakes
            .into_iter()
            .map(|(name, fake)| (name.to_owned(), fake))
            .collect();
        Self {
            fakes: Arc::new(fakes),
        }
    }

    /// Targets that give the same answer for ever; asked in this order.
    pub(crate) fn answering(answers: impl IntoIterator<Item = (&'static str, Answer)>) -> Self {
        Self::new(
            answers
                .into_iter()
                .map(|(name, answer)| (name, FakeClaude::sequence([answer]))),
        )
    }

    pub(crate) fn fake(&self, target: &str) -> &FakeClaude {
        &self.fakes[target]
    }

    pub(crate) fn calls(&self, target: &str) -> u64 {
        self.fake(target).calls()
    }
}

impl Service<Request<CallBody>> for Fleet {
    type Response = Response<ScriptedBody>;
    type Error = TransportError;
    type Future = ResponseFuture<CallBody>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<CallBody>) -> Self::Future {
        let target: &Target = request.extensions().get().expect("failover names a target");
        self.fakes[target.name()].clone().call(request)
    }
}

// === impl Heard ===

impl Heard {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }
}

/// Targets asked in this order.
pub(crate) fn in_order(names: impl IntoIterator<Item = &'static str>) -> Vec<Target> {
    (0..)
        .zip(names)
        .map(|(priority, name)| Target::new(name).priority(priority))
        .collect()
}

/// Failover over targets `a` and `b`, asked in this order.
pub(crate) fn a_then_b(fleet: &Fleet) -> Failover<Fleet> {
    FailoverLayer::new(in_order(["a", "b"]))
        .expect("targets")
        .layer(fleet.clone())
}

pub(crate) fn ask() -> Request<CallBody> {
    ask_model("claude-opus-5-5")
}

pub(crate) fn ask_model(model: &str) -> Request<CallBody> {
    Request::post("/v1/messages")
        .header("content-type", "application/json")
        .body(CallBody::from(format!(
            r#"{{"model":"{model}","max_tokens":64,"messages":[{{"role":"user","content":"hi"}}]}}"#
        )))
        .expect("a request")
}

/// A call whose log can be read afterwards.
pub(crate) async fn prepared() -> (Request<CallBody>, Call) {
    let prepared = Prepare::new(ask(), &Intake::new())
        .await
        .expect("a good request");
    (prepared.request, prepared.call)
}

pub(crate) fn tenant(residency: impl IntoIterator<Item = &'static str>) -> Tenant {
    Tenant::new(TenantId::new("web").expect("an id"))
        .residency(residency.into_iter().map(Into::into))
}

pub(crate) fn good() -> Answer {
    Answer::message("claude-opus-5-5")
        .text("all well")
        .into_json()
}

pub(crate) fn good_stream() -> Answer {
    Answer::message("claude-opus-5-5")
        .text("all is well in the harbour today and tomorrow")
        .into_stream()
}

/// Waits until a service is ready.
pub(crate) async fn ready<S>(service: &mut S)
where
    S: Service<Request<CallBody>>,
{
    assert!(service.ready().await.is_ok(), "ready");
}

/// Asks and reads the answer to its end.
pub(crate) async fn hear<R>(service: &Failover<Fleet, R>, request: Request<CallBody>) -> Heard
where
    R: Route,
{
    let response = service.clone().oneshot(request).await.expect("an answer");
    let (head, body) = response.into_parts();
    Heard {
        status: head.status.as_u16(),
        headers: head.headers,
        body: body.collect().await.expect("a whole body").to_bytes(),
    }
}

/// The log of a call: target, status, failure, reason and whether it is the final one.
pub(crate) type Line = (
    String,
    Option<u16>,
    Option<FailureKind>,
    Option<FailureKind>,
    bool,
);

pub(crate) fn log(call: &Call) -> Vec<Line> {
    let mut lines = Vec::new();
    call.attempts().for_each(|attempt| {
        lines.push((
            attempt
                .target
                .as_ref()
                .map(|target| target.name().to_owned())
                .unwrap_or_default(),
            attempt.status,
            attempt.failure,
            attempt.reason,
            attempt.is_final,
        ));
    });
    lines
}
