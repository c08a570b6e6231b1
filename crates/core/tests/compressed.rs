//! Answers that come compressed: every split, every coding, and what is no such thing.

#![cfg(feature = "decompression")]
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use http::Response;
use http_body_util::BodyExt as _;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use tower_claude_core::{End, Metered, UsageCell, tap};
use tower_claude_testkit::{ScriptedBody, Step, wire};

const CODINGS: [&str; 5] = ["gzip", "deflate", "raw", "br", "zstd"];

const STREAMS: [&str; 6] = [
    wire::STREAM_THINKING_TOOL_USE,
    wire::STREAM_SERVER_TOOL,
    wire::STREAM_CRLF_COMMENTS,
    wire::STREAM_REFUSAL,
    wire::STREAM_ERROR_MIDWAY,
    wire::STREAM_TRUNCATED,
];

fn compress(coding: &str, plain: &[u8]) -> Vec<u8> {
    let level = Compression::default();
    match coding {
        "gzip" => {
            let mut encoder = GzEncoder::new(Vec::new(), level);
            encoder.write_all(plain).unwrap();
            encoder.finish().unwrap()
        }
        "deflate" => {
            let mut encoder = ZlibEncoder::new(Vec::new(), level);
            encoder.write_all(plain).unwrap();
            encoder.finish().unwrap()
        }
        "raw" => {
            let mut encoder = DeflateEncoder::new(Vec::new(), level);
            encoder.write_all(plain).unwrap();
            encoder.finish().unwrap()
        }
        "br" => {
            let mut compressed = Vec::new();
            let mut encoder = brotli::CompressorWriter::new(&mut compressed, 4_096, 5, 20);
            encoder.write_all(plain).unwrap();
            drop(encoder);
            compressed
        }
        "zstd" => compress_to_vec(plain, CompressionLevel::Fastest),
        _ => plain.to_vec(),
    }
}

/// An answer in pieces; what is said of it, and that it passed untouched.
async fn read(kind: &str, coding: &str, pieces: &[&[u8]]) -> Metered {
    let steps = pieces
        .iter()
        .map(|piece| Step::Data(Bytes::copy_from_slice(piece)));
    let coding = if coding == "raw" { "deflate" } else { coding };
    let response = Response::builder()
        .header("content-type", kind)
        .header("content-encoding", coding)
        .body(ScriptedBody::new(steps).open_ended())
        .unwrap();
    let tapped = tap(response);
    let cell = UsageCell::of(&tapped).unwrap().clone();
    let passed = tapped.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(passed, pieces.concat(), "untouched");
    cell.read(Metered::clone)
}

fn assert_same(read: &Metered, plain: &Metered, what: &str) {
    let said = |metered: &Metered| format!("{metered:?}");
    assert_eq!(said(read), said(plain), "{what}");
}

#[tokio::test]
async fn every_split_of_every_stream_in_every_coding_gives_the_same_usage() {
    for stream in STREAMS {
        let plain = read("text/event-stream", "identity", &[stream.as_bytes()]).await;
        assert!(plain.is_stream);
        for coding in CODINGS {
            let compressed = compress(coding, stream.as_bytes());
            for at in 0..=compressed.len() {
                let (one, other) = compressed.split_at(at);
                let split = read("text/event-stream", coding, &[one, other]).await;
                assert_same(&split, &plain, &format!("{coding} at {at}"));
            }
            let bytes: Vec<&[u8]> = compressed.chunks(1).collect();
            let split = read("text/event-stream; charset=utf-8", coding, &bytes).await;
            assert_same(&split, &plain, coding);
        }
    }
}

#[tokio::test]
async fn every_split_of_a_plain_answer_gives_the_same_usage() {
    for json in [
        wire::MESSAGE,
        wire::MESSAGE_ITERATIONS,
        wire::MESSAGE_FALLBACK,
    ] {
        let plain = read("application/json", "identity", &[json.as_bytes()]).await;
        assert!(plain.is_exact());
        for coding in CODINGS {
            let compressed = compress(coding, json.as_bytes());
            for at in 0..=compressed.len() {
                let (one, other) = compressed.split_at(at);
                let split = read("application/json", coding, &[one, other]).await;
                assert_same(&split, &plain, &format!("{coding} at {at}"));
            }
        }
    }
}

#[tokio::test]
async fn events_are_read_when_they_come_and_not_at_the_end() {
    let events: Vec<&str> = wire::STREAM_THINKING_TOOL_USE
        .split_inclusive("\n\n")
        .collect();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    let mut pieces = Vec::new();
    for event in events {
        gzip.write_all(event.as_bytes()).unwrap();
        gzip.flush().unwrap();
        pieces.push(Step::Data(std::mem::take(gzip.get_mut()).into()));
    }
    let response = Response::builder()
        .header("content-type", "text/event-stream")
        .header("content-encoding", "gzip")
        .body(ScriptedBody::new(pieces))
        .unwrap();
    let tapped = tap(response);
    let cell = UsageCell::of(&tapped).unwrap().clone();
    let mut body = tapped.into_body();
    body.frame().await.unwrap().unwrap();
    assert_eq!(cell.read(|metered| metered.usage.input_tokens), Some(512));
    assert!(!cell.has_ended());
    while !cell.has_ended() {
        body.frame().await.unwrap().unwrap();
    }
    assert_eq!(cell.read(|metered| metered.usage.output_tokens), Some(163));
}

#[tokio::test]
async fn what_is_cut_or_broken_is_unread_and_not_zero() {
    for coding in CODINGS {
        let compressed = compress(coding, wire::STREAM_THINKING_TOOL_USE.as_bytes());
        let cut = &compressed[..compressed.len() / 2];
        let metered = read("text/event-stream", coding, &[cut]).await;
        assert!(!metered.is_exact(), "{coding} cut");

        // Without a checksum, and without a header, anything may be something.
        if coding == "raw" {
            continue;
        }
        let mut broken = compressed.clone();
        let middle = broken.len() / 2;
        for byte in &mut broken[middle..middle + 40] {
            *byte = 0xff;
        }
        let metered = read("text/event-stream", coding, &[&broken]).await;
        assert!(metered.is_unread && !metered.is_exact(), "{coding} broken");

        let not_compressed = wire::MESSAGE.as_bytes();
        let metered = read("application/json", coding, &[not_compressed]).await;
        assert!(metered.is_unread, "{coding} lies");
        assert_eq!(metered.usage.output_tokens, None);
        assert_eq!(metered.end, Some(End::Complete), "the body came to its end");
    }
    for stacked in ["gzip, br", "compress", "identity, gzip"] {
        let metered = read("application/json", stacked, &[wire::MESSAGE.as_bytes()]).await;
        assert!(!metered.usage.is_known(), "{stacked}");
    }
}

#[tokio::test]
async fn a_bomb_is_not_decoded_to_its_end() {
    let mut json = br#"{"usage":{"input_tokens":7,"output_tokens":1},"x":""#.to_vec();
    json.resize(8 * 1024 * 1024, b'a');
    for coding in CODINGS {
        let bomb = compress(coding, &json);
        assert!(bomb.len() < json.len() / 250, "{coding}: {}", bomb.len());
        for size in [100, 16 * 1024, usize::MAX] {
            let pieces: Vec<&[u8]> = bomb.chunks(size.min(bomb.len())).collect();
            let metered = read("application/json", coding, &pieces).await;
            assert!(metered.is_unread, "{coding} by {size}");
        }
    }
}

#[tokio::test]
async fn what_is_like_itself_for_long_is_read_all_the_same() {
    let delta = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\
        \"delta\":{\"type\":\"text_delta\",\"text\":\"word by word\"}}\n\n";
    let (head, end) =
        wire::STREAM_REFUSAL.split_at(wire::STREAM_REFUSAL.find("event: message_delta").unwrap());
    let stream = format!("{head}{}{end}", delta.repeat(20_000));
    let plain = read("text/event-stream", "identity", &[stream.as_bytes()]).await;
    assert!(plain.deltas > 20_000);
    let compressed = compress("gzip", stream.as_bytes());
    let metered = read("text/event-stream", "gzip", &[&compressed]).await;
    assert_same(&metered, &plain, "gzip");
}
