//! What a stream does after its first content is never made good by asking again.

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::BodyExt as _;
use support::{layer, ready, stream_request};
use tower::Layer as _;
use tower_claude_core::UsageCell;
use tower_claude_retry::{RetryLayer, RetryQuota};
use tower_claude_testkit::{Answer, FakeClaude, Split, wire};
use tower_service::Service as _;

/// What upstream does after so many bytes of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    Reset,
    Truncate,
    Stall,
    /// Bytes that are no event, then the end.
    Garbage,
    /// An `error` event of this type, then the end.
    Error(&'static str),
    /// An `error` event, then what would have come.
    ErrorAndOn,
}

/// How the bytes before the fault come.
#[derive(Clone, Copy, Debug)]
enum Arrival {
    AtOnce,
    EventByEvent,
    InPieces(usize),
}

/// One stream, one fault in it, and how the layer is set.
struct Case<'a> {
    stream: &'a Stream,
    fault: Fault,
    /// The bytes of the stream that come.
    cut: usize,
    arrival: Arrival,
    should_retry: Option<&'static str>,
}

/// The bytes of a stream, and what is known of them without any of our readers.
struct Stream {
    bytes: &'static str,
    /// Where each event ends.
    ends: Vec<usize>,
    /// Where the first event ends that shows the caller anything; `None` if none does.
    content: Option<usize>,
}

/// What the caller saw of one case.
struct Seen {
    bytes: Vec<u8>,
    /// How often upstream was asked before the caller had the head, and in all.
    asked: (u64, u64),
}

const FAULTS: [Fault; 11] = [
    Fault::Reset,
    Fault::Truncate,
    Fault::Stall,
    Fault::Garbage,
    Fault::Error("overloaded_error"),
    Fault::Error("rate_limit_error"),
    Fault::Error("api_error"),
    Fault::Error("timeout_error"),
    Fault::Error("invalid_request_error"),
    Fault::Error("a_new_error"),
    Fault::ErrorAndOn,
];

const ARRIVALS: [Arrival; 3] = [
    Arrival::AtOnce,
    Arrival::EventByEvent,
    Arrival::InPieces(31),
];

/// Upstream's word, which asks for what must not be.
const WORDS: [Option<&str>; 2] = [None, Some("true")];

const GARBAGE: &str = "event: content_block_delta\ndata: {\"type\":\u{0}\n\n<html>502</html>\n\n";
const ERROR: &str = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";

/// What the second attempt says; nothing in the streams is like it.
const SECOND: &str = "second attempt";

// === impl Stream ===

impl Stream {
    fn all() -> Vec<Self> {
        [
            wire::STREAM_THINKING_TOOL_USE,
            wire::STREAM_SERVER_TOOL,
            wire::STREAM_CRLF_COMMENTS,
            wire::STREAM_REFUSAL,
        ]
        .map(Self::new)
        .into()
    }

    fn new(bytes: &'static str) -> Self {
        let newline = if bytes.contains("\r\n") {
            "\r\n\r\n"
        } else {
            "\n\n"
        };
        let mut ends: Vec<usize> = bytes
            .match_indices(newline)
            .map(|(at, found)| at + found.len())
            .collect();
        ends.dedup();
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let shows = |event: &str| {
            // Empty pieces show nothing; every piece of these streams that is not has text.
            let text = event.replace(' ', "");
            let is_piece = text.contains("\"type\":\"content_block_delta\"");
            let is_empty = [
                "\"text\":\"\"",
                "\"thinking\":\"\"",
                "\"partial_json\":\"\"",
            ]
            .iter()
            .any(|empty| text.contains(empty));
            is_piece && !is_empty
        };
        let content = starts
            .zip(&ends)
            .find(|(start, end)| shows(&bytes[*start..**end]))
            .map(|(_, end)| *end);
        Self {
            bytes,
            ends,
            content,
        }
    }

    /// Every place where an event ends, and some within each.
    fn cuts(&self) -> Vec<usize> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let mut cuts = Vec::new();
        for (start, end) in starts.zip(&self.ends) {
            let within = [start + 1, start.midpoint(*end), end - 1, *end];
            cuts.extend(
                within
                    .into_iter()
                    .filter(|cut| self.bytes.is_char_boundary(*cut)),
            );
        }
        // The last byte ends the stream: what comes then is no fault of it.
        cuts.retain(|cut| *cut < self.bytes.trim_end().len());
        cuts
    }
}

// === impl Case ===

impl Case<'_> {
    fn answer(&self) -> Answer {
        let (before, rest) = self.stream.bytes.split_at(self.cut);
        let bytes = match self.fault {
            Fault::Reset | Fault::Truncate | Fault::Stall => self.stream.bytes.to_owned(),
            Fault::Garbage => format!("{before}\n\n{GARBAGE}"),
            Fault::Error(kind) => {
                format!("{before}\n\n{}", ERROR.replace("overloaded_error", kind))
            }
            Fault::ErrorAndOn => format!("{before}\n\n{ERROR}{rest}"),
        };
        let mut at: Vec<usize> = match self.arrival {
            Arrival::AtOnce => Vec::new(),
            Arrival::EventByEvent => self.stream.ends.clone(),
            Arrival::InPieces(size) => (size..self.cut).step_by(size).collect(),
        };
        at.retain(|at| *at < self.cut);
        at.push(self.cut);
        let frames = at.len();
        let answer = Answer::sse(bytes).split(Split::At(at));
        let answer = match self.fault {
            Fault::Reset => answer.reset_after(frames),
            Fault::Truncate => answer.truncate_after(frames),
            Fault::Stall => answer.stall_after(frames),
            _ => answer,
        };
        match self.should_retry {
            Some(word) => answer.header("x-should-retry", word),
            None => answer,
        }
    }

    /// Whether what came before the fault shows the caller anything.
    fn has_content(&self) -> bool {
        self.stream
            .content
            .is_some_and(|content| content <= self.cut)
    }

    async fn play(&self, layer: &RetryLayer) -> Seen {
        let second = Answer::message("claude-opus-5-5")
            .text(SECOND)
            .into_stream();
        let fake = FakeClaude::sequence([self.answer(), second]).unlogged();
        let mut service = layer.layer(fake.clone());
        let service = ready(&mut service).await.expect("a ready service");
        let response = service.call(stream_request()).await.expect("an answer");
        let asked = fake.calls();
        let bytes = read(response).await;
        Seen {
            bytes,
            asked: (asked, fake.calls()),
        }
    }

    fn check(&self, seen: &Seen) -> Result<(), String> {
        let text = String::from_utf8_lossy(&seen.bytes);
        let problem = |what: &str| {
            let (fault, cut, arrival) = (self.fault, self.cut, self.arrival);
            Err(format!(
                "{what}: {fault:?} after {cut} {arrival:?} {:?}: {text}",
                seen.asked
            ))
        };
        if seen.asked.0 != seen.asked.1 {
            return problem("asked again behind the caller's back");
        }
        if self.has_content() && seen.asked.1 != 1 {
            return problem("asked again after content");
        }
        // Of two streams the caller sees one, from its beginning.
        let starts = text.matches("\"type\":\"message_start\"").count();
        if seen.asked.1 == 1 {
            let came = &self.stream.bytes[..self.cut];
            if !text.starts_with(came) || text.contains(SECOND) {
                return problem("not what came first");
            }
            if starts > 1 {
                return problem("two beginnings");
            }
        } else if starts != 1 || !text.contains(SECOND) || text.contains("event: error") {
            return problem("not the second stream alone");
        }
        Ok(())
    }
}

/// Reads a body, until a minute has brought nothing.
async fn read<B>(response: Response<B>) -> Vec<u8>
where
    B: http_body::Body<Data = Bytes>,
{
    let mut bytes = Vec::new();
    let mut body = std::pin::pin!(response.into_body());
    let minute = Duration::from_secs(60);
    while let Ok(Some(Ok(frame))) = tokio::time::timeout(minute, body.frame()).await {
        bytes.extend_from_slice(&frame.into_data().unwrap_or_default());
    }
    bytes
}

#[tokio::test(start_paused = true)]
async fn no_fault_after_content_is_made_good_by_asking_again() {
    let streams = Stream::all();
    let mut faults = BTreeMap::<Fault, [u64; 3]>::new();
    let mut problems = Vec::new();
    for possibly_billed in [false, true] {
        // A quota of its own for each call: it is not to be what keeps retries back.
        let layer = || {
            layer()
                .possibly_billed(possibly_billed)
                .quota(RetryQuota::new())
        };
        for stream in &streams {
            assert!(stream.content.is_some(), "a stream with content");
            for cut in stream.cuts() {
                for fault in FAULTS {
                    for arrival in ARRIVALS {
                        for should_retry in WORDS {
                            let case = Case {
                                stream,
                                fault,
                                cut,
                                arrival,
                                should_retry,
                            };
                            let seen = case.play(&layer()).await;
                            let counts = faults.entry(fault).or_default();
                            counts[0] += 1;
                            counts[1] += u64::from(case.has_content());
                            counts[2] += seen.asked.1 - 1;
                            problems.extend(case.check(&seen).err());
                        }
                    }
                }
            }
        }
    }
    for (fault, [injected, after, retried]) in &faults {
        println!("{fault:?}: {injected} injected, {after} after content, {retried} retried");
    }
    let sum = |index: usize| faults.values().map(|counts| counts[index]).sum::<u64>();
    println!(
        "{} faults, {} after content, {} retries",
        sum(0),
        sum(1),
        sum(2)
    );
    assert!(
        problems.is_empty(),
        "{} wrong, such as {}",
        problems.len(),
        problems[0]
    );
    assert!(sum(1) >= 10_000, "too few faults after content");
    assert!(sum(2) >= 1_000, "nothing that is retried at all");
}

#[tokio::test(start_paused = true)]
async fn the_streams_have_their_content_where_our_reader_has_it() {
    for stream in Stream::all() {
        let content = stream.content.expect("content");
        let before = stream
            .ends
            .iter()
            .rev()
            .find(|end| **end < content)
            .copied();
        for (cut, expected) in [(before.expect("a start"), false), (content, true)] {
            let case = Case {
                stream: &stream,
                fault: Fault::Truncate,
                cut,
                arrival: Arrival::AtOnce,
                should_retry: None,
            };
            let service = layer().layer(FakeClaude::sequence([case.answer()]));
            let response = tower::ServiceExt::oneshot(service, stream_request())
                .await
                .expect("an answer");
            let cell = UsageCell::of(&response).expect("a cell").clone();
            read(response).await;
            assert_eq!(
                cell.read(|metered| metered.has_content),
                expected,
                "{}",
                stream.bytes
            );
        }
    }
}
