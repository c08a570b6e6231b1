use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tower_claude_core::{FrameError, FrameScanner, FramesReader, SseEventKind};

/// Frames of an event stream: any split gives the same frames and events, in bounded memory.
///
/// No fuzzer guesses a checksum. So the data is read as it is, and as the headers and payload
/// of a frame, and as the event in a chunk.
pub fn frames(data: &[u8], at: usize) {
    read_at(data, at);

    let (headers, payload) = match data.split_first() {
        Some((length, rest)) => rest.split_at(rest.len().min(usize::from(*length))),
        None => (data, data),
    };
    let dressed = frame(headers, payload);
    read_at(&dressed, at.min(dressed.len()));
    // Cut within its prelude, and with a second one behind it.
    read_at(&dressed.repeat(2), at % 12);

    let chunk = chunk(data);
    read_at(&chunk, at);
    let (events, end) = read(FramesReader::reading_all(), &chunk, at);
    assert_eq!(end, Ok(()), "a chunk holds any bytes");
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].1, data);
}

fn read_at(data: &[u8], at: usize) {
    let whole = scan(data, data.len());
    assert_eq!(scan(data, at), whole);
    let (events, end) = read(FramesReader::new(), data, data.len());
    assert_eq!(read(FramesReader::new(), data, at), (events.clone(), end));
    let (all, all_end) = read(FramesReader::reading_all(), data, data.len());
    assert_eq!(
        read(FramesReader::reading_all(), data, at),
        (all.clone(), all_end)
    );
    assert_eq!(end, all_end);
    assert!(
        events.iter().map(told).eq(all.iter().map(told)),
        "the same events, less is kept"
    );

    // What a frame announces makes no room: only what has come does.
    let held = allocation_counter::measure(|| {
        let mut reader = FramesReader::new();
        let (a, b) = data.split_at(at);
        for part in [a, b] {
            let _ = reader.push(part, |_| {});
        }
    });
    let most = 4 * data.len() as u64 + 1_024;
    assert!(held.bytes_max <= most, "{} > {most}", held.bytes_max);
}

type Frames = Vec<(Option<String>, Vec<u8>, u64)>;

fn scan(data: &[u8], at: usize) -> (Frames, Result<(), FrameError>) {
    let mut scanner = FrameScanner::new();
    let mut frames = Vec::new();
    let (a, b) = data.split_at(at);
    for part in [a, b] {
        // An error is told again at the end.
        let _ = scanner.push(part, |frame| {
            let kind = frame.message_type.map(str::to_owned);
            frames.push((kind, frame.payload.to_vec(), frame.length));
        });
    }
    (frames, scanner.finish())
}

/// Kind, data and length.
type Event = (SseEventKind, Vec<u8>, u64);

fn told((kind, _, length): &Event) -> (SseEventKind, u64) {
    (*kind, *length)
}

fn read(mut reader: FramesReader, data: &[u8], at: usize) -> (Vec<Event>, Result<(), FrameError>) {
    let mut events = Vec::new();
    let (a, b) = data.split_at(at);
    for part in [a, b] {
        let _ = reader.push(part, |event| {
            events.push((event.kind, event.data.to_vec(), event.length));
        });
    }
    (events, reader.finish())
}

/// A frame with right checksums.
fn frame(headers: &[u8], payload: &[u8]) -> Vec<u8> {
    let length = |length: usize| u32::try_from(length).unwrap().to_be_bytes();
    let total = 16 + headers.len() + payload.len();
    let mut frame = [length(total), length(headers.len())].concat();
    frame.extend_from_slice(&crc32fast::hash(&frame).to_be_bytes());
    frame.extend_from_slice(headers);
    frame.extend_from_slice(payload);
    frame.extend_from_slice(&crc32fast::hash(&frame).to_be_bytes());
    frame
}

/// A frame of a chunk that holds this event.
fn chunk(data: &[u8]) -> Vec<u8> {
    let headers = b"\x0b:event-type\x07\x00\x05chunk\x0d:message-type\x07\x00\x05event";
    let payload = format!(r#"{{"bytes":"{}","p":"abc"}}"#, STANDARD.encode(data));
    frame(headers, payload.as_bytes())
}
