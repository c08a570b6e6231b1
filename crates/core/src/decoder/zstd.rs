use std::io::{self, Read, Write};

use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// Decodes frames of Zstandard, one after the other, block by block.
///
/// At most a block that has not wholly come is held, and a window of what was decoded: a frame
/// that wants a larger one is not read. Until a frame is at its end, the decoder keeps back as
/// much as its window is large.
pub(crate) struct ZstdDecoder<W> {
    at: At,
    /// What has come and is not decoded.
    held: Vec<u8>,
    out: W,
}

/// Where in the frames it is.
enum At {
    /// Before a frame, or at the end of all.
    Header,
    Blocks {
        frame: Box<FrameDecoder>,
        has_checksum: bool,
    },
    /// In a frame that is skipped, so many bytes before its end.
    Skipped(usize),
}

/// What a frame begins with.
const MAGIC: [u8; 4] = 0xFD2F_B528_u32.to_le_bytes();

/// What a frame begins with that is skipped, but for the four lowest bits.
const SKIPPABLE: [u8; 4] = 0x184D_2A50_u32.to_le_bytes();

const BLOCK_HEADER: usize = 3;

/// The most a block is compressed to, and decoded to, in bytes: RFC 8878, 3.1.1.2.4.
const LARGEST_BLOCK: usize = 128 * 1024;

const CHECKSUM: usize = 4;

/// What decoders of `zstd` in HTTP have to be able to hold, in bytes: RFC 9659.
const WINDOW: u64 = 8 * 1024 * 1024;

// === impl ZstdDecoder ===

impl<W> ZstdDecoder<W>
where
    W: Write,
{
    pub(crate) const fn new(out: W) -> Self {
        Self {
            at: At::Header,
            held: Vec::new(),
            out,
        }
    }

    pub(crate) const fn get_mut(&mut self) -> &mut W {
        &mut self.out
    }

    pub(crate) fn write(&mut self, chunk: &[u8]) -> io::Result<()> {
        self.held.extend_from_slice(chunk);
        let mut rest = &self.held[..];
        while self.at.step(&mut rest, &mut self.out)? {}
        let used = self.held.len() - rest.len();
        self.held.drain(..used);
        Ok(())
    }

    pub(crate) fn finish(&self) -> io::Result<()> {
        match self.at {
            At::Header if self.held.is_empty() => Ok(()),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

// === impl At ===

impl At {
    /// Reads one header, or as much as is here of what comes after it; whether it got on.
    fn step(&mut self, rest: &mut &[u8], out: &mut impl Write) -> io::Result<bool> {
        match self {
            Self::Header => match Self::begin(rest)? {
                Some(at) => *self = at,
                None => return Ok(false),
            },
            Self::Skipped(left) => {
                let skipped = rest.len().min(*left);
                *rest = &rest[skipped..];
                *left -= skipped;
                if *left > 0 {
                    return Ok(false);
                }
                *self = Self::Header;
            }
            Self::Blocks {
                frame,
                has_checksum,
            } => {
                if !has_block(rest, *has_checksum)? {
                    return Ok(false);
                }
                frame
                    .decode_blocks(&mut *rest, BlockDecodingStrategy::UptoBlocks(1))
                    .map_err(io::Error::other)?;
                // One block at a time: a few bytes can stand for many of the largest.
                drain(frame, out)?;
                if frame.is_finished() {
                    check(frame)?;
                    *self = Self::Header;
                }
            }
        }
        Ok(true)
    }

    /// Reads the header of a frame; `None` while it is not here as a whole.
    fn begin(rest: &mut &[u8]) -> io::Result<Option<Self>> {
        let Some((magic, after)) = rest.split_first_chunk::<4>() else {
            return Ok(None);
        };
        if is_skippable(*magic) {
            let Some((length, after)) = after.split_first_chunk::<4>() else {
                return Ok(None);
            };
            let length = usize::try_from(u32::from_le_bytes(*length)).map_err(io::Error::other)?;
            *rest = after;
            return Ok(Some(Self::Skipped(length)));
        }
        if *magic != MAGIC {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let Some(descriptor) = after.first() else {
            return Ok(None);
        };
        if rest.len() < header_length(*descriptor) {
            return Ok(None);
        }
        // A new one each time: it makes room only for what it decodes, and one that is used
        // again for all that the header announces.
        let mut frame = Box::new(FrameDecoder::new());
        frame.set_max_window_size(WINDOW);
        frame.init(&mut *rest).map_err(io::Error::other)?;
        Ok(Some(Self::Blocks {
            frame,
            has_checksum: descriptor & 4 != 0,
        }))
    }
}

const fn is_skippable(magic: [u8; 4]) -> bool {
    u32::from_le_bytes(magic) & !0xf == u32::from_le_bytes(SKIPPABLE)
}

/// How long the header is that has this byte after its magic number: RFC 8878, 3.1.1.1.
const fn header_length(descriptor: u8) -> usize {
    let is_single_segment = descriptor & 0x20 != 0;
    let window = if is_single_segment { 0 } else { 1 };
    let dictionary = [0, 1, 2, 4][(descriptor & 3) as usize];
    let content_size = match descriptor >> 6 {
        0 if is_single_segment => 1,
        0 => 0,
        1 => 2,
        2 => 4,
        _ => 8,
    };
    MAGIC.len() + 1 + window + dictionary + content_size
}

/// Whether a block, and what comes with it, is there as a whole.
fn has_block(rest: &[u8], has_checksum: bool) -> io::Result<bool> {
    let Some(&[first, second, third]) = rest.first_chunk::<BLOCK_HEADER>() else {
        return Ok(false);
    };
    // Little-endian: one bit that it is the last, two of its type, and its size.
    let header = u32::from_le_bytes([first, second, third, 0]);
    let size = (header >> 3) as usize;
    if size > LARGEST_BLOCK {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let is_run = header >> 1 & 3 == 1;
    let content = if is_run { 1 } else { size };
    let checksum = if header & 1 == 1 && has_checksum {
        CHECKSUM
    } else {
        0
    };
    Ok(rest.len() >= BLOCK_HEADER + content + checksum)
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

/// Compares the checksums of a frame at its end, which the decoder leaves to others.
fn check(frame: &FrameDecoder) -> io::Result<()> {
    let told = frame.get_checksum_from_data();
    match told.is_none() || told == frame.get_calculated_checksum() {
        true => Ok(()),
        false => Err(io::ErrorKind::InvalidData.into()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a test that cannot be set up has failed"
    )]

    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;

    const CHUNK: usize = 64 * 1024;

    #[test]
    fn what_comes_after_a_frame_is_not_held() {
        let mut decoder = ZstdDecoder::new(Vec::new());
        let frame = compress_to_vec(&b"{}"[..], CompressionLevel::Fastest);
        decoder.write(&frame).unwrap();
        assert_eq!(decoder.get_mut(), b"{}");
        assert!(decoder.held.is_empty());
        decoder.write(&[b'x'; CHUNK]).unwrap_err();
    }

    #[test]
    fn what_is_skipped_is_not_held() {
        let mut decoder = ZstdDecoder::new(Vec::new());
        decoder.write(b"\x5a\x2a\x4d\x18\xff\xff\xff\xff").unwrap();
        for _ in 0..1_000 {
            decoder.write(&[b'x'; CHUNK]).unwrap();
            assert!(decoder.held.is_empty() && decoder.held.capacity() <= 2 * CHUNK);
        }
        decoder.finish().unwrap_err();
    }

    #[test]
    fn of_frames_no_more_is_held_than_a_block() {
        let mut decoder = ZstdDecoder::new(io::sink());
        let frame = compress_to_vec(&[b'x'; CHUNK][..], CompressionLevel::Uncompressed);
        for _ in 0..100 {
            for piece in frame.chunks(1_000) {
                decoder.write(piece).unwrap();
                assert!(decoder.held.len() <= CHUNK + 1_000);
            }
            assert!(decoder.held.is_empty(), "it is at its end");
            decoder.finish().unwrap();
        }
    }

    #[test]
    fn a_block_larger_than_any_is_not_waited_for() {
        // Raw, and one byte larger than a block may be.
        let size: u32 = 128 * 1024 + 1;
        let mut decoder = ZstdDecoder::new(io::sink());
        decoder.write(b"\x28\xb5\x2f\xfd\0\x68").unwrap();
        let header = (size << 3).to_le_bytes();
        decoder.write(&header[..BLOCK_HEADER]).unwrap_err();
    }
}
