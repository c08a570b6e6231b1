//! Reading answers that come compressed, although we ask for none: what passes is untouched,
//! and what is read is a copy that is decoded as it comes and never held.

mod bounded;
mod coding;
mod zstd;

use std::fmt;
use std::io::{self, Write};

use brotli_decompressor::DecompressorWriter;
use flate2::write::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

use self::bounded::Bounded;
pub(crate) use self::coding::Coding;
use self::zstd::ZstdDecoder;
use crate::plain_reader::PlainReader;

/// Decodes an answer into its reader.
///
/// What cannot be decoded, or becomes far larger than it came, ends the reading: what is known
/// by then is marked as not all.
pub(crate) struct Decoder(State);

#[expect(
    clippy::large_enum_variant,
    reason = "the decoder is boxed as a whole, and there is one for an answer"
)]
enum State {
    Gzip(MultiGzDecoder<Bounded>),
    /// Of which not enough has come to tell with a header from without.
    Deflate(Bounded),
    Zlib(ZlibDecoder<Bounded>),
    Raw(DeflateDecoder<Bounded>),
    Brotli(DecompressorWriter<Bounded>),
    Zstd(ZstdDecoder<Bounded>),
    /// The rest is not read.
    Over(PlainReader),
    /// Between two states.
    Nothing,
}

/// What brotli decodes at a time.
const BROTLI_BUFFER: usize = 8 * 1024;

// === impl Decoder ===

impl Decoder {
    pub(crate) fn new(coding: Coding, reader: PlainReader) -> Self {
        let out = Bounded::new(reader);
        Self(match coding {
            Coding::Gzip => State::Gzip(MultiGzDecoder::new(out)),
            Coding::Deflate => State::Deflate(out),
            Coding::Brotli => State::Brotli(DecompressorWriter::new(out, BROTLI_BUFFER)),
            Coding::Zstd => State::Zstd(ZstdDecoder::new(out)),
        })
    }

    // The decoders are made here, on the stack: inlined, each frame of every answer would touch
    // the 50 KB that takes.
    #[inline(never)]
    pub(crate) fn read(&mut self, chunk: &[u8]) {
        if chunk.is_empty() {
            return;
        }
        self.begin_deflate(chunk[0]);
        if self.0.decode(chunk).is_err() {
            self.give_up();
        }
    }

    pub(crate) fn finish(&mut self) {
        if let Some(reader) = self.end() {
            reader.finish();
        }
    }

    pub(crate) fn fail(&mut self) {
        if let Some(reader) = self.end() {
            reader.fail();
        }
    }

    /// Decodes what is left; the reader, for its last word.
    fn end(&mut self) -> Option<&mut PlainReader> {
        if self.0.finish().is_err() {
            self.give_up();
        }
        self.0.reader()
    }

    /// The name is used for two things; the one with a header says so in its first byte.
    fn begin_deflate(&mut self, first: u8) {
        if !matches!(self.0, State::Deflate(_)) {
            return;
        }
        let State::Deflate(out) = std::mem::replace(&mut self.0, State::Nothing) else {
            unreachable!("it was in this state just now")
        };
        // Compression method 8, with a window that there is.
        self.0 = match first & 0x0f == 8 && first >> 4 <= 7 {
            true => State::Zlib(ZlibDecoder::new(out)),
            false => State::Raw(DeflateDecoder::new(out)),
        };
    }

    fn give_up(&mut self) {
        let state = std::mem::replace(&mut self.0, State::Nothing);
        if let Some(mut reader) = state.into_reader() {
            reader.give_up();
            self.0 = State::Over(reader);
        }
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder").finish_non_exhaustive()
    }
}

// === impl State ===

impl State {
    fn decode(&mut self, chunk: &[u8]) -> io::Result<()> {
        if let Some(out) = self.out() {
            out.came(chunk.len());
        }
        match self {
            Self::Gzip(decoder) => write(decoder, chunk),
            Self::Zlib(decoder) => write(decoder, chunk),
            Self::Raw(decoder) => write(decoder, chunk),
            Self::Brotli(decoder) => write(decoder, chunk),
            Self::Zstd(decoder) => decoder.write(chunk),
            Self::Deflate(_) | Self::Over(_) | Self::Nothing => Ok(()),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        match self {
            Self::Gzip(decoder) => decoder.try_finish(),
            Self::Zlib(decoder) => decoder.try_finish(),
            Self::Raw(decoder) => decoder.try_finish(),
            Self::Brotli(decoder) => decoder.close(),
            Self::Zstd(decoder) => decoder.finish(),
            Self::Deflate(_) | Self::Over(_) | Self::Nothing => Ok(()),
        }
    }

    fn out(&mut self) -> Option<&mut Bounded> {
        match self {
            Self::Gzip(decoder) => Some(decoder.get_mut()),
            Self::Zlib(decoder) => Some(decoder.get_mut()),
            Self::Raw(decoder) => Some(decoder.get_mut()),
            Self::Brotli(decoder) => Some(decoder.get_mut()),
            Self::Zstd(decoder) => Some(decoder.get_mut()),
            Self::Deflate(out) => Some(out),
            Self::Over(_) | Self::Nothing => None,
        }
    }

    fn reader(&mut self) -> Option<&mut PlainReader> {
        match self {
            Self::Over(reader) => Some(reader),
            other => other.out().and_then(Bounded::reader),
        }
    }

    fn into_reader(mut self) -> Option<PlainReader> {
        match self {
            Self::Over(reader) => Some(reader),
            // What the decoder still says in its drop, nobody hears.
            _ => self.out().and_then(Bounded::take),
        }
    }
}

/// Decodes a chunk, and all that can be known of it by now.
fn write(decoder: &mut impl Write, chunk: &[u8]) -> io::Result<()> {
    decoder.write_all(chunk)?;
    decoder.flush()
}
