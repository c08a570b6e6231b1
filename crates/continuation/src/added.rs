//! The events that are added where one answer ends and the next goes on.

use bytes::Bytes;
use tower_claude_core::{Degraded, FailureKind};

/// The event that closes the first block.
pub(crate) const STOP: Bytes = Bytes::from_static(
    b"event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
);

/// The event that marks where one answer ends and the next goes on.
///
/// Official SDKs pass over events whose names they do not know.
pub(crate) fn mark(reason: FailureKind, text_bytes: usize, degraded: Option<&Degraded>) -> Bytes {
    let reason = reason.as_str();
    let model = degraded
        .and_then(|degraded| serde_json::to_string(degraded.model()).ok())
        .map_or_else(String::new, |model| format!(",\"model\":{model}"));
    format!(
        "event: continuation\ndata: {{\"type\":\"continuation\",\"reason\":\"{reason}\",\
         \"text_bytes\":{text_bytes}{model}}}\n\n"
    )
    .into()
}

/// The event that adds a text to the first block; `None` if it adds nothing.
pub(crate) fn delta(text: &str) -> Option<Bytes> {
    let text = serde_json::to_string(text)
        .ok()
        .filter(|_| !text.is_empty())?;
    let event = format!(
        "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\
         \"delta\":{{\"type\":\"text_delta\",\"text\":{text}}}}}\n\n"
    );
    Some(event.into())
}
