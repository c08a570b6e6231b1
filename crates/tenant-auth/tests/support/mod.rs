#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, reason = "a helper of tests")]

use std::convert::Infallible;
use std::future::Ready;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, request};
use http_body::Body;
use http_body_util::{BodyExt as _, Full};
use tower::{Service, ServiceExt as _};
use tower_claude_core::{Refusal, Tenant, TenantId};
use tower_claude_tenant_auth::{KeyDigest, StaticKeys};

pub(crate) const KEY: &str = "sk-ant-api03-of-web";

/// Answers 200 at once and keeps the head of each request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recorder(Arc<Mutex<Vec<request::Parts>>>);

/// What a caller sees, and what we keep for ourselves.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    pub(crate) refusal: Option<Refusal>,
}

// === impl Recorder ===

impl Recorder {
    pub(crate) fn heads(&self) -> Vec<request::Parts> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn last(&self) -> request::Parts {
        self.heads().pop().expect("a call that passed")
    }
}

impl<B> Service<Request<B>> for Recorder {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Full<Bytes>>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.0.lock().unwrap().push(request.into_parts().0);
        std::future::ready(Ok(Response::new(Full::from("inner"))))
    }
}

// === impl Answer ===

impl Answer {
    pub(crate) fn message(&self) -> &str {
        self.refusal.as_ref().expect("a refusal").message()
    }
}

pub(crate) fn tenant(id: &str) -> Tenant {
    Tenant::new(TenantId::new(id).unwrap())
}

pub(crate) fn keys() -> StaticKeys {
    StaticKeys::new([(KeyDigest::of(KEY), tenant("web"))]).unwrap()
}

/// A call for a model, with these headers.
pub(crate) fn call(headers: &[(&str, &str)]) -> Request<Full<Bytes>> {
    request("claude-opus-5-5", headers)
}

pub(crate) fn request(model: &str, headers: &[(&str, &str)]) -> Request<Full<Bytes>> {
    let body = format!(r#"{{"model":"{model}","max_tokens":9,"messages":[]}}"#);
    headers
        .iter()
        .fold(Request::post("/v1/messages"), |request, (name, value)| {
            request.header(*name, *value)
        })
        .body(Full::from(body))
        .unwrap()
}

pub(crate) async fn ask<S, ReqB, ResB>(service: S, request: Request<ReqB>) -> Answer
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    S::Error: std::fmt::Debug,
    ResB: Body,
    ResB::Error: std::fmt::Debug,
{
    let response = service.oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer {
        status: head.status.as_u16(),
        headers: head.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
        refusal: head.extensions.get().cloned(),
    }
}
