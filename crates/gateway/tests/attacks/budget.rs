//! Limits and buffers that are spent, and which check answers first.

use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tower_claude_testkit::FakeClaude;

use crate::support::{self, Pair, message, request, send};
use crate::wire::post;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spent_limits_say_so_in_the_contracts_words() {
    let limits = r#"
      { meter = "requests", limit = 3, per = "minute" },
      { meter = "output_tokens", limit = 1000, per = "minute" },
    "#;
    let pair = Pair::limited(FakeClaude::default(), limits, "");
    let url = format!("{}/v1/messages", pair.gateway.url());
    let large = message("Hi", false)
        .replace("128", "1001")
        .replace("balanced", "strict");
    let response = send(request(&url, large)).await;
    println!("{:?}", response.body());
    let foreign = message("Hi", false).replace("claude-sonnet-5-5", "gpt-9");
    for _ in 0..5 {
        assert_eq!(
            send(request(&url, foreign.clone())).await.status(),
            403,
            "counts nothing"
        );
    }
    let mut last = None;
    for _ in 0..4 {
        last = Some(send(request(&url, message("Hi", false))).await);
    }
    let response = last.unwrap();
    assert_eq!(response.status(), 429);
    let body = support::json(&response);
    assert_eq!(body["error"]["type"], "rate_limit_error");
    assert_eq!(
        body["error"]["message"],
        "tenant web exhausted (3 requests/min)"
    );
    let details = &body["error"]["details"];
    for (key, value) in [
        ("scope", json!("tenant")),
        ("meter", json!("requests")),
        ("limit", json!(3)),
        ("per", json!("minute")),
    ] {
        assert_eq!(details[key], value, "{details}");
    }
    assert!(details["resets_at"].as_str().unwrap().ends_with('Z'));
    let wait: u64 = response.headers()["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(
        response.headers()["anthropic-ratelimit-requests-remaining"],
        "0"
    );
    assert_eq!(response.headers().get("x-claude-target"), None);
    assert_eq!(response.headers().get("x-claude-attempts"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_check_that_fails_answers() {
    let pair = Pair::limited(
        FakeClaude::default(),
        r#"{ meter = "requests", limit = 1, per = "minute" }"#,
        "[server]\nbody_limit = \"64KiB\"\n",
    );
    let url = pair.gateway.url();
    let messages = format!("{url}/v1/messages");
    assert_eq!(
        send(request(&messages, message("Hi", false)))
            .await
            .status(),
        200
    );
    let big = "x".repeat(70_000);
    let mut nobody = request(&format!("{url}/nowhere"), big.clone());
    nobody.headers_mut().remove("x-api-key");
    assert_eq!(send(nobody).await.status(), 401, "credential before path");
    let lost = request(&format!("{url}/nowhere"), big.clone());
    assert_eq!(send(lost).await.status(), 404, "path before size");
    assert_eq!(
        send(request(&messages, big)).await.status(),
        413,
        "size before body"
    );
    let bad = r#"{"model":"gpt"}"#;
    assert_eq!(
        send(request(&messages, bad)).await.status(),
        400,
        "body before model"
    );
    let foreign = message("Hi", false).replace("claude-sonnet-5-5", "gpt");
    assert_eq!(
        send(request(&messages, foreign)).await.status(),
        403,
        "model before limits"
    );
    assert_eq!(
        send(request(&messages, message("Hi", false)))
            .await
            .status(),
        429
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn buffers_that_are_spent_are_529_and_come_back() {
    let pair = Pair::start(
        FakeClaude::default(),
        "[server]\nbody_limit = \"64KiB\"\nbuffer_limit = \"128KiB\"\n",
    );
    let mut holders = Vec::new();
    for _ in 0..3 {
        let mut socket = TcpStream::connect(&pair.gateway.address).await.unwrap();
        let head = post("content-length: 65000\r\n", "");
        socket.write_all(head.as_bytes()).await.unwrap();
        socket.write_all(&vec![b' '; 60_000]).await.unwrap();
        holders.push(socket);
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let url = format!("{}/v1/messages", pair.gateway.url());
    let response = send(request(&url, message(&"x".repeat(60_000), false))).await;
    assert_eq!(response.status(), 529);
    assert_eq!(
        support::json(&response)["error"]["type"],
        "overloaded_error"
    );
    assert!(response.headers().contains_key("retry-after"));
    drop(holders);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let response = send(request(&url, message(&"x".repeat(60_000), false))).await;
    assert_eq!(response.status(), 200);
    let ledger = pair.gateway.ledger_of(5).await;
    assert_eq!(ledger.len(), 5);
}
