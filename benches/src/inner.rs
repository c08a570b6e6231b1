use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use tower_claude::core::CallBody;
use tower_claude_testkit::wire;
use tower_service::Service;

/// The inner service of the in-process benchmarks: one prepared answer, at the least cost.
#[derive(Clone, Debug)]
pub struct Inner {
    content_type: HeaderValue,
    body: Bytes,
}

/// Its body.
pub type InnerBody = Full<Bytes>;

// === impl Inner ===

impl Inner {
    /// Answers with a plain message.
    #[must_use]
    pub fn plain() -> Self {
        Self {
            content_type: HeaderValue::from_static("application/json"),
            body: compact(wire::MESSAGE),
        }
    }

    /// Answers with a stream of 200 deltas.
    #[must_use]
    pub fn stream() -> Self {
        Self {
            content_type: HeaderValue::from_static("text/event-stream; charset=utf-8"),
            body: stream(200),
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
        let mut response = Response::new(Full::new(self.body.clone()));
        response
            .headers_mut()
            .insert(http::header::CONTENT_TYPE, self.content_type.clone());
        ready(Ok(response))
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
