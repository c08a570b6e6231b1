//! Starting, stopping, checking: the gateway as a process.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod support;

use std::process::{Command, Output};
use std::time::Duration;

use claude_gateway::Stack;
use http_body_util::BodyExt;
use support::{Gateway, Pair, client, folder, get, json, message, request, send};
use tower_claude_testkit::FakeClaude;

fn run(arguments: &[&str], config: Option<&str>) -> Output {
    let folder = folder();
    if let Some(config) = config {
        std::fs::write(folder.join("gateway.toml"), config).unwrap();
    }
    Command::new(env!("CARGO_BIN_EXE_claude-gateway"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_serves_plain_streamed_and_refused_calls() {
    let demo = Gateway::spawn(folder(), &["--demo"]);
    let url = format!("{}/v1/messages", demo.url());
    let with = |key: &str, stream| {
        let mut request = request(&url, message("Hello, Claude", stream));
        request
            .headers_mut()
            .insert("x-api-key", key.parse().unwrap());
        request
    };
    let web = claude_gateway::demo::WEB_KEY;
    let trial = claude_gateway::demo::TRIAL_KEY;
    let plain = send(with(web, false)).await;
    assert_eq!(plain.status(), 200);
    assert_eq!(json(&plain)["type"], "message");
    let streamed = send(with(web, true)).await;
    assert!(
        streamed
            .body()
            .ends_with(b"data: {\"type\":\"message_stop\"}\n\n")
    );
    assert_eq!(send(with(trial, false)).await.status(), 200);
    let refused = send(with(trial, false)).await;
    assert_eq!(refused.status(), 429);
    assert_eq!(
        json(&refused)["error"]["message"],
        "tenant trial exhausted (1 requests/min)"
    );
    let limits = &json(&refused)["error"]["details"];
    assert_eq!(limits["meter"], "requests");
    assert_eq!(plain.headers()["anthropic-ratelimit-requests-limit"], "300");
    assert_eq!(
        plain.headers()["anthropic-ratelimit-requests-remaining"],
        "299"
    );
    let ledger = demo.ledger_of(4).await;
    assert_eq!(ledger[3]["outcome"], "refused");
    assert_eq!(get(&demo.admin, "/usage").await.status(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_streams_finish_when_it_is_told_to_stop() {
    let mut pair = Pair::start(FakeClaude::scenarios(), "");
    let url = format!("{}/v1/messages", pair.gateway.url());
    let response = client()
        .request(request(&url, message("scenario:slow", true)))
        .await
        .unwrap();
    let mut body = response.into_body();
    body.frame().await.unwrap().unwrap();
    pair.gateway.terminate();
    for _ in 0..100 {
        if get(&pair.gateway.admin, "/readyz").await.status() == 503 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(get(&pair.gateway.admin, "/readyz").await.status(), 503);
    let rest = body.collect().await.unwrap().to_bytes();
    assert!(rest.ends_with(b"data: {\"type\":\"message_stop\"}\n\n"));
    assert_eq!(pair.gateway.ended().await, Some(0));
    let ledger = pair.gateway.ledger();
    assert_eq!(ledger.len(), 1, "flushed before it ended");
    assert_eq!(ledger[0]["outcome"], "complete");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_that_outlast_the_grace_end_with_an_error_event() {
    let more = "[server]\nshutdown_grace = \"200ms\"\n";
    let mut pair = Pair::start(FakeClaude::scenarios(), more);
    let url = format!("{}/v1/messages", pair.gateway.url());
    let response = client()
        .request(request(&url, message("scenario:stalled", true)))
        .await
        .unwrap();
    let mut body = response.into_body();
    body.frame().await.unwrap().unwrap();
    pair.gateway.terminate();
    let rest = body.collect().await.unwrap().to_bytes();
    let text = std::str::from_utf8(&rest).unwrap();
    assert!(
        text.contains("event: error") && text.contains("shutting down"),
        "{text}"
    );
    assert_eq!(pair.gateway.ended().await, Some(0));
    assert_eq!(pair.gateway.ledger().len(), 1);
}

#[test]
fn check_prints_every_problem_with_its_line_and_the_nearest_key() {
    let config = "[server]\nlisten = \"nowhere\"\n[retri]\nattempts = 3\n[retry]\natempts = 3\n";
    let output = run(&["check", "--config", "gateway.toml"], Some(config));
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("gateway.toml:2: error: "), "{text}");
    assert!(
        text.contains("gateway.toml:3: error: ") && text.contains("`retry`"),
        "{text}"
    );
    assert!(
        text.contains("gateway.toml:6: error: ") && text.contains("`attempts`"),
        "{text}"
    );
}

#[test]
fn check_accepts_a_good_file_in_silence_and_leaves_nothing_behind() {
    let folder = folder();
    let config = claude_gateway::demo::config_text("https://127.0.0.1:1")
        .replace("env = \"DEMO_UPSTREAM_KEY\"", "file = \"gateway.key\"");
    std::fs::write(folder.join("gateway.toml"), config).unwrap();
    std::fs::write(folder.join("gateway.key"), "sk-hidden").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_claude-gateway"))
        .args(["check", "--config", "gateway.toml"])
        .current_dir(&folder)
        .output()
        .unwrap();
    assert_eq!(output.stdout, b"");
    assert_eq!(output.status.code(), Some(0));
    assert!(!folder.join("usage.jsonl").exists());
}

#[test]
fn check_hears_what_the_layers_refuse() {
    let mut config = claude_gateway::demo::config("http://127.0.0.1:1")
        .unwrap()
        .config;
    assert!(Stack::check(&config).is_ok());
    let limits = &mut config.plans.get_mut("trial").unwrap().limits;
    limits.push(limits[0]);
    let error = Stack::check(&config).unwrap_err().to_string();
    assert!(error.contains("trial"), "{error}");
}

#[test]
fn a_bad_file_stops_it_at_start_with_the_same_words() {
    let output = run(
        &["--config", "gateway.toml"],
        Some("[retry]\natempts = 3\n"),
    );
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("gateway.toml:2: error: "), "{text}");
    let missing = run(&["--config", "nonesuch.toml"], None);
    assert_eq!(missing.status.code(), Some(1));
}

#[test]
fn keygen_prints_a_key_alone_and_its_digest_for_the_file() {
    let output = run(&["keygen", "--tenant", "web"], None);
    let text = String::from_utf8(output.stdout).unwrap();
    let (key, digest) = text.split_once('\n').unwrap();
    let expected = tower_claude::tenant_auth::KeyDigest::of(key);
    assert_eq!(digest.trim_end(), format!("{{ digest = \"{expected}\" }}"));
    assert!(!run(&["keygen", "--tenant", "a b"], None).status.success());
}

#[test]
fn words_it_does_not_know_are_refused_with_exit_code_2() {
    for arguments in [&["--frob"][..], &["--demo", "--config", "x"], &["serve"]] {
        assert_eq!(run(arguments, None).status.code(), Some(2), "{arguments:?}");
    }
}
