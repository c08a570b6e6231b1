//! What the books of budgets cost: in memory, beside a rate limiter of others; and in Redis.

use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;
use std::time::Duration;

use governor::{Quota, RateLimiter};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tower_claude::core::TenantId;
use tower_claude::token_budget::{
    Amounts, BudgetStore as _, Limit, LimitScope, MemoryStore, Meter, Owner, Per, Plan, RedisStore,
    Reservation, ReservationId, Settlement, Subject,
};
use tower_claude_testkit::RedisServer;

const ROUNDS: u32 = 7;
const CALLS: u32 = 200_000;
const TENANTS: usize = 100_000;
/// More than any call takes.
const MANY: NonZeroU64 = NonZeroU64::new(1 << 50).unwrap();

fn main() {
    let memory = median(memory);
    let four = subject("web");
    let (store, plan) = (MemoryStore::new(), plan(4));
    warm(&store, &plan, &four);
    let allocations = allocation_counter::measure(|| once(&store, &plan, &four));
    let others = median(keyed_check);
    println!(
        "  memory, reserve and settle of 4 limits: {memory:.0} ns, {} allocations",
        allocations.count_total
    );
    println!(
        "  governor, one keyed check:              {others:.0} ns; ratio {:.2}",
        memory / others
    );
    println!(
        "  memory, an idle tenant of {TENANTS}:     {} bytes",
        idle()
    );
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(redis());
}

fn subject(name: &str) -> Subject {
    Subject::new(Owner::Tenant(TenantId::new(name).expect("an id")))
}

/// So many limits that no call reaches.
fn plan(limits: usize) -> Arc<Plan> {
    let meters = [
        Meter::Requests,
        Meter::InputTokens,
        Meter::OutputTokens,
        Meter::Tokens,
    ];
    let pers = [Per::Minute, Per::Hour, Per::Day, Per::Month];
    let kinds = pers
        .into_iter()
        .flat_map(|per| meters.map(|meter| Limit::new(meter, MANY, per)));
    let plan = kinds.take(limits).fold(Plan::new("p"), Plan::limit);
    assert!(
        plan.limits()
            .iter()
            .all(|limit| limit.scope == LimitScope::Tenant)
    );
    Arc::new(plan)
}

fn once(store: &MemoryStore, plan: &Arc<Plan>, subject: &Subject) {
    let (id, amounts) = (ReservationId::generate(), Amounts::new(1, 500, 300));
    let asked = Reservation::new(id, subject.clone(), Arc::clone(plan), amounts);
    drop(std::hint::black_box(store.reserve(asked)));
    store.settle(Settlement::new(
        id,
        subject.clone(),
        Arc::clone(plan),
        amounts,
    ));
}

fn warm(store: &MemoryStore, plan: &Arc<Plan>, subject: &Subject) {
    for _ in 0..5_000 {
        once(store, plan, subject);
    }
}

/// Nanoseconds of a reservation and its settlement, among a thousand tenants.
fn memory() -> f64 {
    let (store, plan) = (MemoryStore::new(), plan(4));
    let tenants: Vec<_> = (0..1_000)
        .map(|n| subject(&format!("tenant-{n}")))
        .collect();
    for tenant in tenants.iter().cycle().take(20_000) {
        once(&store, &plan, tenant);
    }
    let began = Instant::now();
    for tenant in tenants.iter().cycle().take(CALLS as usize) {
        once(&store, &plan, tenant);
    }
    nanos(began) / f64::from(CALLS)
}

/// Nanoseconds of the cheapest thing that others do for a call.
fn keyed_check() -> f64 {
    let limiter = RateLimiter::keyed(Quota::per_minute(NonZeroU32::MAX));
    let tenants: Vec<String> = (0..1_000).map(|n| format!("tenant-{n}")).collect();
    for tenant in tenants.iter().cycle().take(20_000) {
        let _ = std::hint::black_box(limiter.check_key(tenant));
    }
    let began = Instant::now();
    for tenant in tenants.iter().cycle().take(CALLS as usize) {
        let _ = std::hint::black_box(limiter.check_key(tenant));
    }
    nanos(began) / f64::from(CALLS)
}

/// Bytes for a tenant of whom only what counts for the day is still there.
fn idle() -> i64 {
    let limits = [
        Limit::new(Meter::Requests, MANY, Per::Minute),
        Limit::new(Meter::InputTokens, MANY, Per::Minute),
        Limit::new(Meter::OutputTokens, MANY, Per::Minute),
        Limit::new(Meter::Tokens, MANY, Per::Day),
    ];
    let plan = Arc::new(limits.into_iter().fold(Plan::new("p"), Plan::limit));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let store = MemoryStore::new();
    let info = allocation_counter::measure(|| {
        runtime.block_on(async {
            for n in 0..TENANTS {
                once(&store, &plan, &subject(&format!("tenant-{n}")));
            }
            // Whoever comes later finds it tidied up.
            for _ in 0..3 {
                tokio::time::advance(Duration::from_secs(61)).await;
                for n in 0..2_000 {
                    let usage = store.usage(&subject(&format!("tenant-{n}")), &plan);
                    assert!(usage.await.is_ok());
                }
            }
        });
    });
    info.bytes_current / i64::try_from(TENANTS).unwrap_or(1)
}

async fn redis() {
    for limits in [1, 4, 16] {
        let server = RedisServer::start();
        let store = RedisStore::builder(&server.url()).expect("an address");
        let store = store.timeout(Duration::from_secs(5)).build();
        while !store.stats().is_up {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let plan = plan(limits);
        let (shared, plan) = (store.clone(), Arc::clone(&plan));
        let call = move |tenant: usize| {
            let (store, plan) = (shared.clone(), Arc::clone(&plan));
            async move {
                let subject = subject(&format!("tenant-{tenant}"));
                let (id, amounts) = (ReservationId::generate(), Amounts::new(1, 500, 300));
                let asked = Reservation::new(id, subject.clone(), Arc::clone(&plan), amounts);
                let began = Instant::now();
                assert!(store.reserve(asked).await.is_ok(), "it is up");
                let took = began.elapsed();
                store.settle(Settlement::new(id, subject, plan, amounts));
                took
            }
        };
        let mut alone = Vec::new();
        for n in 0..3_000 {
            alone.push(call(n % 100).await);
        }
        alone.sort_unstable();
        store.flush(Duration::from_secs(10)).await;
        let _ = server.ask("CONFIG RESETSTAT");
        let mut tasks = JoinSet::new();
        let began = Instant::now();
        const TASKS: usize = 32;
        const EACH: usize = 1_000;
        for task in 0..TASKS {
            let call = call.clone();
            tasks.spawn(async move {
                for n in 0..EACH {
                    call((task + n) % 100).await;
                }
            });
        }
        while tasks.join_next().await.is_some() {}
        store.flush(Duration::from_secs(20)).await;
        let scripts = 2 * TASKS * EACH;
        let whole = f64::from(u32::try_from(scripts).unwrap_or(0)) / (nanos(began) / 1e9);
        let stats = server.ask("INFO commandstats").unwrap_or_default();
        let field = |name: &str| -> f64 {
            let line = stats
                .lines()
                .find(|line| line.starts_with("cmdstat_evalsha:"));
            let value = line.and_then(|line| line.split_once(&format!("{name}=")));
            let number = value.and_then(|(_, rest)| rest.split(',').next());
            number.and_then(|number| number.parse().ok()).unwrap_or(0.0)
        };
        let each = field("usec_per_call");
        println!(
            "  Redis, {limits:>2} limits: {each:.1} us of the server a script, {:.0} scripts/s a core; {whole:.0} scripts/s here with both ends; a reserve alone {:?} (median)",
            1e6 / each,
            alone[alone.len() / 2],
        );
    }
}

fn nanos(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1e9
}

fn median(mut run: impl FnMut() -> f64) -> f64 {
    let mut runs: Vec<f64> = (0..ROUNDS).map(|_| run()).collect();
    runs.sort_unstable_by(f64::total_cmp);
    runs[runs.len() / 2]
}
