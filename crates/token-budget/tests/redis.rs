//! The Redis store with real servers, and what becomes of it when they fail.
#![cfg(feature = "redis")]
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;
use tower_claude_core::TenantId;
use tower_claude_testkit::{Fault, FaultProxy, RedisCluster, RedisServer};
use tower_claude_token_budget::{
    Amounts, BudgetStore, Limit, Meter, Owner, Per, Plan, Policy, RedisStore, Reservation,
    ReservationId, Reserved, Settlement, Subject,
};

const SOON: Duration = Duration::from_secs(5);

struct Till {
    store: RedisStore,
    plan: Arc<Plan>,
}

fn plan(limits: &[(Meter, u64, Per)]) -> Plan {
    limits
        .iter()
        .fold(Plan::new("p"), |plan, (meter, amount, per)| {
            plan.limit(Limit::new(*meter, (*amount).try_into().unwrap(), *per))
        })
}

fn subject(name: &str) -> Subject {
    Subject::new(Owner::Tenant(TenantId::new(name).unwrap()))
}

fn input(tokens: u64) -> Amounts {
    Amounts::new(1, tokens, 0)
}

/// A store as it is by default, but for what `settings` change.
async fn till(url: &str, plan: Plan) -> Till {
    let store = RedisStore::builder(url).unwrap().build();
    let till = Till {
        store,
        plan: Arc::new(plan),
    };
    till.until_up(SOON).await;
    till
}

impl Till {
    async fn until_up(&self, within: Duration) -> Duration {
        let began = Instant::now();
        while !self.store.stats().is_up {
            assert!(began.elapsed() < within, "it is not up after {within:?}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        began.elapsed()
    }

    fn reservation(&self, name: &str, amounts: Amounts) -> Reservation {
        let plan = Arc::clone(&self.plan);
        Reservation::new(ReservationId::generate(), subject(name), plan, amounts)
    }

    async fn reserve(&self, name: &str, amounts: Amounts) -> Option<(ReservationId, Reserved)> {
        let reservation = self.reservation(name, amounts);
        let id = reservation.id;
        Some((id, self.store.reserve(reservation).await.ok()?))
    }

    fn settle(&self, name: &str, id: ReservationId, amounts: Amounts) {
        let plan = Arc::clone(&self.plan);
        self.store
            .settle(Settlement::new(id, subject(name), plan, amounts));
    }

    async fn spend(&self, name: &str, amounts: Amounts) {
        let (id, answer) = self.reserve(name, amounts).await.expect("it is up");
        assert!(matches!(answer, Reserved::Granted { .. }), "{answer:?}");
        self.settle(name, id, amounts);
    }

    async fn books(&self, name: &str) -> Vec<(u64, u64)> {
        let usage = self.store.usage(&subject(name), &self.plan).await.unwrap();
        usage
            .iter()
            .map(|limit| (limit.spent, limit.held))
            .collect()
    }

    /// Calls until one succeeds; how long that took, and how many failed.
    async fn until_granted(&self, name: &str, within: Duration) -> (Duration, u64) {
        let (began, mut failed) = (Instant::now(), 0);
        while self.reserve(name, input(0)).await.is_none() {
            failed += 1;
            assert!(began.elapsed() < within, "nothing after {within:?}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        (began.elapsed(), failed)
    }
}

fn wide() -> Plan {
    plan(&[
        (Meter::Requests, 1_000_000, Per::Minute),
        (Meter::InputTokens, 1_000_000_000, Per::Minute),
        (Meter::Tokens, 1_000_000_000, Per::Hour),
        (Meter::InputTokens, 1_000_000_000, Per::Day),
    ])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_64_tasks_exactly_a_thousand_holds_are_admitted_and_denials_cost_nothing() {
    let server = RedisServer::start();
    let limits = [
        (Meter::InputTokens, 100_000, Per::Day),
        (Meter::Requests, 1_000_000, Per::Minute),
    ];
    let store = RedisStore::builder(&server.url())
        .unwrap()
        .timeout(SOON)
        .build();
    let till = Arc::new(Till {
        store,
        plan: Arc::new(plan(&limits)),
    });
    till.until_up(SOON).await;
    let admitted = Arc::new(AtomicU64::new(0));
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            let (till, admitted) = (Arc::clone(&till), Arc::clone(&admitted));
            tokio::spawn(async move {
                for _ in 0..50 {
                    let (id, answer) = till.reserve("web", input(100)).await.unwrap();
                    if matches!(answer, Reserved::Granted { .. }) {
                        admitted.fetch_add(1, Relaxed);
                        till.settle("web", id, input(100));
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert!(till.store.flush(SOON).await);
    assert_eq!(admitted.load(Relaxed), 1_000);
    assert_eq!(till.books("web").await, [(100_000, 0), (1_000, 0)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_told_five_times_in_any_order_counts_once() {
    let server = RedisServer::start();
    let till = till(&server.url(), wide()).await;
    for n in 0..40 {
        let reservation = till.reservation("web", input(10));
        let id = reservation.id;
        let reserves = || async {
            for _ in 0..5 {
                till.store.reserve(reservation.clone()).await.unwrap();
            }
        };
        // Now and then the end comes first, as when a call is dropped at once.
        if n % 4 > 0 {
            reserves().await;
        }
        for _ in 0..5 {
            till.settle("web", id, input(7));
        }
        assert!(till.store.flush(SOON).await);
        if n % 4 == 0 {
            reserves().await;
        }
    }
    assert_eq!(
        till.books("web").await,
        [(40, 0), (280, 0), (280, 0), (280, 0)]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_dies_leaves_holds_that_are_released_and_charged_what_was_certain() {
    let server = RedisServer::start();
    let hold = Duration::from_millis(600);
    let store = |hold| {
        RedisStore::builder(&server.url())
            .unwrap()
            .hold_for(hold)
            .build()
    };
    let (dying, living) = (store(hold), store(hold));
    let plan = Arc::new(wide());
    let till = Till {
        store: living,
        plan: Arc::clone(&plan),
    };
    till.until_up(SOON).await;
    let dying = Till { store: dying, plan };
    dying.until_up(SOON).await;
    for _ in 0..200 {
        dying.reserve("web", Amounts::new(1, 5, 10)).await.unwrap();
    }
    let (kept, _) = till.reserve("web", Amounts::new(1, 5, 10)).await.unwrap();
    assert_eq!(till.books("web").await[2], (0, 201 * 15));
    // The last clone goes, and nobody renews what it held.
    drop(dying);
    tokio::time::sleep(hold + Duration::from_millis(400)).await;
    for _ in 0..10 {
        till.books("web").await;
    }
    let books = till.books("web").await;
    assert_eq!(
        books[2],
        (200 * 5, 15),
        "one is renewed as long as its process lives"
    );
    till.settle("web", kept, Amounts::new(1, 5, 3));
    assert!(till.store.flush(SOON).await);
    assert_eq!(till.books("web").await[2], (200 * 5 + 8, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_and_restarted_it_is_found_again_and_nobody_waits_meanwhile() {
    let mut server = RedisServer::with(&["--appendonly", "yes"]);
    let till = till(&server.url(), wide()).await;
    for _ in 0..50 {
        till.spend("web", input(10)).await;
    }
    assert!(till.store.flush(SOON).await);
    server.kill();
    let mut longest = Duration::ZERO;
    for _ in 0..200 {
        let began = Instant::now();
        assert!(till.reserve("web", input(10)).await.is_none());
        longest = longest.max(began.elapsed());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // What was let pass meanwhile is told later.
    for _ in 0..20 {
        till.settle("web", ReservationId::generate(), input(10));
    }
    server.restart();
    let (after, failed) = till.until_granted("web", Duration::from_secs(2)).await;
    println!("longest wait {longest:?}, back after {after:?} and {failed} failures");
    assert!(longest < Duration::from_millis(55), "{longest:?}");
    assert!(till.store.flush(SOON).await);
    assert_eq!(till.books("web").await[1].0, 700);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopped_few_wait_and_the_books_are_exact_when_it_goes_on() {
    let server = RedisServer::start();
    let till = Arc::new(till(&server.url(), wide()).await);
    till.spend("web", input(10)).await;
    assert!(till.store.flush(SOON).await);
    server.stop();
    let (waited, longest) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let began = Instant::now();
    let mut tasks = Vec::new();
    let mut let_pass = 0;
    while began.elapsed() < Duration::from_secs(3) {
        let (till, waited, longest) =
            (Arc::clone(&till), Arc::clone(&waited), Arc::clone(&longest));
        let_pass += 1;
        tasks.push(tokio::spawn(async move {
            let (began, reservation) = (Instant::now(), till.reservation("web", input(10)));
            let id = reservation.id;
            assert!(till.store.reserve(reservation).await.is_err());
            let took = u64::try_from(began.elapsed().as_millis()).unwrap();
            longest.fetch_max(took, Relaxed);
            if took > 20 {
                waited.fetch_add(1, Relaxed);
            }
            // The layer settles what it let pass, under the same name.
            till.settle("web", id, input(10));
        }));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    for task in tasks {
        task.await.unwrap();
    }
    let (waited, longest) = (waited.load(Relaxed), longest.load(Relaxed));
    server.resume();
    let (after, _) = till.until_granted("other", Duration::from_secs(3)).await;
    println!("{let_pass} calls, {waited} waited, {longest} ms at most, back after {after:?}");
    assert!(waited <= 20, "{waited}");
    assert!(longest <= 75, "{longest}");
    assert!(till.store.flush(Duration::from_secs(10)).await);
    let expected = 10 + let_pass * 10;
    assert_eq!(
        till.books("web").await[1],
        (expected, 0),
        "what was in doubt counts once"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_goes_nowhere_is_left_for_a_new_one() {
    let server = RedisServer::start();
    let proxy = FaultProxy::start(server.addr()).await.unwrap();
    let till = till(&format!("redis://{}", proxy.addr()), wide()).await;
    till.spend("web", input(1)).await;
    proxy.set(Fault::BlackHoleOld);
    let (after, failed) = till.until_granted("web", Duration::from_secs(2)).await;
    println!("left after {after:?} and {failed} failures");
    assert!(after < Duration::from_secs(1), "{after:?}");
}

/// Without a watchdog, the client's own manager stays: what the link is for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clients_own_manager_stays_on_a_connection_that_goes_nowhere() {
    let server = RedisServer::start();
    let proxy = FaultProxy::start(server.addr()).await.unwrap();
    let client = redis::Client::open(format!("redis://{}", proxy.addr())).unwrap();
    let config = redis::aio::ConnectionManagerConfig::new()
        .set_number_of_retries(0)
        .set_response_timeout(Some(Duration::from_millis(50)));
    let mut manager = client
        .get_connection_manager_with_config(config)
        .await
        .unwrap();
    let ping = async |manager: &mut redis::aio::ConnectionManager| {
        redis::cmd("PING")
            .query_async::<String>(manager)
            .await
            .is_ok()
    };
    assert!(ping(&mut manager).await);
    proxy.set(Fault::BlackHoleOld);
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(2) {
        assert!(!ping(&mut manager).await, "then the watchdog could go");
    }
    assert_eq!(proxy.accepted(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_it_is_left_alone_until_it_is_quick_again() {
    let server = RedisServer::start();
    let proxy = FaultProxy::start(server.addr()).await.unwrap();
    let till = till(&format!("redis://{}", proxy.addr()), wide()).await;
    till.spend("web", input(1)).await;
    proxy.set(Fault::Latency(Duration::from_millis(200)));
    let began = Instant::now();
    let mut quick = 0;
    while quick < 20 {
        let asked = Instant::now();
        assert!(till.reserve("web", input(1)).await.is_none());
        quick = if asked.elapsed() < Duration::from_millis(5) {
            quick + 1
        } else {
            0
        };
        assert!(began.elapsed() < Duration::from_secs(2));
    }
    println!("nobody waits after {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_millis(250));
    proxy.set(Fault::None);
    let (after, _) = till.until_granted("web", Duration::from_secs(4)).await;
    println!("back after {after:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn demoted_it_is_left_and_found_when_it_is_master_again() {
    let master = RedisServer::start();
    let server = RedisServer::start();
    let till = till(&server.url(), wide()).await;
    till.spend("web", input(1)).await;
    assert!(till.store.flush(SOON).await);
    let port = master.addr().port();
    server.ask(&format!("REPLICAOF 127.0.0.1 {port}")).unwrap();
    let before = till.store.stats();
    assert!(till.reserve("web", input(1)).await.is_none());
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(
        till.store.stats().connections > before.connections,
        "it looks for another"
    );
    server.ask("REPLICAOF NO ONE").unwrap();
    let (after, failed) = till.until_granted("web", Duration::from_secs(3)).await;
    println!("back after {after:?} and {failed} failures");
    assert!(after < Duration::from_secs(3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn emptied_it_is_told_again_what_was_spent_and_what_is_held() {
    let server = RedisServer::start();
    let till = till(&server.url(), wide()).await;
    for _ in 0..100 {
        till.spend("web", input(10)).await;
    }
    let (running, _) = till.reserve("web", input(7)).await.unwrap();
    assert!(till.store.flush(SOON).await);
    server.ask("FLUSHALL").unwrap();
    let began = Instant::now();
    // The first call finds it out.
    till.spend("web", input(10)).await;
    loop {
        let books = till.books("web").await;
        if books[3] == (1_010, 7) && books[1].0 >= 1_010 {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(1), "{books:?}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    println!("restored after {:?}", began.elapsed());
    till.settle("web", running, input(7));
    assert!(till.store.flush(SOON).await);
    assert_eq!(till.books("web").await[3], (1_017, 0));
    assert_eq!(till.store.stats().restored, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarted_without_its_books_it_has_them_again_exactly() {
    let mut server = RedisServer::start();
    let till = till(&server.url(), wide()).await;
    for _ in 0..100 {
        till.spend("web", input(10)).await;
    }
    assert!(till.store.flush(SOON).await);
    for _ in 0..2 {
        server.restart();
        let began = Instant::now();
        loop {
            let books = till.store.usage(&subject("web"), &till.plan).await;
            if books.as_ref().is_ok_and(|books| books[3].spent == 1_000) {
                break;
            }
            assert!(began.elapsed() < Duration::from_secs(1), "{books:?}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        println!("restored after {:?}", began.elapsed());
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(till.books("web").await[3], (1_000, 0), "and not more");
    }
    till.until_granted("other", SOON).await;
    till.spend("web", input(10)).await;
    assert!(till.store.flush(SOON).await);
    assert_eq!(till.books("web").await[3], (1_010, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_forgot_the_last_settlements_is_told_them_again() {
    // As after a failover: the books are there, but for the end of them.
    let mut server = RedisServer::with(&["--dbfilename", "dump.rdb"]);
    let till = till(&server.url(), wide()).await;
    for _ in 0..36 {
        till.spend("web", input(10)).await;
    }
    assert!(till.store.flush(SOON).await);
    server.ask("SAVE").unwrap();
    for _ in 0..64 {
        till.spend("web", input(10)).await;
    }
    assert!(till.store.flush(SOON).await);
    assert_eq!(till.books("web").await[3], (1_000, 0));
    server.restart();
    let began = Instant::now();
    let mut books;
    loop {
        // While it is away, there is no answer.
        books = till.store.usage(&subject("web"), &till.plan).await;
        if books
            .as_ref()
            .is_ok_and(|books| (books[3].spent, books[3].held) == (1_000, 0))
        {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(2), "{books:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    println!("64 told again, no drift, after {:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_that_are_flushed_away_are_no_error() {
    let server = RedisServer::start();
    let till = till(&server.url(), wide()).await;
    for n in 0..300 {
        if n % 30 == 0 {
            server.ask("SCRIPT FLUSH").unwrap();
        }
        till.spend("web", input(1)).await;
    }
    assert!(till.store.flush(SOON).await);
    assert_eq!(till.books("web").await[1], (300, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_memory_it_counts_as_away() {
    let server = RedisServer::start();
    let till = till(&server.url(), wide()).await;
    till.spend("web", input(1)).await;
    server.ask("CONFIG SET maxmemory 1").unwrap();
    let error = till
        .store
        .reserve(till.reservation("web", input(1)))
        .await
        .unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(source, "Redis has no memory left");
    server.ask("CONFIG SET maxmemory 0").unwrap();
    till.until_granted("web", Duration::from_secs(3)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_forgets_is_told_from_one_that_keeps() {
    let server = RedisServer::start();
    let till = till(&server.url(), wide()).await;
    assert_eq!(till.store.check().await.unwrap(), Policy::Keeps);
    server
        .ask("CONFIG SET maxmemory-policy allkeys-lru")
        .unwrap();
    let policy = till.store.check().await.unwrap();
    assert_eq!(policy, Policy::Evicts("allkeys-lru".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_that_may_use_only_its_keys_is_enough() {
    let server = RedisServer::start();
    let rule = "ACL SETUSER budget on >a-secret ~claude:* +@hash +@sortedset +@scripting +time \
                +pexpire +pttl +ping";
    server.ask(rule).unwrap();
    let url = server.url().replace("redis://", "redis://budget:a-secret@");
    let till = till(&url, wide()).await;
    till.spend("web", input(1)).await;
    assert!(till.store.flush(SOON).await);
    assert_eq!(till.books("web").await[1], (1, 0));
    let shown = format!("{:?}", till.store);
    assert!(!shown.contains("a-secret"), "{shown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_cluster_a_dead_master_shuts_only_its_own_tenants() {
    let mut cluster = RedisCluster::start();
    let till = till(&cluster.urls(), wide()).await;
    let names: Vec<String> = (0..12).map(|n| format!("tenant-{n}")).collect();
    for name in &names {
        till.spend(name, input(1)).await;
    }
    assert!(till.store.flush(SOON).await);
    cluster.nodes()[1].kill();
    let (mut dead, mut alive, mut longest) = (0, 0, Duration::ZERO);
    for round in 0..30 {
        for name in &names {
            let began = Instant::now();
            let answered = till.reserve(name, input(1)).await.is_some();
            longest = longest.max(began.elapsed());
            if round > 10 {
                match answered {
                    true => alive += 1,
                    false => dead += 1,
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    println!("{alive} answered, {dead} not, longest {longest:?}");
    assert!(alive > dead && dead > 0, "{alive} {dead}");
    assert!(longest < Duration::from_millis(150), "{longest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_idle_is_small_and_goes_away() {
    let server = RedisServer::start();
    let limits = [
        (Meter::Requests, 1_000, Per::Minute),
        (Meter::InputTokens, 1_000_000, Per::Minute),
        (Meter::OutputTokens, 1_000_000, Per::Minute),
        (Meter::Tokens, 1_000_000, Per::Day),
    ];
    let store = RedisStore::builder(&server.url()).unwrap();
    let store = store
        .remember_for(Duration::from_millis(1))
        .timeout(SOON)
        .build();
    let till = Till {
        store,
        plan: Arc::new(plan(&limits)),
    };
    till.until_up(SOON).await;
    let memory = || {
        let info = server.ask("INFO memory").unwrap();
        let used = info
            .lines()
            .find_map(|line| line.strip_prefix("used_memory:"));
        used.unwrap().trim().parse::<u64>().unwrap()
    };
    let before = memory();
    const TENANTS: u64 = 2_000;
    for n in 0..TENANTS {
        till.spend(&format!("tenant-{n}"), Amounts::new(1, 100, 100))
            .await;
    }
    assert!(till.store.flush(SOON).await);
    let each = (memory() - before) / TENANTS;
    println!("{each} bytes for a tenant that was just called");
    let ttl = server.ask("PTTL claude:{tenant-7}:b").unwrap();
    let ttl: u64 = ttl.trim_start_matches(':').parse().unwrap();
    assert!((86_400_000..4 * 86_400_000).contains(&ttl), "{ttl}");
}
