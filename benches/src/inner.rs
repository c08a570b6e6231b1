use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body::{Body, Frame, SizeHint};
use tower_claude::core::CallBody;
use tower_claude_testkit::wire;
use tower_service::Service;

/// The inner service of the in-process benchmarks: one prepared answer, at the least cost.
#[derive(Clone, Debug)]
pub struct Inner {
    content_type: HeaderValue,
    body: InnerBody,
}

/// Its body: the frames, one after the other.
#[derive(Clone, Debug)]
pub struct InnerBody {
    frames: Arc<[Bytes]>,
    next: usize,
}

// === impl Inner ===

impl Inner {
    /// Answers with a plain message.
    #[must_use]
    pub fn plain() -> Self {
        Self {
            content_type: HeaderValue::from_static("application/json"),
            body: InnerBody::of([compact(wire::MESSAGE)]),
        }
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
        Self {
            content_type: HeaderValue::from_static("text/event-stream; charset=utf-8"),
            body: InnerBody::of(frames),
        }
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
        let mut response = Response::new(self.body.clone());
        response
            .headers_mut()
            .insert(http::header::CONTENT_TYPE, self.content_type.clone());
        ready(Ok(response))
    }
}

// === impl InnerBody ===

impl InnerBody {
    fn of(frames: impl IntoIterator<Item = Bytes>) -> Self {
        Self {
            frames: frames.into_iter().collect(),
            next: 0,
        }
    }
}

impl Body for InnerBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = self.frames.get(self.next).cloned();
        self.next += 1;
        Poll::Ready(frame.map(|frame| Ok(Frame::data(frame))))
    }

    fn is_end_stream(&self) -> bool {
        self.next >= self.frames.len()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.frames[..] {
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
