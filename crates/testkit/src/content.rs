use bytes::Bytes;
use serde::Deserialize;

use crate::ReportedUsage;
use crate::events::Events;

/// The bytes of an answer, and what there is to know about them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Content {
    pub(crate) bytes: Bytes,
    /// Where each server-sent event ends; empty when this is not a stream.
    pub(crate) event_ends: Vec<usize>,
    pub(crate) is_stream: bool,
    pub(crate) usage: ReportedUsage,
    /// Where the final usage has been told.
    pub(crate) usage_end: Option<usize>,
    pub(crate) error_type: Option<String>,
    /// Whether it ends as the protocol says: `message_stop`, an `error`, or a whole document.
    pub(crate) is_whole: bool,
}

#[derive(Deserialize)]
struct Document {
    #[serde(rename = "type")]
    kind: Option<String>,
    message: Option<MessageStart>,
    usage: Option<Usage>,
    error: Option<ErrorBody>,
}

#[derive(Deserialize)]
struct MessageStart {
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct ErrorBody {
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Usage {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_creation: Option<CacheCreation>,
    server_tool_use: Option<ServerToolUse>,
}

#[derive(Deserialize)]
struct CacheCreation {
    ephemeral_5m_input_tokens: Option<u64>,
    ephemeral_1h_input_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct ServerToolUse {
    web_search_requests: Option<u64>,
}

// === impl Content ===

impl Content {
    /// Bytes of which nothing is known.
    pub(crate) fn opaque(bytes: Bytes) -> Self {
        Self {
            bytes,
            is_whole: true,
            ..Self::default()
        }
    }

    pub(crate) fn json(bytes: Bytes) -> Self {
        let mut content = Self::opaque(bytes);
        if let Ok(document) = serde_json::from_slice::<Document>(&content.bytes) {
            content.error_type = document.error.and_then(|error| error.kind);
            if let (Some("message"), Some(usage)) = (document.kind.as_deref(), document.usage) {
                usage.replace(&mut content.usage);
                content.usage_end = Some(content.bytes.len());
            }
        }
        content
    }

    pub(crate) fn stream(bytes: Bytes) -> Self {
        let mut content = Self {
            is_stream: true,
            ..Self::default()
        };
        for event in Events::new(&bytes) {
            content.event_ends.push(event.end);
            if let Ok(document) = serde_json::from_slice(&event.data) {
                content.event(event.end, document);
            }
        }
        content.bytes = bytes;
        content
    }

    fn event(&mut self, end: usize, document: Document) {
        match document.kind.as_deref() {
            Some("message_start") => {
                if let Some(usage) = document.message.and_then(|message| message.usage) {
                    usage.replace(&mut self.usage);
                }
            }
            Some("message_delta") => {
                if let Some(usage) = document.usage {
                    usage.replace(&mut self.usage);
                    self.usage_end = Some(end);
                }
            }
            Some("message_stop") => self.is_whole = true,
            Some("error") => {
                self.error_type = document.error.and_then(|error| error.kind);
                self.is_whole = true;
            }
            _ => {}
        }
    }

    /// The first events only, followed by an `error` event.
    pub(crate) fn error_event_after(&mut self, events: usize, error_type: &str, event: &str) {
        self.event_ends.truncate(events);
        let end = self.event_ends.last().copied().unwrap_or(0);
        let mut bytes = self.bytes[..end].to_vec();
        bytes.extend_from_slice(event.as_bytes());
        self.event_ends.push(bytes.len());
        self.bytes = bytes.into();
        self.usage_end = self.usage_end.filter(|&usage_end| usage_end <= end);
        self.error_type = Some(error_type.to_owned());
        self.is_whole = true;
    }

    /// How many events a receiver has that took so many bytes.
    pub(crate) fn events_within(&self, bytes: u64) -> u64 {
        self.event_ends
            .partition_point(|&end| end as u64 <= bytes)
            .try_into()
            .unwrap_or(u64::MAX)
    }

    /// Whether a receiver knows the final usage that took so many bytes.
    pub(crate) fn usage_is_within(&self, bytes: u64) -> bool {
        self.usage_end.is_some_and(|end| end as u64 <= bytes)
    }
}

// === impl Usage ===

impl Usage {
    /// Usage in a stream is cumulative: what is there replaces, what is absent stays.
    fn replace(&self, usage: &mut ReportedUsage) {
        fn set(field: &mut u64, value: Option<u64>) {
            *field = value.unwrap_or(*field);
        }
        set(&mut usage.input_tokens, self.input_tokens);
        set(&mut usage.output_tokens, self.output_tokens);
        set(&mut usage.cache_read, self.cache_read_input_tokens);
        if let Some(split) = &self.cache_creation {
            set(
                &mut usage.cache_creation_5m,
                split.ephemeral_5m_input_tokens,
            );
            set(
                &mut usage.cache_creation_1h,
                split.ephemeral_1h_input_tokens,
            );
        } else if let Some(written) = self.cache_creation_input_tokens {
            // Without the split, as in `message_delta`, only a change of the sum is news.
            let known = usage.cache_creation();
            usage.cache_creation_5m += written.saturating_sub(known);
        }
        if let Some(tools) = &self.server_tool_use {
            set(&mut usage.web_search_requests, tools.web_search_requests);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire;

    #[test]
    fn reads_the_usage_of_a_document() {
        let content = Content::json(Bytes::from_static(wire::MESSAGE.as_bytes()));
        assert_eq!(
            content.usage,
            ReportedUsage {
                input_tokens: 37,
                output_tokens: 118,
                cache_read: 10_240,
                cache_creation_5m: 1800,
                cache_creation_1h: 500,
                web_search_requests: 0,
            }
        );
        assert!(content.usage_is_within(wire::MESSAGE.len() as u64));
        assert!(!content.usage_is_within(wire::MESSAGE.len() as u64 - 1));
    }

    #[test]
    fn replaces_cumulative_usage_of_a_stream() {
        let content = Content::stream(wire::STREAM_SERVER_TOOL.into());
        assert_eq!(content.usage.input_tokens, 10_682);
        assert_eq!(content.usage.output_tokens, 97);
        assert_eq!(content.usage.web_search_requests, 1);
        assert!(content.is_whole);
    }

    #[test]
    fn does_not_take_a_token_count_for_usage() {
        let content = Content::json(Bytes::from_static(br#"{"input_tokens":7}"#));
        assert_eq!(content.usage, ReportedUsage::default());
        assert_eq!(content.usage_end, None);
    }

    #[test]
    fn sees_that_a_stream_breaks_off() {
        let content = Content::stream(wire::STREAM_TRUNCATED.into());
        assert!(!content.is_whole);
        assert_eq!(content.usage_end, None);
    }

    #[test]
    fn forgets_the_final_usage_behind_an_error_event() {
        let mut content = Content::stream(wire::STREAM_THINKING_TOOL_USE.into());
        content.error_event_after(5, "api_error", "event: error\n\n");
        assert_eq!(content.event_ends.len(), 6);
        assert_eq!(content.usage_end, None);
        assert_eq!(content.error_type.as_deref(), Some("api_error"));
    }
}
