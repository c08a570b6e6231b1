//! What the tests of this crate have in common.
#![allow(dead_code, reason = "each test uses a part of it")]
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::BodyExt as _;
use tokio::time::Instant;
use tower::{Layer as _, ServiceExt as _};
use tower_claude_core::{BoxError, Call, CallBody, Intake, Metered, Prepare, UsageCell, tap};
use tower_claude_heartbeat::HeartbeatLayer;
use tower_claude_testkit::{Answer, FakeClaude};
use tower_service::Service;

pub(crate) const PING: &str = "event: ping\ndata: {\"type\": \"ping\"}\n\n";

const ASK: &str = r#"{"model":"claude-opus-5-5","max_tokens":64,"stream":false,"messages":[]}"#;
const ASK_STREAM: &str =
    r#"{"model":"claude-opus-5-5","max_tokens":64,"stream":true,"messages":[]}"#;

pub(crate) fn request() -> Request<CallBody> {
    Request::post("/v1/messages").body(ASK.into()).unwrap()
}

pub(crate) fn stream_request() -> Request<CallBody> {
    Request::post("/v1/messages")
        .body(ASK_STREAM.into())
        .unwrap()
}

/// A request whose call is known outside, as below a meter.
pub(crate) async fn prepared(request: Request<CallBody>) -> (Request<CallBody>, Call) {
    let prepared = Prepare::new(request, &Intake::new()).await.unwrap();
    (prepared.request, prepared.call)
}

/// Waits until a service is ready for a request.
pub(crate) async fn ready<S>(service: &mut S) -> Result<&mut S, S::Error>
where
    S: Service<Request<CallBody>>,
{
    service.ready().await
}

pub(crate) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A head after 2 s, pings every 3 s.
pub(crate) fn layer() -> HeartbeatLayer {
    HeartbeatLayer::new().after(seconds(2)).every(seconds(3))
}

/// The good stream, 10 s late.
pub(crate) fn late_stream() -> Answer {
    Answer::thinking_tool_use().head_delay(seconds(10))
}

/// What one call came to.
pub(crate) struct Outcome {
    pub(crate) response: Response<()>,
    /// When the head came, counted from the call.
    pub(crate) head: Duration,
    /// What came, and when.
    pub(crate) frames: Vec<(Duration, Bytes)>,
    pub(crate) error: Option<BoxError>,
    pub(crate) metered: Metered,
}

/// Makes one streaming call through a layer, reads its answer to the end, and reads along.
pub(crate) async fn play(layer: &HeartbeatLayer, answer: Answer) -> Outcome {
    let service = layer.layer(FakeClaude::sequence([answer]));
    hear(service.oneshot(stream_request())).await
}

pub(crate) async fn hear<B, E>(answer: impl Future<Output = Result<Response<B>, E>>) -> Outcome
where
    B: Body<Data = Bytes, Error = BoxError>,
    E: std::fmt::Debug,
{
    let began = Instant::now();
    let response = tap(answer.await.unwrap());
    let head = began.elapsed();
    let cell = UsageCell::of(&response).cloned().unwrap();
    let (parts, body) = response.into_parts();
    let (mut frames, mut error) = (Vec::new(), None);
    let mut body = std::pin::pin!(body);
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => {
                frames.push((began.elapsed(), frame.into_data().unwrap_or_default()));
            }
            Err(broken) => error = Some(broken),
        }
    }
    assert!(body.is_end_stream() || error.is_some(), "an end is an end");
    Outcome {
        response: Response::from_parts(parts, ()),
        head,
        frames,
        error,
        metered: cell.read(Clone::clone),
    }
}

impl Outcome {
    pub(crate) fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    pub(crate) fn text(&self) -> String {
        let whole: Vec<u8> = self
            .frames
            .iter()
            .flat_map(|(_, data)| data.to_vec())
            .collect();
        String::from_utf8(whole).unwrap()
    }

    /// What came after the pings that came first, and when those came.
    pub(crate) fn after_pings(&self) -> (Vec<u64>, String) {
        let is_ping = |frame: &&(Duration, Bytes)| frame.1 == PING;
        let pings = self.frames.iter().take_while(is_ping);
        let pings: Vec<_> = pings.map(|(at, _)| at.as_secs()).collect();
        let rest = self.text().split_off(pings.len() * PING.len());
        (pings, rest)
    }
}
