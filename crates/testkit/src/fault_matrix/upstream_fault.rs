use super::fault_phase::FaultPhase::{
    self, BeforeSend, Beginning, Content, Ending, Head, NoReply, Started, Stopped, Waiting,
};
use super::{FaultBill, FaultGroup};

/// What can be wrong with an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UpstreamFault {
    /// The connection is refused.
    Refused,
    /// The connection breaks.
    Reset,
    /// 408.
    RequestTimeout,
    /// 409.
    Conflict,
    /// 503.
    Unavailable,
    /// 529, or an `overloaded_error` in band.
    Overloaded,
    /// 429 with a reset in two seconds, or a `rate_limit_error` in band.
    RateLimited,
    /// 429 with a reset in five minutes.
    RateLimitedLong,
    /// 429 that names no reset.
    RateLimitedUntold,
    /// 429 until the month ends.
    SpendCap,
    /// 400 for a limit the customer has set.
    SpendLimit,
    /// 500, or an `api_error` in band.
    ServerError,
    /// 502 with the page of an edge server.
    BadGateway,
    /// 504, or a `timeout_error` in band.
    GatewayTimeout,
    /// Silence for 20 seconds at a time; all comes in the end.
    Slow,
    /// Silence until the client gives up, after five minutes.
    Stalled,
    /// The end of the body before its time.
    Truncated,
    /// Bytes that are no answer.
    Garbage,
    /// 307.
    Redirect,
    /// 401 about our credential.
    Unauthenticated,
    /// 402.
    Billing,
    /// 403 about our credential.
    Forbidden,
    /// 400.
    Invalid,
    /// 404.
    NotFound,
    /// 413.
    TooLarge,
}

// === impl UpstreamFault ===

impl UpstreamFault {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 25] = [
        Self::Refused,
        Self::Reset,
        Self::RequestTimeout,
        Self::Conflict,
        Self::Unavailable,
        Self::Overloaded,
        Self::RateLimited,
        Self::RateLimitedLong,
        Self::RateLimitedUntold,
        Self::SpendCap,
        Self::SpendLimit,
        Self::ServerError,
        Self::BadGateway,
        Self::GatewayTimeout,
        Self::Slow,
        Self::Stalled,
        Self::Truncated,
        Self::Garbage,
        Self::Redirect,
        Self::Unauthenticated,
        Self::Billing,
        Self::Forbidden,
        Self::Invalid,
        Self::NotFound,
        Self::TooLarge,
    ];

    /// The words for it in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Reset => "reset",
            Self::RequestTimeout => "408",
            Self::Conflict => "409",
            Self::Unavailable => "503",
            Self::Overloaded => "overloaded",
            Self::RateLimited => "rate limit, 2 s",
            Self::RateLimitedLong => "rate limit, 300 s",
            Self::RateLimitedUntold => "rate limit, no reset",
            Self::SpendCap => "spend cap (429)",
            Self::SpendLimit => "spend limit (400)",
            Self::ServerError => "server error",
            Self::BadGateway => "502, a page of HTML",
            Self::GatewayTimeout => "upstream timeout",
            Self::Slow => "slow",
            Self::Stalled => "stalled",
            Self::Truncated => "truncated",
            Self::Garbage => "garbage",
            Self::Redirect => "redirect",
            Self::Unauthenticated => "401",
            Self::Billing => "402",
            Self::Forbidden => "403",
            Self::Invalid => "400",
            Self::NotFound => "404",
            Self::TooLarge => "413",
        }
    }

    /// The heading it stands under.
    #[must_use]
    pub const fn group(self) -> FaultGroup {
        match self {
            Self::Refused | Self::Reset => FaultGroup::Connection,
            Self::RequestTimeout | Self::Conflict | Self::Unavailable | Self::Overloaded => {
                FaultGroup::Passing
            }
            Self::RateLimited
            | Self::RateLimitedLong
            | Self::RateLimitedUntold
            | Self::SpendCap
            | Self::SpendLimit => FaultGroup::Limits,
            Self::ServerError | Self::BadGateway | Self::GatewayTimeout => FaultGroup::Failing,
            Self::Slow | Self::Stalled | Self::Truncated | Self::Garbage => FaultGroup::Breaking,
            Self::Redirect | Self::Unauthenticated | Self::Billing | Self::Forbidden => {
                FaultGroup::Ours
            }
            Self::Invalid | Self::NotFound | Self::TooLarge => FaultGroup::Callers,
        }
    }

    /// Where in an answer it can happen, in order.
    #[must_use]
    pub const fn phases(self, is_stream: bool) -> &'static [FaultPhase] {
        match (self, is_stream) {
            (Self::Refused, _) => &[BeforeSend],
            (Self::Reset, true) => &[
                BeforeSend, NoReply, Beginning, Started, Content, Ending, Stopped,
            ],
            (Self::Reset, false) => &[BeforeSend, NoReply, Beginning, Content],
            (Self::Overloaded, true) => &[Head, Beginning, Started, Waiting, Content],
            (Self::RateLimited | Self::ServerError | Self::GatewayTimeout, true) => {
                &[Head, Started, Content]
            }
            (Self::Slow, true) => &[NoReply, Started],
            (Self::Stalled, true) => &[NoReply, Beginning, Started, Content, Ending, Stopped],
            (Self::Truncated, true) => &[Beginning, Started, Content, Ending],
            (Self::Slow, false) => &[NoReply, Content],
            (Self::Stalled, false) => &[NoReply, Beginning, Content],
            (Self::Truncated, false) => &[Beginning, Content],
            (Self::Garbage, true) => &[Head, Beginning, Started, Content],
            (Self::Garbage, false) => &[Head, Beginning],
            _ => &[Head],
        }
    }

    /// What upstream bills for an attempt in which it happens.
    ///
    /// An error status and an error in band before content cost nothing. What was sent and has
    /// no such end may have been worked on.
    #[must_use]
    pub const fn bill(self, phase: FaultPhase) -> FaultBill {
        match (self, phase) {
            (_, BeforeSend) => FaultBill::Nothing,
            (Self::Slow, _) | (_, Ending | Stopped) => FaultBill::Told,
            (_, NoReply | Content) | (Self::Garbage, _) => FaultBill::Untold,
            (Self::Reset | Self::Stalled | Self::Truncated, _) => FaultBill::Untold,
            _ => FaultBill::Nothing,
        }
    }
}
