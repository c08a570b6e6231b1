use bytes::Bytes;
use tower_claude_core::Degraded;

/// The event that says which model answers instead, where no header can say it any more.
///
/// Official SDKs pass over events whose names they do not know.
pub(crate) fn degraded_event(degraded: &Degraded) -> Option<Bytes> {
    let model = serde_json::to_string(degraded.model()).ok()?;
    let event = format!("event: degraded\ndata: {{\"type\":\"degraded\",\"model\":{model}}}\n\n");
    Some(event.into())
}
