use tower_claude_testkit::wire;

/// The bytes of a stream, and what is known of them without any of our readers.
pub(crate) struct Stream {
    pub(crate) bytes: &'static str,
    /// Where each event ends.
    pub(crate) ends: Vec<usize>,
    /// Where the first event ends that shows the caller anything; `None` if none does.
    pub(crate) content: Option<usize>,
}

// === impl Stream ===

impl Stream {
    pub(crate) fn all() -> Vec<Self> {
        [
            wire::STREAM_THINKING_TOOL_USE,
            wire::STREAM_SERVER_TOOL,
            wire::STREAM_CRLF_COMMENTS,
            wire::STREAM_REFUSAL,
        ]
        .map(Self::new)
        .into()
    }

    fn new(bytes: &'static str) -> Self {
        let newline = if bytes.contains("\r\n") {
            "\r\n\r\n"
        } else {
            "\n\n"
        };
        let mut ends: Vec<usize> = bytes
            .match_indices(newline)
            .map(|(at, found)| at + found.len())
            .collect();
        ends.dedup();
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let shows = |event: &str| {
            // Empty pieces show nothing; every piece of these streams that is not has text.
            let text = event.replace(' ', "");
            let is_piece = text.contains("\"type\":\"content_block_delta\"");
            let is_empty = [
                "\"text\":\"\"",
                "\"thinking\":\"\"",
                "\"partial_json\":\"\"",
            ]
            .iter()
            .any(|empty| text.contains(empty));
            is_piece && !is_empty
        };
        let content = starts
            .zip(&ends)
            .find(|(start, end)| shows(&bytes[*start..**end]))
            .map(|(_, end)| *end);
        Self {
            bytes,
            ends,
            content,
        }
    }

    /// Every place where an event ends, and some within each.
    pub(crate) fn cuts(&self) -> Vec<usize> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let mut cuts = Vec::new();
        for (start, end) in starts.zip(&self.ends) {
            let within = [start + 1, start.midpoint(*end), end - 1, *end];
            cuts.extend(
                within
                    .into_iter()
                    .filter(|cut| self.bytes.is_char_boundary(*cut)),
            );
        }
        // The last byte ends the stream: what comes then is no fault of it.
        cuts.retain(|cut| *cut < self.bytes.trim_end().len());
        cuts
    }
}
