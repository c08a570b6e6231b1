//! Limits as tenants meet them, over real sockets; shared ones with a real Redis.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod support;

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use support::{Gateway, Pair, WEB_KEY, client, get, json, message, request, send};
use tokio::time::Instant;
use tower_claude::tenant_auth::KeyDigest;
use tower_claude_testkit::{Answer, FakeClaude, FakeServer, RedisServer};

const APP_KEY: &str = "integration-key-of-app";

/// Another tenant of the same plan.
fn app() -> String {
    let digest = KeyDigest::of(APP_KEY);
    format!(
        "[[tenants]]\nid = \"app\"\nplan = \"standard\"\nkeys = [{{ digest = \"{digest}\" }}]\n"
    )
}

async fn call(pair: &Pair) -> Response<Bytes> {
    call_as(&pair.gateway, WEB_KEY, "alice").await
}

async fn call_as(gateway: &Gateway, key: &str, user: &str) -> Response<Bytes> {
    let mut request = request(
        &format!("{}/v1/messages", gateway.url()),
        message("Hello", false),
    );
    request
        .headers_mut()
        .insert("x-api-key", key.parse().unwrap());
    request
        .headers_mut()
        .insert("x-user-id", user.parse().unwrap());
    send(request).await
}

/// Says 100,000 tokens, which is $1.50 of sonnet-5-5's output in the built-in table or so.
fn dear() -> FakeClaude {
    FakeClaude::new(|_| {
        Answer::message("claude-sonnet-5-5")
            .output_tokens(100_000)
            .into_json()
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spent_day_in_dollars_is_a_refusal_that_nobody_waits_for() {
    let limit = r#"{ meter = "usd", limit = "0.50", per = "day" }"#;
    let pair = Pair::limited(dear(), limit, "");
    assert_eq!(call(&pair).await.status(), 200);
    let refused = call(&pair).await;
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["x-should-retry"], "false");
    assert!(!refused.headers().contains_key("retry-after"));
    let error = &json(&refused)["error"];
    let message = error["message"].as_str().unwrap();
    assert!(
        message.starts_with("tenant web exhausted ($0.50/day), resets 20"),
        "{message}"
    );
    assert!(message.ends_with("T00:00:00Z"), "{message}");
    assert_eq!(error["details"]["meter"], "usd");
    assert_eq!(error["details"]["limit"], 0.5);
    assert_eq!(error["details"]["per"], "day");
    // What is shown is what the ledger says.
    let ledger = pair.gateway.ledger_of(2).await;
    let cost: f64 = ledger[0]["cost_usd"].as_str().unwrap().parse().unwrap();
    let usage = json(&get(&pair.gateway.admin, "/usage.json").await);
    let budget = &usage["budgets"][0];
    assert_eq!(budget["limit"], "$0.50/day");
    assert!(
        (budget["used"].as_f64().unwrap() - cost).abs() < 1e-9,
        "{budget} {cost}"
    );
    let metrics = get(&pair.gateway.admin, "/metrics").await;
    let metrics = String::from_utf8_lossy(metrics.body()).into_owned();
    assert!(
        metrics.contains(r#"claude_budget_used_ratio{tenant="web",limit="usd/day"}"#),
        "{metrics}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_that_warns_lets_pass_and_marks() {
    let limit = r#"{ meter = "usd", limit = "0.50", per = "day", scope = "user", mode = "warn" }"#;
    let pair = Pair::limited(dear(), limit, "");
    let first = call(&pair).await;
    assert!(!first.headers().contains_key("x-claude-budget-warning"));
    let second = call(&pair).await;
    assert_eq!(second.status(), 200);
    assert_eq!(second.headers()["x-claude-budget-warning"], "usd/day/user");
    let other = call_as(&pair.gateway, WEB_KEY, "bob").await;
    assert!(!other.headers().contains_key("x-claude-budget-warning"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_at_one_time_are_limited_and_the_next_may_come_in_a_second() {
    let slow = FakeClaude::new(|_| {
        let answer = Answer::message("claude-sonnet-5-5").into_json();
        answer.head_delay(Duration::from_millis(400))
    });
    let pair = Arc::new(Pair::limited(
        slow,
        r#"{ meter = "concurrency", limit = 2 }"#,
        "",
    ));
    let running: Vec<_> = (0..2)
        .map(|_| {
            let pair = Arc::clone(&pair);
            tokio::spawn(async move { call(&pair).await.status() })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(150)).await;
    let refused = call(&pair).await;
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["retry-after"], "1");
    let error = json(&refused);
    let message = error["error"]["message"].as_str().unwrap();
    assert_eq!(message, "tenant web exhausted (2 concurrent requests)");
    for call in running {
        assert_eq!(call.await.unwrap(), 200);
    }
    assert_eq!(call(&pair).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_have_limits_of_their_own_and_the_account_one_for_all() {
    let limits = r#"{ meter = "requests", limit = 2, per = "hour", scope = "user" },
        { meter = "requests", limit = 5, per = "hour", scope = "account" }"#;
    let pair = Pair::limited(FakeClaude::default(), limits, &app());
    let statuses = |key: &'static str, user: &'static str| {
        let gateway = &pair.gateway;
        async move { call_as(gateway, key, user).await.status().as_u16() }
    };
    for (key, user, expected) in [
        (WEB_KEY, "alice", 200),
        (WEB_KEY, "alice", 200),
        (WEB_KEY, "alice", 429),
        (WEB_KEY, "bob", 200),
        (APP_KEY, "alice", 200),
        (APP_KEY, "carol", 200),
        // Five of all tenants.
        (APP_KEY, "dave", 429),
        (WEB_KEY, "erin", 429),
    ] {
        assert_eq!(statuses(key, user).await, expected, "{user}");
    }
    let refused = call_as(&pair.gateway, WEB_KEY, "erin").await;
    let message = json(&refused)["error"]["message"].to_string();
    assert!(
        message.contains("5 requests/hour for all tenants together"),
        "{message}"
    );
    // What the account denied, the user has not lost.
    let usage = json(&get(&pair.gateway.admin, "/usage.json").await);
    let account = usage["budgets"]
        .as_array()
        .unwrap()
        .iter()
        .find(|b| b["tenant"] == "account");
    assert_eq!(account.unwrap()["used"], 5, "{usage}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_lets_a_burst_pass_and_then_its_rate() {
    let limit =
        r#"{ meter = "requests", limit = 60, per = "minute", algorithm = "bucket", burst = 3 }"#;
    let pair = Pair::limited(FakeClaude::default(), limit, "");
    for _ in 0..3 {
        assert_eq!(call(&pair).await.status(), 200);
    }
    let refused = call(&pair).await;
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["retry-after"], "1");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(call(&pair).await.status(), 200);
}

#[test]
fn explain_says_what_would_apply() {
    let folder = support::folder();
    let config = format!(
        "[[targets]]\nname = \"a\"\npriority = 1\ncredential = {{ env = \"K\" }}\n\
         [[targets]]\nname = \"b\"\nresidency = \"us\"\ncredential = {{ env = \"K\" }}\n\
         models = {{ \"claude-opus-5-5\" = \"mine\" }}\n\
         [plans.standard]\nlimits = [{{ meter = \"usd\", limit = 50, per = \"day\" }}]\n\
         [[tenants]]\nid = \"web\"\nplan = \"standard\"\nkeys = [{{ digest = \"{}\" }}]\n",
        KeyDigest::of(WEB_KEY)
    );
    std::fs::write(folder.join("gateway.toml"), config).unwrap();
    let run = |tenant: &str, model: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_claude-gateway"))
            .args([
                "explain",
                "--config",
                "gateway.toml",
                "--tenant",
                tenant,
                "--model",
                model,
            ])
            .current_dir(&folder)
            .env("K", "integration-key-of-upstream")
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (
            output.status.code(),
            text(&output.stdout),
            text(&output.stderr),
        )
    };
    let (code, said, error) = run("web", "claude-opus-5-5");
    assert_eq!(code, Some(0), "{error}");
    println!("{said}");
    assert!(
        said.contains("$50/day for each tenant, of the calendar, UTC, refuses; store away: lease")
    );
    let order = said.find("  b: priority 0, weight 1, us, as mine").unwrap();
    assert!(order < said.find("  a: priority 1").unwrap(), "{said}");
    assert!(said.contains("input: $"), "{said}");
    let (code, _, error) = run("nobody", "claude-opus-5-5");
    assert_eq!(
        (code, error.contains("there is no tenant nobody")),
        (Some(1), true),
        "{error}"
    );
    let (code, _, error) = run("web", "gpt-6");
    assert_eq!(
        (code, error.contains("may not use model gpt-6")),
        (Some(1), true),
        "{error}"
    );
}

fn shared(server: &FakeServer, redis: &str, limits: &str, more: &str) -> Gateway {
    Gateway::start(&format!(
        "[usage]\nledger = \"usage.jsonl\"\n\
         [budget]\nstore = \"{redis}\"\nreplicas = 3\n{more}\n\
         [[targets]]\nname = \"fake\"\nbase_url = \"{}\"\ncredential = {{ file = \"upstream-key\" }}\n\
         [[tenants]]\nid = \"web\"\nplan = \"standard\"\nkeys = [{{ digest = \"{}\" }}]\n\
         [plans.standard]\nlimits = [{limits}]\n",
        server.base_url(),
        KeyDigest::of(WEB_KEY)
    ))
}

async fn until_ready(gateway: &Gateway) {
    let began = Instant::now();
    loop {
        let said = get(&gateway.admin, "/readyz").await;
        if !String::from_utf8_lossy(said.body()).contains("store") {
            return;
        }
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "Redis is not found"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_gateways_that_share_a_redis_admit_exactly_the_limit() {
    const LIMIT: u64 = 1_000;
    let redis = RedisServer::start();
    let fake = FakeServer::start(FakeClaude::default().unlogged());
    let limit = format!("{{ meter = \"requests\", limit = {LIMIT}, per = \"hour\" }}");
    let gateways: Vec<_> = (0..3)
        .map(|_| {
            Arc::new(shared(
                &fake,
                &redis.url(),
                &limit,
                "store_timeout = \"5s\"",
            ))
        })
        .collect();
    for gateway in &gateways {
        until_ready(gateway).await;
    }
    let (admitted, refused) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let tasks: Vec<_> = (0..64)
        .map(|task| {
            let url = format!("{}/v1/messages", gateways[task % 3].url());
            let (admitted, refused) = (Arc::clone(&admitted), Arc::clone(&refused));
            tokio::spawn(async move {
                let client = client();
                for _ in 0..20 {
                    let answer = client.request(request(&url, message("Hello", false))).await;
                    match answer.unwrap().status().as_u16() {
                        200 => admitted.fetch_add(1, Relaxed),
                        429 => refused.fetch_add(1, Relaxed),
                        other => panic!("{other}"),
                    };
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let counts = (admitted.load(Relaxed), refused.load(Relaxed));
    println!("admitted {}, refused {}", counts.0, counts.1);
    assert_eq!(counts, (LIMIT, 64 * 20 - LIMIT));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_each_gateway_passes_its_share_or_what_the_policy_says() {
    let redis = RedisServer::later(&[]);
    let fake = FakeServer::start(FakeClaude::default());
    let limit = r#"{ meter = "requests", limit = 9, per = "hour" }"#;
    for (policy, passed, refusal, ready) in [
        ("lease", 3, 429, 200),
        ("refuse", 0, 503, 503),
        ("allow", 6, 0, 200),
    ] {
        let began = Instant::now();
        let more = format!("when_store_is_down = \"{policy}\"");
        let gateway = shared(&fake, &redis.url(), limit, &more);
        assert!(
            began.elapsed() < Duration::from_secs(1),
            "starts without Redis"
        );
        for n in 0..6 {
            let began = Instant::now();
            let answer = call_as(&gateway, WEB_KEY, "alice").await;
            assert!(began.elapsed() < Duration::from_millis(250));
            let expected = if n < passed { 200 } else { refusal };
            assert_eq!(answer.status(), expected, "{policy} {n}");
            if n < passed {
                assert_eq!(answer.headers()["x-claude-budget-store"], policy);
            }
        }
        let said = get(&gateway.admin, "/readyz").await;
        assert_eq!(said.status(), ready, "{policy}");
        let text = String::from_utf8_lossy(said.body()).into_owned();
        assert!(
            text.contains(&format!("the budget store is away: {policy}")),
            "{text}"
        );
        let metrics = get(&gateway.admin, "/metrics").await;
        assert!(String::from_utf8_lossy(metrics.body()).contains("claude_budget_store_up 0"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_finds_redis_when_it_appears_and_tells_it_what_it_let_pass() {
    let mut redis = RedisServer::later(&[]);
    let fake = FakeServer::start(FakeClaude::default());
    let limit = r#"{ meter = "requests", limit = 9, per = "hour" }"#;
    let gateway = shared(&fake, &redis.url(), limit, "");
    for _ in 0..3 {
        assert_eq!(call_as(&gateway, WEB_KEY, "alice").await.status(), 200);
    }
    redis.restart();
    let began = Instant::now();
    until_ready(&gateway).await;
    println!("found {} ms after it appeared", began.elapsed().as_millis());
    assert!(began.elapsed() < Duration::from_secs(2));
    let mut passed = 3;
    while call_as(&gateway, WEB_KEY, "alice").await.status() == 200 {
        passed += 1;
        // The backlog is told within a moment.
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(passed, 9, "what passed in the outage counts");
}

#[test]
fn a_redis_that_forgets_is_an_error_and_one_that_is_away_a_warning() {
    let mut redis = RedisServer::start();
    redis
        .ask("CONFIG SET maxmemory-policy allkeys-lru")
        .unwrap();
    let folder = support::folder();
    std::fs::write(folder.join("upstream-key"), support::UPSTREAM_KEY).unwrap();
    let config = format!(
        "[budget]\nstore = \"{}\"\n\
         [[targets]]\nname = \"a\"\nbase_url = \"http://127.0.0.1:1\"\n\
         credential = {{ file = \"upstream-key\" }}\n\
         [plans.standard]\n[[tenants]]\nid = \"web\"\nplan = \"standard\"\n",
        redis.url()
    );
    std::fs::write(folder.join("gateway.toml"), config).unwrap();
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_claude-gateway"))
            .args(arguments)
            .args(["--config", "gateway.toml"])
            .current_dir(&folder)
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (
            output.status.code(),
            text(&output.stdout),
            text(&output.stderr),
        )
    };
    let (code, said, _) = run(&["check"]);
    let error = "gateway.toml:2: error: Redis forgets when memory is short: \
                 its maxmemory-policy is allkeys-lru; set it to noeviction\n";
    assert_eq!((code, &*said), (Some(1), error));
    let (code, _, error) = run(&[]);
    assert_eq!(code, Some(1));
    assert!(
        error.contains("its maxmemory-policy is allkeys-lru"),
        "{error}"
    );
    redis.kill();
    let (code, said, _) = run(&["check"]);
    let warning = "gateway.toml:2: warning: Redis cannot be reached; start it\n";
    assert_eq!((code, &*said), (Some(0), warning));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dearer_target_is_asked_only_if_the_budget_has_as_much() {
    let busy = FakeServer::start(FakeClaude::new(|_| Answer::overloaded()));
    let other = FakeClaude::default();
    let dear = FakeServer::start(other.clone());
    for (limit, expected, calls) in [("0.05", 400, 0), ("0.50", 200, 1)] {
        let gateway = Gateway::start(&format!(
            "[usage]\nledger = \"usage.jsonl\"\n[retry]\nattempts = 1\n\
             [[targets]]\nname = \"busy\"\nbase_url = \"{}\"\ncredential = {{ file = \"upstream-key\" }}\n\
             [[targets]]\nname = \"dear\"\npriority = 1\nbase_url = \"{}\"\ncredential = {{ file = \"upstream-key\" }}\n\
             models = {{ \"claude-sonnet-5-5\" = \"gold\" }}\n\
             [prices.gold]\ninput = 1000\noutput = 1000\n\
             [[tenants]]\nid = \"web\"\nplan = \"standard\"\nkeys = [{{ digest = \"{}\" }}]\n\
             [plans.standard]\nlimits = [{{ meter = \"usd\", limit = \"{limit}\", per = \"day\" }}]\n",
            busy.base_url(),
            dear.base_url(),
            KeyDigest::of(WEB_KEY)
        ));
        let answer = call_as(&gateway, WEB_KEY, "alice").await;
        let said = json(&answer).to_string();
        assert_eq!(answer.status(), expected, "{limit}: {said}");
        assert_eq!(other.calls(), calls, "{limit}");
    }
}
