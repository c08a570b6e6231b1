//! Buckets, midnight, and clocks that jump.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

use std::collections::VecDeque;
use std::sync::Arc;

use tower_claude_core::{TenantId, Timestamp};
use tower_claude_token_budget::{
    Algorithm, Amounts, BudgetStore as _, Limit, ManualClock, MemoryStore, Meter, Owner, Per, Plan,
    Reservation, ReservationId, Reserved, Settlement, Subject,
};

struct Till {
    store: MemoryStore,
    clock: ManualClock,
    now: i64,
    plan: Arc<Plan>,
}

impl Till {
    fn new(limit: Limit, now: &str) -> Self {
        let clock = ManualClock::new(Timestamp::parse(now).unwrap());
        Self {
            store: MemoryStore::by_clock(clock.clone()),
            now: Timestamp::parse(now).unwrap().unix_millis(),
            clock,
            plan: Arc::new(Plan::new("p").limit(limit)),
        }
    }

    fn pass(&mut self, millis: i64) {
        self.now += millis;
        self.clock.set(Timestamp::from_unix_millis(self.now));
    }

    fn subject() -> Subject {
        Subject::new(Owner::Tenant(TenantId::new("web").unwrap()))
    }

    async fn reserve(&self, tokens: u64) -> (ReservationId, Reserved) {
        let id = ReservationId::generate();
        let plan = Arc::clone(&self.plan);
        let amounts = Amounts::new(1, tokens, 0);
        let asked = Reservation::new(id, Self::subject(), plan, amounts);
        (id, self.store.reserve(asked).await.unwrap())
    }

    fn settle(&self, id: ReservationId, tokens: u64) {
        let plan = Arc::clone(&self.plan);
        let amounts = Amounts::new(1, tokens, 0);
        self.store
            .settle(Settlement::new(id, Self::subject(), plan, amounts));
    }

    async fn spend(&self, tokens: u64) -> Reserved {
        let (id, answer) = self.reserve(tokens).await;
        if matches!(answer, Reserved::Granted { .. }) {
            self.settle(id, tokens);
        }
        answer
    }

    async fn books(&self) -> (u64, u64) {
        let usage = self
            .store
            .usage(&Self::subject(), &self.plan)
            .await
            .unwrap()[0];
        (usage.spent, usage.held)
    }
}

fn random(state: &mut u64, below: u64) -> u64 {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) % below
}

#[tokio::test]
async fn no_minute_of_an_hour_holds_more_than_the_limit_and_the_burst() {
    const LIMIT: u64 = 60_000;
    for seconds in [1, 10, 60] {
        let burst = LIMIT * seconds / 60;
        let limit = Limit::new(Meter::InputTokens, LIMIT.try_into().unwrap(), Per::Minute);
        let limit = limit.algorithm(Algorithm::Bucket {
            burst: burst.try_into().unwrap(),
        });
        let mut till = Till::new(limit, "2026-11-20T10:00:00Z");
        let (mut state, mut most, mut sum) = (seconds, 0, 0);
        let mut admitted: VecDeque<(i64, u64)> = VecDeque::new();
        let end = till.now + 3_600_000;
        while till.now < end {
            till.pass(i64::try_from(random(&mut state, 400)).unwrap());
            let tokens = 1 + random(&mut state, burst.min(3_000));
            if let Reserved::Granted { .. } = till.spend(tokens).await {
                admitted.push_back((till.now, tokens));
                sum += tokens;
            }
            while admitted
                .front()
                .is_some_and(|(at, _)| till.now - at >= 60_000)
            {
                sum -= admitted.pop_front().unwrap().1;
            }
            most = most.max(sum);
        }
        println!("a burst of {seconds} s: {most} of {LIMIT} in a minute at most");
        assert!(most <= LIMIT + burst, "{most}");
        assert!(most >= LIMIT * 95 / 100, "and it is not wasted: {most}");
    }
}

#[tokio::test]
async fn a_lone_caller_of_a_bucket_that_waits_as_long_as_it_is_told_succeeds() {
    let limit = Limit::new(Meter::InputTokens, 7_919.try_into().unwrap(), Per::Minute);
    let limit = limit.algorithm(Algorithm::Bucket {
        burst: 1_500.try_into().unwrap(),
    });
    let mut till = Till::new(limit, "2026-11-20T10:00:00Z");
    let (mut state, mut denied) = (1, 0);
    for _ in 0..2_000 {
        let tokens = 1 + random(&mut state, 1_500);
        if let Reserved::Denied { retry_after, .. } = till.spend(tokens).await {
            denied += 1;
            till.pass(i64::try_from(retry_after.as_millis()).unwrap() - 1);
            let early = till.spend(tokens).await;
            assert!(matches!(early, Reserved::Denied { .. }), "too early");
            till.pass(1);
            let answer = till.spend(tokens).await;
            assert!(matches!(answer, Reserved::Granted { .. }), "{answer:?}");
        }
    }
    assert!(denied > 1_000);
}

#[tokio::test]
async fn at_midnight_a_day_begins_that_owes_nothing_to_the_last() {
    let limit = Limit::new(Meter::InputTokens, 100.try_into().unwrap(), Per::Day);
    let mut till = Till::new(limit, "2026-12-31T23:59:59.995Z");
    let (running, _) = till.reserve(60).await;
    assert!(matches!(till.spend(30).await, Reserved::Granted { .. }));
    let Reserved::Denied { retry_after, .. } = till.reserve(20).await.1 else {
        panic!("the day is spent");
    };
    assert_eq!(retry_after.as_millis(), 5);
    till.pass(5);
    assert_eq!(till.books().await, (0, 0));
    // What began yesterday is settled today, and is of yesterday: no refund, no charge.
    till.settle(running, 10);
    assert_eq!(till.books().await, (0, 0));
    assert!(matches!(till.spend(100).await, Reserved::Granted { .. }));
    assert_eq!(till.books().await, (100, 0));
}

#[tokio::test]
async fn a_clock_that_jumps_admits_a_burst_more_at_most_and_loses_nothing() {
    let limit = Limit::new(Meter::InputTokens, 100.try_into().unwrap(), Per::Minute);
    for bucket in [false, true] {
        let limit = match bucket {
            false => limit,
            true => limit.algorithm(Algorithm::Bucket {
                burst: 100.try_into().unwrap(),
            }),
        };
        for jump in [-60_000, 3_600_000] {
            let mut till = Till::new(limit, "2026-11-20T10:00:00Z");
            let (running, _) = till.reserve(40).await;
            assert!(matches!(till.spend(60).await, Reserved::Granted { .. }));
            till.pass(jump);
            let mut more = 0;
            while let Reserved::Granted { .. } = till.spend(10).await {
                more += 10;
            }
            assert!(more <= 60, "{more} more after {jump} ms");
            till.settle(running, 40);
            assert_eq!(till.books().await.1, 0);
            till.pass(61_000 - jump.min(0));
            assert!(matches!(till.spend(100).await, Reserved::Granted { .. }));
        }
    }
}

#[tokio::test]
async fn absurd_usage_is_counted_and_no_panic() {
    let limit = Limit::new(Meter::InputTokens, 100.try_into().unwrap(), Per::Minute);
    for bucket in [false, true] {
        let limit = match bucket {
            false => limit,
            true => limit.algorithm(Algorithm::Bucket {
                burst: 50.try_into().unwrap(),
            }),
        };
        let mut till = Till::new(limit, "2026-11-20T10:00:00Z");
        for _ in 0..3 {
            till.settle(ReservationId::generate(), u64::MAX);
        }
        assert!(matches!(till.reserve(1).await.1, Reserved::Denied { .. }));
        till.pass(120_000);
        assert!(
            matches!(till.spend(1).await, Reserved::Granted { .. }),
            "{bucket}"
        );
    }
}
