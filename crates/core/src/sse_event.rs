use std::fmt;

/// An event of a Messages stream.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SseEvent<'a> {
    /// Which event it is.
    pub kind: SseEventKind,
    /// Its data, for those kinds whose data is read; otherwise empty.
    pub data: &'a [u8],
    /// How many bytes of data it has.
    pub length: u64,
}

/// The name of an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SseEventKind {
    /// `message_start`: id, model and first usage. Data is read.
    MessageStart,
    /// `content_block_start`. Data is read.
    ContentBlockStart,
    /// `content_block_delta`.
    ContentBlockDelta,
    /// `content_block_stop`.
    ContentBlockStop,
    /// `message_delta`: stop reason and usage so far. Data is read.
    MessageDelta,
    /// `message_stop`.
    MessageStop,
    /// `ping`.
    Ping,
    /// `error`. Data is read.
    Error,
    /// Any other name.
    #[default]
    Other,
}

// === impl SseEvent ===

impl fmt::Debug for SseEvent<'_> {
    /// Prints its kind and length, never what it says.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SseEvent")
            .field("kind", &self.kind)
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

// === impl SseEventKind ===

impl SseEventKind {
    pub(crate) fn data_is_read(self) -> bool {
        matches!(
            self,
            Self::MessageStart | Self::ContentBlockStart | Self::MessageDelta | Self::Error
        )
    }

    pub(crate) fn from_name(name: &[u8]) -> Self {
        match name {
            b"message_start" => Self::MessageStart,
            b"content_block_start" => Self::ContentBlockStart,
            b"content_block_delta" => Self::ContentBlockDelta,
            b"content_block_stop" => Self::ContentBlockStop,
            b"message_delta" => Self::MessageDelta,
            b"message_stop" => Self::MessageStop,
            b"ping" => Self::Ping,
            b"error" => Self::Error,
            _ => Self::Other,
        }
    }

    /// The kind of an event without a name, which its data repeats as `type`.
    pub(crate) fn of_data(data: &[u8]) -> Self {
        #[derive(serde::Deserialize)]
        struct Typed<'a> {
            #[serde(borrow, rename = "type")]
            kind: &'a str,
        }
        match serde_json::from_slice::<Typed<'_>>(data) {
            Ok(typed) => Self::from_name(typed.kind.as_bytes()),
            Err(_) => Self::Other,
        }
    }
}
