use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::BoxError;

/// An answer of our own instead of the inner service's.
///
/// It has two texts: the message, which the caller reads, and the cause, which never leaves
/// the process. It becomes a response with [`Refusal::respond`], which also puts it into the
/// response's extensions, so that outer layers can tell our refusals from upstream's errors.
///
/// A request body may fail with a refusal as its error; it is then the answer.
#[derive(Clone)]
pub struct Refusal {
    kind: RefusalKind,
    message: Cow<'static, str>,
    cause: Option<Arc<dyn Error + Send + Sync>>,
    retry_after: Option<Duration>,
    should_retry: Option<bool>,
    details: Option<Arc<str>>,
}

/// Why a call is refused; decides status and error type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RefusalKind {
    /// The request is malformed, or can never be served (400).
    Invalid,
    /// No credential, or one that is not accepted (401).
    Unauthenticated,
    /// The tenant may not do this (403).
    Forbidden,
    /// No such path (404).
    NotFound,
    /// The path has no such method (405).
    MethodNotAllowed,
    /// The request did not arrive in time (408).
    RequestTimeout,
    /// The body is over the limit (413).
    TooLarge,
    /// A limit is spent for now (429).
    RateLimited,
    /// We failed (500).
    Internal,
    /// Upstream did not answer, or not in a way that can be passed on (502).
    BadGateway,
    /// A part of ours that the call needs is down (503).
    Unavailable,
    /// Upstream did not answer in time (504).
    GatewayTimeout,
    /// Too much to do for now (529).
    Overloaded,
}

// === impl Refusal ===

impl Refusal {
    /// A refusal with a message for the caller: lower case is not required here, callers
    /// read it as a sentence of the API.
    pub fn new(kind: RefusalKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            message: message.into(),
            cause: None,
            retry_after: None,
            should_retry: None,
            details: None,
        }
    }

    /// Adds what really happened, for logs; it never reaches a response.
    #[must_use]
    pub fn cause(mut self, cause: impl Into<BoxError>) -> Self {
        self.cause = Some(Arc::from(cause.into()));
        self
    }

    /// Says when asking again makes sense; sent in whole seconds, rounded up.
    ///
    /// Over 60 seconds the response also says `x-should-retry: false`: official SDKs sleep
    /// as long as they are told.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Says whether asking again makes sense at all (`x-should-retry`).
    #[must_use]
    pub fn should_retry(mut self, makes_sense: bool) -> Self {
        self.should_retry = Some(makes_sense);
        self
    }

    /// Adds an `error.details` object, given as JSON text.
    ///
    /// What is not a JSON object is left out.
    #[must_use]
    pub fn details(mut self, json: &str) -> Self {
        let is_object =
            json.starts_with('{') && serde_json::from_str::<serde::de::IgnoredAny>(json).is_ok();
        self.details = is_object.then(|| json.into());
        self
    }

    /// Why the call is refused.
    #[must_use]
    pub fn kind(&self) -> RefusalKind {
        self.kind
    }

    /// What the caller reads.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// When asking again makes sense, if that is known.
    #[must_use]
    pub fn wait(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Looks for one in an error: itself, or among its sources.
    pub fn find<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref::<Self>() {
                return Some(found);
            }
            next = error.source();
        }
        None
    }

    pub(crate) fn details_json(&self) -> Option<&str> {
        self.details.as_deref()
    }

    pub(crate) fn retry_flag(&self) -> Option<bool> {
        const LONG: Duration = Duration::from_secs(60);
        self.should_retry
            .or_else(|| self.retry_after.filter(|wait| *wait > LONG).map(|_| false))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refusal")
            .field("kind", &self.kind)
            .field("message", &self.message)
            .field("cause", &self.cause)
            .finish_non_exhaustive()
    }
}

impl Error for Refusal {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause
            .as_deref()
            .map(|cause| cause as &(dyn Error + 'static))
    }
}

// === impl RefusalKind ===

impl RefusalKind {
    /// The HTTP status.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Invalid => 400,
            Self::Unauthenticated => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::RequestTimeout => 408,
            Self::TooLarge => 413,
            Self::RateLimited => 429,
            Self::Internal => 500,
            Self::BadGateway => 502,
            Self::Unavailable => 503,
            Self::GatewayTimeout => 504,
            Self::Overloaded => 529,
        }
    }

    /// Anthropic's `error.type`.
    #[must_use]
    pub const fn error_type(self) -> &'static str {
        match self {
            Self::Invalid | Self::MethodNotAllowed => "invalid_request_error",
            Self::Unauthenticated => "authentication_error",
            Self::Forbidden => "permission_error",
            Self::NotFound => "not_found_error",
            Self::RequestTimeout | Self::GatewayTimeout => "timeout_error",
            Self::TooLarge => "request_too_large",
            Self::RateLimited => "rate_limit_error",
            Self::Internal | Self::BadGateway | Self::Unavailable => "api_error",
            Self::Overloaded => "overloaded_error",
        }
    }

    /// The gRPC status code.
    pub(crate) const fn grpc_code(self) -> u8 {
        match self {
            Self::Invalid => 3,
            Self::RequestTimeout | Self::GatewayTimeout => 4,
            Self::Forbidden => 7,
            Self::TooLarge | Self::RateLimited => 8,
            Self::NotFound | Self::MethodNotAllowed => 12,
            Self::Internal => 13,
            Self::BadGateway | Self::Unavailable | Self::Overloaded => 14,
            Self::Unauthenticated => 16,
        }
    }
}
