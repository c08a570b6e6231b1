//! Upstream's error, which came when the head was out, as an `error` event.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;
use tower_claude_core::{FailureKind, RequestId};

/// Anthropic's error envelope, as far as it has to be understood to be passed on.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    error: &'a RawValue,
    #[serde(borrow, default)]
    request_id: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ErrorObject {
    #[expect(dead_code, reason = "an error without a type is none of Anthropic's")]
    r#type: String,
}

/// The event that says what an answer of an error status says.
///
/// The `error` object is upstream's own; a body that is not Anthropic's envelope (an edge
/// server's HTML, or a part of one) leaves the status to speak. The request's id is the
/// envelope's, else that of the headers, else `id`.
pub(crate) fn error_event(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    id: RequestId,
) -> Bytes {
    let envelope: Option<Envelope<'_>> = serde_json::from_slice(body).ok();
    let said = envelope
        .as_ref()
        .filter(|envelope| serde_json::from_str::<ErrorObject>(envelope.error.get()).is_ok());
    let error = match said {
        Some(envelope) => one_line(envelope.error.get()),
        None => format!(
            r#"{{"type":"{}","message":"upstream answered with status {} and no error that can be passed on"}}"#,
            error_type(status),
            status.as_u16()
        ),
    };
    let told = said
        .and_then(|envelope| envelope.request_id)
        .map(RawValue::get)
        .filter(|told| told.starts_with('"'))
        .map(str::to_owned);
    let id = told.unwrap_or_else(|| {
        let header = headers
            .get(RequestId::HEADER)
            .and_then(|id| id.to_str().ok());
        quoted(header.unwrap_or(id.as_str()))
    });
    format!("event: error\ndata: {{\"type\":\"error\",\"error\":{error},\"request_id\":{id}}}\n\n")
        .into()
}

/// JSON without line ends, which would end the data of an event. They are white space there:
/// within a string they are escaped.
fn one_line(json: &str) -> String {
    json.replace(['\n', '\r'], " ")
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_else(|_| "null".to_owned())
}

/// The `error.type` of a status.
fn error_type(status: StatusCode) -> &'static str {
    FailureKind::of_status(status.as_u16()).map_or("api_error", FailureKind::error_type)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn event(status: u16, body: &str) -> String {
        let id = RequestId::generate();
        let status = StatusCode::from_u16(status).unwrap();
        let event = error_event(status, &HeaderMap::new(), body.as_bytes(), id);
        let event = String::from_utf8(event.to_vec()).unwrap();
        assert!(event.starts_with("event: error\ndata: {") && event.ends_with("}\n\n"));
        assert_eq!(
            event.lines().count(),
            3,
            "one event, one line of data: {event}"
        );
        event.replace(id.as_str(), "ours")
    }

    #[test]
    fn the_error_of_the_envelope_is_passed_on_as_it_is() {
        let body = "{\"type\":\"error\",\r\n \"error\": {\"details\": {\"n\":\n1.50},\n \"type\":\"overloaded_error\",\"message\":\"a\\nb \\u00e9\"},\n\"request_id\":\"req_up\"}\n";
        assert_eq!(
            event(529, body),
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"details\": {\"n\": 1.50},  \"type\":\"overloaded_error\",\"message\":\"a\\nb \\u00e9\"},\"request_id\":\"req_up\"}\n\n"
        );
    }

    #[test]
    fn a_body_that_is_no_envelope_leaves_the_status_to_speak() {
        for (status, word) in [
            (302, "api_error"),
            (400, "invalid_request_error"),
            (402, "billing_error"),
            (413, "request_too_large"),
            (418, "invalid_request_error"),
            (429, "rate_limit_error"),
            (500, "api_error"),
            (503, "overloaded_error"),
            (504, "timeout_error"),
            (529, "overloaded_error"),
        ] {
            for body in [
                "",
                "<html>\n\n</html>",
                "[1]",
                r#"{"error":"x"}"#,
                r#"{"error":{"message":"no type"}}"#,
                r#"{"error":{"type":7}}"#,
                r#"{"error":{"type":"cut of"#,
                "\u{0}\n\ndata: x",
            ] {
                let event = event(status, body);
                let said = format!(
                    "{{\"type\":\"{word}\",\"message\":\"upstream answered with status {status}"
                );
                assert!(event.contains(&said), "{event}");
                assert!(event.contains("\"request_id\":\"ours\""), "{event}");
            }
        }
    }

    #[test]
    fn the_id_is_the_envelopes_else_the_headers_else_ours() {
        let body = br#"{"error":{"type":"api_error","message":"m"},"request_id":null}"#;
        assert!(event(500, std::str::from_utf8(body).unwrap()).contains("\"ours\""));
        let mut headers = HeaderMap::new();
        headers.insert(RequestId::HEADER, HeaderValue::from_static("req\"\\up"));
        let event = error_event(
            StatusCode::BAD_GATEWAY,
            &headers,
            body,
            RequestId::generate(),
        );
        assert!(event.ends_with(b",\"request_id\":\"req\\\"\\\\up\"}\n\n"));
    }
}
