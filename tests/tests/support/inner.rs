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

/// The least service there can be below a layer: one prepared answer, at hardly any cost.
///
/// What is measured around it is what the layers add.
#[derive(Clone, Debug)]
pub(crate) struct Inner(Arc<Prepared>);

#[derive(Debug)]
struct Prepared {
    content_type: HeaderValue,
    frames: Box<[Bytes]>,
}

/// Its body: prepared frames, one after the other.
#[derive(Debug)]
pub(crate) struct InnerBody {
    prepared: Arc<Prepared>,
    next: usize,
}

// === impl Inner ===

impl Inner {
    /// Answers with a plain message.
    pub(crate) fn plain() -> Self {
        let frame = Bytes::from_static(wire::MESSAGE.as_bytes());
        Self::new("application/json", [frame])
    }

    /// Answers with a stream of so many text deltas, in frames of as many events.
    pub(crate) fn stream(deltas: usize, events_a_frame: usize) -> Self {
        let events: Vec<Bytes> = events(deltas).collect();
        let frames = events
            .chunks(events_a_frame)
            .map(|events| events.concat().into());
        Self::new("text/event-stream; charset=utf-8", frames)
    }

    fn new(content_type: &'static str, frames: impl IntoIterator<Item = Bytes>) -> Self {
        Self(Arc::new(Prepared {
            content_type: HeaderValue::from_static(content_type),
            frames: frames.into_iter().collect(),
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
        response
            .headers_mut()
            .insert(http::header::CONTENT_TYPE, self.0.content_type.clone());
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
        Poll::Ready(frame.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.next >= self.prepared.frames.len()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

/// The events of a stream of so many text deltas, as upstream would send it.
pub(crate) fn events(deltas: usize) -> impl Iterator<Item = Bytes> {
    let before = [
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-sonnet-5-5\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":250,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,\"output_tokens\":1,\"service_tier\":\"standard\"}}}\n\n",
        "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
    ];
    let delta = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\" harbour\"}}\n\n";
    let after = [
        "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
        "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":200}}\n\n",
        "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
    ];
    before
        .into_iter()
        .chain(std::iter::repeat_n(delta, deltas))
        .chain(after)
        .map(|event| Bytes::from_static(event.as_bytes()))
}
