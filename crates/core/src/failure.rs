use std::time::Duration;

use crate::{Sent, Text, TransportError};

/// What went wrong with one attempt, in terms that hold for every platform.
///
/// Also an extension of responses: whoever looked into an answer says what it found, so that
/// the layers outside need not look again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// What it was.
    pub kind: FailureKind,
    /// The status of the answer; `None` where none came.
    pub status: Option<u16>,
    /// Whether it came as an `error` event inside a 200.
    pub in_band: bool,
    /// How long upstream says to wait, or how long what is spent stays spent.
    pub wait: Option<Duration>,
    /// Whether asking again makes sense, where upstream says so itself.
    pub should_retry: Option<bool>,
    /// The `error.type` of the answer, in Anthropic's words where the platform has its own.
    pub error_type: Option<Text>,
    /// How many values were not believed: those of [`Hints`](crate::Hints), and the date of a
    /// spent limit.
    pub distrusted: u8,
}

/// The kinds of failure of a call to Claude.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureKind {
    /// Nothing was sent: refused, unresolved, no handshake.
    NotSent,
    /// Something may have been sent and no answer came.
    NoReply,
    /// Too many requests or tokens for now (429, Bedrock's quota too).
    RateLimited,
    /// The account's monthly cap: a 429 without `retry-after` that lasts to the 1st.
    SpendCap,
    /// A limit the account's owner has set: a 400 that lasts until the date it names, else to
    /// the 1st; or the one of an organization that pays for this one (402).
    SpendLimit,
    /// Upstream has too much to do (529, in band too, and 503).
    Overloaded,
    /// Upstream gave up waiting for the request (408).
    RequestTimeout,
    /// The request met another one (409).
    Conflict,
    /// Upstream took too long to answer (504, an edge server's 524, Bedrock's 408).
    Timeout,
    /// Upstream failed (500 and other 5xx, Bedrock's 424, and `api_error` in band).
    ServerError,
    /// The credential is not accepted (401, some of Bedrock's 403s).
    Authentication,
    /// The account cannot pay (402, or a 400 that says so).
    Billing,
    /// The credential may not do this (403), or its account nothing (a 400 on hold).
    Permission,
    /// No such model or object (404).
    NotFound,
    /// The request is too large (413).
    TooLarge,
    /// The request is at fault (other 4xx).
    Invalid,
    /// Upstream points elsewhere (3xx); never followed.
    Redirect,
    /// A stream ended without `message_stop`, or a body before its end.
    Truncated,
    /// A stream fell silent.
    Stalled,
    /// Silent for longer than most are, so that another target was asked as well. Why an attempt
    /// was made, never how one ended.
    Slow,
}

/// How far a failure reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scope {
    /// This request; another one may pass.
    Request,
    /// The models of one class on this account.
    ModelClass,
    /// All calls with this credential.
    Account,
    /// The target, whatever is asked.
    Target,
}

// === impl Failure ===

impl Failure {
    /// A failure of which no more is known than its kind.
    #[must_use]
    pub const fn new(kind: FailureKind) -> Self {
        Self {
            kind,
            status: None,
            in_band: false,
            wait: None,
            should_retry: None,
            error_type: None,
            distrusted: 0,
        }
    }

    /// The failure of a call that ended in an error of any type.
    ///
    /// An error that holds no [`TransportError`] is taken for one after sending.
    pub fn from_error<E: 'static>(error: &E) -> Self {
        Self::new(match TransportError::find(error) {
            Some(error) if error.sent() == Sent::No => FailureKind::NotSent,
            Some(error) if error.is_timeout() => FailureKind::Timeout,
            _ => FailureKind::NoReply,
        })
    }

    /// Whether upstream may bill the attempt although it failed.
    ///
    /// An error in band before content is not billed, whatever its type.
    #[must_use]
    pub const fn possibly_billed(&self) -> bool {
        !self.in_band && self.kind.possibly_billed()
    }
}

// === impl FailureKind ===

impl FailureKind {
    /// The word for it in records and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotSent => "not_sent",
            Self::NoReply => "no_reply",
            Self::RateLimited => "rate_limited",
            Self::SpendCap => "spend_cap",
            Self::SpendLimit => "spend_limit",
            Self::Overloaded => "overloaded",
            Self::RequestTimeout => "request_timeout",
            Self::Conflict => "conflict",
            Self::Timeout => "timeout",
            Self::ServerError => "server_error",
            Self::Authentication => "authentication",
            Self::Billing => "billing",
            Self::Permission => "permission",
            Self::NotFound => "not_found",
            Self::TooLarge => "too_large",
            Self::Invalid => "invalid",
            Self::Redirect => "redirect",
            Self::Truncated => "truncated",
            Self::Stalled => "stalled",
            Self::Slow => "slow",
        }
    }

    /// How far it reaches.
    #[must_use]
    pub const fn scope(self) -> Scope {
        match self {
            Self::RateLimited | Self::Overloaded => Scope::ModelClass,
            Self::SpendCap
            | Self::SpendLimit
            | Self::Authentication
            | Self::Billing
            | Self::Permission => Scope::Account,
            Self::NotSent
            | Self::NoReply
            | Self::Timeout
            | Self::ServerError
            | Self::Redirect
            | Self::Truncated
            | Self::Stalled
            | Self::Slow => Scope::Target,
            Self::RequestTimeout
            | Self::Conflict
            | Self::NotFound
            | Self::TooLarge
            | Self::Invalid => Scope::Request,
        }
    }

    /// Whether upstream may bill an attempt that failed so.
    #[must_use]
    pub const fn possibly_billed(self) -> bool {
        matches!(
            self,
            Self::NoReply | Self::Timeout | Self::ServerError | Self::Truncated | Self::Stalled
        )
    }

    /// Whether the same request may pass at the same target a little later.
    #[must_use]
    pub const fn is_passing(self) -> bool {
        matches!(
            self,
            Self::NotSent
                | Self::NoReply
                | Self::RateLimited
                | Self::Overloaded
                | Self::RequestTimeout
                | Self::Conflict
                | Self::Timeout
                | Self::ServerError
                | Self::Truncated
                | Self::Stalled
        )
    }

    /// Whether the same request may pass at another target now.
    #[must_use]
    pub const fn may_pass_elsewhere(self) -> bool {
        self.is_passing()
            || matches!(self.scope(), Scope::Account)
            || matches!(self, Self::Redirect)
    }

    /// What an answer of this status is, as far as that says it; `None` for one that is no error.
    #[must_use]
    pub const fn of_status(status: u16) -> Option<Self> {
        Some(match status {
            401 => Self::Authentication,
            402 => Self::Billing,
            403 => Self::Permission,
            404 => Self::NotFound,
            408 => Self::RequestTimeout,
            409 => Self::Conflict,
            413 => Self::TooLarge,
            429 => Self::RateLimited,
            400..=499 => Self::Invalid,
            503 | 529 => Self::Overloaded,
            // 524 is what an edge server says that waited for an answer in vain.
            504 | 524 => Self::Timeout,
            500..=599 => Self::ServerError,
            _ => return None,
        })
    }

    /// The `error.type` that says it to callers of Anthropic's API.
    #[must_use]
    pub const fn error_type(self) -> &'static str {
        match self {
            Self::RateLimited | Self::SpendCap => "rate_limit_error",
            Self::Overloaded => "overloaded_error",
            Self::RequestTimeout | Self::Timeout | Self::Stalled | Self::Slow => "timeout_error",
            Self::Conflict => "conflict_error",
            Self::Authentication => "authentication_error",
            Self::Billing => "billing_error",
            Self::Permission => "permission_error",
            Self::NotFound => "not_found_error",
            Self::TooLarge => "request_too_large",
            Self::Invalid | Self::SpendLimit => "invalid_request_error",
            Self::NotSent
            | Self::NoReply
            | Self::ServerError
            | Self::Redirect
            | Self::Truncated => "api_error",
        }
    }

    /// The kind of an `error.type` that came in band.
    #[must_use]
    pub(crate) fn of_error_type(error_type: &str) -> Option<Self> {
        Some(match error_type {
            "overloaded_error" => Self::Overloaded,
            "rate_limit_error" => Self::RateLimited,
            "timeout_error" => Self::Timeout,
            "api_error" => Self::ServerError,
            "authentication_error" => Self::Authentication,
            "billing_error" => Self::Billing,
            "permission_error" => Self::Permission,
            "not_found_error" => Self::NotFound,
            "request_too_large" => Self::TooLarge,
            "conflict_error" => Self::Conflict,
            "invalid_request_error" => Self::Invalid,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_told_to_callers_by_the_error_type_that_reads_back_as_it() {
        for status in [400, 401, 402, 403, 404, 409, 413, 429, 500, 503, 504, 529] {
            let kind = FailureKind::of_status(status).unwrap();
            let read = FailureKind::of_error_type(kind.error_type());
            assert_eq!(read, Some(kind), "{status}");
        }
        assert_eq!(FailureKind::of_status(200), None);
        assert_eq!(FailureKind::of_status(302), None);
    }
}
