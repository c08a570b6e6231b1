use serde::Serialize;

use crate::{Ended, ReportedUsage};

/// What the fake knows about one call: the truth a meter has to match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TruthEntry {
    /// Which call of this fake it was, from 1.
    pub call: u64,
    /// The request method.
    pub method: String,
    /// The request path, without the query.
    pub path: String,
    /// The model asked for, if the body named one.
    pub model: Option<String>,
    /// Whether the body asked for a stream.
    pub stream: bool,
    /// The status sent; absent when no head was sent.
    pub status: Option<u16>,
    /// The type of the error sent, as a response or inside a stream.
    pub error_type: Option<String>,
    /// The usage of the whole answer, whether or not the receiver got to see it.
    pub usage: ReportedUsage,
    /// Whether the receiver took the bytes that hold the final usage.
    pub final_usage_delivered: bool,
    /// How the answer ended.
    pub ended: Ended,
    /// How many body frames the receiver took.
    pub frames: u64,
    /// How many whole server-sent events the receiver took, however they were split.
    pub events: u64,
}
