//! Answers in frames of Zstandard: one or many, and what comes after them.

#![cfg(feature = "decompression")]
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

use bytes::Bytes;
use http::Response;
use http_body_util::BodyExt as _;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use tower_claude_core::{End, Metered, UsageCell, tap};
use tower_claude_testkit::{ScriptedBody, Step, wire};

fn frame(plain: &str) -> Vec<u8> {
    compress_to_vec(plain.as_bytes(), CompressionLevel::Fastest)
}

/// A frame that is to be skipped, of this one of the sixteen kinds.
fn skippable(kind: u32, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap();
    let mut frame = (0x184D_2A50 + kind).to_le_bytes().to_vec();
    frame.extend_from_slice(&length.to_le_bytes());
    frame.extend_from_slice(content);
    frame
}

/// One frame for each event, as of an encoder that ends a frame to flush it.
fn frames(stream: &str) -> Vec<Vec<u8>> {
    stream.split_inclusive("\n\n").map(frame).collect()
}

async fn read<'a>(kind: &str, coding: &str, pieces: impl IntoIterator<Item = &'a [u8]>) -> Metered {
    let steps = pieces
        .into_iter()
        .map(|piece| Step::Data(Bytes::copy_from_slice(piece)));
    let response = Response::builder()
        .header("content-type", kind)
        .header("content-encoding", coding)
        .body(ScriptedBody::new(steps).open_ended())
        .unwrap();
    let tapped = tap(response);
    let cell = UsageCell::of(&tapped).unwrap().clone();
    tapped.into_body().collect().await.unwrap();
    cell.read(Metered::clone)
}

async fn read_stream(pieces: &[&[u8]]) -> Metered {
    read("text/event-stream", "zstd", pieces.iter().copied()).await
}

#[tokio::test]
async fn a_frame_for_each_event_gives_the_same_usage_at_every_split() {
    for stream in [wire::STREAM_THINKING_TOOL_USE, wire::STREAM_REFUSAL] {
        let plain = read("text/event-stream", "identity", [stream.as_bytes()]).await;
        assert_eq!(plain.end, Some(End::Complete));
        let plain = format!("{plain:?}");
        let mut compressed = skippable(0, b"");
        for (kind, frame) in (0..).zip(frames(stream)) {
            compressed.extend(frame);
            compressed.extend(skippable(kind % 16, b"\x28\xb5\x2f\xfd, which is skipped"));
        }
        for at in 0..=compressed.len() {
            let (one, other) = compressed.split_at(at);
            let split = read_stream(&[one, other]).await;
            assert_eq!(format!("{split:?}"), plain, "at {at}");
        }
        let bytes: Vec<&[u8]> = compressed.chunks(1).collect();
        assert_eq!(format!("{:?}", read_stream(&bytes).await), plain);
    }
}

#[tokio::test]
async fn a_frame_is_read_when_it_has_come_and_not_with_the_next() {
    let frames = frames(wire::STREAM_THINKING_TOOL_USE);
    let count = frames.len();
    let steps = frames.into_iter().map(|frame| Step::Data(frame.into()));
    let response = Response::builder()
        .header("content-type", "text/event-stream")
        .header("content-encoding", "zstd")
        .body(ScriptedBody::new(steps).open_ended())
        .unwrap();
    let tapped = tap(response);
    let cell = UsageCell::of(&tapped).unwrap().clone();
    let mut body = tapped.into_body();
    for at in 1..=count {
        body.frame().await.unwrap().unwrap();
        assert!(cell.read(|metered| metered.usage.is_known()));
        assert_eq!(cell.has_ended(), at == count, "at {at} of {count}");
    }
}

#[tokio::test]
async fn what_comes_after_a_frame_and_is_none_is_unread() {
    let stream = frame(wire::STREAM_REFUSAL);
    for junk in [
        &b"\0\0\0\0"[..],
        b"\x28\xb5",
        b"\x28\xb5\x2f\xfe\0\0\0\0\0\0\0\0\0\0\0\0",
        // One kind beyond those that are skipped, one that is cut, and one without its length.
        b"\x60\x2a\x4d\x18\x01\0\0\0x",
        b"\x50\x2a\x4d\x18\x02\0\0\0x",
        b"\x5f\x2a\x4d\x18\x02\0",
        // A window of 16 MiB, and a dictionary that nobody has.
        b"\x28\xb5\x2f\xfd\0\x70\x01\0\0",
        b"\x28\xb5\x2f\xfd\x23\x07\0\0\0\0\x01\0\0",
        // A header without a block, and half a block.
        b"\x28\xb5\x2f\xfd\0\0",
        b"\x28\xb5\x2f\xfd\0\0\x21\0\0x",
    ] {
        let metered = read_stream(&[&stream, junk]).await;
        assert!(metered.is_unread && !metered.is_exact(), "{junk:x?}");
        assert_eq!(metered.end, Some(End::Complete), "it had said so");
        let bytes: Vec<&[u8]> = stream.chunks(1).chain(junk.chunks(1)).collect();
        let split = read_stream(&bytes).await;
        assert_eq!(format!("{split:?}"), format!("{metered:?}"), "{junk:x?}");
    }
}

#[tokio::test]
async fn many_frames_are_no_way_around_the_bounds() {
    let begin = frame(r#"{"usage":{"input_tokens":7,"output_tokens":1},"x":""#);
    let bomb = frame(&"a".repeat(512 * 1024));
    assert!(bomb.len() < 512 * 1024 / 250, "{}", bomb.len());
    let frames = std::iter::repeat_n(&bomb[..], 64);
    let metered = read(
        "application/json",
        "zstd",
        [&begin[..]].into_iter().chain(frames),
    )
    .await;
    assert!(metered.is_unread);
}

#[tokio::test]
async fn frames_of_nothing_are_read_and_are_nothing() {
    let empty = frame("");
    let many = std::iter::repeat_n(&empty[..], 20_000);
    let whole = frame(wire::MESSAGE);
    let metered = read("application/json", "zstd", many.chain([&whole[..]])).await;
    assert!(metered.is_exact());
}
