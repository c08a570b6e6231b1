//! Recognises failures in the answers of upstream: status, headers and error envelope.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use crate::error_envelope::ErrorEnvelope;
use crate::failure::{Failure, FailureKind};
use crate::frames::known_error_type_of_aws;
use crate::{Hints, Text, Timestamp};

/// The header in which Amazon names an error.
const AWS_ERROR: &str = "x-amzn-errortype";

// === impl Failure ===

impl Failure {
    /// What an answer of this status says, or `None` for a success.
    ///
    /// `body` is the answer's, or as much of it as is at hand: Anthropic's envelope, Amazon's,
    /// Google's or Microsoft's; one that is none of them (an edge server's HTML, say) leaves
    /// the status to speak. Dates are relative to `now`.
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
        let aws = headers.get(AWS_ERROR).and_then(|name| name.to_str().ok());
        let mut error = ErrorEnvelope::read(body);
        if error.error_type.is_none() {
            error.error_type = aws.and_then(known_error_type_of_aws).map(Cow::Borrowed);
        }
        let hints = Hints::read(headers, now);
        let kind = kind_of_answer(status.as_u16(), &error, aws.is_some());
        let mut failure = Self {
            status: Some(status.as_u16()),
            should_retry: hints.should_retry,
            error_type: error
                .error_type
                .as_deref()
                .map(|word| Text::share(body, word)),
            distrusted: hints.distrusted,
            ..Self::new(kind)
        };
        failure.wait = match kind {
            FailureKind::SpendCap | FailureKind::SpendLimit => {
                let message = error.message.as_deref().unwrap_or_default();
                Some(failure.until_regained(message, Timestamp::from(now)))
            }
            // A reset says when what is spent is full again; it means nothing for a 500.
            FailureKind::RateLimited => hints.wait(),
            _ => hints.retry_after,
        };
        Some(failure)
    }

    /// What the data of an `error` event says.
    ///
    /// Without headers and a clock there is no wait.
    #[must_use]
    pub fn from_event(data: &[u8]) -> Self {
        let error = ErrorEnvelope::read(data);
        let error_type = error.error_type.as_deref();
        let kind = kind_of_account(&error)
            .or_else(|| error_type.and_then(FailureKind::of_error_type))
            .unwrap_or(FailureKind::ServerError);
        Self {
            in_band: true,
            error_type: error_type.map(Text::from),
            ..Self::new(kind)
        }
    }

    /// How long what is spent stays so: until the date the message names, else the 1st.
    fn until_regained(&mut self, message: &str, now: Timestamp) -> Duration {
        const SHORTEST: Duration = Duration::from_secs(1);
        let date = message
            .split_once("regain access on ")
            .map(|(_, date)| date);
        let named = date.and_then(regained);
        let wait = named
            .unwrap_or_else(|| now.next_month())
            .saturating_since(now);
        // A date that is past, far ahead or none is a lie, as it would be in a header.
        if date.is_some() && (named.is_none() || wait.is_zero() || wait > Hints::LONGEST_WAIT) {
            self.distrusted = self.distrusted.saturating_add(1);
        }
        wait.clamp(SHORTEST, Hints::LONGEST_WAIT)
    }
}

/// What an answer is that is no success: the status says it, unless the body knows better.
fn kind_of_answer(status: u16, error: &ErrorEnvelope<'_>, is_aws: bool) -> FailureKind {
    if let (400..=499, Some(kind)) = (status, kind_of_account(error)) {
        return kind;
    }
    let said = error
        .error_type
        .as_deref()
        .and_then(FailureKind::of_error_type);
    match (status, said) {
        (300..=399, _) => FailureKind::Redirect,
        // Amazon has one status for several of these, and everybody's 400 is an umbrella.
        (
            400 | 403,
            Some(
                kind @ (FailureKind::RateLimited
                | FailureKind::Overloaded
                | FailureKind::Authentication
                | FailureKind::Billing
                | FailureKind::Permission),
            ),
        ) => kind,
        // Amazon's 408 is a model that took too long, not a request that did.
        (408, Some(FailureKind::Timeout)) if is_aws => FailureKind::Timeout,
        // Its model is not loaded yet: that is nobody's rate.
        (429, Some(FailureKind::Overloaded)) => FailureKind::Overloaded,
        (500..=599, Some(kind @ (FailureKind::Overloaded | FailureKind::Timeout))) => kind,
        // The model behind it failed, and with what status it may say.
        (424, _) => error
            .original_status
            .filter(|status| *status != 424)
            .and_then(FailureKind::of_status)
            .unwrap_or(FailureKind::ServerError),
        _ => FailureKind::of_status(status).unwrap_or(FailureKind::Invalid),
    }
}

/// What is wrong with the account, which no status says: codes, and where Anthropic gives
/// none, words.
fn kind_of_account(error: &ErrorEnvelope<'_>) -> Option<FailureKind> {
    match error.error_code.as_deref() {
        Some("enforced_spend_limit_reached" | "contract_spend_limit_reached") => {
            return Some(FailureKind::SpendCap);
        }
        Some("linked_organization_spend_limit_reached") => return Some(FailureKind::SpendLimit),
        Some(
            "organization_on_hold"
            | "claude_code_key_creator_not_member"
            | "cmek_key_disabled"
            | "cmek_key_network_blocked",
        ) => return Some(FailureKind::Permission),
        _ => {}
    }
    if error.error_type.as_deref() != Some("invalid_request_error") {
        return None;
    }
    let message = error.message.as_deref()?;
    // A message about a field begins with the field's name, which the caller has chosen, and a
    // colon follows: nobody is to close an account by a field that is called like this.
    if message.contains(": ") {
        return None;
    }
    if message.starts_with("You have reached your specified") && message.contains("usage limits") {
        return Some(FailureKind::SpendLimit);
    }
    if message.starts_with("Your credit balance is too low") {
        return Some(FailureKind::Billing);
    }
    None
}

/// The date in "You will regain access on 2026-12-01 at 00:00 UTC.", from there on.
fn regained(date: &str) -> Option<Timestamp> {
    let (date, rest) = date.split_at_checked(10)?;
    let time = rest.strip_prefix(" at ")?.get(..5)?;
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
