//! The table of refusals, over real sockets, byte by byte where it matters.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod support;

use std::time::Duration;

use http::{Method, Request};
use http_body_util::Full;
use serde_json::json;
use support::{Pair, WEB_KEY, get, message, request, send};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tower_claude::tenant_auth::KeyDigest;
use tower_claude_testkit::FakeClaude;

fn pair() -> Pair {
    let hidden = KeyDigest::of("integration-key-of-bound");
    Pair::start(
        FakeClaude::default(),
        &format!(
            r#"
[server]
body_limit = "64KiB"
header_timeout = "300ms"
body_timeout = "300ms"

[[tenants]]
id = "bound"
plan = "standard"
keys = [{{ digest = "{hidden}" }}]
endpoints = ["messages"]
residency = ["eu"]
"#
        ),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_refusal_has_its_status_its_type_and_an_id() {
    let pair = pair();
    let url = pair.gateway.url();
    let messages = format!("{url}/v1/messages");
    let mut cases = Vec::new();
    let mut case = |request: Request<Full<bytes::Bytes>>, status, kind, text: &'static str| {
        cases.push((request, status, kind, text));
    };
    let hello = || message("Hello", false);

    let mut without = request(&messages, hello());
    without.headers_mut().remove("x-api-key");
    case(without, 401, "authentication_error", "");
    let mut two = request(&messages, hello());
    let bearer = "Bearer another-key-altogether".parse().unwrap();
    two.headers_mut().insert("authorization", bearer);
    case(two, 400, "invalid_request_error", "x-api-key");
    let post = |path: &str| request(&format!("{url}{path}"), hello());
    case(post("/v1/complete"), 404, "not_found_error", "");
    case(post("/v1/messages/../models"), 404, "not_found_error", "");
    case(post("/v1/messages/"), 404, "not_found_error", "");
    let mut put = request(&messages, hello());
    *put.method_mut() = Method::PUT;
    case(put, 405, "invalid_request_error", "");
    let with = |body: &str| request(&messages, body.to_owned());
    case(with("{"), 400, "invalid_request_error", "JSON");
    case(with("[]"), 400, "invalid_request_error", "object");
    case(with("{}"), 400, "invalid_request_error", "model");
    let twice = r#"{"model":"claude-a","model":"claude-b","max_tokens":1,"messages":[]}"#;
    case(with(twice), 400, "invalid_request_error", "model");
    let mistyped = r#"{"model":"claude-a","max_tokens":"1","messages":[]}"#;
    case(with(mistyped), 400, "invalid_request_error", "max_tokens");
    case(with(&"x".repeat(70_000)), 413, "request_too_large", "65536");
    let foreign = r#"{"model":"gpt-6","max_tokens":1,"messages":[]}"#;
    case(with(foreign), 403, "permission_error", "gpt-6");
    let mut gzip = request(&messages, hello());
    gzip.headers_mut()
        .insert("content-encoding", "gzip".parse().unwrap());
    case(gzip, 400, "invalid_request_error", "encoding");
    let bound = "integration-key-of-bound";
    let mut elsewhere = request(&messages, hello());
    elsewhere
        .headers_mut()
        .insert("x-api-key", bound.parse().unwrap());
    case(elsewhere, 403, "permission_error", "eu");
    let mut closed = request(&format!("{url}/v1/messages/count_tokens"), hello());
    closed
        .headers_mut()
        .insert("x-api-key", bound.parse().unwrap());
    case(closed, 403, "permission_error", "count_tokens");

    for (request, status, kind, text) in cases {
        let asked = format!("{} {}", request.method(), request.uri());
        let response = send(request).await;
        let body = support::json(&response);
        assert_eq!(response.status(), status, "{asked}: {body}");
        assert_eq!(body["type"], "error", "{asked}");
        assert_eq!(body["error"]["type"], kind, "{asked}: {body}");
        let said = body["error"]["message"].as_str().unwrap();
        assert!(said.contains(text), "{asked}: `{said}` names `{text}`");
        let id = response.headers()["x-claude-request-id"].to_str().unwrap();
        assert_eq!(body["request_id"], id, "{asked}");
        assert_eq!(response.headers()["request-id"], id, "{asked}");
    }
    assert!(
        pair.fake.truth().entries().is_empty(),
        "nothing went upstream"
    );
    let ledger = pair.gateway.ledger_of(14).await;
    assert_eq!(
        ledger.len(),
        14,
        "all but the two that did not pass authentication"
    );
    for line in &ledger {
        assert_eq!(line["outcome"], "refused", "{line}");
        assert_eq!(line["cost_usd"], "0", "{line}");
        assert_eq!(line["attempts"], 0, "{line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hello_is_answered_to_anybody_and_costs_nothing() {
    let pair = pair();
    let request = Request::head(format!("{}/api/hello", pair.gateway.url()))
        .body(Full::default())
        .unwrap();
    assert_eq!(send(request).await.status(), 200);
    assert!(pair.fake.truth().entries().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_and_bodies_that_take_too_long_are_answered_408() {
    let pair = pair();
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: {WEB_KEY}\r\ncontent-length: 100\r\n"
    );
    for sent in [head.clone(), format!("{head}\r\n{{\"model\":")] {
        let mut socket = TcpStream::connect(&pair.gateway.address).await.unwrap();
        socket.write_all(sent.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let read = socket.read_to_string(&mut answer);
        tokio::time::timeout(Duration::from_secs(5), read)
            .await
            .unwrap()
            .unwrap();
        assert!(answer.starts_with("HTTP/1.1 408"), "{sent}: {answer}");
        assert!(answer.contains("timeout_error"), "{answer}");
    }
    // A connection that says nothing is closed, without an answer to nobody.
    let mut socket = TcpStream::connect(&pair.gateway.address).await.unwrap();
    let mut answer = Vec::new();
    let read = socket.read_to_end(&mut answer);
    tokio::time::timeout(Duration::from_secs(5), read)
        .await
        .unwrap()
        .unwrap();
    assert!(answer.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_413_can_be_read_by_a_client_that_is_still_sending() {
    let pair = pair();
    let mut socket = TcpStream::connect(&pair.gateway.address).await.unwrap();
    let size = 8 << 20;
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: {WEB_KEY}\r\ncontent-length: {size}\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    // Sends all of it before it reads a byte, as simple clients do.
    socket.write_all(&vec![b'x'; size]).await.unwrap();
    let mut answer = String::new();
    let read = socket.read_to_string(&mut answer);
    tokio::time::timeout(Duration::from_secs(5), read)
        .await
        .unwrap()
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(answer.contains("request_too_large"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_travels_upstream_is_on_the_list_and_the_bytes_are_the_callers() {
    let fake = FakeClaude::default().recording();
    let pair = Pair::start(fake, "");
    let body = "{ \"model\" : \"claude-sonnet-5-5\",\n\"max_tokens\":7, \"messages\":[ ] }";
    let mut request = request(
        &format!("{}/v1/messages?beta=true", pair.gateway.url()),
        body,
    );
    let headers = [
        ("anthropic-beta", "a-1,b-2"),
        ("x-stainless-retry-count", "1"),
        ("traceparent", "00-1-2-01"),
        ("user-agent", "Anthropic/Python"),
        ("x-tenant", "root"),
        ("x-forwarded-for", "10.0.0.1"),
        ("cookie", "a=b"),
        ("accept-encoding", "gzip"),
        ("x-feature", "search"),
        ("connection", "x-secret-hop"),
        ("x-secret-hop", "1"),
    ];
    for (name, value) in headers {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    assert_eq!(send(request).await.status(), 200);
    let asked = pair.fake.asked();
    let asked = asked.first().unwrap();
    assert_eq!(asked.body(), body, "not a byte changed");
    assert_eq!(asked.uri().query(), Some("beta=true"));
    let header = |name| {
        asked
            .headers()
            .get(name)
            .map(|value| value.to_str().unwrap())
    };
    assert_eq!(header("anthropic-beta"), Some("a-1,b-2"));
    assert_eq!(header("x-stainless-retry-count"), Some("1"));
    assert_eq!(header("traceparent"), Some("00-1-2-01"));
    assert_eq!(header("anthropic-version"), Some("2023-06-01"));
    assert_eq!(header("x-api-key"), Some(support::UPSTREAM_KEY));
    assert_eq!(header("accept-encoding"), Some("identity"));
    for gone in [
        "x-tenant",
        "x-forwarded-for",
        "cookie",
        "authorization",
        "x-secret-hop",
    ] {
        assert_eq!(header(gone), None, "{gone}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_admin_listener_tells_what_it_is_asked() {
    let pair = pair();
    let mut asked = request(
        &format!("{}/v1/messages", pair.gateway.url()),
        message("Hi", false),
    );
    asked
        .headers_mut()
        .insert("x-feature", "search".parse().unwrap());
    assert_eq!(send(asked).await.status(), 200);
    let mut unknown = request(&format!("{}/v1/messages", pair.gateway.url()), "{}");
    unknown
        .headers_mut()
        .insert("x-api-key", "nobody-has-this-key".parse().unwrap());
    assert_eq!(send(unknown).await.status(), 401);
    pair.gateway.ledger_of(1).await;
    let admin = &pair.gateway.admin;
    assert_eq!(get(admin, "/healthz").await.status(), 200);
    assert_eq!(get(admin, "/readyz").await.status(), 200);
    assert_eq!(get(admin, "/nonesuch").await.status(), 404);
    let metrics = get(admin, "/metrics").await;
    let text = std::str::from_utf8(metrics.body()).unwrap();
    for name in [
        "claude_requests_total{",
        "tenant=\"web\"",
        "claude_tokens_total{",
        "claude_cost_usd_total{",
        "claude_request_duration_seconds",
        "claude_attempts_total{",
        "claude_target_up{target=\"fake\"} 1",
        "claude_auth_failures_total{reason=\"unknown\"} 1",
        "claude_budget_store_up 1",
    ] {
        assert!(text.contains(name), "{name} in\n{text}");
    }
    let usage = support::json(&get(admin, "/usage.json").await);
    assert_eq!(usage["totals"]["requests"], json!(1), "{usage}");
    assert_eq!(usage["tenants"][0]["name"], "web");
    assert_eq!(usage["targets"][0]["name"], "fake");
    let page = get(admin, "/usage").await;
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    let page = std::str::from_utf8(page.body()).unwrap();
    let (_, rest) = page.split_once("function minutes").unwrap();
    let (minutes, _) = rest.split_once("async function").unwrap();
    for read in minutes.split("m.").skip(1) {
        let key = read
            .split(|c: char| !c.is_ascii_lowercase())
            .next()
            .unwrap();
        let minute = &usage["minutes"][0];
        assert!(!minute[key].is_null(), "the page reads {key} of {minute}");
    }
}
