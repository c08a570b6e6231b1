use std::borrow::Cow;

use crate::frames::known_error_type_of_aws;
use crate::json_cursor::JsonCursor;

/// What the body of an answer says of an error, in the form of any platform.
///
/// | platform | form |
/// |---|---|
/// | Anthropic, and what its models say everywhere | `{"error":{"type","message","details":{"error_code"}}}` |
/// | Amazon | `{"message"}`, also `__type` and `originalStatusCode`; the name is in a header |
/// | Google | `{"error":{"code","message","status"}}`, also in an array |
/// | Microsoft | `{"error":{"code","message"}}`, `{"statusCode","message"}` |
///
/// A field of another shape is as good as absent, a body that is cut off is read as far as it
/// goes, and no nesting costs stack.
#[derive(Debug, Default)]
pub(crate) struct ErrorEnvelope<'a> {
    /// In Anthropic's words, translated where another platform uses its own.
    pub(crate) error_type: Option<Cow<'a, str>>,
    pub(crate) message: Option<Cow<'a, str>>,
    pub(crate) error_code: Option<Cow<'a, str>>,
    /// The status with which a model behind Bedrock failed.
    pub(crate) original_status: Option<u16>,
}

/// Google's canonical codes, in Anthropic's words.
const GOOGLE: [(&str, &str); 14] = [
    ("INVALID_ARGUMENT", "invalid_request_error"),
    ("FAILED_PRECONDITION", "invalid_request_error"),
    ("OUT_OF_RANGE", "invalid_request_error"),
    ("UNAUTHENTICATED", "authentication_error"),
    ("PERMISSION_DENIED", "permission_error"),
    ("NOT_FOUND", "not_found_error"),
    ("ABORTED", "conflict_error"),
    ("ALREADY_EXISTS", "conflict_error"),
    ("RESOURCE_EXHAUSTED", "rate_limit_error"),
    ("UNAVAILABLE", "overloaded_error"),
    ("DEADLINE_EXCEEDED", "timeout_error"),
    ("INTERNAL", "api_error"),
    ("UNKNOWN", "api_error"),
    ("DATA_LOSS", "api_error"),
];

// === impl ErrorEnvelope ===

impl<'a> ErrorEnvelope<'a> {
    /// Reads a body, or the data of an `error` event.
    pub(crate) fn read(body: &'a [u8]) -> Self {
        let mut envelope = Self::default();
        let mut cursor = JsonCursor::new(body);
        if cursor.enter_array() && !cursor.next_value() {
            return envelope;
        }
        if !cursor.enter_object() {
            return envelope;
        }
        while let Some(key) = cursor.next_key() {
            match key {
                b"error" if cursor.enter_object() => envelope.read_error(&mut cursor),
                b"message" if envelope.message.is_none() => envelope.message = text(&mut cursor),
                b"__type" => {
                    let known = cursor
                        .text()
                        .and_then(|name| known_error_type_of_aws(&name));
                    envelope.error_type = envelope.error_type.or(known.map(Cow::Borrowed));
                }
                b"originalStatusCode" => envelope.original_status = number(cursor.skip()),
                _ => {
                    cursor.skip();
                }
            }
        }
        envelope
    }

    fn read_error(&mut self, cursor: &mut JsonCursor<'a>) {
        let mut status = None;
        while let Some(key) = cursor.next_key() {
            match key {
                b"type" => self.error_type = text(cursor),
                b"message" => self.message = text(cursor),
                b"status" => status = text(cursor),
                b"details" if cursor.enter_object() => {
                    while let Some(key) = cursor.next_key() {
                        match key {
                            b"error_code" => self.error_code = text(cursor),
                            _ => {
                                cursor.skip();
                            }
                        }
                    }
                }
                _ => {
                    cursor.skip();
                }
            }
        }
        if self.error_type.is_none() {
            self.error_type = status.and_then(|status| {
                let (_, error_type) = GOOGLE.iter().find(|(name, _)| *name == status)?;
                Some(Cow::Borrowed(*error_type))
            });
        }
    }
}

/// A string that has come to its end.
fn text<'a>(cursor: &mut JsonCursor<'a>) -> Option<Cow<'a, str>> {
    cursor.text().filter(|_| !cursor.is_broken())
}

fn number(json: &[u8]) -> Option<u16> {
    std::str::from_utf8(json).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> [Option<String>; 3] {
        let read = ErrorEnvelope::read(body.as_bytes());
        [read.error_type, read.message, read.error_code].map(|text| text.map(Cow::into_owned))
    }

    fn expected(error_type: &str, message: &str, code: &str) -> [Option<String>; 3] {
        [error_type, message, code].map(|text| (!text.is_empty()).then(|| text.to_owned()))
    }

    #[test]
    fn reads_the_form_of_every_platform() {
        for (body, error) in [
            (
                r#"{"type":"error","error":{"details":{"a":[1],"error_code":"c"},"type":"t","message":"m\n"},"request_id":"r"}"#,
                expected("t", "m\n", "c"),
            ),
            (
                r#" [ {"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED","details":[{"error_code":"c"}]}},{"error":{"type":"x"}}]"#,
                expected("rate_limit_error", "m", ""),
            ),
            (
                r#"{"error":{"code":"401","message":"m","status":"NONESUCH"}}"#,
                expected("", "m", ""),
            ),
            (r#"{"statusCode":429,"message":"m"}"#, expected("", "m", "")),
            (
                r#"{"__type":"com.amazon.coral.service#ExpiredTokenException","message":"m"}"#,
                expected("authentication_error", "m", ""),
            ),
        ] {
            assert_eq!(read(body), error, "{body}");
        }
        let read = ErrorEnvelope::read(br#"{"message":"m","originalStatusCode":500}"#);
        assert_eq!(read.original_status, Some(500));
    }

    #[test]
    fn a_field_of_another_shape_costs_no_more_than_itself() {
        for (body, error) in [
            (r#"{"error":"no"}"#, expected("", "", "")),
            (r#"{"error":null,"message":"m"}"#, expected("", "m", "")),
            (
                r#"{"error":{"type":7,"message":["m"],"details":"d"}}"#,
                expected("", "", ""),
            ),
            (
                r#"{"error":{"type":"t","details":{"error_code":{}}}}"#,
                expected("t", "", ""),
            ),
            (r#"{"__type":"Nonesuch","message":7}"#, expected("", "", "")),
            (
                r#"{"error":{"type":"t","message":"it was cut o"#,
                expected("t", "", ""),
            ),
            ("[]", expected("", "", "")),
            ("[7]", expected("", "", "")),
            ("<html></html>", expected("", "", "")),
            ("", expected("", "", "")),
        ] {
            assert_eq!(read(body), error, "{body}");
        }
        for status in ["-1", "70000", "\"500\"", "5e2", "{}"] {
            let body = format!(r#"{{"originalStatusCode":{status}}}"#);
            assert_eq!(
                ErrorEnvelope::read(body.as_bytes()).original_status,
                None,
                "{status}"
            );
        }
    }
}
