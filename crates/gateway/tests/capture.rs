//! What was said is kept only where the configuration asks for it, and never unredacted.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod support;

use http_body_util::BodyExt;
use serde_json::Value;
use support::{Pair, client, get, message, read_ledger, request, send};
use tower_claude_testkit::{Answer, FakeClaude};

const SAID: &str = "I am ann@example.org, E-104233, and pay with 4111 1111 1111 1111";

const KEPT: &str = r#"
[usage]
capture = "redacted"
capture_limit = "4KiB"
capture_patterns = { staff = '\bE-[0-9]{6}\b' }
"#;

fn fake() -> FakeClaude {
    FakeClaude::new(|asked| {
        let answer = Answer::message("claude-sonnet-5-5")
            .text("Write to bob@example.org")
            .deltas(7);
        match asked.is_stream() {
            true => answer.into_stream(),
            false => answer.into_json(),
        }
    })
}

async fn captured(pair: &Pair, calls: usize) -> Vec<Value> {
    let file = pair.gateway.folder.join("capture.jsonl");
    for _ in 0..1_000 {
        let lines = read_ledger(&file);
        if lines.len() >= calls {
            return lines;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{} calls are captured", read_ledger(&file).len());
}

#[tokio::test]
async fn texts_are_kept_redacted_and_can_be_joined_to_the_ledger() {
    let pair = Pair::start(fake(), KEPT);
    let url = format!("{}/v1/messages", pair.gateway.url());
    for stream in [false, true] {
        let answer = send(request(&url, message(SAID, stream))).await;
        assert_eq!(answer.status(), 200);
    }
    let captured = captured(&pair, 2).await;
    let ledger = pair.gateway.ledger_of(2).await;
    for (record, line) in captured.iter().zip(&ledger) {
        assert_eq!(record["request_id"], line["request_id"]);
        assert_eq!(record["tenant"], "web");
        let asked = &record["request"]["texts"][0]["text"];
        assert_eq!(asked, "I am [email], [staff], and pay with [card]");
        let answered = &record["response"]["texts"][0]["text"];
        assert_eq!(answered, "Write to [email]");
    }
    let metrics = get(&pair.gateway.admin, "/metrics").await;
    let metrics = String::from_utf8(metrics.into_body().to_vec()).unwrap();
    assert!(metrics.contains("claude_capture_lost_total 0"), "{metrics}");
}

#[tokio::test]
async fn a_caller_who_leaves_has_said_it_all_the_same() {
    let pair = Pair::start(fake(), KEPT);
    let url = format!("{}/v1/messages", pair.gateway.url());
    let mut answer = client()
        .request(request(&url, message(SAID, true)))
        .await
        .unwrap();
    answer.body_mut().frame().await.unwrap().unwrap();
    drop(answer);
    let captured = captured(&pair, 1).await;
    // It is read on without the caller, and so the whole of it is there.
    assert_eq!(
        captured[0]["response"]["texts"][0]["text"],
        "Write to [email]"
    );
}

#[tokio::test]
async fn what_is_captured_is_written_before_the_gateway_ends() {
    let mut pair = Pair::start(fake(), KEPT);
    let url = format!("{}/v1/messages", pair.gateway.url());
    for _ in 0..20 {
        send(request(&url, message(SAID, false))).await;
    }
    pair.gateway.terminate();
    assert_eq!(pair.gateway.ended().await, Some(0));
    assert_eq!(
        read_ledger(&pair.gateway.folder.join("capture.jsonl")).len(),
        20
    );
}

#[tokio::test]
async fn nothing_is_kept_unless_asked_for() {
    let pair = Pair::start(fake(), "");
    let url = format!("{}/v1/messages", pair.gateway.url());
    send(request(&url, message(SAID, false))).await;
    pair.gateway.ledger_of(1).await;
    for entry in std::fs::read_dir(&pair.gateway.folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains("ann@example.org"), "{}", path.display());
    }
    assert!(!pair.gateway.folder.join("capture.jsonl").exists());
}
