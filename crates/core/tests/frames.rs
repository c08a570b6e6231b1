//! Frames of an event stream, found and read as events.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

use tower_claude_core::{
    Failure, FailureKind, FrameError, FrameScanner, FramesReader, SseEvent, SseEventKind,
    SseScanner,
};
use tower_claude_testkit::wire;

use SseEventKind::{
    ContentBlockDelta, ContentBlockStart, ContentBlockStop, Error, MessageDelta, MessageStart,
    MessageStop, Other,
};

/// Kind, data and length of each event, and how the reading ended.
type Read = (Vec<(SseEventKind, String, u64)>, Result<(), FrameError>);

fn read(mut reader: FramesReader, chunks: &[&[u8]]) -> Read {
    let mut seen = Vec::new();
    for chunk in chunks {
        // An error is told again at the end.
        let _ = reader.push(chunk, |event| seen.push(note(event)));
    }
    let end = reader.finish();
    (seen, end)
}

fn note(event: SseEvent<'_>) -> (SseEventKind, String, u64) {
    let data = String::from_utf8_lossy(event.data).into_owned();
    (event.kind, data, event.length)
}

/// Reads a stream, whole and cut at every byte, which must be the same.
fn read_at_every_split(stream: &[u8]) -> Read {
    let whole = read(FramesReader::new(), &[stream]);
    let bytes: Vec<&[u8]> = stream.chunks(1).collect();
    assert_eq!(read(FramesReader::new(), &bytes), whole, "byte by byte");
    for at in 0..stream.len() {
        let (a, b) = stream.split_at(at);
        assert_eq!(read(FramesReader::new(), &[a, b]), whole, "split at {at}");
    }
    whole
}

fn kinds(read: &Read) -> Vec<SseEventKind> {
    read.0.iter().map(|(kind, ..)| *kind).collect()
}

fn frame(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in headers {
        block.push(u8::try_from(name.len()).unwrap());
        block.extend_from_slice(name.as_bytes());
        block.push(7);
        block.extend_from_slice(&u16::try_from(value.len()).unwrap().to_be_bytes());
        block.extend_from_slice(value.as_bytes());
    }
    let total = u32::try_from(16 + block.len() + payload.len()).unwrap();
    let headers = u32::try_from(block.len()).unwrap();
    let mut frame = [total.to_be_bytes(), headers.to_be_bytes()].concat();
    frame.extend_from_slice(&crc32fast::hash(&frame).to_be_bytes());
    frame.extend_from_slice(&block);
    frame.extend_from_slice(payload);
    frame.extend_from_slice(&crc32fast::hash(&frame).to_be_bytes());
    frame
}

/// A frame of a chunk with this payload.
fn chunk_of(payload: &[u8]) -> Vec<u8> {
    let headers = [
        (":event-type", "chunk"),
        (":content-type", "application/json"),
        (":message-type", "event"),
    ];
    frame(&headers, payload)
}

/// A frame of a chunk with this event in it.
fn chunk(data: &str) -> Vec<u8> {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(data);
    chunk_of(format!(r#"{{"bytes":"{text}","p":"abcdefgh"}}"#).as_bytes())
}

fn exception(name: &str, payload: &str) -> Vec<u8> {
    let headers = [(":exception-type", name), (":message-type", "exception")];
    frame(&headers, payload.as_bytes())
}

#[test]
fn a_stream_is_read_the_same_at_every_split() {
    let read = read_at_every_split(wire::BEDROCK_STREAM);
    assert_eq!(
        kinds(&read),
        [
            MessageStart,
            ContentBlockStart,
            ContentBlockDelta,
            ContentBlockStop,
            MessageDelta,
            MessageStop
        ]
    );
    assert_eq!(read.1, Ok(()));
    let usage = r#"{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":8}}"#;
    assert_eq!(read.0[4].1, usage);
    let (_, data, length) = &read.0[2];
    assert_eq!((&**data, *length), ("", 95), "content is counted only");
}

#[test]
fn frames_give_the_events_that_server_sent_events_give() {
    for stream in [
        wire::STREAM_THINKING_TOOL_USE,
        wire::STREAM_SERVER_TOOL,
        wire::STREAM_CRLF_COMMENTS,
        wire::STREAM_REFUSAL,
        wire::STREAM_ERROR_MIDWAY,
    ] {
        let scan = |mut scanner: SseScanner| {
            let mut seen = Vec::new();
            scanner.push(stream.as_bytes(), |event| seen.push(note(event)));
            scanner.finish(|event| seen.push(note(event)));
            seen
        };
        let all = scan(SseScanner::reading_all());
        let frames: Vec<u8> = all.iter().flat_map(|(_, data, _)| chunk(data)).collect();
        assert_eq!(read(FramesReader::reading_all(), &[&frames]), (all, Ok(())));
        let some = scan(SseScanner::new());
        assert_eq!(read(FramesReader::new(), &[&frames]), (some, Ok(())));
    }
}

#[test]
fn an_exception_becomes_an_error_event_of_anthropics() {
    let (seen, end) = read_at_every_split(wire::BEDROCK_STREAM_EXCEPTION);
    assert_eq!(end, Ok(()));
    let (kind, data, length) = seen.last().unwrap();
    assert_eq!((*kind, *length), (Error, data.len() as u64));
    assert_eq!(
        data,
        r#"{"type":"error","error":{"type":"rate_limit_error","message":"Too many tokens, please wait before trying again."}}"#
    );
    let failure = Failure::from_event(data.as_bytes());
    assert_eq!(failure.kind, FailureKind::RateLimited);
}

#[test]
fn an_error_says_what_it_says_in_any_form() {
    let of = |frame: &[u8]| {
        let (seen, end) = read(FramesReader::new(), &[frame]);
        assert_eq!((seen.len(), end), (1, Ok(())));
        let error: serde_json::Value = serde_json::from_str(&seen[0].1).unwrap();
        let part = |name| error["error"][name].as_str().unwrap().to_owned();
        (part("type"), part("message"))
    };
    let expect = |kind: &str, text: &str| (kind.to_owned(), text.to_owned());

    let quoted = exception("modelTimeoutException", r#"{"message":"a \"b\"\n\u00e9"}"#);
    assert_eq!(of(&quoted), expect("timeout_error", "a \"b\"\né"));
    let original = exception(
        "modelStreamErrorException",
        r#"{"originalStatusCode":500,"originalMessage":"it broke"}"#,
    );
    assert_eq!(of(&original), expect("api_error", "it broke"));
    for payload in ["", "[]", "{", r#"{"message":7}"#] {
        let odd = exception("serviceUnavailableException", payload);
        assert_eq!(of(&odd), expect("overloaded_error", ""), "{payload}");
    }
    let unmodelled = frame(
        &[
            (":message-type", "error"),
            (":error-code", "InternalFailure"),
            (":error-message", "it failed"),
        ],
        b"",
    );
    assert_eq!(of(&unmodelled), expect("api_error", "it failed"));
    let bare = frame(&[(":message-type", "exception")], b"");
    assert_eq!(of(&bare), expect("api_error", ""));
}

#[test]
fn an_event_nobody_knows_is_told_and_not_read() {
    let odd = [
        frame(&[], b""),
        frame(&[(":message-type", "event")], b"{}"),
        frame(
            &[(":message-type", "event"), (":event-type", "trace")],
            b"{}",
        ),
        frame(&[(":message-type", "letter")], b"{}"),
        chunk("[]"),
        chunk(r#"{"type":7}"#),
        chunk(r#"{"type":"message_"#),
        chunk(""),
    ]
    .concat();
    let (seen, end) = read_at_every_split(&odd);
    assert_eq!(end, Ok(()));
    let lengths: Vec<u64> = seen.iter().map(|(_, _, length)| *length).collect();
    assert_eq!(lengths, [0, 2, 2, 2, 2, 10, 17, 0]);
    assert!(seen.iter().all(|(kind, ..)| *kind == Other));
}

#[test]
fn the_kind_of_an_event_is_found_wherever_it_stands_and_however_it_is_written() {
    let slashes = chunk_of(br#"{"p":"a","bytes":"eyJ0eXBlIjoicGluZyIsInAiOiI\/Pz8\/In0="}"#);
    for (frame, expected) in [
        (slashes, SseEventKind::Ping),
        (
            chunk(r#" {"a":{"type":"x"},"type":"ping"}"#),
            SseEventKind::Ping,
        ),
        (chunk(r#"{"type":"message\u005fstop"}"#), MessageStop),
    ] {
        let (seen, end) = read(FramesReader::reading_all(), &[&frame]);
        assert_eq!(end, Ok(()));
        assert_eq!(seen[0].0, expected, "{seen:?}");
    }
}

#[test]
fn no_bit_can_be_wrong_unnoticed() {
    let right = wire::BEDROCK_STREAM_EXCEPTION;
    let (events, _) = read(FramesReader::new(), &[right]);
    for bit in 0..right.len() * 8 {
        let mut wrong = right.to_vec();
        wrong[bit / 8] ^= 1 << (bit % 8);
        let (seen, end) = read(FramesReader::new(), &[&wrong]);
        assert!(end.is_err(), "bit {bit}");
        assert!(events.starts_with(&seen) && seen != events, "bit {bit}");
    }
}

#[test]
fn a_stream_that_is_cut_says_so_unless_it_is_cut_between_frames() {
    let stream = wire::BEDROCK_STREAM;
    let (events, _) = read(FramesReader::new(), &[stream]);
    let mut whole = 0;
    for at in 0..stream.len() {
        let (seen, end) = read(FramesReader::new(), &[&stream[..at]]);
        assert!(events.starts_with(&seen), "cut at {at}");
        match end {
            Ok(()) => whole += 1,
            Err(error) => assert_eq!(error, FrameError::Unfinished, "cut at {at}"),
        }
    }
    assert_eq!(whole, 6);
}

#[test]
fn a_broken_chunk_ends_the_reading_and_every_later_call_says_so() {
    let ping = chunk(r#"{"type":"ping"}"#);
    for payload in [
        "",
        "{}",
        "[]",
        r#"{"bytes":7}"#,
        r#"{"bytes":"e30="#,
        r#"{"bytes":"e30"}"#,
        r#"{"bytes":"e3=0"}"#,
        r#"{"bytes":"e3 0="}"#,
        r#"{"bytes":"ééé="}"#,
    ] {
        let stream = [&ping[..], &chunk_of(payload.as_bytes()), &ping].concat();
        let (seen, end) = read_at_every_split(&stream);
        assert_eq!(end, Err(FrameError::Payload), "{payload}");
        assert_eq!(seen.len(), 1, "{payload}");
    }
    let mut reader = FramesReader::new();
    let broken = chunk_of(b"{}");
    for chunk in [&broken, &ping] {
        let result = reader.push(chunk, |_| panic!("nothing follows"));
        assert_eq!(result, Err(FrameError::Payload));
    }
}

#[test]
fn a_frame_larger_than_the_largest_is_counted_and_its_kind_is_told() {
    let text = "x".repeat(FrameScanner::LARGEST);
    let delta = format!(r#"{{"type":"content_block_delta","delta":{{"text":"{text}"}}}}"#);
    let error = format!(r#"{{"message":"{text}"}}"#);
    let stream = [
        chunk(&delta),
        exception("throttlingException", &error),
        chunk(r#"{"type":"message_stop"}"#),
    ]
    .concat();
    for size in [1 << 10, 100_003, usize::MAX] {
        let mut reader = FramesReader::new();
        let mut seen = Vec::new();
        for chunk in stream.chunks(size.min(stream.len())) {
            reader.push(chunk, |event| seen.push(note(event))).unwrap();
        }
        assert_eq!(reader.finish(), Ok(()));
        assert_eq!(reader.skipped(), 2);
        let [delta_seen, error_seen, stop] = &seen[..] else {
            panic!("{} events", seen.len());
        };
        assert_eq!(delta_seen.0, ContentBlockDelta);
        assert!(delta_seen.2.abs_diff(delta.len() as u64) < 32);
        let failure = Failure::from_event(error_seen.1.as_bytes());
        assert_eq!(failure.kind, FailureKind::RateLimited);
        assert_eq!(stop.0, MessageStop);
    }
    // Its checksum counts all the same.
    let mut wrong = stream.clone();
    wrong[FrameScanner::LARGEST] ^= 1;
    let (seen, end) = read(
        FramesReader::new(),
        &wrong.chunks(5_000).collect::<Vec<_>>(),
    );
    assert_eq!((seen.len(), end), (0, Err(FrameError::Checksum)));
}

#[test]
fn frames_of_other_services_are_found_too() {
    let stream = [
        frame(&[(":event-type", "Records")], b"1,2\n"),
        frame(&[(":event-type", "End")], b""),
    ]
    .concat();
    let mut scanner = FrameScanner::new();
    let mut seen = Vec::new();
    for byte in stream.chunks(1) {
        let note = |frame: tower_claude_core::Frame<'_>| {
            seen.push((frame.event_type.unwrap().to_owned(), frame.payload.to_vec()));
        };
        scanner.push(byte, note).unwrap();
    }
    assert_eq!(scanner.finish(), Ok(()));
    let expected = [("Records", &b"1,2\n"[..]), ("End", b"")];
    assert_eq!(
        seen,
        expected.map(|(name, data)| (name.into(), data.into()))
    );
}
