#![allow(dead_code, reason = "each test file uses some of it")]
#![allow(
    clippy::unwrap_used,
    reason = "a test stops at what is not as it should be"
)]

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::Request;
use http_body::Body;
use http_body_util::{BodyExt as _, Full};
use tower::{Layer as _, ServiceExt as _};
use tower_claude_capture::{
    Capture, CaptureLayer, CaptureRecord, CaptureSink, Captured, CapturedSide, Redactor,
};
use tower_claude_core::{Tenant, TenantId};
use tower_claude_testkit::{Answer, FakeClaude};

/// A sink that redacts at once and keeps everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct Records(Arc<Mutex<Vec<CaptureRecord>>>);

impl Records {
    pub(crate) fn all(&self) -> Vec<CaptureRecord> {
        self.0.lock().unwrap().clone()
    }

    /// The one record there is.
    #[track_caller]
    pub(crate) fn only(&self) -> CaptureRecord {
        let records = self.all();
        assert_eq!(records.len(), 1, "one record a call");
        records.into_iter().next().unwrap()
    }

    pub(crate) fn layer(&self) -> CaptureLayer<Self> {
        CaptureLayer::new(Redactor::standard(), self.clone())
    }

    pub(crate) fn capture<S>(&self, inner: S) -> Capture<S, Self> {
        self.layer().layer(inner)
    }
}

impl CaptureSink for Records {
    fn capture(&self, captured: Captured) {
        self.0.lock().unwrap().push(captured.redact());
    }
}

/// A file of its own for a test, gone at its end.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        let file = format!("capture-{name}-{}.jsonl", std::process::id());
        Self(std::env::temp_dir().join(file))
    }

    pub(crate) fn text(&self) -> String {
        std::fs::read_to_string(&self.0).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

pub(crate) fn post(path: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let mut request = Request::post(path)
        .header("x-feature", "search")
        .body(Full::new(body.into()))
        .unwrap();
    let tenant = Tenant::new(TenantId::new("web").unwrap());
    request.extensions_mut().insert(tenant);
    request
}

/// A call for opus with these messages, as JSON.
pub(crate) fn message(messages: &str) -> Request<Full<Bytes>> {
    post(
        "/v1/messages?beta=true",
        format!(
            r#"{{"model":"claude-opus-5-5","max_tokens":512,"stream":true,"system":"Be brief.","messages":{messages}}}"#
        ),
    )
}

/// Takes a body to its end, an error included.
pub(crate) async fn take<B>(body: B) -> Vec<u8>
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

/// The record of a call with these messages that upstream answers so.
pub(crate) async fn record_of(messages: &str, answer: Answer) -> CaptureRecord {
    let records = Records::default();
    let fake = FakeClaude::sequence([answer]);
    let response = records.capture(fake).oneshot(message(messages)).await;
    if let Ok(response) = response {
        take(response.into_body()).await;
    }
    records.only()
}

/// Each text with its role before it.
pub(crate) fn said(side: &CapturedSide) -> Vec<String> {
    let shown = |text: &tower_claude_capture::CapturedText| {
        let name = text.name.as_deref().map(|name| format!(" {name}"));
        let role = text.role.as_str();
        format!("{role}{}: {}", name.unwrap_or_default(), text.text)
    };
    side.texts.iter().map(shown).collect()
}
