use std::error::Error;
use std::fmt;

/// Why the frames of a stream could not be read further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FrameError {
    /// The first checksum of a frame, over its lengths, is wrong.
    PreludeChecksum,
    /// The lengths contradict each other, or are larger than the format allows.
    Length,
    /// The last checksum of a frame, over all of it, is wrong.
    Checksum,
    /// The headers of a frame are none.
    Headers,
    /// The payload of a chunk is not what a chunk holds.
    Payload,
    /// The stream ended within a frame.
    Unfinished,
}

// === impl FrameError ===

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PreludeChecksum => "the lengths of a frame do not match their checksum",
            Self::Length => "a frame has lengths that cannot be",
            Self::Checksum => "a frame does not match its checksum",
            Self::Headers => "the headers of a frame cannot be read",
            Self::Payload => "the payload of a chunk cannot be read",
            Self::Unfinished => "the stream ended within a frame",
        })
    }
}

impl Error for FrameError {}
