use std::io::{self, Read, Write};

use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// Decodes a frame of Zstandard block by block.
///
/// At most a block that has not wholly come is held, and a window of what was decoded: a frame
/// that wants a larger one is not read. Until the frame is at its end, the decoder keeps back
/// as much as the window is large.
pub(crate) struct ZstdDecoder<W> {
    frame: FrameDecoder,
    /// What has come and is not decoded.
    held: Vec<u8>,
    /// Whether the frame's header has been read, and whether a checksum follows the last block.
    begun: Option<bool>,
    out: W,
}

/// Enough for every header of a frame.
const HEADER: usize = 18;

const BLOCK_HEADER: usize = 3;

const CHECKSUM: usize = 4;

/// What decoders of `zstd` in HTTP have to be able to hold, in bytes: RFC 9659.
const WINDOW: u64 = 8 * 1024 * 1024;

// === impl ZstdDecoder ===

impl<W> ZstdDecoder<W>
where
    W: Write,
{
    pub(crate) fn new(out: W) -> Self {
        let mut frame = FrameDecoder::new();
        frame.set_max_window_size(WINDOW);
        Self {
            frame,
            held: Vec::new(),
            begun: None,
            out,
        }
    }

    pub(crate) const fn get_mut(&mut self) -> &mut W {
        &mut self.out
    }

    pub(crate) fn write(&mut self, chunk: &[u8]) -> io::Result<()> {
        self.held.extend_from_slice(chunk);
        self.decode(false)
    }

    pub(crate) fn finish(&mut self) -> io::Result<()> {
        self.decode(true)?;
        if self.begun.is_some() && !self.frame.is_finished() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // The decoder leaves it to others to compare them.
        let told = self.frame.get_checksum_from_data();
        match told.is_none() || told == self.frame.get_calculated_checksum() {
            true => Ok(()),
            false => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    fn decode(&mut self, is_last: bool) -> io::Result<()> {
        let mut rest = &self.held[..];
        let has_checksum = match self.begun {
            Some(has_checksum) => has_checksum,
            None if rest.len() >= HEADER || (is_last && !rest.is_empty()) => {
                // The byte after the magic number says so in its third bit.
                let has_checksum = rest.get(4).is_some_and(|descriptor| descriptor & 4 != 0);
                self.frame.init(&mut rest).map_err(io::Error::other)?;
                self.begun = Some(has_checksum);
                has_checksum
            }
            None => return Ok(()),
        };
        while !self.frame.is_finished() && has_block(rest, has_checksum) {
            self.frame
                .decode_blocks(&mut rest, BlockDecodingStrategy::UptoBlocks(1))
                .map_err(io::Error::other)?;
            // One block at a time: a few bytes can stand for many of the largest.
            drain(&mut self.frame, &mut self.out)?;
        }
        let used = self.held.len() - rest.len();
        self.held.drain(..used);
        Ok(())
    }
}

/// Whether a block, and what comes with it, is there as a whole.
fn has_block(rest: &[u8], has_checksum: bool) -> bool {
    let Some(&[first, second, third]) = rest.first_chunk::<BLOCK_HEADER>() else {
        return false;
    };
    // Little-endian: one bit that it is the last, two of its type, and its size.
    let header = u32::from_le_bytes([first, second, third, 0]);
    let size = (header >> 3) as usize;
    let is_run = header >> 1 & 3 == 1;
    let content = if is_run { 1 } else { size };
    let checksum = if header & 1 == 1 && has_checksum {
        CHECKSUM
    } else {
        0
    };
    rest.len() >= BLOCK_HEADER + content + checksum
}

fn drain(frame: &mut FrameDecoder, out: &mut impl Write) -> io::Result<()> {
    let mut buffer = [0; 8 * 1024];
    loop {
        match frame.read(&mut buffer)? {
            0 => return Ok(()),
            length => out.write_all(&buffer[..length])?,
        }
    }
}
