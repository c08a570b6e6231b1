//! Both stores against a model, operation by operation.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

#[path = "support/model.rs"]
mod model;

use std::sync::Arc;
use std::time::Duration;

use model::{Model, Said};
use tower_claude_core::{TenantId, Timestamp};
use tower_claude_token_budget::{
    Algorithm, Amounts, BudgetStore, Limit, LimitMode, LimitScope, LimitUsage, ManualClock,
    MemoryStore, Meter, Owner, Per, Plan, Reservation, ReservationId, Reserved, Settlement,
    Subject,
};

/// As many histories, or ten times as many in `cargo xtask soak`.
fn seeds() -> u64 {
    match std::env::var_os("TOWER_CLAUDE_SOAK") {
        Some(_) => 3_000,
        None => 300,
    }
}

const OPERATIONS: usize = 200;

struct Random(u64);

impl Random {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        let index = usize::try_from(self.next(items.len() as u64)).unwrap();
        items[index]
    }
}

fn limits(random: &mut Random) -> Vec<Limit> {
    use Meter::{Concurrency, InputTokens, OutputTokens, Requests, Tokens, Usd};
    let mut limits: Vec<Limit> = Vec::new();
    for _ in 0..1 + random.next(5) {
        let meter = random.pick(&[
            Requests,
            InputTokens,
            OutputTokens,
            Tokens,
            Usd,
            Concurrency,
        ]);
        let amount = match meter {
            Requests | Concurrency => 3 + random.next(8),
            Usd => 1_000_000_000 + random.next(5_000_000_000),
            _ => 500 + random.next(3_000),
        };
        let amount = amount.try_into().unwrap();
        let mut limit = match meter {
            Concurrency => Limit::concurrency(amount),
            _ => {
                let per = random.pick(&[Per::Second, Per::Minute, Per::Hour, Per::Day, Per::Month]);
                Limit::new(meter, amount, per)
            }
        };
        if limit.per.and_then(Per::window).is_some() && random.next(2) == 0 {
            let burst = amount.get() / 2 + random.next(amount.get());
            limit = limit.algorithm(Algorithm::Bucket {
                burst: burst.max(1).try_into().unwrap(),
            });
        }
        if random.next(4) == 0 {
            limit = limit.mode(LimitMode::Warn);
        }
        limit = limit.scope(random.pick(&[
            LimitScope::Tenant,
            LimitScope::Tenant,
            LimitScope::User,
            LimitScope::Feature,
            LimitScope::Model,
        ]));
        let is_double = limits.iter().any(|other| {
            let is_bucket = |limit: &Limit| limit.algorithm != Algorithm::Sliding;
            (other.meter, other.per, other.scope) == (limit.meter, limit.per, limit.scope)
                && is_bucket(other) == is_bucket(&limit)
        });
        if !is_double {
            limits.push(limit);
        }
    }
    limits
}

fn amounts(random: &mut Random) -> Amounts {
    let mut amounts = Amounts::new(1, random.next(700), random.next(700));
    amounts.nano_dollars = random.next(1_000_000_000);
    amounts
}

async fn said<St: BudgetStore>(answer: St::Reserve) -> Said {
    match answer.await.unwrap() {
        Reserved::Denied {
            limit,
            retry_after,
            resets_in,
            ..
        } => Said::Denied {
            limit,
            wait: u64::try_from(retry_after.as_millis()).unwrap(),
            resets_in: u64::try_from(resets_in.as_millis()).unwrap(),
        },
        Reserved::Never { .. } => Said::Never,
        _ => Said::Granted,
    }
}

/// Runs one history on a store and the model; `settled` waits until settlements are told.
async fn history<St>(
    seed: u64,
    clock: &ManualClock,
    store: &St,
    settled: impl AsyncFn(),
) -> (usize, usize)
where
    St: BudgetStore,
{
    let mut random = Random(seed);
    random.next(1);
    // Close to the end of a month, and of a leap February now and then.
    let start = random.pick(&[
        "2028-02-29T23:40:00Z",
        "2026-12-31T23:59:00Z",
        "2026-11-20T10:00:00Z",
    ]);
    let mut now = u64::try_from(Timestamp::parse(start).unwrap().unix_millis()).unwrap();
    now += random.next(100_000);
    let set = |now: u64| clock.set(Timestamp::from_unix_millis(i64::try_from(now).unwrap()));
    set(now);
    let plan = limits(&mut random)
        .into_iter()
        .fold(Plan::new("p"), Plan::limit);
    let plan = Arc::new(plan);
    let owner = Owner::Tenant(TenantId::new(&format!("t{seed}")).unwrap());
    let mut model = Model::default();
    let mut calls: Vec<(ReservationId, Subject, Reservation)> = Vec::new();
    let (mut granted, mut denied) = (0, 0);
    for operation in 0..OPERATIONS {
        let context = format!("seed {seed}, operation {operation}, now {now}, {plan:?}");
        if random.next(3) > 0 {
            now += match random.next(12) {
                0 => random.next(4_000_000),
                1 => random.next(90_000_000),
                2 | 3 => random.next(60_000),
                4 => 0,
                _ => random.next(2_000),
            };
            set(now);
        }
        let mut subject = Subject::new(owner.clone());
        if let Some(user) = random.pick(&[Some("alice"), Some("bob"), None]) {
            subject = subject.user(user);
        }
        subject = subject.feature(random.pick(&["chat", "search"])).model("m");
        let old = (!calls.is_empty())
            .then(|| calls[usize::try_from(random.next(calls.len() as u64)).unwrap()].clone());
        match (random.next(10), old) {
            (0..=3, _) | (_, None) => {
                let id = ReservationId::generate();
                let mut asked =
                    Reservation::new(id, subject.clone(), Arc::clone(&plan), amounts(&mut random));
                asked.certain.nano_dollars = asked.amounts.nano_dollars / 2;
                asked.hold_for = Duration::from_millis(5_000 + random.next(120_000));
                asked.lasting = Duration::from_millis(random.next(5_000));
                let (is, should) = (
                    said::<St>(store.reserve(asked.clone())).await,
                    model.reserve(&asked, now),
                );
                assert_eq!(is, should, "{context}: reserve {asked:?}");
                match is {
                    Said::Granted => granted += 1,
                    _ => denied += 1,
                }
                calls.push((id, subject.clone(), asked));
            }
            (4, Some((_, _, asked))) => {
                // Once more, as after a lost answer.
                let (is, should) = (
                    said::<St>(store.reserve(asked.clone())).await,
                    model.reserve(&asked, now),
                );
                assert_eq!(is, should, "{context}: again {asked:?}");
            }
            (5 | 6, Some((_, _, mut asked))) => {
                asked.amounts.output_tokens += random.next(500);
                asked.amounts.nano_dollars += random.next(500_000_000);
                let (is, should) = (
                    said::<St>(store.extend(asked.clone())).await,
                    model.extend(&asked, now),
                );
                assert_eq!(is, should, "{context}: extend {asked:?}");
            }
            (_, Some((id, of, _))) => {
                let mut actual = amounts(&mut random);
                actual.requests = random.next(2);
                actual.output_tokens *= random.next(3);
                let id = if random.next(8) == 0 {
                    ReservationId::generate()
                } else {
                    id
                };
                let settlement = Settlement::new(id, of, Arc::clone(&plan), actual);
                model.settle(&settlement, now);
                store.settle(settlement);
                settled().await;
            }
        }
        if std::env::var("MODEL_SEED").is_ok_and(|wanted| wanted == seed.to_string()) {
            for limit in plan.limits() {
                println!(
                    "{operation} at {now}: {limit} is {:?}",
                    model.usage(limit, &subject, now)
                );
            }
            println!("   and {:?}", store.usage(&subject, &plan).await.unwrap());
        }
        if operation % 5 == 0 {
            let usage: Vec<LimitUsage> = store.usage(&subject, &plan).await.unwrap();
            for is in &usage {
                let resets = u64::try_from(is.resets_in.as_millis()).unwrap();
                let should = model.usage(&is.limit, &subject, now);
                assert_eq!(
                    (is.spent, is.held),
                    (should.0, should.1),
                    "{context}: {:?} of {subject:?}",
                    is.limit
                );
                if is.spent + is.held > 0 {
                    assert_eq!(resets, should.2, "{context}: {:?} of {subject:?}", is.limit);
                }
            }
        }
    }
    (granted, denied)
}

fn clock() -> ManualClock {
    ManualClock::new(Timestamp::from_unix_millis(0))
}

#[tokio::test]
async fn budget_model_memory() {
    let (mut granted, mut denied) = (0, 0);
    for seed in 0..seeds() {
        let clock = clock();
        let store = MemoryStore::by_clock(clock.clone());
        let (more, less) = history(seed, &clock, &store, async || {}).await;
        (granted, denied) = (granted + more, denied + less);
    }
    println!(
        "{} seeds of {OPERATIONS} operations: {granted} granted, {denied} denied, 0 mismatches",
        seeds()
    );
    assert!(granted > 1_000 && denied > 1_000);
}

#[cfg(feature = "redis")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn budget_model_lua() {
    use tower_claude_testkit::RedisServer;
    use tower_claude_token_budget::RedisStore;

    let server = RedisServer::start();
    let (mut granted, mut denied) = (0, 0);
    let clock = clock();
    let store = RedisStore::builder(&server.url()).unwrap();
    // No clock but the given one may bear on what is compared.
    let hour = Duration::from_secs(3_600 * 1_000);
    let store = store
        .hold_for(hour)
        .remember_for(hour)
        .timeout(Duration::from_secs(5));
    let store = store.by_clock(clock.clone()).build();
    while !store.stats().is_up {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for seed in 0..seeds() {
        let settled = async || assert!(store.flush(Duration::from_secs(5)).await);
        let (more, less) = history(seed, &clock, &store, settled).await;
        (granted, denied) = (granted + more, denied + less);
    }
    println!(
        "{} seeds of {OPERATIONS} operations: {granted} granted, {denied} denied, 0 mismatches",
        seeds()
    );
    assert!(granted > 1_000 && denied > 1_000);
}
