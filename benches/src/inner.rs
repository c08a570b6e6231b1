use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body::{Body, Frame, SizeHint};
use tower_claude::core::{CallBody, Timestamp};
use tower_claude_testkit::wire;
use tower_service::Service;

/// The inner service of the in-process benchmarks: one prepared answer, at the least cost.
#[derive(Clone, Debug)]
pub struct Inner(Arc<Prepared>);

#[derive(Clone, Debug)]
struct Prepared {
    content_type: HeaderValue,
    /// What it says of an account's limits.
    limits: Vec<(HeaderName, HeaderValue)>,
    frames: Vec<Bytes>,
}

/// Its body: the frames, one after the other.
#[derive(Clone, Debug)]
pub struct InnerBody {
    prepared: Arc<Prepared>,
    next: usize,
}

// === impl Inner ===

impl Inner {
    /// Answers with a plain message.
    #[must_use]
    pub fn plain() -> Self {
        Self::new("application/json", [compact(wire::MESSAGE)])
    }

    /// Answers with a stream of 200 deltas, which comes as one.
    #[must_use]
    pub fn stream() -> Self {
        Self::streaming([stream(200)])
    }

    /// Answers with a stream of 200 deltas, each a frame, as over a connection.
    #[must_use]
    pub fn frames() -> Self {
        let stream = stream(200);
        let mut events = Vec::new();
        let mut begin = 0;
        for end in memchr::memmem::find_iter(&stream, b"\n\n") {
            events.push(stream.slice(begin..end + 2));
            begin = end + 2;
        }
        Self::streaming(events)
    }

    fn streaming(frames: impl IntoIterator<Item = Bytes>) -> Self {
        Self::new("text/event-stream; charset=utf-8", frames)
    }

    fn new(content_type: &'static str, frames: impl IntoIterator<Item = Bytes>) -> Self {
        Self(Arc::new(Prepared {
            content_type: HeaderValue::from_static(content_type),
            limits: Vec::new(),
            frames: frames.into_iter().collect(),
        }))
    }

    /// Says of all four limits that nearly all is left, as upstream does.
    #[must_use]
    pub fn limited(self) -> Self {
        let soon = Timestamp::now().unix_millis() / 1_000 * 1_000 + 60_000;
        let soon = Timestamp::from_unix_millis(soon).to_string();
        let limits = [
            ("requests", "4000", "3999"),
            ("tokens", "12000000", "11990000"),
            ("input-tokens", "10000000", "9990000"),
            ("output-tokens", "2000000", "1999000"),
        ];
        let lines = limits.into_iter().flat_map(|(meter, limit, remaining)| {
            [("limit", limit), ("remaining", remaining), ("reset", &soon)].map(|(field, value)| {
                let name = format!("anthropic-ratelimit-{meter}-{field}");
                (
                    name.parse().expect("a name"),
                    value.parse().expect("a value"),
                )
            })
        });
        Self(Arc::new(Prepared {
            limits: lines.collect(),
            ..Prepared::clone(&self.0)
        }))
    }
}

impl Service<Request<CallBody>> for Inner {
    type Response = Response<InnerBody>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<CallBody>) -> Self::Future {
        let mut response = Response::new(InnerBody {
            prepared: Arc::clone(&self.0),
            next: 0,
        });
        let headers = response.headers_mut();
        headers.insert(http::header::CONTENT_TYPE, self.0.content_type.clone());
        for (name, value) in &self.0.limits {
            headers.insert(name, value.clone());
        }
        ready(Ok(response))
    }
}

// === impl InnerBody ===

impl Body for InnerBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = self.prepared.frames.get(self.next).cloned();
        self.next += 1;
        Poll::Ready(frame.map(|frame| Ok(Frame::data(frame))))
    }

    fn is_end_stream(&self) -> bool {
        self.next >= self.prepared.frames.len()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.prepared.frames[..] {
            [only] if self.next == 0 => SizeHint::with_exact(only.len() as u64),
            _ => SizeHint::default(),
        }
    }
}

/// JSON without white space, as upstream sends it.
fn compact(json: &str) -> Bytes {
    let value: serde_json::Value = serde_json::from_str(json).expect("JSON");
    value.to_string().into()
}

/// A stream of so many text deltas, as upstream would send it.
#[must_use]
pub fn stream(deltas: usize) -> Bytes {
    let mut text = String::from(
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-sonnet-5-5\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":250,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,\"output_tokens\":1,\"service_tier\":\"standard\"}}}\n\nevent: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
    );
    for _ in 0..deltas {
        text.push_str("event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\" harbour\"}}\n\n");
    }
    text.push_str("event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":200}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
    text.into()
}
