//! The way to Redis under faults: how long calls wait, and how soon it is found again.
#![cfg(feature = "redis")]
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tower_claude_core::TenantId;
use tower_claude_testkit::{Fault, FaultProxy, RedisCluster, RedisServer};
use tower_claude_token_budget::{
    Amounts, BudgetStore as _, Limit, Meter, Owner, Per, Plan, Policy, RedisStore, Reservation,
    ReservationId, Subject,
};

const SOON: Duration = Duration::from_secs(5);

/// What a time of calls was like.
#[derive(Debug, Default)]
struct Load {
    answered: u64,
    failed: u64,
    waited: u64,
    longest: Duration,
}

fn store(url: &str) -> RedisStore {
    RedisStore::builder(url).unwrap().build()
}

fn reservation(name: &str) -> Reservation {
    let limit = Limit::new(Meter::Requests, 1_000_000.try_into().unwrap(), Per::Minute);
    let plan = Arc::new(Plan::new("p").limit(limit));
    let owner = Owner::Tenant(TenantId::new(name).unwrap());
    let id = ReservationId::generate();
    Reservation::new(id, Subject::new(owner), plan, Amounts::new(1, 0, 0))
}

async fn answers(store: &RedisStore, name: &str) -> bool {
    store.reserve(reservation(name)).await.is_ok()
}

async fn until_answered(store: &RedisStore) -> Duration {
    let began = Instant::now();
    while !answers(store, "web").await {
        assert!(began.elapsed() < SOON, "nothing after {SOON:?}");
        sleep(Duration::from_millis(1)).await;
    }
    began.elapsed()
}

async fn until_up(store: &RedisStore) -> Duration {
    let began = Instant::now();
    while !store.stats().is_up {
        assert!(began.elapsed() < SOON, "it is not up after {SOON:?}");
        sleep(Duration::from_millis(1)).await;
    }
    began.elapsed()
}

/// About 500 calls a second, one after the other.
async fn load(store: &RedisStore, time: Duration) -> Load {
    let (began, mut load) = (Instant::now(), Load::default());
    while began.elapsed() < time {
        let asked = Instant::now();
        match answers(store, "web").await {
            true => load.answered += 1,
            false => load.failed += 1,
        }
        let took = asked.elapsed();
        load.waited += u64::from(took > Duration::from_millis(20));
        load.longest = load.longest.max(took);
        sleep(Duration::from_millis(1)).await;
    }
    load
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_server_nobody_waits_and_the_first_to_appear_is_found() {
    let mut server = RedisServer::later(&[]);
    let store = store(&server.url());
    let away = load(&store, Duration::from_millis(700)).await;
    assert_eq!(away.answered, 0);
    server.restart();
    let after = until_answered(&store).await;
    println!("{away:?}, found after {after:?}");
    assert!(away.longest < Duration::from_millis(20), "{away:?}");
    assert!(after < Duration::from_millis(400), "{after:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_comes_back_without_anybody_asking() {
    let mut server = RedisServer::start();
    let store = store(&server.url());
    until_answered(&store).await;
    server.kill();
    sleep(Duration::from_millis(1_300)).await;
    assert!(!store.stats().is_up, "an idle connection is looked after");
    server.restart();
    let after = until_up(&store).await;
    println!("up after {after:?}");
    assert!(answers(&store, "web").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_server_that_stops_is_found_out_and_found_again() {
    let server = RedisServer::start();
    let store = store(&server.url());
    until_answered(&store).await;
    server.stop();
    sleep(Duration::from_millis(1_300)).await;
    assert!(!store.stats().is_up);
    let asked = Instant::now();
    assert!(!answers(&store, "web").await);
    println!("refused after {:?}", asked.elapsed());
    server.resume();
    let after = until_up(&store).await;
    println!("up after {after:?}");
    assert!(answers(&store, "web").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_closes_or_refuses_costs_no_waits_and_is_tried_with_pauses() {
    let server = RedisServer::start();
    let proxy = FaultProxy::start(server.addr()).await.unwrap();
    let store = store(&format!("redis://{}", proxy.addr()));
    until_answered(&store).await;
    for fault in [Fault::Reset, Fault::Refuse] {
        let before = proxy.accepted();
        proxy.set(fault);
        let away = load(&store, Duration::from_secs(1)).await;
        let tried = proxy.accepted() - before;
        proxy.set(Fault::None);
        let after = until_answered(&store).await;
        println!("{fault:?}: {away:?}, {tried} connections, found after {after:?}");
        assert_eq!((away.answered, away.waited), (0, 0), "{away:?}");
        assert!(tried <= 40, "{tried}");
        assert!(after < Duration::from_millis(500), "{after:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_swallows_everything_costs_few_waits() {
    let server = RedisServer::start();
    let proxy = FaultProxy::start(server.addr()).await.unwrap();
    let store = store(&format!("redis://{}", proxy.addr()));
    until_answered(&store).await;
    proxy.set(Fault::BlackHole);
    let mut tasks = Vec::new();
    for _ in 0..16 {
        let store = store.clone();
        tasks.push(tokio::spawn(async move {
            load(&store, Duration::from_millis(1_500)).await
        }));
    }
    let (mut calls, mut waited, mut longest) = (0, 0, Duration::ZERO);
    for task in tasks {
        let load = task.await.unwrap();
        assert_eq!(load.answered, 0);
        calls += load.failed;
        waited += load.waited;
        longest = longest.max(load.longest);
    }
    proxy.set(Fault::None);
    let after = until_answered(&store).await;
    println!("{calls} calls, {waited} waited, {longest:?} at most, found after {after:?}");
    assert!(waited <= 32, "{waited}");
    assert!(longest < Duration::from_millis(120), "{longest:?}");
    assert!(after < Duration::from_millis(1_500), "{after:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_that_is_refused_costs_no_waits_and_works_when_it_is_right() {
    let server = RedisServer::with(&["--requirepass", "another"]);
    let url = server.url().replace("redis://", "redis://:a-secret@");
    let store = store(&url);
    let refused = load(&store, Duration::from_millis(500)).await;
    assert_eq!((refused.answered, refused.waited), (0, 0), "{refused:?}");
    let proper = server.url().replace("redis://", "redis://:another@");
    let client = redis::Client::open(proper).unwrap();
    let mut admin = client.get_multiplexed_async_connection().await.unwrap();
    let mut set = redis::cmd("CONFIG");
    set.arg("SET").arg("requirepass").arg("a-secret");
    set.query_async::<()>(&mut admin).await.unwrap();
    let after = until_answered(&store).await;
    println!("{refused:?}, works after {after:?}");
    assert!(after < Duration::from_secs(1), "{after:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_are_dropped_leave_nothing_behind() {
    let server = RedisServer::start();
    let store = store(&server.url());
    until_answered(&store).await;
    for n in 0..2_000_u64 {
        let within = Duration::from_micros(n % 200);
        let _ = timeout(within, store.reserve(reservation("web"))).await;
    }
    assert!(answers(&store, "web").await);
    // While it does not answer, those that were let through as probes are dropped as well.
    server.stop();
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(1) {
        let _ = timeout(Duration::from_millis(3), store.reserve(reservation("web"))).await;
    }
    server.resume();
    let after = until_answered(&store).await;
    println!("found after {after:?}");
    assert!(after < Duration::from_secs(2), "{after:?}");
}

#[test]
fn calls_may_come_from_another_runtime() {
    let server = RedisServer::start();
    let runtime = || tokio::runtime::Runtime::new().unwrap();
    let home = runtime();
    let store = home.block_on(async { store(&server.url()) });
    home.block_on(until_answered(&store));
    let one = store.clone();
    let calls = std::thread::spawn(move || {
        runtime().block_on(async move {
            for _ in 0..100 {
                assert!(answers(&one, "web").await);
            }
        });
    });
    calls.join().unwrap();
    assert!(home.block_on(answers(&store, "web")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_user_may_not_ask_is_not_known() {
    let server = RedisServer::start();
    let rule = "ACL SETUSER budget on >a-secret ~claude:* +@hash +@sortedset +@scripting +time \
                +pexpire +pttl +ping";
    server.ask(rule).unwrap();
    let url = server.url().replace("redis://", "redis://budget:a-secret@");
    let store = store(&url);
    until_answered(&store).await;
    assert_eq!(store.check().await.unwrap(), Policy::Unknown);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_cluster_a_stopped_master_costs_the_others_nothing() {
    let mut cluster = RedisCluster::start();
    let store = store(&cluster.urls());
    let names: Vec<String> = (0..12).map(|n| format!("tenant-{n}")).collect();
    until_answered(&store).await;
    for name in &names {
        assert!(answers(&store, name).await, "{name}");
    }
    cluster.nodes()[1].stop();
    let (mut answered, mut failed, mut waited) = (0, 0, 0);
    let (mut longest, began) = (Duration::ZERO, Instant::now());
    while began.elapsed() < Duration::from_secs(3) {
        for name in &names {
            let asked = Instant::now();
            match answers(&store, name).await {
                true => answered += 1,
                false => failed += 1,
            }
            waited += u64::from(asked.elapsed() > Duration::from_millis(20));
            longest = longest.max(asked.elapsed());
        }
        sleep(Duration::from_millis(5)).await;
    }
    cluster.nodes()[1].resume();
    let began = Instant::now();
    for name in &names {
        while !answers(&store, name).await {
            assert!(began.elapsed() < SOON, "{name}");
            sleep(Duration::from_millis(1)).await;
        }
    }
    println!(
        "{answered} answered, {failed} not, {waited} waited, {longest:?} at most, whole after {:?}",
        began.elapsed()
    );
    assert!(answered > failed && waited <= 60, "{waited}");
    assert!(longest < Duration::from_millis(150), "{longest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_cluster_is_found_again() {
    let mut cluster = RedisCluster::start();
    let store = store(&cluster.urls());
    until_answered(&store).await;
    for node in cluster.nodes() {
        node.kill();
    }
    let away = load(&store, Duration::from_millis(3_500)).await;
    for node in cluster.nodes() {
        node.restart();
    }
    let after = until_answered(&store).await;
    println!("{away:?}, found after {after:?}");
    assert!(away.longest < Duration::from_millis(300), "{away:?}");
}
