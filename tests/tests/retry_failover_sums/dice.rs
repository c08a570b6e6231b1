use tower_claude_testkit::{Answer, Message};

/// Numbers that are the same in every run.
pub(crate) struct Dice(pub(crate) u64);

/// What upstream bills for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Bill {
    /// The usage that it has reported to the end.
    Told,
    Nothing,
    /// Something, perhaps; it never says.
    Untold,
}

pub(crate) const MODEL: &str = "claude-of-the-sums";

// === impl Dice ===

impl Dice {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let word = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (word ^ (word >> 31)) % bound
    }

    fn message(&mut self) -> Message {
        Answer::message(MODEL)
            .text("the tide is out, and the pier is dry until seven in the evening")
            .input_tokens(1 + self.below(5_000))
            .output_tokens(16 + self.below(900))
            .cache_read(self.below(3) * self.below(9_000))
            .cache_creation_5m(self.below(2) * self.below(700))
            .cache_creation_1h(self.below(2) * self.below(300))
            .web_search_requests(self.below(4) / 3)
    }

    pub(crate) fn answer(&mut self, is_stream: bool) -> (&'static str, Bill, Answer) {
        let message = self.message();
        let whole = if is_stream {
            message.clone().into_stream()
        } else {
            message.clone().into_json()
        };
        match self.below(16) {
            0..4 => ("good", Bill::Told, whole),
            4 => ("529", Bill::Nothing, Answer::overloaded()),
            5 => ("429", Bill::Nothing, Answer::rate_limited(2)),
            6 => ("429 for long", Bill::Nothing, Answer::rate_limited(300)),
            7 => ("refused", Bill::Nothing, Answer::refused_connection()),
            8 => (
                "401",
                Bill::Nothing,
                Answer::error(401, "authentication_error", "no"),
            ),
            9 => ("500", Bill::Nothing, Answer::error(500, "api_error", "oh")),
            10 => (
                "504",
                Bill::Nothing,
                Answer::error(504, "timeout_error", "late"),
            ),
            11 => ("no reply", Bill::Untold, Answer::reset()),
            12 if is_stream => {
                let error = whole.error_event_after(1, "overloaded_error", "no");
                ("error in band", Bill::Nothing, error)
            }
            13 if is_stream => ("cut before content", Bill::Untold, whole.truncate_after(2)),
            14 if is_stream => ("cut after content", Bill::Untold, whole.reset_after(5)),
            // Whole but for its last event, and of nothing: it was made, and is made again.
            15 if is_stream => ("told and cut", Bill::Told, told_and_cut()),
            _ => ("good", Bill::Told, whole),
        }
    }
}

/// All but the last event of a stream without a word, which is billed all the same.
fn told_and_cut() -> Answer {
    Answer::message(MODEL)
        .input_tokens(700)
        .output_tokens(21)
        .into_stream()
        .truncate_after(2)
}
