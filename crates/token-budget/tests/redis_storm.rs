//! A server that greets and yet is of no use: it is not stormed, and counts as away.
#![cfg(feature = "redis")]
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tower_claude_core::TenantId;
use tower_claude_testkit::{FaultProxy, RedisCluster, RedisServer};
use tower_claude_token_budget::{
    Amounts, BudgetStore as _, Limit, Meter, Owner, Per, Plan, RedisStore, Reservation,
    ReservationId, Subject,
};

const SOON: Duration = Duration::from_secs(5);

/// What a time of calls was like.
#[derive(Debug, Default)]
struct Load {
    answered: u64,
    failed: u64,
    /// Those that took longer than a call may take that is not sent.
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
async fn a_server_that_stays_demoted_is_not_stormed_with_connections() {
    let server = RedisServer::start();
    let proxy = FaultProxy::start(server.addr()).await.unwrap();
    let store = store(&format!("redis://{}", proxy.addr()));
    until_answered(&store).await;
    let master = RedisServer::start();
    let port = master.addr().port();
    server.ask(&format!("REPLICAOF 127.0.0.1 {port}")).unwrap();
    let before = proxy.accepted();
    let demoted = load(&store, Duration::from_secs(2)).await;
    let made = proxy.accepted() - before;
    server.ask("REPLICAOF NO ONE").unwrap();
    let after = until_answered(&store).await;
    println!("{demoted:?}, {made} connections, found after {after:?}");
    assert!(made <= 60, "{made}");
}

/// A denial writes nothing, so a server that was demoted answers it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn that_it_still_denies_does_not_make_it_a_master() {
    let server = RedisServer::start();
    let proxy = FaultProxy::start(server.addr()).await.unwrap();
    let store = store(&format!("redis://{}", proxy.addr()));
    until_answered(&store).await;
    let limit = Limit::new(Meter::Requests, 1.try_into().unwrap(), Per::Minute);
    let plan = Arc::new(Plan::new("one").limit(limit));
    let denied = || {
        let call = reservation("full");
        Reservation::new(
            call.id,
            call.subject,
            Arc::clone(&plan),
            Amounts::new(1, 0, 0),
        )
    };
    store.reserve(denied()).await.unwrap();
    let master = RedisServer::start();
    let port = master.addr().port();
    server.ask(&format!("REPLICAOF 127.0.0.1 {port}")).unwrap();
    let before = proxy.accepted();
    let (began, mut denials, mut failures) = (Instant::now(), 0, 0);
    while began.elapsed() < Duration::from_secs(2) {
        denials += u32::from(store.reserve(denied()).await.is_ok());
        failures += u32::from(!answers(&store, "web").await);
        sleep(Duration::from_millis(1)).await;
    }
    let made = proxy.accepted() - before;
    println!("{denials} denials, {failures} failures, {made} connections");
    assert!(made <= 60, "{made}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_memory_is_not_stormed_with_connections() {
    let server = RedisServer::start();
    let proxy = FaultProxy::start(server.addr()).await.unwrap();
    let store = store(&format!("redis://{}", proxy.addr()));
    until_answered(&store).await;
    server.ask("CONFIG SET maxmemory 1").unwrap();
    let before = proxy.accepted();
    let full = load(&store, Duration::from_secs(2)).await;
    let made = proxy.accepted() - before;
    let calls = store.stats().calls;
    server.ask("CONFIG SET maxmemory 0").unwrap();
    let after = until_answered(&store).await;
    println!("{full:?}, {calls} calls, {made} connections, found after {after:?}");
    assert!(made <= 60, "{made}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_cluster_is_not_up() {
    let mut cluster = RedisCluster::start();
    let store = store(&cluster.urls());
    until_answered(&store).await;
    for node in cluster.nodes() {
        node.kill();
    }
    let began = Instant::now();
    while store.stats().is_up {
        assert!(!answers(&store, "web").await);
        assert!(began.elapsed() < SOON, "nobody has noticed");
        sleep(Duration::from_millis(1)).await;
    }
    println!("known to be dead after {:?}", began.elapsed());
    for node in cluster.nodes() {
        node.restart();
    }
    println!("found after {:?}", until_answered(&store).await);
    assert!(store.stats().is_up);
}
