use std::mem;
use std::time::Duration;

use tokio::time::Instant;
use tower_claude_core::{RateLimit, RateLimits};

use crate::bucket::Bucket;
use crate::departures::{Departures, Tick};
use crate::size::Size;

/// What an account has left at one target for one class of models.
///
/// Learned from the rate limit headers of answers about messages; those of other endpoints
/// tell of other limits. In between it is reckoned: a call that goes out takes what calls took
/// so far, and all limits refill. Without a word from upstream it knows nothing, and then it
/// never closes.
///
/// Input is counted as the limits count it, without what was read from the cache; output as
/// it was really made, whatever `max_tokens` was.
#[derive(Debug, Default)]
pub(crate) struct Allowance {
    buckets: [Option<Bucket>; Meter::ALL.len()],
    /// What the meter of tokens as such counts.
    tokens: Counted,
    input: Size,
    output: Size,
    departures: Departures,
}

/// A call that went out, and the duty to say when it ended.
#[derive(Debug)]
#[must_use = "the end of a call has to be told"]
pub(crate) struct Outgoing {
    left: Tick,
    has_head: bool,
}

/// What a limit counts, in the order of [`Allowance::used`].
#[derive(Clone, Copy, Debug)]
enum Meter {
    Requests,
    Tokens,
    Input,
    Output,
}

/// Which tokens the meter of tokens as such counts.
///
/// It stands for the tightest limit there is: that of the input, that of the output, or one
/// of its own, such as a workspace's, on both together.
#[derive(Clone, Copy, Debug, Default)]
enum Counted {
    Input,
    Output,
    #[default]
    Both,
}

// === impl Allowance ===

impl Allowance {
    /// The longest wait it says; who asks again after it may hear of more.
    const LONGEST: Duration = Duration::from_secs(120);

    /// A call goes out.
    pub(crate) fn start(&mut self, now: Instant) -> Outgoing {
        for meter in Meter::ALL {
            let size = self.size(meter, Size::usual);
            if let Some(bucket) = &mut self.buckets[meter.index()] {
                bucket.take(size, now);
            }
        }
        Outgoing {
            left: self.departures.leave(now),
            has_head: false,
        }
    }

    /// The head of a call has come.
    pub(crate) fn hear(&mut self, call: &mut Outgoing) {
        if !mem::replace(&mut call.has_head, true) {
            self.departures.arrive(call.left);
        }
    }

    /// The head of a call has come; without a word of a limit, what is reckoned of it stays.
    pub(crate) fn learn(&mut self, call: &mut Outgoing, told: &RateLimits, now: Instant) {
        self.hear(call);
        let (new, out) = self.departures.out(now);
        if told.tokens.is_some() {
            self.tokens = Counted::of(told);
        }
        for meter in Meter::ALL {
            let Some(told) = meter.of(told) else {
                continue;
            };
            let mut bucket = Bucket::new(told, now);
            // Requests and input are counted when a call comes in, so upstream knows of all but
            // the newest; of an answer that has not begun it has not counted the output.
            let calls = match meter {
                Meter::Output => out,
                _ => new,
            };
            bucket.take(self.size(meter, Size::usual).saturating_mul(calls), now);
            self.buckets[meter.index()] = Some(bucket);
        }
    }

    /// A call has ended, or was given up; what it took, as far as that is known.
    #[expect(clippy::needless_pass_by_value, reason = "it ends only once")]
    pub(crate) fn end(&mut self, call: Outgoing, input: Option<u64>, output: Option<u64>) {
        if !call.has_head {
            self.departures.arrive(call.left);
        }
        self.input.learn(input);
        self.output.learn(output);
    }

    /// How long it takes until one more call fits in every limit; `None` if it does now.
    ///
    /// At most two minutes. A call that is larger than a limit fits when all of it is left.
    pub(crate) fn closed_for(&self, now: Instant) -> Option<Duration> {
        Meter::ALL
            .into_iter()
            .filter_map(|meter| {
                let bucket = self.buckets[meter.index()].as_ref()?;
                bucket.wait_for(self.size(meter, Size::large), now)
            })
            .max()
            .map(|wait| wait.min(Self::LONGEST))
    }

    /// The share of each limit that is used or taken by calls under way, from 0 to 1: requests,
    /// tokens, input and output tokens; `None` where nothing is known.
    pub(crate) fn used(&self, now: Instant) -> [Option<f64>; Meter::ALL.len()] {
        self.buckets
            .map(|bucket| bucket.and_then(|bucket| bucket.used(now)))
    }

    /// What a call takes of a limit, in thousandths, by what it takes of input and output.
    fn size(&self, meter: Meter, of: impl Fn(&Size) -> u64) -> u64 {
        let (input, output) = (of(&self.input), of(&self.output));
        match (meter, self.tokens) {
            (Meter::Requests, _) => Bucket::ONE,
            (Meter::Input, _) | (Meter::Tokens, Counted::Input) => input,
            (Meter::Output, _) | (Meter::Tokens, Counted::Output) => output,
            (Meter::Tokens, Counted::Both) => input.saturating_add(output),
        }
    }
}

// === impl Meter ===

impl Meter {
    const ALL: [Self; 4] = [Self::Requests, Self::Tokens, Self::Input, Self::Output];

    const fn index(self) -> usize {
        match self {
            Self::Requests => 0,
            Self::Tokens => 1,
            Self::Input => 2,
            Self::Output => 3,
        }
    }

    const fn of(self, told: &RateLimits) -> Option<&RateLimit> {
        match self {
            Self::Requests => told.requests.as_ref(),
            Self::Tokens => told.tokens.as_ref(),
            Self::Input => told.input_tokens.as_ref(),
            Self::Output => told.output_tokens.as_ref(),
        }
    }
}

// === impl Counted ===

impl Counted {
    fn of(told: &RateLimits) -> Self {
        let limit = |meter: Meter| meter.of(told).map(|told| told.limit);
        let tokens = limit(Meter::Tokens);
        if tokens == limit(Meter::Input) {
            Self::Input
        } else if tokens == limit(Meter::Output) {
            Self::Output
        } else {
            Self::Both
        }
    }
}

#[cfg(test)]
mod flood;
#[cfg(test)]
mod tests;
