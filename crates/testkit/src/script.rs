use std::sync::Arc;
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};
use tower_claude_core::{Sent, TransportError};

use crate::content::Content;
use crate::{Ended, Split, Step};

/// Everything an answer is made of, with its steps worked out: playing it costs no thought.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) outcome: Outcome,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) head_delay: Duration,
    pub(crate) content: Content,
    pub(crate) split: Split,
    pub(crate) pace: Duration,
    pub(crate) stop: Option<Stop>,
    pub(crate) trailers: Option<HeaderMap>,
    /// Worked out by `render`, as are the next two.
    pub(crate) steps: Arc<[Step]>,
    /// The length to tell beforehand.
    pub(crate) length: Option<u64>,
    /// How a body ends that plays all steps.
    pub(crate) ended: Ended,
}

/// Whether there is a head at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Reply,
    Refused,
    Reset,
    TimedOut,
}

/// Where the body leaves the script, in data frames.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stop {
    Stall(usize),
    Reset(usize),
    Truncate(usize),
    /// After a silence of so long.
    TimeOut(usize, Duration),
}

// === impl Script ===

impl Script {
    pub(crate) fn new(status: StatusCode, content_type: HeaderValue, content: Content) -> Self {
        let mut headers = HeaderMap::with_capacity(4);
        headers.insert(CONTENT_TYPE, content_type);
        let mut script = Self {
            outcome: Outcome::Reply,
            status,
            headers,
            head_delay: Duration::ZERO,
            content,
            split: Split::Events,
            pace: Duration::ZERO,
            stop: None,
            trailers: None,
            steps: Arc::default(),
            length: None,
            ended: Ended::Complete,
        };
        script.render();
        script
    }

    /// Works out the steps again, after a change of anything they follow from.
    pub(crate) fn render(&mut self) {
        let frames = self
            .split
            .cut(&self.content.bytes, &self.content.event_ends);
        let kept = match self.stop {
            None => frames.len(),
            Some(
                Stop::Stall(kept)
                | Stop::Reset(kept)
                | Stop::Truncate(kept)
                | Stop::TimeOut(kept, _),
            ) => kept.min(frames.len()),
        };
        let is_cut = kept < frames.len() || !self.content.is_whole;

        let mut steps = Vec::new();
        for frame in frames.into_iter().take(kept) {
            if !steps.is_empty() && !self.pace.is_zero() {
                steps.push(Step::Wait(self.pace));
            }
            steps.push(Step::Data(frame));
        }
        match self.stop {
            Some(Stop::Stall(_)) => steps.push(Step::Stall),
            Some(Stop::Reset(_)) => steps.push(Step::Fail("connection reset by peer".to_owned())),
            Some(Stop::Truncate(_)) => {}
            Some(Stop::TimeOut(_, silence)) => {
                steps.extend([Step::Wait(silence), Step::TimeOut]);
            }
            None => steps.extend(self.trailers.clone().map(Step::Trailers)),
        }

        let tells_length =
            !self.content.is_stream && self.stop.is_none() && self.trailers.is_none();
        self.length = tells_length.then_some(self.content.bytes.len() as u64);
        self.steps = steps.into();
        self.ended = if is_cut { Ended::Cut } else { Ended::Complete };
    }

    /// The error of an answer that has no head.
    pub(crate) fn error(&self) -> Option<TransportError> {
        match self.outcome {
            Outcome::Reply => None,
            Outcome::Refused => Some(TransportError::not_sent("connection refused")),
            Outcome::TimedOut => Some(TransportError::timeout(Sent::Maybe)),
            Outcome::Reset => Some(TransportError::no_reply("connection reset by peer")),
        }
    }
}
