use std::time::Duration;

use http::Request;
use tower_claude_core::CallBody;

use super::{FaultBill, FaultPhase, FaultSpread, FaultTargets, UpstreamFault};
use crate::{Answer, FakeClaude, Message, Split};

/// One call, and how the targets it is made to go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FaultCase {
    fault: UpstreamFault,
    phase: FaultPhase,
    is_stream: bool,
    spread: FaultSpread,
}

/// How long a client waits for a head, or between two frames, before it gives up.
const PATIENCE: Duration = Duration::from_secs(300);

/// What is slow comes after this; longer than a gate holds an answer back.
const SLOW: Duration = Duration::from_secs(20);

/// The events of a stream up to `message_start`, all before content, half of the content, and
/// all. NOTE: these follow from how a message with one text in four deltas is rendered.
const STARTED: usize = 1;
const PINGED: usize = 3;
const HALF: usize = 5;
const EVENTS: usize = 10;

const PAGE: &str = "<html><body><h1>Down for a moment</h1></body></html>";

// === impl FaultCase ===

impl FaultCase {
    /// The model that is asked.
    pub const MODEL: &str = "claude-of-the-matrix";

    /// The `x-api-key` of the caller.
    pub const KEY: &str = "key-of-the-fault-matrix";

    /// Every fault in every phase, streamed and not, that reaches so far.
    pub fn all(spread: FaultSpread) -> impl Iterator<Item = Self> {
        UpstreamFault::ALL.into_iter().flat_map(move |fault| {
            let cases = [true, false].into_iter().flat_map(move |is_stream| {
                let phases = fault.phases(is_stream).iter();
                phases.map(move |&phase| Self {
                    fault,
                    phase,
                    is_stream,
                    spread,
                })
            });
            // The two forms of a phase next to each other.
            let mut cases: Vec<Self> = cases.collect();
            cases.sort_by_key(|case| case.phase);
            cases
        })
    }

    /// What goes wrong.
    #[must_use]
    pub const fn fault(&self) -> UpstreamFault {
        self.fault
    }

    /// How far an attempt has come by then.
    #[must_use]
    pub const fn phase(&self) -> FaultPhase {
        self.phase
    }

    /// Whether a stream is asked for.
    #[must_use]
    pub const fn is_stream(&self) -> bool {
        self.is_stream
    }

    /// How far the fault reaches.
    #[must_use]
    pub const fn spread(&self) -> FaultSpread {
        self.spread
    }

    /// What an attempt is billed that goes wrong.
    #[must_use]
    pub const fn bill(&self) -> FaultBill {
        self.fault.bill(self.phase)
    }

    /// What is asked.
    #[must_use]
    pub fn request(&self) -> Request<CallBody> {
        let body = format!(
            r#"{{"model":"{}","max_tokens":1024,"stream":{},"messages":[{{"role":"user","content":"When does the gate open?"}}]}}"#,
            Self::MODEL,
            self.is_stream,
        );
        Request::post("/v1/messages")
            .header("x-api-key", Self::KEY)
            .header("content-type", "application/json")
            .body(CallBody::from(body))
            .expect("a request made of constants")
    }

    /// Two targets that go wrong as the case says.
    #[must_use]
    pub fn targets(&self) -> FaultTargets {
        let (wrong, well) = (self.wrong(), self.well());
        let always = |answer: &Answer| FakeClaude::sequence([answer.clone()]);
        match self.spread {
            FaultSpread::Once => {
                let first = FakeClaude::sequence([wrong, well.clone()]);
                FaultTargets::new(first, always(&well))
            }
            FaultSpread::First => FaultTargets::new(always(&wrong), always(&well)),
            FaultSpread::All => FaultTargets::new(always(&wrong), always(&wrong)),
        }
    }

    /// What a target answers that is well: 1,000 tokens in, 100 out.
    fn well(&self) -> Answer {
        self.form(message().input_tokens(1_000).output_tokens(100))
    }

    /// An answer that would have been good: 700 tokens in, 30 out.
    fn spoilt(&self) -> Answer {
        self.form(message().input_tokens(700).output_tokens(30))
    }

    fn form(&self, message: Message) -> Answer {
        if self.is_stream {
            message.into_stream()
        } else {
            message.into_json()
        }
    }

    fn wrong(&self) -> Answer {
        let error = |status, in_band, message| self.error(status, in_band, message);
        match self.fault {
            UpstreamFault::Refused => Answer::refused_connection(),
            UpstreamFault::Reset => self.reset(),
            UpstreamFault::RequestTimeout => error(408, "timeout_error", "Request timed out"),
            UpstreamFault::Conflict => error(409, "conflict_error", "Conflict"),
            UpstreamFault::Unavailable => error(503, "api_error", "Service unavailable"),
            UpstreamFault::Overloaded => error(529, "overloaded_error", "Overloaded"),
            UpstreamFault::RateLimited if self.phase == FaultPhase::Head => Answer::rate_limited(2),
            UpstreamFault::RateLimitedLong => Answer::rate_limited(300),
            UpstreamFault::RateLimited | UpstreamFault::RateLimitedUntold => {
                error(429, "rate_limit_error", "Too many requests")
            }
            UpstreamFault::SpendCap => Answer::spend_cap(),
            UpstreamFault::SpendLimit => Answer::spend_limit(),
            UpstreamFault::ServerError => error(500, "api_error", "Internal server error"),
            UpstreamFault::BadGateway => Answer::raw(502, "text/html", PAGE),
            UpstreamFault::GatewayTimeout => error(504, "timeout_error", "Timed out"),
            UpstreamFault::Slow => self.slow(),
            UpstreamFault::Stalled => self.stalled(),
            UpstreamFault::Truncated => self.cut().truncate_after(self.frames()),
            UpstreamFault::Garbage => self.garbage(),
            UpstreamFault::Redirect => {
                Answer::raw(307, "text/html", "").header("location", "https://claude.invalid/")
            }
            UpstreamFault::Unauthenticated => error(401, "authentication_error", "invalid key"),
            UpstreamFault::Billing => error(402, "billing_error", "Payment required"),
            UpstreamFault::Forbidden => error(403, "permission_error", "Not allowed"),
            UpstreamFault::Invalid => error(400, "invalid_request_error", "messages: too many"),
            UpstreamFault::NotFound => error(404, "not_found_error", "model: no such model"),
            UpstreamFault::TooLarge => error(413, "request_too_large", "Too large"),
        }
    }

    /// As a status, or as an event so far into a stream.
    fn error(&self, status: u16, error_type: &str, message: &str) -> Answer {
        match self.phase {
            FaultPhase::Head => Answer::error(status, error_type, message),
            FaultPhase::Waiting => self
                .spoilt()
                .error_event_after(PINGED, error_type, message)
                .pace(SLOW),
            _ => self
                .spoilt()
                .error_event_after(self.frames(), error_type, message),
        }
    }

    fn reset(&self) -> Answer {
        match self.phase {
            FaultPhase::BeforeSend => Answer::refused_connection(),
            FaultPhase::NoReply => Answer::reset(),
            _ => self.cut().reset_after(self.frames()),
        }
    }

    fn slow(&self) -> Answer {
        match self.phase {
            FaultPhase::NoReply => self.spoilt().head_delay(SLOW),
            _ => self.cut().pace(SLOW),
        }
    }

    fn stalled(&self) -> Answer {
        match self.phase {
            FaultPhase::NoReply => Answer::timed_out(PATIENCE),
            _ => self.cut().time_out_after(self.frames(), PATIENCE),
        }
    }

    fn garbage(&self) -> Answer {
        if self.phase == FaultPhase::Head {
            return Answer::raw(200, "text/html", PAGE);
        }
        if !self.is_stream {
            return Answer::raw(200, "application/json", PAGE);
        }
        let content = &self.spoilt().script().content.clone();
        let end = match self.frames() {
            0 => 0,
            frames => content.event_ends[frames - 1],
        };
        let mut bytes = content.bytes[..end].to_vec();
        for _ in 0..3 {
            bytes.extend_from_slice(b"event: content_block_delta\ndata: {\"type\":\"conte\xff\n\n");
        }
        Answer::sse(bytes)
    }

    /// A good answer in frames of which some can be left out.
    fn cut(&self) -> Answer {
        let answer = self.spoilt();
        if self.is_stream {
            return answer;
        }
        let half = answer.script().content.bytes.len() / 2;
        answer.split(Split::At(vec![half]))
    }

    /// How many frames, or events, come before it goes wrong.
    const fn frames(&self) -> usize {
        match (self.phase, self.is_stream) {
            (FaultPhase::Started, _) => STARTED,
            (FaultPhase::Waiting, _) => PINGED,
            (FaultPhase::Content, true) => HALF,
            (FaultPhase::Content, false) => 1,
            (FaultPhase::Ending, _) => EVENTS - 1,
            (FaultPhase::Stopped, _) => EVENTS,
            _ => 0,
        }
    }
}

fn message() -> Message {
    Answer::message(FaultCase::MODEL)
        .text("The gate opens at seven, when the tide is in and the harbour master is awake.")
        .deltas(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_events_of_a_stream_are_where_the_phases_expect_them() {
        let content = message().into_stream().script().content.clone();
        assert_eq!(content.event_ends.len(), EVENTS);
        let until = |events: usize| {
            let bytes = &content.bytes[..content.event_ends[events - 1]];
            String::from_utf8_lossy(bytes).into_owned()
        };
        assert!(!until(STARTED).contains("content_block_start"));
        assert!(until(PINGED).ends_with("{\"type\":\"ping\"}\n\n"));
        assert_eq!(until(HALF).matches("text_delta").count(), 2);
        assert!(until(EVENTS - 1).contains("message_delta"));
        assert!(!until(EVENTS - 1).contains("message_stop"));
    }

    #[test]
    fn every_fault_is_there_in_both_forms_and_no_case_twice() {
        let cases: Vec<FaultCase> = FaultCase::all(FaultSpread::First).collect();
        let distinct: std::collections::HashSet<&FaultCase> = cases.iter().collect();
        assert_eq!(distinct.len(), cases.len());
        for fault in UpstreamFault::ALL {
            for is_stream in [true, false] {
                let mut of_form = cases.iter().filter(|case| case.is_stream == is_stream);
                assert!(of_form.any(|case| case.fault == fault), "{fault:?}");
            }
        }
    }
}
