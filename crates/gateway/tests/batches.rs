//! Batches through the gateway: whose they are, where their results are, and what they cost.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod support;

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};
use support::{Gateway, WEB_KEY, get, json as body_of, send};
use tower_claude::tenant_auth::KeyDigest;
use tower_claude_testkit::{Answer, Asked, FakeClaude, FakeServer, RedisServer};

const APP_KEY: &str = "integration-key-of-app";
const OBJECT: &str = include_str!("../../testkit/wire/batch-object.json");
const RESULTS: &str = include_str!("../../testkit/wire/batch-results.jsonl");
/// Longer than anything here takes that is not held up.
const SLOW: Duration = Duration::from_millis(400);
const ID: &str = "msgbatch_01WireSampleQ4";

/// Has one batch, whoever asks; what is refused to a tenant has to be refused by the gateway.
fn claude() -> FakeClaude {
    FakeClaude::new(|asked: &Asked| match asked.path() {
        "/v1/messages/batches" if asked.method() == "POST" => Answer::json(200, OBJECT),
        "/v1/messages/batches" => {
            let list = format!(
                "{{\"data\":[{OBJECT}],\"has_more\":false,\"first_id\":\"{ID}\",\"last_id\":\"{ID}\"}}"
            );
            Answer::json(200, list)
        }
        path if path.ends_with("/results") => Answer::raw(200, "application/x-jsonl", RESULTS),
        _ => Answer::json(200, OBJECT),
    })
}

fn gateway(server: &FakeServer, store: &str) -> Gateway {
    let tenant = |id: &str, key: &str| {
        let digest = KeyDigest::of(key);
        format!(
            "[[tenants]]\nid = \"{id}\"\nplan = \"standard\"\nkeys = [{{ digest = \"{digest}\" }}]\n\
             models = [\"claude-haiku-*\"]\n"
        )
    };
    Gateway::start(&format!(
        "[budget]\nstore = \"{store}\"\nstore_timeout = \"5s\"\n\
         [[targets]]\nname = \"fake\"\nbase_url = \"{}\"\ncredential = {{ file = \"upstream-key\" }}\n\
         {}{}[plans.standard]\nlimits = []\n",
        server.base_url(),
        tenant("web", WEB_KEY),
        tenant("app", APP_KEY),
    ))
}

fn ask(
    gateway: &Gateway,
    key: &str,
    method: &str,
    path: &str,
    body: &Value,
) -> Request<Full<Bytes>> {
    let body = match body {
        Value::Null => Bytes::new(),
        body => body.to_string().into(),
    };
    Request::builder()
        .method(method)
        .uri(format!("{}/v1/messages/batches{path}", gateway.url()))
        .header("x-api-key", key)
        .header("anthropic-version", "2023-06-01")
        .header("content-type", "application/json")
        .body(Full::new(body))
        .unwrap()
}

async fn asked(gateway: &Gateway, key: &str, path: &str) -> Response<Bytes> {
    send(ask(gateway, key, "GET", path, &Value::Null)).await
}

fn batch_of(model: &str) -> Value {
    let item = |id: &str| {
        json!({ "custom_id": id, "params": {
            "model": model, "max_tokens": 64,
            "messages": [{ "role": "user", "content": "Hello" }],
        }})
    };
    json!({ "requests": [item("row-0001"), item("row-0003")] })
}

fn costs(ledger: &[Value]) -> Vec<(String, String)> {
    let results = ledger.iter().filter(|line| line["session"].is_string());
    let mut costs: Vec<_> = results
        .map(|line| {
            assert_eq!(line["endpoint"], "batches");
            assert_eq!(line["tenant"], "web");
            assert_eq!(line["usage_source"], "exact");
            assert_eq!(line["latency_ms"], Value::Null, "no call of its own");
            let word = |name: &str| line[name].as_str().unwrap().to_owned();
            (word("session"), word("cost_usd"))
        })
        .collect();
    costs.sort();
    costs
}

/// What the results of the batch cost, worked out by hand.
///
/// - row-0001: (18 x 0.10 + 4,096 x 0.01 + 5 x 0.50) / 2 = 22.63 millionths
/// - row-0003: more than 100,000: (120,000 x 0.50 + 9 x 2.50) / 2 = 30,011.25 millionths
/// - row-0006: refused before there was any output
fn expected() -> Vec<(String, String)> {
    [
        ("row-0001", "0.00002263"),
        ("row-0003", "0.03001125"),
        ("row-0006", "0"),
    ]
    .map(|(row, cost)| (format!("{ID}/{row}"), cost.to_owned()))
    .to_vec()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_is_its_tenants_and_its_results_are_billed_once() {
    let server = FakeServer::start(claude());
    let gateway = gateway(&server, "memory");
    let body = batch_of("claude-haiku-5-5");
    let made = send(ask(&gateway, WEB_KEY, "POST", "", &body)).await;
    assert_eq!(made.status(), StatusCode::OK);
    // What is theirs leads to us, and all else is as it was.
    let url = format!("{}/v1/messages/batches/{ID}/results", gateway.url());
    let ours = OBJECT.replace(
        &format!("https://api.anthropic.com/v1/messages/batches/{ID}/results"),
        &url,
    );
    assert_eq!(made.body(), ours.as_bytes());

    for path in [
        format!("/{ID}"),
        format!("/{ID}/results"),
        "/msgbatch_nobodys".to_owned(),
    ] {
        let foreign = asked(&gateway, APP_KEY, &path).await;
        assert_eq!(foreign.status(), StatusCode::NOT_FOUND, "{path}");
        assert_eq!(body_of(&foreign)["error"]["type"], "not_found_error");
    }
    let list = |key| asked(&gateway, key, "");
    assert_eq!(body_of(&list(WEB_KEY).await)["data"][0]["results_url"], url);
    assert_eq!(body_of(&list(APP_KEY).await)["data"], json!([]));

    for _ in 0..2 {
        let results = asked(&gateway, WEB_KEY, &format!("/{ID}/results")).await;
        assert_eq!(results.body(), RESULTS.as_bytes());
    }
    // One made, three refused, two lists, two fetches, and three results of one of them.
    let ledger = gateway.ledger_of(11).await;
    assert_eq!(ledger.len(), 11);
    assert_eq!(costs(&ledger), expected());
    for call in ledger.iter().filter(|line| line["session"].is_null()) {
        assert_eq!(call["cost_usd"], "0", "{call}");
    }

    let metrics = get(&gateway.admin, "/metrics").await;
    let metrics = String::from_utf8_lossy(metrics.body()).into_owned();
    for line in [
        "claude_batch_results_total{result=\"metered\"} 3",
        "claude_batch_results_total{result=\"repeated\"} 3",
        "claude_batch_results_total{result=\"failed\"} 0",
    ] {
        assert!(metrics.contains(line), "no {line} in {metrics}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_item_has_to_be_of_a_model_the_tenant_may_use() {
    let fake = claude();
    let server = FakeServer::start(fake.clone());
    let gateway = gateway(&server, "memory");
    let mut body = batch_of("claude-haiku-5-5");
    body["requests"][1]["params"]["model"] = json!("claude-opus-5-5");
    let refused = send(ask(&gateway, WEB_KEY, "POST", "", &body)).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    let message = body_of(&refused)["error"]["message"].to_string();
    for word in ["web", "claude-opus-5-5", "row-0003"] {
        assert!(message.contains(word), "no {word} in {message}");
    }
    assert_eq!(fake.calls(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gateways_that_share_a_redis_know_of_each_others_batches() {
    let redis = RedisServer::start();
    let server = FakeServer::start(claude());
    let gateways = [
        gateway(&server, &redis.url()),
        gateway(&server, &redis.url()),
    ];
    let body = batch_of("claude-haiku-5-5");
    let made = send(ask(&gateways[0], WEB_KEY, "POST", "", &body)).await;
    assert_eq!(made.status(), StatusCode::OK, "{made:?}");
    let path = format!("/{ID}/results");
    let foreign = asked(&gateways[1], APP_KEY, &path).await;
    assert_eq!(foreign.status(), StatusCode::NOT_FOUND);
    // Both at once: each result is metered by one of them.
    let (one, other) = tokio::join!(
        asked(&gateways[0], WEB_KEY, &path),
        asked(&gateways[1], WEB_KEY, &path)
    );
    assert_eq!(one.body(), RESULTS.as_bytes());
    assert_eq!(other.body(), RESULTS.as_bytes());
    let mut both = gateways[0].ledger_of(2).await;
    both.extend(gateways[1].ledger_of(2).await);
    assert_eq!(costs(&both), expected());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_whose_maker_has_left_is_theirs_all_the_same() {
    let slow = FakeClaude::new(|_: &Asked| {
        Answer::json(200, OBJECT).head_delay(Duration::from_millis(200))
    });
    let server = FakeServer::start(slow.clone());
    let gateway = gateway(&server, "memory");
    let request = ask(&gateway, WEB_KEY, "POST", "", &batch_of("claude-haiku-5-5"));
    let left = tokio::time::timeout(Duration::from_millis(80), send(request)).await;
    assert!(left.is_err(), "it was not slow enough to leave");
    gateway.ledger_of(1).await;
    let found = asked(&gateway, WEB_KEY, &format!("/{ID}")).await;
    assert_eq!(found.status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_that_are_being_metered_are_recorded_before_the_gateway_ends() {
    let redis = RedisServer::start();
    let slow = FakeClaude::new(|asked: &Asked| match asked.path().ends_with("/results") {
        true => Answer::raw(200, "application/x-jsonl", RESULTS).head_delay(SLOW),
        false => Answer::json(200, OBJECT),
    });
    let server = FakeServer::start(slow);
    let mut gateway = gateway(&server, &redis.url());
    let body = batch_of("claude-haiku-5-5");
    let made = send(ask(&gateway, WEB_KEY, "POST", "", &body)).await;
    assert_eq!(made.status(), StatusCode::OK, "{made:?}");
    // Whose it is, is asked before upstream is; which results are new, after it.
    let path = format!("/{ID}/results");
    let fetch = tokio::spawn(send(ask(&gateway, WEB_KEY, "GET", &path, &Value::Null)));
    tokio::time::sleep(SLOW / 2).await;
    redis.stop();
    tokio::time::sleep(SLOW).await;
    fetch.abort();
    gateway.terminate();
    tokio::time::sleep(SLOW).await;
    redis.resume();
    assert_eq!(gateway.ended().await, Some(0));
    assert_eq!(costs(&gateway.ledger()), expected());
}
