//! The same answer in another form.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

use crate::sample::Sample;

/// The bytes of a stream with other ends of its lines.
pub(crate) fn ending_lines(stream: &Sample, end: &str) -> Vec<u8> {
    let text = str::from_utf8(&stream.bytes).unwrap();
    text.replace("\r\n", "\n").replace('\n', end).into_bytes()
}

/// Compresses as a server does that flushes after each event.
pub(crate) fn compress(coding: &str, plain: &[u8]) -> Vec<u8> {
    macro_rules! flushed {
        ($encoder:expr) => {{
            let mut encoder = $encoder;
            for piece in plain.chunk_by(|one, other| *one != b'\n' || *other != b'\n') {
                encoder.write_all(piece).unwrap();
                encoder.flush().unwrap();
            }
            encoder.finish().unwrap()
        }};
    }
    let level = Compression::default();
    match coding {
        "gzip" => flushed!(GzEncoder::new(Vec::new(), level)),
        "deflate" => flushed!(ZlibEncoder::new(Vec::new(), level)),
        "raw" => flushed!(DeflateEncoder::new(Vec::new(), level)),
        other => panic!("no encoder for {other}"),
    }
}
