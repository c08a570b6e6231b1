use std::time::{Duration, SystemTime};

use crate::Answer;
use crate::answer::REQUEST_ID;
use crate::quoted::Quoted;
use crate::rfc3339::rfc3339;
use crate::script::Outcome;
use crate::standard::ORGANIZATION;

/// Answers that are errors, in the API's own envelope, or no answers at all.
impl Answer {
    /// Any error: Anthropic's envelope, with the same id in the body and in `request-id`.
    ///
    /// # Panics
    ///
    /// When the status is not one.
    #[must_use]
    pub fn error(status: u16, error_type: &str, message: &str) -> Self {
        Self::failure(status, error_type, message, None, REQUEST_ID)
    }

    /// 429 with `retry-after` and the rate limit headers, the input tokens being used up.
    ///
    /// The reset times are told from when this is built.
    #[must_use]
    pub fn rate_limited(retry_after_secs: u64) -> Self {
        let now = SystemTime::now();
        let reset = rfc3339(now + Duration::from_secs(retry_after_secs));
        let soon = rfc3339(now + Duration::from_secs(1));
        Self::error(
            429,
            "rate_limit_error",
            "This request would exceed your organization's rate limit of 2,000,000 input tokens per minute",
        )
        .header("retry-after", retry_after_secs.to_string())
        .header("anthropic-ratelimit-requests-limit", "1000")
        .header("anthropic-ratelimit-requests-remaining", "988")
        .header("anthropic-ratelimit-requests-reset", &soon)
        .header("anthropic-ratelimit-tokens-limit", "2400000")
        .header("anthropic-ratelimit-tokens-remaining", "391000")
        .header("anthropic-ratelimit-tokens-reset", &reset)
        .header("anthropic-ratelimit-input-tokens-limit", "2000000")
        .header("anthropic-ratelimit-input-tokens-remaining", "0")
        .header("anthropic-ratelimit-input-tokens-reset", &reset)
        .header("anthropic-ratelimit-output-tokens-limit", "400000")
        .header("anthropic-ratelimit-output-tokens-remaining", "391000")
        .header("anthropic-ratelimit-output-tokens-reset", &soon)
    }

    /// 429 for the monthly cap: `enforced_spend_limit_reached`, without `retry-after`.
    #[must_use]
    pub fn spend_cap() -> Self {
        Self::failure(
            429,
            "rate_limit_error",
            "You have reached your API usage limits: your organization has crossed its monthly usage threshold.",
            Some("enforced_spend_limit_reached"),
            REQUEST_ID,
        )
    }

    /// 400 for a limit the customer has set, which is not the caller's mistake.
    #[must_use]
    pub fn spend_limit() -> Self {
        Self::error(
            400,
            "invalid_request_error",
            "You have reached your specified API usage limits. You will regain access on 2030-01-01 at 00:00 UTC.",
        )
    }

    /// 529.
    #[must_use]
    pub fn overloaded() -> Self {
        Self::error(529, "overloaded_error", "Overloaded")
    }

    /// No connection: [`TransportError::not_sent`](tower_claude_core::TransportError::not_sent).
    #[must_use]
    pub fn refused_connection() -> Self {
        Self::silent(Outcome::Refused)
    }

    /// No answer: [`TransportError::no_reply`](tower_claude_core::TransportError::no_reply).
    #[must_use]
    pub fn reset() -> Self {
        Self::silent(Outcome::Reset)
    }

    /// No answer for `silence`, then the error of a client that ran out of patience:
    /// [`TransportError::timeout`](tower_claude_core::TransportError::timeout).
    #[must_use]
    pub fn timed_out(silence: Duration) -> Self {
        Self::silent(Outcome::TimedOut).head_delay(silence)
    }

    pub(crate) fn failure(
        status: u16,
        error_type: &str,
        message: &str,
        error_code: Option<&str>,
        request_id: &str,
    ) -> Self {
        let details = error_code.map_or_else(String::new, |error_code| {
            format!(r#","details":{{"error_code":{}}}"#, Quoted(error_code))
        });
        let body = format!(
            r#"{{"type":"error","error":{{"type":{},"message":{}{details}}},"request_id":{}}}"#,
            Quoted(error_type),
            Quoted(message),
            Quoted(request_id),
        );
        let answer = Self::json(status, body).header("request-id", request_id);
        if status == 401 {
            // Who fails to authenticate is not told whose organization it is.
            answer
        } else {
            answer.header("anthropic-organization-id", ORGANIZATION)
        }
    }

    fn silent(outcome: Outcome) -> Self {
        Self::raw(200, "text/plain", "").edit(|script| script.outcome = outcome)
    }
}

/// An `error` event, as it comes inside a stream.
pub(crate) fn event(error_type: &str, message: &str) -> String {
    format!(
        "event: error\ndata: {{\"type\":\"error\",\"error\":{{\"details\":null,\"type\":{},\"message\":{}}}}}\n\n",
        Quoted(error_type),
        Quoted(message),
    )
}
