//! Streams that are cut or broken, however they come: they are never complete.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

use bytes::Bytes;
use http::Response;
use http_body_util::BodyExt as _;
use tower_claude_core::{CallBody, End, Intake, Metered, Peek, Prepare, UsageCell, tap};
use tower_claude_testkit::{ScriptedBody, Step, wire};

const BEDROCK: &str = "application/vnd.amazon.eventstream";

async fn read(kind: &str, coding: &str, body: &[u8]) -> Metered {
    let response = Response::builder()
        .header("content-type", kind)
        .header("content-encoding", coding)
        .body(ScriptedBody::new([Step::Data(Bytes::copy_from_slice(body))]).open_ended())
        .unwrap();
    let tapped = tap(response);
    let cell = UsageCell::of(&tapped).unwrap().clone();
    tapped.into_body().collect().await.unwrap();
    cell.read(Metered::clone)
}

#[tokio::test]
async fn broken_frames_are_truncated_and_unread() {
    let stream = wire::BEDROCK_STREAM;
    assert_eq!(
        read(BEDROCK, "identity", stream).await.end,
        Some(End::Complete)
    );
    // Each frame has two checksums, so no bit in it may change.
    for at in (0..stream.len() * 3 / 4).step_by(7) {
        let mut broken = stream.to_vec();
        broken[at] ^= 1;
        let metered = read(BEDROCK, "identity", &broken).await;
        assert_eq!(metered.end, Some(End::Truncated), "broken at {at}");
        assert!(!metered.is_exact(), "broken at {at}");
    }
    let metered = read(BEDROCK, "identity", wire::MESSAGE.as_bytes()).await;
    assert_eq!(metered.end, Some(End::Truncated));
    assert!(metered.is_unread);
}

#[tokio::test]
async fn frames_that_break_after_the_end_leave_it_as_it_was() {
    let stream = [wire::BEDROCK_STREAM, b"something that is no frame"].concat();
    let metered = read(BEDROCK, "identity", &stream).await;
    assert_eq!(metered.end, Some(End::Complete));
    assert!(metered.is_unread);
    let stream = [
        wire::BEDROCK_STREAM_EXCEPTION,
        b"something that is no frame",
    ]
    .concat();
    let metered = read(BEDROCK, "identity", &stream).await;
    assert_eq!(metered.end, Some(End::Errored));
}

#[cfg(feature = "decompression")]
mod compressed {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;

    fn codings(plain: &[u8]) -> [(&'static str, Vec<u8>); 6] {
        let level = Compression::default();
        let mut gzip = GzEncoder::new(Vec::new(), level);
        let mut zlib = ZlibEncoder::new(Vec::new(), level);
        let mut raw = DeflateEncoder::new(Vec::new(), level);
        let mut brotli = brotli::CompressorWriter::new(Vec::new(), 4_096, 5, 20);
        for encoder in [
            &mut gzip as &mut dyn Write,
            &mut zlib,
            &mut raw,
            &mut brotli,
        ] {
            encoder.write_all(plain).unwrap();
        }
        [
            ("identity", plain.to_vec()),
            ("gzip", gzip.finish().unwrap()),
            ("deflate", zlib.finish().unwrap()),
            ("deflate", raw.finish().unwrap()),
            ("br", brotli.into_inner()),
            ("zstd", compress_to_vec(plain, CompressionLevel::Fastest)),
        ]
    }

    #[tokio::test]
    async fn a_stream_that_is_cut_is_truncated_in_every_coding() {
        let sse = wire::STREAM_THINKING_TOOL_USE.as_bytes();
        for (kind, plain) in [("text/event-stream", sse), (BEDROCK, wire::BEDROCK_STREAM)] {
            for (coding, whole) in codings(plain) {
                assert_eq!(read(kind, coding, &whole).await.end, Some(End::Complete));
                for quarter in 0..4 {
                    let cut = &whole[..whole.len() * quarter / 4];
                    let metered = read(kind, coding, cut).await;
                    let what = format!("{kind}, {coding}, {quarter} of 4");
                    assert_eq!(metered.end, Some(End::Truncated), "{what}");
                }
            }
        }
    }

    #[tokio::test]
    async fn a_stream_that_is_not_compressed_as_it_says_is_truncated() {
        for coding in ["gzip", "deflate", "br", "zstd"] {
            let stream = wire::STREAM_THINKING_TOOL_USE.as_bytes();
            let metered = read("text/event-stream", coding, stream).await;
            assert_eq!(metered.end, Some(End::Truncated), "{coding}");
            assert!(metered.is_unread, "{coding}");
        }
    }

    #[tokio::test]
    async fn a_plain_answer_that_is_cut_is_truncated_or_unread() {
        for (coding, whole) in codings(wire::MESSAGE.as_bytes()) {
            let metered = read("application/json", coding, &whole[..whole.len() / 2]).await;
            // Where what was cut cannot be unpacked, nobody has seen that it was.
            let end = match metered.is_unread {
                true => End::Complete,
                false => End::Truncated,
            };
            assert_eq!(metered.end, Some(end), "{coding}");
            assert!(!metered.is_exact(), "{coding}");
            assert!(coding != "identity" || !metered.is_unread);
        }
    }

    #[tokio::test]
    async fn what_comes_after_a_compressed_answer_is_unread() {
        for (coding, mut body) in codings(wire::MESSAGE.as_bytes()).into_iter().skip(1) {
            body.resize(body.len() + 1_000, b'x');
            let metered = read("application/json", coding, &body).await;
            assert!(metered.is_unread, "{coding}");
        }
    }
}

/// The name and the data of the last event, by the rules of event streams.
fn last_event(stream: &[u8]) -> (String, String) {
    let text = String::from_utf8_lossy(stream).into_owned();
    let block = text.trim_end_matches('\n').rsplit("\n\n").next().unwrap();
    let fields = block.lines().filter_map(|line| line.split_once(": "));
    let (mut name, mut data) = (String::new(), Vec::new());
    for (field, value) in fields {
        match field {
            "event" => value.clone_into(&mut name),
            "data" => data.push(value),
            _ => {}
        }
    }
    (name, data.join("\n"))
}

#[tokio::test]
async fn wherever_a_stream_is_cut_its_last_event_is_an_error() {
    let stream = wire::STREAM_THINKING_TOOL_USE.as_bytes();
    let body = r#"{"model":"claude-opus-5-5","max_tokens":9,"stream":true,"messages":[]}"#;
    let stop = stream.len() - b"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n".len();
    for at in 1..=stop {
        let request = http::Request::post("/v1/messages")
            .body(CallBody::from(body))
            .unwrap();
        let call = Prepare::new(request, &Intake::new()).await.unwrap().call;
        let cut = Bytes::copy_from_slice(&stream[..at]);
        let response = Response::builder()
            .header("content-type", "text/event-stream")
            .body(ScriptedBody::new([Step::Data(cut)]).open_ended())
            .unwrap();
        let peeked = Peek::new(response, &call).await;
        let sealed = peeked.response.into_body().collect().await.unwrap();
        let sealed = sealed.to_bytes();
        assert!(sealed.starts_with(&stream[..at]) && sealed.ends_with(b"\n\n"));
        let (name, data) = last_event(&sealed);
        assert_eq!(name, "error", "cut at {at}");
        assert!(data.contains("api_error"), "cut at {at}");
        if stream[..at].ends_with(b"\n\n") {
            assert!(serde_json::from_str::<serde_json::Value>(&data).is_ok());
        }
    }
}
