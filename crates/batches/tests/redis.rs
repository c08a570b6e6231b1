//! The book in a real Redis: shared, exact, and honest when Redis is away.
#![cfg(feature = "redis")]
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod support;

use std::time::Duration;

use support::{Account, BATCHES, ask, create, get, item, tenant};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tower::Layer as _;
use tower_claude_batches::{BatchBook as _, BatchesLayer, RedisBook};
use tower_claude_core::TenantId;
use tower_claude_testkit::{Fault, FaultProxy, RedisCluster, RedisServer};

const LONG: Duration = Duration::from_secs(5);

fn book(url: &str) -> RedisBook {
    RedisBook::builder(url).unwrap().timeout(LONG).build()
}

fn id(name: &str) -> TenantId {
    TenantId::new(name).unwrap()
}

fn seconds(server: &RedisServer, key: &str) -> u64 {
    let answer = server.ask(&format!("TTL {key}")).unwrap();
    answer.trim_start_matches(':').parse().unwrap()
}

#[tokio::test]
async fn all_processes_share_the_book() {
    let server = RedisServer::start();
    let (one, other) = (book(&server.url()), book(&server.url()));
    assert_eq!(one.owner("b").await.unwrap(), None);
    assert!(one.claim(&id("web"), "b").await.unwrap());
    assert!(
        other.claim(&id("web"), "b").await.unwrap(),
        "again changes nothing"
    );
    assert!(!other.claim(&id("app"), "b").await.unwrap());
    assert_eq!(other.owner("b").await.unwrap(), Some(id("web")));
    assert!(one.first("b", "row").await.unwrap());
    assert!(!other.first("b", "row").await.unwrap());
    assert!(!one.first("b", "row").await.unwrap());
    assert!(other.first("c", "row").await.unwrap(), "another batch's");
}

#[tokio::test]
async fn what_is_kept_expires_and_not_before_results_do() {
    const DAY: u64 = 24 * 60 * 60;
    let server = RedisServer::start();
    let own = book(&server.url());
    own.claim(&id("web"), "b").await.unwrap();
    own.first("b", "one").await.unwrap();
    assert!(seconds(&server, "claude:batch:{b}:owner").abs_diff(400 * DAY) < 60);
    let seen = "claude:batch:{b}:seen";
    assert!(seconds(&server, seen).abs_diff(30 * DAY) < 60);
    // The time of the first is that of all.
    server.ask(&format!("EXPIRE {seen} 1000")).unwrap();
    own.first("b", "two").await.unwrap();
    assert!(seconds(&server, seen) <= 1000);

    let other = RedisBook::builder(&server.url()).unwrap();
    let other = other
        .prefix("o{x}")
        .owners_for(Duration::from_secs(5))
        .timeout(LONG);
    other.build().claim(&id("app"), "b").await.unwrap();
    assert!(seconds(&server, "ox:batch:{b}:owner").abs_diff(30 * DAY) < 60);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_at_once_one_is_first() {
    let server = RedisServer::start();
    let books = [book(&server.url()), book(&server.url())];
    let mut asking = JoinSet::new();
    for number in 0..2_000 {
        let asked = books[number % 2].first("b", &format!("row-{}", number / 4));
        asking.spawn(asked);
    }
    let answers = asking.join_all().await;
    let firsts = answers.into_iter().filter(|first| *first.as_ref().unwrap());
    assert_eq!(firsts.count(), 500);
}

#[tokio::test]
async fn a_restart_of_redis_between_two_questions_is_not_noticed() {
    let mut server = RedisServer::start();
    let book = book(&server.url());
    assert!(book.first("b", "one").await.unwrap());
    server.restart();
    // Nothing was kept: what counts is that it answers, and that the first is told so.
    assert!(book.first("b", "two").await.unwrap());
    assert!(!book.first("b", "two").await.unwrap());
}

#[tokio::test]
async fn a_connection_that_leads_nowhere_is_left_after_one_timeout() {
    let server = RedisServer::start();
    let proxy = FaultProxy::start(server.addr()).await.unwrap();
    let url = format!("redis://{}", proxy.addr());
    let short = Duration::from_millis(300);
    let book = RedisBook::builder(&url).unwrap().timeout(short).build();
    assert!(
        timeout(LONG, book.first("b", "one"))
            .await
            .unwrap()
            .unwrap()
    );
    proxy.set(Fault::BlackHoleOld);
    let began = Instant::now();
    assert!(book.owner("b").await.is_err());
    assert!(began.elapsed() < short * 3, "{:?}", began.elapsed());
    assert!(
        !book.first("b", "one").await.unwrap(),
        "on a new connection"
    );
    assert_eq!(proxy.accepted(), 2);
}

#[tokio::test]
async fn while_redis_is_away_nothing_is_shown_and_nothing_waits_longer_than_its_timeout() {
    let mut server = RedisServer::start();
    let short = Duration::from_millis(300);
    let book = RedisBook::builder(&server.url())
        .unwrap()
        .timeout(short)
        .build();
    let account = Account::default();
    let service = BatchesLayer::new(book.clone()).layer(account.claude());
    let web = tenant("web");
    let made = ask(service.clone(), create(&web, &item("a", "claude-x"))).await;
    assert_eq!(made.status, 200);
    for is_stopped in [true, false] {
        if is_stopped {
            server.stop();
        } else {
            server.resume();
            server.kill();
        }
        let began = Instant::now();
        for path in [format!("{BATCHES}/msgbatch_0"), BATCHES.to_owned()] {
            let said = ask(service.clone(), get(&web, &path)).await;
            assert_eq!(said.status, 503, "{path}");
            assert!(!said.body.contains("msgbatch_0") && !said.body.contains("redis"));
        }
        let made = ask(service.clone(), create(&web, &item("a", "claude-x"))).await;
        assert_eq!(
            (made.status, &made.headers["x-should-retry"]),
            (503, &"false".parse().unwrap())
        );
        assert!(book.first("msgbatch_0", "a").await.is_err());
        // Two that look, a claim that is tried five times, and a result.
        assert!(began.elapsed() < short * 12, "{:?}", began.elapsed());
    }
    server.restart();
    let made = ask(service, create(&web, &item("a", "claude-x"))).await;
    assert_eq!(made.status, 200, "{}", made.body);
}

#[tokio::test]
async fn a_list_is_sorted_in_few_round_trips() {
    let server = RedisServer::start();
    let proxy = FaultProxy::start(server.addr()).await.unwrap();
    let book = book(&format!("redis://{}", proxy.addr()));
    let account = Account::default();
    let service = BatchesLayer::new(book).layer(account.claude());
    let (web, app) = (tenant("web"), tenant("app"));
    for number in 0..400 {
        let tenant = if number % 4 == 0 { &app } else { &web };
        ask(service.clone(), create(tenant, &item("a", "claude-x"))).await;
    }
    // One after the other they would take 20 s.
    proxy.set(Fault::Latency(Duration::from_millis(50)));
    let began = Instant::now();
    let said = ask(service, get(&web, BATCHES)).await.json();
    assert_eq!(said["data"].as_array().unwrap().len(), 300);
    assert!(began.elapsed() < LONG, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_cluster_is_a_book_like_any_other() {
    let cluster = RedisCluster::start();
    let book = book(&cluster.urls());
    for number in 0..50 {
        let batch = format!("msgbatch_{number}");
        assert!(book.claim(&id("web"), &batch).await.unwrap());
        assert_eq!(book.owner(&batch).await.unwrap(), Some(id("web")));
        assert!(book.first(&batch, "row").await.unwrap());
        assert!(!book.first(&batch, "row").await.unwrap());
    }
}

#[tokio::test]
async fn a_password_is_used_and_never_shown() {
    let server = RedisServer::with(&["--requirepass", "hunter2"]);
    let with = |password: &str| {
        let url = format!("redis://:{password}@{}", server.addr());
        book(&url)
    };
    let right = with("hunter2");
    assert!(right.claim(&id("web"), "b").await.unwrap());
    let wrong = with("hunter3");
    let error = wrong.owner("b").await.unwrap_err();
    let shown = format!("{right:?} {wrong:?} {error} {error:?}");
    assert!(!shown.contains("hunter"), "{shown}");
}

#[tokio::test]
async fn what_is_no_tenant_is_nobody_s_and_an_error() {
    let server = RedisServer::start();
    let book = book(&server.url());
    server
        .ask("SET claude:batch:{b}:owner \"not a tenant\"")
        .unwrap();
    assert!(book.owner("b").await.is_err());
    assert!(!book.claim(&id("web"), "b").await.unwrap());
    server.ask("LPUSH claude:batch:{c}:owner x").unwrap();
    assert!(book.owner("c").await.is_err());
}
