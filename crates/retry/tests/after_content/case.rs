use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::BodyExt as _;
use tower::Layer as _;
use tower_claude_retry::RetryLayer;
use tower_claude_testkit::{Answer, FakeClaude, Split};
use tower_service::Service as _;

use crate::stream::Stream;
use crate::support::{ready, stream_request};

/// What upstream does after so many bytes of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
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
pub(crate) enum Arrival {
    AtOnce,
    EventByEvent,
    /// So slowly that the gate's time is over before much has come.
    Slowly,
    InPieces(usize),
}

/// One stream, one fault in it, and how the layer is set.
pub(crate) struct Case<'a> {
    pub(crate) stream: &'a Stream,
    pub(crate) fault: Fault,
    /// The bytes of the stream that come.
    pub(crate) cut: usize,
    pub(crate) arrival: Arrival,
    pub(crate) should_retry: Option<&'static str>,
}

/// What the caller saw of one case.
pub(crate) struct Seen {
    pub(crate) bytes: Vec<u8>,
    /// How often upstream was asked before the caller had the head, and in all.
    pub(crate) asked: (u64, u64),
}

const GARBAGE: &str = "event: \u{0}\ndata: {\"type\":\n\n<html>502</html>\n\n";
const ERROR: &str = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";

/// What the second attempt says; nothing in the streams is like it.
const SECOND: &str = "second attempt";

pub(crate) const FAULTS: [Fault; 11] = [
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

pub(crate) const ARRIVALS: [Arrival; 4] = [
    Arrival::AtOnce,
    Arrival::EventByEvent,
    Arrival::Slowly,
    Arrival::InPieces(31),
];

// === impl Case ===

impl Case<'_> {
    pub(crate) fn answer(&self) -> Answer {
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
            Arrival::EventByEvent | Arrival::Slowly => self.stream.ends.clone(),
            Arrival::InPieces(size) => (size..self.cut).step_by(size).collect(),
        };
        at.retain(|at| *at < self.cut);
        at.push(self.cut);
        let frames = at.len();
        if self.fault == Fault::ErrorAndOn {
            at.push(self.cut + 2 + ERROR.len());
        }
        let answer = Answer::sse(bytes).split(Split::At(at));
        let answer = match self.fault {
            Fault::Reset => answer.reset_after(frames),
            Fault::Truncate => answer.truncate_after(frames),
            Fault::Stall => answer.stall_after(frames),
            _ => answer,
        };
        let answer = match self.arrival {
            Arrival::Slowly => answer.pace(Duration::from_secs(4)),
            _ => answer,
        };
        match self.should_retry {
            Some(word) => answer.header("x-should-retry", word),
            None => answer,
        }
    }

    /// Whether what came before the fault shows the caller anything.
    pub(crate) fn has_content(&self) -> bool {
        self.stream
            .content
            .is_some_and(|content| content <= self.cut)
    }

    pub(crate) async fn play(&self, layer: &RetryLayer) -> Seen {
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

    pub(crate) fn check(&self, seen: &Seen) -> Result<(), String> {
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
pub(crate) async fn read<B>(response: Response<B>) -> Vec<u8>
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
