//! Every order in which two calls can reserve, raise, settle and expire, with every message
//! lost, told twice or late: what is spent is exact, and what is held comes to nothing.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

use std::sync::Arc;
use std::time::Duration;

use tower_claude_core::{TenantId, Timestamp};
use tower_claude_token_budget::{
    Amounts, BudgetStore, Limit, ManualClock, MemoryStore, Meter, Owner, Per, Plan, Reservation,
    ReservationId, Reserved, Settlement, Subject,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Reserve(usize),
    Extend(usize),
    Settle(usize),
    /// The process is gone for so long that all its holds expire.
    Expire,
}

const STEPS: [Step; 7] = [
    Step::Reserve(0),
    Step::Reserve(1),
    Step::Extend(0),
    Step::Extend(1),
    Step::Settle(0),
    Step::Settle(1),
    Step::Expire,
];

const LIMIT: u64 = 100;
const CERTAIN: u64 = 30;
/// What each call reserves, raises it to, and really takes.
const RESERVED: [u64; 2] = [50, 40];
const RAISED: [u64; 2] = [70, 55];
const ACTUAL: [u64; 2] = [75, 20];
const HOLD: Duration = Duration::from_secs(10);

/// What is known of a call by those who look on.
#[derive(Clone, Copy, Default)]
struct Known {
    held: u64,
    charged: u64,
    is_settled: bool,
    is_known: bool,
}

struct World<'a, St> {
    store: &'a St,
    clock: &'a ManualClock,
    now: i64,
    plan: Arc<Plan>,
    subject: Subject,
    ids: [ReservationId; 2],
    calls: [Known; 2],
}

impl<St: BudgetStore> World<'_, St> {
    fn reservation(&self, call: usize, tokens: u64) -> Reservation {
        let (subject, plan) = (self.subject.clone(), Arc::clone(&self.plan));
        let amounts = Amounts::new(1, tokens, 0);
        let mut reservation = Reservation::new(self.ids[call], subject, plan, amounts);
        reservation.certain = Amounts::new(1, CERTAIN, 0);
        reservation.hold_for = HOLD;
        reservation
    }

    fn used(&self) -> u64 {
        self.calls.iter().map(|call| call.held + call.charged).sum()
    }

    /// What the answer to a request for more has to be, and what follows from it.
    fn expect(&mut self, call: usize, total: u64, answer: &Reserved) {
        let (used, known) = (self.used(), &mut self.calls[call]);
        let need = total.saturating_sub(known.held + known.charged);
        let fits = need == 0 || used + need <= LIMIT;
        match answer {
            Reserved::Granted { .. } => {
                assert!(fits, "{used} used, {need} more granted");
                known.held += need;
                known.is_known = true;
            }
            other => assert!(!fits, "{used} used, {need} more denied: {other:?}"),
        }
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Reserve(call) => {
                let answer = self.store.reserve(self.reservation(call, RESERVED[call]));
                let answer = answer.await.unwrap();
                if self.calls[call].is_settled || self.calls[call].is_known {
                    assert!(
                        matches!(answer, Reserved::Granted { .. }),
                        "known: {answer:?}"
                    );
                } else {
                    self.expect(call, RESERVED[call], &answer);
                }
            }
            Step::Extend(call) => {
                let answer = self.store.extend(self.reservation(call, RAISED[call]));
                let answer = answer.await.unwrap();
                if self.calls[call].is_settled {
                    assert!(
                        matches!(answer, Reserved::Granted { .. }),
                        "over: {answer:?}"
                    );
                } else {
                    self.expect(call, RAISED[call], &answer);
                }
            }
            Step::Settle(call) => {
                let (subject, plan) = (self.subject.clone(), Arc::clone(&self.plan));
                let actual = Amounts::new(1, ACTUAL[call], 0);
                self.store
                    .settle(Settlement::new(self.ids[call], subject, plan, actual));
                self.calls[call] = Known {
                    charged: ACTUAL[call],
                    is_settled: true,
                    ..Known::default()
                };
            }
            Step::Expire => {
                self.now += 11_000;
                self.clock.set(Timestamp::from_unix_millis(self.now));
                for call in &mut self.calls {
                    if call.is_known && !call.is_settled {
                        call.held = 0;
                        call.charged = call.charged.max(CERTAIN);
                    }
                }
            }
        }
    }
}

async fn explore<St: BudgetStore>(
    store: &St,
    clock: &ManualClock,
    length: usize,
    settled: impl AsyncFn(),
) -> (usize, u64) {
    let limit = Limit::new(Meter::InputTokens, LIMIT.try_into().unwrap(), Per::Day);
    let plan = Arc::new(Plan::new("p").limit(limit));
    let (mut histories, mut most) = (0, 0);
    let count = STEPS.len().pow(u32::try_from(length).unwrap());
    for mut number in 0..count {
        let history: Vec<Step> = (0..length)
            .map(|_| {
                let step = STEPS[number % STEPS.len()];
                number /= STEPS.len();
                step
            })
            .collect();
        // The calls are alike: the second never comes before the first.
        let first = history.iter().find(|step| **step != Step::Expire);
        if matches!(
            first,
            Some(Step::Reserve(1) | Step::Extend(1) | Step::Settle(1)) | None
        ) {
            continue;
        }
        histories += 1;
        // On a day of its own: the clock of a store does not go back.
        let now = 1_800_000_000_000 + i64::try_from(histories).unwrap() * 86_400_000;
        clock.set(Timestamp::from_unix_millis(now));
        let owner = Owner::Tenant(TenantId::new(&format!("t{histories}")).unwrap());
        let mut world = World {
            store,
            clock,
            now,
            plan: Arc::clone(&plan),
            subject: Subject::new(owner),
            ids: [ReservationId::generate(), ReservationId::generate()],
            calls: [Known::default(); 2],
        };
        for step in &history {
            world.take(*step).await;
            settled().await;
            let usage = store.usage(&world.subject, &plan).await.unwrap()[0];
            let spent: u64 = world.calls.iter().map(|call| call.charged).sum();
            let held: u64 = world.calls.iter().map(|call| call.held).sum();
            assert_eq!(
                (usage.spent, usage.held),
                (spent, held),
                "{history:?} at {step:?}"
            );
            // Only what calls took beyond what was held for them goes beyond the limit, and
            // what was told of calls that nobody had heard of.
            let beyond: u64 = (0..2)
                .filter(|call| world.calls[*call].is_settled)
                .map(|call| ACTUAL[call])
                .sum();
            assert!(spent + held <= LIMIT + beyond, "{history:?} at {step:?}");
            most = most.max(spent + held);
        }
        world.take(Step::Expire).await;
        let usage = store.usage(&world.subject, &plan).await.unwrap()[0];
        assert_eq!(usage.held, 0, "{history:?}");
    }
    (histories, most)
}

fn clock() -> ManualClock {
    ManualClock::new(Timestamp::from_unix_millis(0))
}

#[tokio::test]
async fn every_history_of_two_calls_is_exact_in_memory() {
    let clock = clock();
    let store = MemoryStore::by_clock(clock.clone());
    // Shorter here than in a release build, where a history more costs less.
    // One step more is seven times as many; `cargo xtask soak` takes it.
    let is_soak = std::env::var_os("TOWER_CLAUDE_SOAK").is_some();
    let length = if is_soak { 8 } else { 6 };
    let (histories, most) = explore(&store, &clock, length, async || {}).await;
    println!("{histories} histories of {length} steps, {most} of {LIMIT} at most");
}

#[cfg(feature = "redis")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_history_of_two_calls_is_exact_in_redis() {
    use tower_claude_testkit::RedisServer;
    use tower_claude_token_budget::RedisStore;

    let (server, clock) = (RedisServer::start(), clock());
    let store = RedisStore::builder(&server.url()).unwrap();
    let store = store.timeout(Duration::from_secs(5));
    let store = store.by_clock(clock.clone()).build();
    while !store.stats().is_up {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let settled = async || assert!(store.flush(Duration::from_secs(5)).await);
    let (histories, most) = explore(&store, &clock, 4, settled).await;
    println!("{histories} histories of 4 steps, {most} of {LIMIT} at most");
}
