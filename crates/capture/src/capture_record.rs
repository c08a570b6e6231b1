use std::fmt;

use serde::Serialize;
use serde::ser::Serializer;
use tower_claude_core::{End, Endpoint, RequestId, TenantId, Timestamp};

use crate::{CapturedSide, Redactions};

/// What was said in one call, redacted. As JSON, a line of the capture file.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CaptureRecord {
    /// When the call began.
    #[serde(serialize_with = "shown")]
    pub timestamp: Timestamp,
    /// Our id of the call, as in the ledger.
    #[serde(serialize_with = "shown")]
    pub request_id: RequestId,
    /// Who called; `None` without authentication.
    #[serde(serialize_with = "tenant")]
    pub tenant: Option<TenantId>,
    /// What the call was for, in the caller's words, redacted.
    pub feature: Option<Box<str>>,
    /// The model that was asked, in the caller's words, redacted.
    pub model: Option<Box<str>>,
    /// The endpoint.
    #[serde(serialize_with = "endpoint")]
    pub endpoint: Endpoint,
    /// Whether the caller wanted a stream.
    pub stream: bool,
    /// The status of the answer; `None` if there was none.
    pub status: Option<u16>,
    /// How it ended.
    #[serde(serialize_with = "end")]
    pub end: End,
    /// SHA-256 of the raw JSON of the system prompt, as in the ledger.
    #[serde(serialize_with = "hex")]
    pub system_prompt_sha256: Option<[u8; 32]>,
    /// What was asked.
    pub request: CapturedSide,
    /// What was answered.
    pub response: CapturedSide,
    /// What was taken out, on both sides.
    pub redactions: Redactions,
}

// === impl CaptureRecord ===

impl fmt::Debug for CaptureRecord {
    /// Prints lengths, never what was said.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CaptureRecord")
            .field("request_id", &self.request_id)
            .field("tenant", &self.tenant)
            .field("status", &self.status)
            .field("end", &self.end)
            .field("request", &self.request)
            .field("response", &self.response)
            .field("redactions", &self.redactions)
            .finish_non_exhaustive()
    }
}

fn shown<T, S>(value: &T, serializer: S) -> Result<S::Ok, S::Error>
where
    T: fmt::Display,
    S: Serializer,
{
    serializer.collect_str(value)
}

#[expect(clippy::ref_option, reason = "the form that serde calls")]
fn tenant<S: Serializer>(tenant: &Option<TenantId>, serializer: S) -> Result<S::Ok, S::Error> {
    tenant.as_ref().map(TenantId::as_str).serialize(serializer)
}

fn endpoint<S: Serializer>(endpoint: &Endpoint, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(endpoint.as_str())
}

fn end<S: Serializer>(end: &End, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match end {
        End::Complete => "complete",
        End::Errored => "errored",
        End::Dropped => "dropped",
        _ => "truncated",
    })
}

#[expect(clippy::ref_option, reason = "the form that serde calls")]
fn hex<S: Serializer>(digest: &Option<[u8; 32]>, serializer: S) -> Result<S::Ok, S::Error> {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
    let text = digest.map(|digest| {
        let digits = digest.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        digits.map(digit).collect::<String>()
    });
    text.serialize(serializer)
}
