use std::io::{self, Write};

use crate::plain_reader::PlainReader;

/// Gives what is decoded to the reader, as long as it is not out of all proportion.
pub(crate) struct Bounded {
    /// `None` once it was given up.
    reader: Option<PlainReader>,
    /// How many bytes may still be decoded, by what has come so far.
    allowance: u64,
    /// How many at all.
    left: u64,
}

/// How many times larger than it came an answer may become. Event streams with many short
/// deltas alike reach some dozens.
const RATIO: u64 = 200;

/// What may be decoded before the proportion counts: short answers are mostly alike.
const BEGINNING: u64 = 1024 * 1024;

/// The most that is read of one answer, in bytes.
const MOST: u64 = 256 * 1024 * 1024;

// === impl Bounded ===

impl Bounded {
    pub(crate) const fn new(reader: PlainReader) -> Self {
        Self {
            reader: Some(reader),
            allowance: BEGINNING,
            left: MOST,
        }
    }

    /// So many more bytes have come.
    pub(crate) fn came(&mut self, bytes: usize) {
        let more = (bytes as u64).saturating_mul(RATIO);
        self.allowance = self.allowance.saturating_add(more);
    }

    pub(crate) const fn reader(&mut self) -> Option<&mut PlainReader> {
        self.reader.as_mut()
    }

    pub(crate) const fn take(&mut self) -> Option<PlainReader> {
        self.reader.take()
    }
}

impl Write for Bounded {
    fn write(&mut self, decoded: &[u8]) -> io::Result<usize> {
        let length = decoded.len() as u64;
        if length > self.allowance.min(self.left) {
            return Err(io::Error::other("the answer decodes to too much"));
        }
        self.allowance -= length;
        self.left -= length;
        if let Some(reader) = &mut self.reader {
            reader.read(decoded);
        }
        Ok(decoded.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
