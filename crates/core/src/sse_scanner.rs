use std::fmt;

use memchr::memchr2;

use crate::sse_event::{SseEvent, SseEventKind};

/// Finds the events of a stream of server-sent events, chunk by chunk, as they pass.
///
/// It never fails and never holds more than [`SseScanner::LARGEST`] bytes: the data of events
/// that nobody asks about is only counted. Any split of the stream into chunks gives the same
/// events. Lines may end in LF, CR or CRLF; comments, unknown fields, unknown events and
/// several `data` lines are read as the specification of server-sent events says.
#[derive(Default)]
pub struct SseScanner {
    /// The beginning of a line whose end has not come yet.
    line: Vec<u8>,
    /// How the rest of the line is read, where it is not kept.
    unkept: Option<Unkept>,
    after_cr: bool,
    begun: bool,
    event: Event,
}

/// A line that is not kept, because it is too long or nobody asks for what it says.
enum Unkept {
    /// Data, of which so many bytes have come.
    Data(u64),
    /// A comment or another field.
    Other,
}

/// The event that is being read.
#[derive(Default)]
struct Event {
    /// Whether the data of every kind is read.
    reads_all: bool,
    kind: Option<SseEventKind>,
    data: Vec<u8>,
    length: u64,
    lines: u32,
}

/// How nearly every event of a stream begins.
const DELTA: &[u8] = b"event: content_block_delta\ndata: ";

// === impl SseScanner ===

impl SseScanner {
    /// The most data of one event that is kept; larger data is counted and not read.
    pub const LARGEST: usize = 1024 * 1024;

    /// A scanner at the beginning of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A scanner that gives the data of every event, for whoever reads the content too.
    #[must_use]
    pub fn reading_all() -> Self {
        let event = Event {
            reads_all: true,
            ..Event::default()
        };
        Self {
            event,
            ..Self::default()
        }
    }

    /// Takes the next chunk and reports each event that ends in it.
    pub fn push(&mut self, chunk: &[u8], mut report: impl FnMut(SseEvent<'_>)) {
        let mut rest = chunk;
        while !rest.is_empty() {
            if std::mem::take(&mut self.after_cr) && rest[0] == b'\n' {
                rest = &rest[1..];
                continue;
            }
            if self.is_between_events()
                && let Some((data, after)) = whole_delta(rest)
            {
                self.begun = true;
                report(SseEvent {
                    kind: SseEventKind::ContentBlockDelta,
                    data: if self.event.reads_all { data } else { &[] },
                    length: data.len() as u64,
                });
                rest = after;
                continue;
            }
            let Some(end) = memchr2(b'\n', b'\r', rest) else {
                self.keep(rest);
                return;
            };
            self.after_cr = rest[end] == b'\r';
            self.end_line(&rest[..end], &mut report);
            rest = &rest[end + 1..];
        }
    }

    /// Ends the stream: reports an event that lacks only its last line ends.
    ///
    /// The specification drops such an event; the official SDKs read it.
    pub fn finish(&mut self, mut report: impl FnMut(SseEvent<'_>)) {
        self.end_line(&[], &mut report);
        self.event.end(&mut report);
    }

    fn is_between_events(&self) -> bool {
        self.line.is_empty() && self.unkept.is_none() && self.event.is_new()
    }

    /// Keeps the beginning of a line, or counts it.
    fn keep(&mut self, part: &[u8]) {
        match &mut self.unkept {
            Some(Unkept::Data(length)) => *length += part.len() as u64,
            Some(Unkept::Other) => {}
            None => {
                self.line.extend_from_slice(part);
                // One byte more than the name, which may be the space that is not data.
                let is_told = self.line.len() > b"data:".len();
                let is_long = self.line.len() > Self::LARGEST;
                if is_long || (is_told && self.event.only_counts_data()) {
                    let data = self.line.strip_prefix(b"data:").map(without_space);
                    self.unkept = match data {
                        Some(data) => Some(Unkept::Data(data.len() as u64)),
                        None => is_long.then_some(Unkept::Other),
                    };
                    if self.unkept.is_some() {
                        self.line.clear();
                    }
                }
            }
        }
    }

    /// Reads a line, of which `end` is the part that came last.
    fn end_line(&mut self, end: &[u8], report: &mut impl FnMut(SseEvent<'_>)) {
        match self.unkept.take() {
            Some(Unkept::Data(length)) => self.event.count(length + end.len() as u64),
            Some(Unkept::Other) => {}
            None if self.line.is_empty() => self.read_line(end, report),
            None => {
                let mut line = std::mem::take(&mut self.line);
                line.extend_from_slice(end);
                self.read_line(&line, report);
                line.clear();
                if line.capacity() <= SMALL {
                    self.line = line;
                }
            }
        }
    }

    fn read_line(&mut self, mut line: &[u8], report: &mut impl FnMut(SseEvent<'_>)) {
        if !std::mem::replace(&mut self.begun, true) {
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        }
        if line.is_empty() {
            self.event.end(report);
        } else if let Some(data) = field(line, b"data") {
            self.event.add(data);
        } else if let Some(name) = field(line, b"event") {
            self.event.kind = Some(SseEventKind::from_name(name));
        }
    }
}

impl fmt::Debug for SseScanner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SseScanner").finish_non_exhaustive()
    }
}

/// Buffers that have grown beyond this are let go.
const SMALL: usize = 64 * 1024;

/// The data of a delta that stands whole at the beginning of `rest`, and what comes after it.
fn whole_delta(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let data = rest.strip_prefix(DELTA)?;
    let end = memchr2(b'\n', b'\r', data)?;
    let after = data[end..].strip_prefix(b"\n\n")?;
    Some((&data[..end], after))
}

/// The value of a line, if it is one of this field.
fn field<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let rest = line.strip_prefix(name)?;
    match rest.strip_prefix(b":") {
        Some(value) => Some(without_space(value)),
        None => rest.is_empty().then_some(rest),
    }
}

/// A value without the one space that may stand before it.
fn without_space(value: &[u8]) -> &[u8] {
    value.strip_prefix(b" ").unwrap_or(value)
}

// === impl Event ===

impl Event {
    fn is_new(&self) -> bool {
        self.kind.is_none() && self.lines == 0
    }

    fn only_counts_data(&self) -> bool {
        !self.reads_all && self.kind.is_some_and(|kind| !kind.data_is_read())
    }

    fn count(&mut self, length: u64) {
        self.length += length;
        self.lines += 1;
        // A part of it is missing, so the rest is of no use.
        self.data.clear();
    }

    fn add(&mut self, data: &[u8]) {
        let is_whole = self.data.len() as u64 == self.length;
        let fits = self.data.len() + data.len() < SseScanner::LARGEST;
        if self.only_counts_data() || !is_whole || !fits {
            self.count(data.len() as u64);
            return;
        }
        if self.lines > 0 {
            self.data.push(b'\n');
            self.length += 1;
        }
        self.data.extend_from_slice(data);
        self.length += data.len() as u64;
        self.lines += 1;
    }

    fn end(&mut self, report: &mut impl FnMut(SseEvent<'_>)) {
        if self.is_new() {
            return;
        }
        let kind = self
            .kind
            .unwrap_or_else(|| SseEventKind::of_data(&self.data));
        report(SseEvent {
            kind,
            data: if self.reads_all || kind.data_is_read() {
                &self.data
            } else {
                &[]
            },
            length: self.length,
        });
        self.kind = None;
        self.length = 0;
        self.lines = 0;
        self.data.clear();
        if self.data.capacity() > SMALL {
            self.data = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Seen = Vec<(SseEventKind, String, u64)>;

    fn scan(chunks: &[&[u8]]) -> Seen {
        let mut scanner = SseScanner::new();
        let mut seen = Seen::new();
        let mut note = |event: SseEvent<'_>| {
            let data = String::from_utf8_lossy(event.data).into_owned();
            seen.push((event.kind, data, event.length));
        };
        for chunk in chunks {
            scanner.push(chunk, &mut note);
        }
        scanner.finish(&mut note);
        seen
    }

    const STREAM: &str = "\u{feff}: hello\n\nevent: message_start\ndata: {\"a\":\ndata: 1}\n\n\
        event: content_block_delta\ndata: {\"text\":\"één\"}\n\n\
        event: ping\ndata: {}\n\nevent:content_block_delta\ndata:{}\nid: 7\n\n\
        data: {\"type\":\"error\",\"e\":2}\n\nevent: from_the_future\ndata\n\n\
        event: message_stop\ndata: {\"type\":\"message_stop\"}";

    fn expected() -> Seen {
        use SseEventKind::*;
        vec![
            (MessageStart, "{\"a\":\n1}".into(), 8),
            (ContentBlockDelta, String::new(), 16),
            (Ping, String::new(), 2),
            (ContentBlockDelta, String::new(), 2),
            (Error, "{\"type\":\"error\",\"e\":2}".into(), 22),
            (Other, String::new(), 0),
            (MessageStop, String::new(), 23),
        ]
    }

    #[test]
    fn every_split_and_every_line_end_gives_the_same_events() {
        for line_end in ["\n", "\r\n", "\r"] {
            let stream = STREAM.replace('\n', line_end);
            let stream = stream.as_bytes();
            assert_eq!(scan(&[stream]), expected(), "{line_end:?} whole");
            let bytes: Vec<&[u8]> = stream.chunks(1).collect();
            assert_eq!(scan(&bytes), expected(), "{line_end:?} byte by byte");
            for at in 0..stream.len() {
                let (a, b) = stream.split_at(at);
                assert_eq!(scan(&[a, b]), expected(), "{line_end:?} split at {at}");
            }
        }
    }

    #[test]
    fn one_that_reads_all_gives_the_data_of_every_event_whatever_the_split() {
        let read = |chunks: &[&[u8]]| {
            let mut seen = Vec::new();
            let mut scanner = SseScanner::reading_all();
            let mut note = |event: SseEvent<'_>| {
                assert_eq!(event.data.len() as u64, event.length);
                seen.push(String::from_utf8_lossy(event.data).into_owned());
            };
            for chunk in chunks {
                scanner.push(chunk, &mut note);
            }
            scanner.finish(&mut note);
            seen
        };
        let whole = read(&[STREAM.as_bytes()]);
        assert_eq!(whole[1], "{\"text\":\"één\"}");
        for at in 0..STREAM.len() {
            let (a, b) = STREAM.as_bytes().split_at(at);
            assert_eq!(read(&[a, b]), whole, "split at {at}");
        }
    }

    #[test]
    fn data_larger_than_the_largest_is_counted_and_not_kept() {
        let big = "x".repeat(SseScanner::LARGEST + 1);
        for kind in ["message_delta", "content_block_delta", "odd"] {
            let stream = format!("event: {kind}\ndata: {big}\n\nevent: ping\ndata: {{}}\n\n");
            for size in [1 << 10, 1 << 16, 1 << 22] {
                let chunks: Vec<&[u8]> = stream.as_bytes().chunks(size).collect();
                let seen = scan(&chunks);
                assert_eq!(seen.len(), 2, "{kind} {size}");
                assert_eq!((&*seen[0].1, seen[0].2), ("", big.len() as u64), "{kind}");
                assert_eq!(seen[1].0, SseEventKind::Ping);
            }
        }
    }

    #[test]
    fn garbage_gives_no_panic() {
        const BYTES: &[u8] = b"\r\n: eventdata{}\xff\0";
        for seed in 0..200_u32 {
            let garbage: Vec<u8> = (0..300_u32)
                .map(|n| {
                    let word = (n + 1).wrapping_mul(2_654_435_761) ^ seed.wrapping_mul(40_503);
                    BYTES[(word >> 16) as usize % BYTES.len()]
                })
                .collect();
            let whole = scan(&[&garbage]);
            let bytes: Vec<&[u8]> = garbage.chunks(1).collect();
            assert_eq!(whole, scan(&bytes), "seed {seed}");
        }
    }
}
