use std::fmt::Write as _;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::refusal::{Refusal, RefusalKind};
use crate::{RequestId, ResponseBody};

/// The form in which a caller reads refusals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dialect {
    /// Anthropic's JSON envelope, out of which official SDKs raise their own exceptions.
    #[default]
    Anthropic,
    /// A gRPC response of trailers only.
    Grpc,
}

/// Anthropic's error envelope.
#[derive(Serialize)]
struct Envelope<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    error: ErrorObject<'a>,
    request_id: &'a str,
}

#[derive(Serialize)]
struct ErrorObject<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'a RawValue>,
    #[serde(rename = "type")]
    kind: &'static str,
    message: &'a str,
}

const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const GRPC_PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

// === impl Dialect ===

impl Dialect {
    /// The dialect of a caller that sends such headers.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let is_grpc = headers
            .get(CONTENT_TYPE)
            .is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"));
        if is_grpc { Self::Grpc } else { Self::Anthropic }
    }
}

// === impl Refusal ===

impl Refusal {
    /// The refusal as a response, in the caller's dialect.
    ///
    /// It carries the refusal itself in its extensions.
    pub fn respond<B>(self, dialect: Dialect, id: RequestId) -> Response<ResponseBody<B>> {
        let mut response = match dialect {
            Dialect::Anthropic => self.respond_as_anthropic(id),
            Dialect::Grpc => self.respond_as_grpc(),
        };
        let headers = response.headers_mut();
        headers.insert(RequestId::HEADER, id.to_header());
        if let Some(makes_sense) = self.retry_flag() {
            let word = if makes_sense { "true" } else { "false" };
            headers.insert(SHOULD_RETRY, HeaderValue::from_static(word));
        }
        response.extensions_mut().insert(self);
        response
    }

    /// The refusal as an `error` event, for a stream that has begun.
    #[must_use]
    pub fn to_event(&self, id: RequestId) -> Bytes {
        let mut event = b"event: error\ndata: ".to_vec();
        self.write_envelope(id, &mut event);
        event.extend_from_slice(b"\n\n");
        event.into()
    }

    fn respond_as_anthropic<B>(&self, id: RequestId) -> Response<ResponseBody<B>> {
        let mut json = Vec::with_capacity(256);
        self.write_envelope(id, &mut json);
        let mut response = Response::new(ResponseBody::local(json.into()));
        *response.status_mut() =
            StatusCode::from_u16(self.kind().status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(wait) = self.wait() {
            let started = u64::from(wait.subsec_nanos() > 0);
            let seconds = wait.as_secs().saturating_add(started);
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }

    /// Trailers only: status and message in the headers of a 200 without a body.
    fn respond_as_grpc<B>(&self) -> Response<ResponseBody<B>> {
        let mut response = Response::new(ResponseBody::local(Bytes::new()));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(
            GRPC_STATUS,
            HeaderValue::from(u16::from(self.kind().grpc_code())),
        );
        if let Ok(message) = HeaderValue::from_str(&percent_encoded(self.message())) {
            headers.insert(GRPC_MESSAGE, message);
        }
        if let Some(wait) = self.wait() {
            let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            headers.insert(GRPC_PUSHBACK, HeaderValue::from(millis));
        }
        response
    }

    fn write_envelope(&self, id: RequestId, out: &mut Vec<u8>) {
        let envelope = Envelope {
            kind: "error",
            error: ErrorObject {
                details: self
                    .details_json()
                    .and_then(|json| serde_json::from_str(json).ok()),
                kind: RefusalKind::error_type(self.kind()),
                message: self.message(),
            },
            request_id: id.as_str(),
        };
        // Strings and checked JSON into memory: there is nothing left that can fail.
        let _ = serde_json::to_writer(out, &envelope);
    }
}

/// The encoding of `grpc-message`: visible ASCII but for `%` stays, all else is `%XX`.
fn percent_encoded(message: &str) -> String {
    let mut encoded = String::with_capacity(message.len());
    for byte in message.bytes() {
        if (b' '..=b'~').contains(&byte) && byte != b'%' {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body::Body;
    use std::time::Duration;

    fn refusal() -> Refusal {
        Refusal::new(RefusalKind::RateLimited, "tenant wéb exhausted (200k/min)")
            .cause("store key cg:web")
            .retry_after(Duration::from_millis(61_001))
            .details(r#"{"meter":"input_tokens"}"#)
    }

    fn body(response: Response<ResponseBody<http_body_util::Empty<Bytes>>>) -> Bytes {
        let mut body = std::pin::pin!(response.into_body());
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        match body.as_mut().poll_frame(&mut cx) {
            std::task::Poll::Ready(Some(Ok(frame))) => frame.into_data().unwrap(),
            _ => Bytes::new(),
        }
    }

    #[test]
    fn speaks_anthropics_envelope() {
        let id = RequestId::generate();
        let response = refusal().respond(Dialect::Anthropic, id);
        assert_eq!(response.status().as_u16(), 429);
        assert_eq!(response.headers()["retry-after"], "62", "rounded up");
        assert_eq!(response.headers()["x-should-retry"], "false", "over 60 s");
        assert_eq!(response.headers()["request-id"], id.as_str());
        let typed = response.extensions().get::<Refusal>().unwrap();
        assert_eq!(typed.kind(), RefusalKind::RateLimited);
        assert_eq!(
            body(response),
            format!(
                r#"{{"type":"error","error":{{"details":{{"meter":"input_tokens"}},"type":"rate_limit_error","message":"tenant wéb exhausted (200k/min)"}},"request_id":"{id}"}}"#
            )
        );
    }

    #[test]
    fn speaks_grpc_in_trailers_only() {
        let response = refusal().respond(Dialect::Grpc, RequestId::generate());
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["grpc-status"], "8");
        assert_eq!(
            response.headers()["grpc-message"],
            "tenant w%C3%A9b exhausted (200k/min)"
        );
        assert_eq!(response.headers()["grpc-retry-pushback-ms"], "61001");
        assert!(body(response).is_empty());
    }

    #[test]
    fn speaks_an_event_inside_a_stream() {
        let id = RequestId::generate();
        let event = Refusal::new(RefusalKind::BadGateway, "cut \"off\"").to_event(id);
        assert_eq!(
            event,
            format!(
                "event: error\ndata: {{\"type\":\"error\",\"error\":{{\"type\":\"api_error\",\"message\":\"cut \\\"off\\\"\"}},\"request_id\":\"{id}\"}}\n\n"
            )
        );
    }

    #[test]
    fn the_cause_never_reaches_a_response() {
        let id = RequestId::generate();
        for dialect in [Dialect::Anthropic, Dialect::Grpc] {
            let response = refusal().respond(dialect, id);
            let head = format!("{:?}", response.headers());
            assert!(!head.contains("store key"));
            assert!(!format!("{:?}", body(response)).contains("store key"));
        }
        assert!(!format!("{:?}", refusal().to_event(id)).contains("store key"));
    }
}
