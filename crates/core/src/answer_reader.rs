//! Reads what an answer says of itself, as it passes, whether it is compressed or not.

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, response};

use crate::plain_reader::{Form, PlainReader};
use crate::usage_cell::UsageCell;

/// Reads one answer into its cell. Dropped before the end, it says so.
#[derive(Debug)]
pub(crate) enum AnswerReader {
    Plain(PlainReader),
    #[cfg(feature = "decompression")]
    Compressed(Box<crate::decoder::Decoder>),
}

// === impl AnswerReader ===

impl AnswerReader {
    pub(crate) fn new(head: &response::Parts, cell: UsageCell) -> Self {
        let is_success = head.status.is_success();
        let reader = |form| PlainReader::new(form, cell, is_success);
        let headers = &head.headers;
        if is_plain(headers) {
            return Self::Plain(reader(Form::of(headers)));
        }
        #[cfg(feature = "decompression")]
        if let Some(coding) = crate::decoder::Coding::of(headers) {
            let reader = reader(Form::of(headers));
            return Self::Compressed(Box::new(crate::decoder::Decoder::new(coding, reader)));
        }
        Self::Plain(reader(Form::Opaque))
    }

    pub(crate) fn read(&mut self, chunk: &Bytes) {
        match self {
            Self::Plain(reader) => reader.read(chunk),
            #[cfg(feature = "decompression")]
            Self::Compressed(decoder) => decoder.read(chunk),
        }
    }

    /// The body came to its end.
    pub(crate) fn finish(&mut self) {
        match self {
            Self::Plain(reader) => reader.finish(),
            #[cfg(feature = "decompression")]
            Self::Compressed(decoder) => decoder.finish(),
        }
    }

    /// The body broke.
    pub(crate) fn fail(&mut self) {
        match self {
            Self::Plain(reader) => reader.fail(),
            #[cfg(feature = "decompression")]
            Self::Compressed(decoder) => decoder.fail(),
        }
    }
}

/// Whether these are the headers of server-sent events to which others can be added as they
/// pass: a compressed stream is none.
#[must_use]
pub fn is_event_stream(headers: &HeaderMap) -> bool {
    is_of_type(headers, b"text/event-stream") && is_plain(headers)
}

fn is_plain(headers: &HeaderMap) -> bool {
    headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

pub(crate) fn is_of_type(headers: &HeaderMap, expected: &[u8]) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.as_bytes().get(..expected.len()))
        .is_some_and(|kind| kind.eq_ignore_ascii_case(expected))
}
