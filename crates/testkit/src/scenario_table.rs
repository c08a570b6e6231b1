use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::{Answer, Asked, Message, Scenario, standard};

const DELTAS: u64 = 200;
const PACE: Duration = Duration::from_millis(20);

/// More asks of `flaky` than this are not told apart from new ones.
const REMEMBERED: usize = 65_536;

/// The responder behind [`FakeClaude::scenarios`](crate::FakeClaude::scenarios).
#[derive(Debug, Default)]
pub(crate) struct ScenarioTable {
    /// What `flaky` has failed already, by hash.
    failed: Mutex<HashSet<u64>>,
}

// === impl ScenarioTable ===

impl ScenarioTable {
    pub(crate) fn answer(&self, asked: &Asked) -> Answer {
        let is_message = asked.path() == "/v1/messages";
        let Some(name) = Scenario::asked_for(asked).filter(|_| is_message) else {
            return standard::answer(asked);
        };
        match Scenario::named(&name) {
            Some(scenario) => self.play(scenario, asked),
            None => Answer::error(
                400,
                "invalid_request_error",
                &format!("scenario: {name} is not one of this fake's"),
            ),
        }
    }

    fn play(&self, scenario: Scenario, asked: &Asked) -> Answer {
        let streams = asked.is_stream();
        let error = Answer::error;
        match scenario {
            Scenario::Plain => standard::answer(asked),
            Scenario::Stream => standard::message(asked).into_stream(),
            Scenario::ThinkingToolUse if streams => Answer::thinking_tool_use(),
            Scenario::ThinkingToolUse => Answer::thinking_tool_use_json(),
            Scenario::Overloaded => Answer::overloaded(),
            Scenario::RateLimited => Answer::rate_limited(1),
            Scenario::SpendCap => Answer::spend_cap(),
            Scenario::SpendLimit => Answer::spend_limit(),
            Scenario::BadRequest => error(
                400,
                "invalid_request_error",
                "messages: at least one message is required",
            ),
            Scenario::Authentication => error(401, "authentication_error", "invalid x-api-key"),
            Scenario::Permission => error(
                403,
                "permission_error",
                "Your API key does not have permission to use the specified resource",
            ),
            Scenario::NotFound => error(404, "not_found_error", "model: claude-nonesuch-9"),
            Scenario::TooLarge => {
                error(413, "request_too_large", "Request exceeds the maximum size")
            }
            Scenario::ServerError => error(500, "api_error", "Internal server error"),
            Scenario::Timeout => error(
                504,
                "timeout_error",
                "The request timed out while processing",
            ),
            Scenario::InBandErrorBeforeContent => Answer::error_before_content(),
            Scenario::InBandErrorMidway => Answer::error_midway(),
            Scenario::Truncated => Answer::truncated(),
            // The start, the first block, a ping, and two pieces of text.
            Scenario::Stalled => long(asked).into_stream().stall_after(5),
            Scenario::Slow if streams => long(asked).into_stream().pace(PACE),
            Scenario::Slow => {
                let delay = PACE.saturating_mul(200);
                long(asked).into_json().head_delay(delay)
            }
            Scenario::Refusal if streams => Answer::refusal_midway(),
            Scenario::Refusal => Answer::refusal(),
            Scenario::Long if streams => long(asked).into_stream(),
            Scenario::Long => long(asked).into_json(),
            Scenario::Reset => Answer::reset(),
            Scenario::Flaky if self.fails(asked) => Answer::overloaded(),
            Scenario::Flaky => standard::answer(asked),
        }
    }

    /// True the first time only.
    fn fails(&self, asked: &Asked) -> bool {
        let key = asked
            .header("x-scenario-key")
            .map_or(&asked.body()[..], str::as_bytes);
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if failed.len() >= REMEMBERED {
            failed.clear();
        }
        failed.insert(standard::hash(key))
    }
}

/// A message in 200 deltas, for those who allow so many tokens.
fn long(asked: &Asked) -> Message {
    let words = "word ".repeat(200);
    let allowed = asked.max_tokens().unwrap_or(DELTAS);
    Message::new(asked.model().unwrap_or("claude-opus-5-5"))
        .text(words.trim_end())
        .deltas(200)
        .input_tokens((asked.body().len() as u64).div_ceil(4))
        .output_tokens(DELTAS.min(allowed))
        .stop_reason(if allowed < DELTAS {
            "max_tokens"
        } else {
            "end_turn"
        })
}
