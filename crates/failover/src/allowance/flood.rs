//! An account that far more is asked of than it has.

use std::collections::VecDeque;

use super::*;

/// An account's input tokens, as upstream keeps them, in thousandths.
struct Account {
    limit: u64,
    left: u64,
}

// === impl Account ===

impl Account {
    fn new(limit: u64) -> Self {
        let limit = limit * 1_000;
        Self { limit, left: limit }
    }

    fn pass_100_millis(&mut self) {
        self.left = (self.left + self.limit / 600).min(self.limit);
    }

    fn ask(&mut self, tokens: u64) -> bool {
        let left = self.left.checked_sub(tokens * 1_000);
        self.left = left.unwrap_or(self.left);
        left.is_some()
    }

    /// In whole thousands and whole seconds, as it sends them.
    fn head(&self) -> RateLimits {
        let reset = Duration::from_secs((self.limit - self.left) * 60 / self.limit);
        let remaining = (self.left / 1_000 + 500) / 1_000 * 1_000;
        let input = RateLimit::new(self.limit / 1_000, remaining, reset);
        let mut told = RateLimits::default();
        told.input_tokens = Some(input);
        told
    }
}

/// Ten minutes of far more calls than an account takes: the share of the account that is
/// used, and of the calls that are refused once it is known how large they are, in percent.
fn flood(limit: u64, largest: u64) -> (u64, u64) {
    let mut account = Account::new(limit);
    let mut allowance = Allowance::default();
    let mut now = Instant::now();
    let mut under_way = VecDeque::new();
    let (mut used, mut served, mut refused) = (0, 0, 0);
    let mut random = 0_u64;
    for step in 0..6_000 {
        now += Duration::from_millis(100);
        account.pass_100_millis();
        for _ in 0..5 {
            if allowance.closed_for(now).is_some() {
                break;
            }
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let size = largest / 10 + (random >> 33) % (largest * 9 / 10);
            let is_served = account.ask(size);
            if is_served {
                used += size;
                served += 1;
            } else if step >= 100 {
                refused += 1;
            }
            let took = is_served.then_some(size);
            under_way.push_back((step, allowance.start(now), account.head(), took));
        }
        // Heads come after 300 ms, calls end after two seconds.
        for (begun, call, head, _) in &mut under_way {
            if *begun + 3 == step {
                allowance.learn(call, head, now);
            }
        }
        while let Some((_, call, _, took)) =
            under_way.pop_front_if(|(begun, ..)| *begun + 20 <= step)
        {
            allowance.end(call, took, Some(1));
        }
    }
    // What was there at first, and what came back since.
    (
        used * 100 / (limit * 11),
        refused * 100 / (served + refused),
    )
}

#[test]
fn far_more_calls_than_fit_use_an_account_up_and_are_hardly_ever_refused() {
    for (limit, largest) in [
        (60_000, 2_000),
        (600_000, 2_000),
        (600_000, 20_000),
        (2_000_000, 60_000),
    ] {
        let (used, refused) = flood(limit, largest);
        assert!(used >= 97, "{used} % of {limit}");
        assert!(refused <= 1, "{refused} % of calls for {limit}");
    }
}
