#![allow(dead_code, reason = "each test file uses some of it")]

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use tower::ServiceExt as _;
use tower_claude_core::TransportError;
use tower_claude_testkit::{FakeClaude, ScriptedBody};

pub(crate) type Response = http::Response<ScriptedBody>;

pub(crate) fn ask(body: impl Into<Bytes>) -> http::Request<Full<Bytes>> {
    http::Request::post("/v1/messages?beta=true")
        .body(Full::new(body.into()))
        .expect("a request")
}

/// A message request whose user says this.
pub(crate) fn say(text: &str, stream: bool) -> http::Request<Full<Bytes>> {
    ask(format!(
        r#"{{"model":"claude-opus-5-5","max_tokens":1000,"stream":{stream},"messages":[{{"role":"user","content":"{text}"}}]}}"#
    ))
}

pub(crate) async fn call(
    fake: &FakeClaude,
    request: http::Request<Full<Bytes>>,
) -> Result<Response, TransportError> {
    fake.clone().oneshot(request).await
}

pub(crate) async fn bytes(response: Response) -> Bytes {
    let collected = response.into_body().collect().await;
    collected.expect("a whole body").to_bytes()
}

pub(crate) async fn json(response: Response) -> serde_json::Value {
    serde_json::from_slice(&bytes(response).await).expect("a document")
}

/// All data frames, and the error if there is one.
pub(crate) async fn frames(response: Response) -> (Vec<Bytes>, Option<String>) {
    let mut body = response.into_body();
    let mut frames = Vec::new();
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => frames.extend(frame.into_data()),
            Err(error) => return (frames, Some(error.to_string())),
        }
    }
    (frames, None)
}
