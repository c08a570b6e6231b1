//! Recognises failures in the answers of upstream: status, headers and error envelope.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::failure::{Failure, FailureKind};
use crate::json_text::JsonText;
use crate::{Hints, Text, Timestamp};

/// Anthropic's error envelope, as far as we read it. Also the data of an `error` event.
#[derive(Deserialize, Default)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    error: Option<ErrorObject<'a>>,
}

#[derive(Deserialize, Default)]
struct ErrorObject<'a> {
    #[serde(borrow, rename = "type", default)]
    error_type: Option<JsonText<'a>>,
    #[serde(borrow, default)]
    message: Option<JsonText<'a>>,
    #[serde(borrow, default)]
    details: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
struct Details<'a> {
    #[serde(borrow, default)]
    error_code: Option<JsonText<'a>>,
}

// === impl Failure ===

impl Failure {
    /// What an answer of this status says, or `None` for a success.
    ///
    /// `body` is the answer's, or as much of it as is at hand; one that is not Anthropic's
    /// envelope (an edge server's HTML, say) leaves the status to speak. Dates are relative
    /// to `now`.
    #[must_use]
    pub fn from_answer(
        status: StatusCode,
        headers: &HeaderMap,
        body: &Bytes,
        now: SystemTime,
    ) -> Option<Self> {
        if status.is_success() || status.is_informational() {
            return None;
        }
        let envelope: Envelope<'_> = serde_json::from_slice(body).unwrap_or_default();
        let error = envelope.error.unwrap_or_default();
        let hints = Hints::read(headers, now);
        let kind = kind(status, &error);
        let wait = match kind {
            FailureKind::SpendCap | FailureKind::SpendLimit => Some(
                regained(error.message.as_deref().unwrap_or_default())
                    .unwrap_or_else(|| Timestamp::from(now).next_month())
                    .saturating_since(Timestamp::from(now))
                    .max(Duration::from_secs(1)),
            ),
            // A reset says when what is spent is full again; it means nothing for a 500.
            FailureKind::RateLimited => hints.wait(),
            _ => hints.retry_after,
        };
        Some(Self {
            kind,
            status: Some(status.as_u16()),
            in_band: false,
            wait,
            should_retry: hints.should_retry,
            error_type: error
                .error_type
                .as_deref()
                .map(|word| Text::share(body, word)),
        })
    }

    /// What the data of an `error` event says.
    #[must_use]
    pub fn from_event(data: &[u8]) -> Self {
        let envelope: Envelope<'_> = serde_json::from_slice(data).unwrap_or_default();
        let error_type = envelope.error.and_then(|error| error.error_type);
        let kind = error_type
            .as_deref()
            .and_then(FailureKind::of_error_type)
            .unwrap_or(FailureKind::ServerError);
        Self {
            in_band: true,
            error_type: error_type.as_deref().map(Text::from),
            ..Self::new(kind)
        }
    }
}

fn kind(status: StatusCode, error: &ErrorObject<'_>) -> FailureKind {
    // Read apart, so that details of another shape cost no more than themselves.
    let details: Details<'_> = error
        .details
        .and_then(|details| serde_json::from_str(details.get()).ok())
        .unwrap_or_default();
    let code = details.error_code.as_deref();
    match status.as_u16() {
        300..=399 => FailureKind::Redirect,
        400 if is_spend_limit(error.message.as_deref().unwrap_or_default()) => {
            FailureKind::SpendLimit
        }
        401 => FailureKind::Authentication,
        402 => FailureKind::Billing,
        403 => FailureKind::Permission,
        404 => FailureKind::NotFound,
        408 => FailureKind::RequestTimeout,
        409 => FailureKind::Conflict,
        413 => FailureKind::TooLarge,
        429 => match code {
            Some("enforced_spend_limit_reached" | "contract_spend_limit_reached") => {
                FailureKind::SpendCap
            }
            _ => FailureKind::RateLimited,
        },
        503 | 529 => FailureKind::Overloaded,
        504 => FailureKind::Timeout,
        500..=599 => FailureKind::ServerError,
        _ => FailureKind::Invalid,
    }
}

/// A limit that the account's owner set answers with a 400 that only its words tell apart.
fn is_spend_limit(message: &str) -> bool {
    message.contains("reached your specified") && message.contains("usage limits")
}

/// The date in "You will regain access on 2026-12-01 at 00:00 UTC."
fn regained(message: &str) -> Option<Timestamp> {
    let (_, rest) = message.split_once("regain access on ")?;
    let date = rest.get(..10)?;
    let time = rest.get(10..)?.strip_prefix(" at ")?.get(..5)?;
    Timestamp::parse(&format!("{date}T{time}:00Z"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Scope;

    fn failure(status: u16, body: &'static str) -> Failure {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_169_701);
        Failure::from_answer(
            StatusCode::from_u16(status).unwrap(),
            &HeaderMap::new(),
            &Bytes::from_static(body.as_bytes()),
            now,
        )
        .unwrap()
    }

    #[test]
    fn tells_the_three_kinds_of_stop_apart() {
        let limited = failure(
            429,
            r#"{"error":{"type":"rate_limit_error","message":"slow"}}"#,
        );
        assert_eq!(limited.kind, FailureKind::RateLimited);
        assert_eq!(limited.kind.scope(), Scope::ModelClass);

        let capped = failure(
            429,
            r#"{"error":{"type":"rate_limit_error","message":"You have reached your API usage limits",
            "details":{"error_code":"enforced_spend_limit_reached"}}}"#,
        );
        assert_eq!(capped.kind, FailureKind::SpendCap);
        assert!(!capped.kind.is_passing() && capped.kind.may_pass_elsewhere());
        assert_eq!(
            capped.wait,
            Some(Duration::from_secs(913_499)),
            "to the 1st"
        );

        let own = failure(
            400,
            r#"{"error":{"type":"invalid_request_error","message":"You have reached your specified workspace API usage limits. You will regain access on 2026-11-21 at 00:00 UTC."}}"#,
        );
        assert_eq!(own.kind, FailureKind::SpendLimit);
        assert_eq!(own.wait, Some(Duration::from_secs(49_499)));
    }

    #[test]
    fn a_body_that_is_no_envelope_leaves_the_status_to_speak() {
        assert_eq!(failure(413, "<html>413</html>").kind, FailureKind::TooLarge);
        assert_eq!(failure(529, "").kind, FailureKind::Overloaded);
        assert_eq!(failure(302, "").kind, FailureKind::Redirect);
        assert_eq!(failure(418, "[]").kind, FailureKind::Invalid);
        assert_eq!(failure(520, "").kind, FailureKind::ServerError);
    }

    #[test]
    fn an_event_speaks_by_its_type() {
        let failure = Failure::from_event(
            br#"{"type":"error","error":{"details":null,"type":"overloaded_error","message":"Overloaded"}}"#,
        );
        assert_eq!(failure.kind, FailureKind::Overloaded);
        assert!(failure.in_band && !failure.possibly_billed());
        assert_eq!(failure.error_type.as_deref(), Some("overloaded_error"));
        assert_eq!(Failure::from_event(b"junk").kind, FailureKind::ServerError);
    }

    #[test]
    fn only_what_may_have_run_may_be_billed() {
        assert!(failure(500, "").possibly_billed());
        assert!(failure(504, "").possibly_billed());
        for status in [408, 409, 429, 503, 529] {
            assert!(!failure(status, "").possibly_billed(), "{status}");
        }
    }
}
