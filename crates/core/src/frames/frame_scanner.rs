use std::fmt;

use crate::frames::prelude::Prelude;
use crate::frames::{Frame, FrameError};

/// Finds the frames of an `application/vnd.amazon.eventstream`, chunk by chunk, as they pass.
///
/// Any split of the stream into chunks gives the same frames. Both checksums are checked, and
/// the lengths before anything is made room for: it never holds more than
/// [`FrameScanner::LARGEST`] bytes of a frame. Frames are no lines that could be found again:
/// the first error is the end of the reading, and every later call gives it again.
#[derive(Default)]
pub struct FrameScanner {
    /// The beginning of a frame whose end has not come yet, as far as it is kept.
    held: Vec<u8>,
    /// What is read on, once its prelude is whole.
    open: Option<Open>,
    error: Option<FrameError>,
    skipped: u64,
}

/// A frame that has begun in an earlier chunk.
struct Open {
    prelude: Prelude,
    /// How many of its bytes have come.
    come: usize,
    /// Over what has come.
    hasher: crc32fast::Hasher,
    /// The last checksum, as far as it has come.
    checksum: u32,
}

/// Buffers that have grown beyond this are let go.
const SMALL: usize = 64 * 1024;

// === impl FrameScanner ===

impl FrameScanner {
    /// The largest frame, in bytes, that is held; of a larger one the headers and the beginning
    /// of its payload are reported.
    pub const LARGEST: usize = 1024 * 1024;

    /// How much of the payload of a larger frame is reported: enough to see what it is.
    const GLIMPSE: usize = 1024;

    /// A scanner at the beginning of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next chunk and reports each frame that ends in it.
    ///
    /// # Errors
    ///
    /// If a frame is broken; the frames before it have been reported.
    pub fn push(
        &mut self,
        chunk: &[u8],
        mut report: impl FnMut(Frame<'_>),
    ) -> Result<(), FrameError> {
        let mut rest = chunk;
        while self.error.is_none() && !rest.is_empty() {
            match self.advance(rest, &mut report) {
                Ok(after) => rest = after,
                Err(error) => {
                    self.error = Some(error);
                    self.held = Vec::new();
                    self.open = None;
                }
            }
        }
        self.error.map_or(Ok(()), Err)
    }

    /// Ends the stream.
    ///
    /// # Errors
    ///
    /// If a frame was broken, or has not come to its end.
    pub fn finish(&mut self) -> Result<(), FrameError> {
        if !self.held.is_empty() {
            self.error = self.error.or(Some(FrameError::Unfinished));
            self.held = Vec::new();
            self.open = None;
        }
        self.error.map_or(Ok(()), Err)
    }

    /// How many frames were too large to be held, of which only the beginning was reported.
    #[must_use]
    pub const fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Reads some of a chunk and gives the rest.
    fn advance<'c>(
        &mut self,
        chunk: &'c [u8],
        report: &mut impl FnMut(Frame<'_>),
    ) -> Result<&'c [u8], FrameError> {
        if self.held.is_empty()
            && let Some(prelude) = chunk.first_chunk()
        {
            let prelude = Prelude::read(prelude)?;
            if let Some((frame, after)) = chunk.split_at_checked(prelude.total) {
                let (checked, checksum) = frame.split_at(prelude.checked());
                if crc32fast::hash(checked).to_be_bytes() != checksum {
                    return Err(FrameError::Checksum);
                }
                self.report(prelude, &checked[..kept(prelude)], report)?;
                return Ok(after);
            }
        }
        let Some(open) = &mut self.open else {
            return self.begin(chunk);
        };
        let (part, after) = chunk.split_at(chunk.len().min(open.prelude.total - open.come));
        open.read(part, &mut self.held);
        if open.come == open.prelude.total {
            self.end(report)?;
        }
        Ok(after)
    }

    /// Reads on to the end of a prelude, and checks it.
    fn begin<'c>(&mut self, chunk: &'c [u8]) -> Result<&'c [u8], FrameError> {
        let missing = Prelude::LENGTH - self.held.len();
        let (part, after) = chunk.split_at(chunk.len().min(missing));
        self.held.extend_from_slice(part);
        if let Some(prelude) = self.held.first_chunk() {
            self.open = Some(Open::new(Prelude::read(prelude)?, prelude));
        }
        Ok(after)
    }

    /// Reports the frame that has come to its end.
    fn end(&mut self, report: &mut impl FnMut(Frame<'_>)) -> Result<(), FrameError> {
        let mut held = std::mem::take(&mut self.held);
        if let Some(open) = self.open.take() {
            if open.hasher.finalize() != open.checksum {
                return Err(FrameError::Checksum);
            }
            self.report(open.prelude, &held, report)?;
        }
        if held.capacity() <= SMALL {
            held.clear();
            self.held = held;
        }
        Ok(())
    }

    /// Reports a frame of which this is kept.
    fn report(
        &mut self,
        prelude: Prelude,
        kept: &[u8],
        report: &mut impl FnMut(Frame<'_>),
    ) -> Result<(), FrameError> {
        let (headers, payload) = kept[Prelude::LENGTH..].split_at(prelude.headers);
        let frame = Frame::read(headers, payload, prelude.payload() as u64)?;
        self.skipped += u64::from(!frame.is_whole());
        report(frame);
        Ok(())
    }
}

impl fmt::Debug for FrameScanner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameScanner")
            .field("error", &self.error)
            .field("skipped", &self.skipped)
            .finish_non_exhaustive()
    }
}

/// How many of the first bytes of a frame are kept.
fn kept(prelude: Prelude) -> usize {
    let glimpse = Prelude::LENGTH + prelude.headers + FrameScanner::GLIMPSE;
    if prelude.total <= FrameScanner::LARGEST {
        prelude.checked()
    } else {
        glimpse.min(prelude.checked())
    }
}

// === impl Open ===

impl Open {
    fn new(prelude: Prelude, bytes: &[u8; Prelude::LENGTH]) -> Self {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(bytes);
        Self {
            prelude,
            come: bytes.len(),
            hasher,
            checksum: 0,
        }
    }

    /// Takes a part of it, of which is kept what belongs into `held`.
    fn read(&mut self, part: &[u8], held: &mut Vec<u8>) {
        let checked = self.prelude.checked().saturating_sub(self.come);
        let (checked, checksum) = part.split_at(part.len().min(checked));
        let wanted = kept(self.prelude).saturating_sub(held.len());
        held.extend_from_slice(&checked[..checked.len().min(wanted)]);
        self.hasher.update(checked);
        for byte in checksum {
            self.checksum = self.checksum << 8 | u32::from(*byte);
        }
        self.come += part.len();
    }
}
