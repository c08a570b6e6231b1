use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::frames::{Frame, FrameError, FrameScanner, error_type_of_aws};
use crate::json_cursor::JsonCursor;
use crate::sse_event::{SseEvent, SseEventKind};

/// Reads the frames of Bedrock's `InvokeModelWithResponseStream` as the events of a Messages
/// stream, as they pass: the same events that [`SseScanner`](crate::SseScanner) finds in
/// server-sent events.
///
/// A chunk holds the data of one event in base64, and the data says which event it is. An
/// exception becomes an `error` event in Anthropic's form. Frames of other kinds are
/// [`SseEventKind::Other`]. Of a frame larger than [`FrameScanner::LARGEST`] only the kind and
/// about the length are told.
#[derive(Default)]
pub struct FramesReader {
    scanner: FrameScanner,
    decoder: Decoder,
    error: Option<FrameError>,
}

#[derive(Default)]
struct Decoder {
    /// Whether the data of every kind is given.
    reads_all: bool,
    /// The data of the event that is being read.
    data: Vec<u8>,
}

/// Buffers that have grown beyond this are let go.
const SMALL: usize = 64 * 1024;

// === impl FramesReader ===

impl FramesReader {
    /// A reader at the beginning of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A reader that gives the data of every event, for whoever reads the content too.
    #[must_use]
    pub fn reading_all() -> Self {
        let mut reader = Self::default();
        reader.decoder.reads_all = true;
        reader
    }

    /// Takes the next chunk and reports each event whose frame ends in it.
    ///
    /// # Errors
    ///
    /// If a frame, or what a chunk holds, is broken. The events before it have been reported,
    /// and none is after it: what the stream says of its usage is then not known to be all.
    pub fn push(
        &mut self,
        chunk: &[u8],
        mut report: impl FnMut(SseEvent<'_>),
    ) -> Result<(), FrameError> {
        let (decoder, error) = (&mut self.decoder, &mut self.error);
        if error.is_none() {
            let scanned = self.scanner.push(chunk, |frame| {
                if error.is_none() {
                    *error = decoder.read(&frame, &mut report).err();
                }
            });
            *error = error.or(scanned.err());
        }
        self.error.map_or(Ok(()), Err)
    }

    /// Ends the stream.
    ///
    /// # Errors
    ///
    /// If something was broken before, or the last frame has not come to its end.
    pub fn finish(&mut self) -> Result<(), FrameError> {
        self.error = self.error.or(self.scanner.finish().err());
        self.error.map_or(Ok(()), Err)
    }

    /// How many events were too large to be read; their kind and about their length were told.
    #[must_use]
    pub const fn skipped(&self) -> u64 {
        self.scanner.skipped()
    }
}

impl fmt::Debug for FramesReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FramesReader")
            .field("scanner", &self.scanner)
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}

// === impl Decoder ===

impl Decoder {
    fn read(
        &mut self,
        frame: &Frame<'_>,
        report: &mut impl FnMut(SseEvent<'_>),
    ) -> Result<(), FrameError> {
        self.data.clear();
        let (kind, length) = match frame.message_type {
            Some("event") if frame.event_type == Some("chunk") => self.chunk(frame)?,
            Some("exception") => {
                let name = frame.exception_type.unwrap_or_default();
                let text = text_at(frame.payload, b"message")
                    .or_else(|| text_at(frame.payload, b"originalMessage"));
                self.error(name, text.as_deref())
            }
            Some("error") => {
                let name = frame.error_code.unwrap_or_default();
                self.error(name, frame.error_message)
            }
            _ => (SseEventKind::Other, frame.length),
        };
        report(SseEvent {
            kind,
            data: if self.reads_all || kind.data_is_read() {
                &self.data
            } else {
                &[]
            },
            length,
        });
        if self.data.capacity() > SMALL {
            self.data = Vec::new();
        }
        Ok(())
    }

    /// Decodes the event a chunk holds.
    fn chunk(&mut self, frame: &Frame<'_>) -> Result<(SseEventKind, u64), FrameError> {
        if !frame.is_whole() {
            return Ok((kind_of_glimpse(frame.payload), decoded(frame.length)));
        }
        let text = text_at(frame.payload, b"bytes").ok_or(FrameError::Payload)?;
        STANDARD
            .decode_vec(text.as_bytes(), &mut self.data)
            .map_err(|_| FrameError::Payload)?;
        Ok((kind_of(&self.data), self.data.len() as u64))
    }

    /// Writes the data of an `error` event.
    fn error(&mut self, name: &str, text: Option<&str>) -> (SseEventKind, u64) {
        let error_type = error_type_of_aws(name);
        let text = serde_json::Value::from(text.unwrap_or_default());
        let json =
            format!(r#"{{"type":"error","error":{{"type":"{error_type}","message":{text}}}}}"#);
        self.data = json.into_bytes();
        (SseEventKind::Error, self.data.len() as u64)
    }
}

/// How many bytes a payload of this length holds at most, once decoded.
const fn decoded(length: u64) -> u64 {
    length / 4 * 3
}

/// The kind of an event, which its data says first of all.
fn kind_of(data: &[u8]) -> SseEventKind {
    text_at(data, b"type").map_or(SseEventKind::Other, |kind| {
        SseEventKind::from_name(kind.as_bytes())
    })
}

/// The kind of an event of which only the beginning is here.
fn kind_of_glimpse(payload: &[u8]) -> SseEventKind {
    let data = payload
        .strip_prefix(br#"{"bytes":""#)
        .and_then(|text| text.get(..text.len() / 4 * 4))
        .and_then(|text| STANDARD.decode(text).ok());
    kind_of(data.as_deref().unwrap_or_default())
}

/// The text of a field of a JSON object.
fn text_at<'a>(json: &'a [u8], name: &[u8]) -> Option<Cow<'a, str>> {
    let mut cursor = JsonCursor::new(json);
    if !cursor.enter_object() {
        return None;
    }
    while let Some(key) = cursor.next_key() {
        if key == name {
            return cursor.text();
        }
        cursor.skip();
    }
    None
}
