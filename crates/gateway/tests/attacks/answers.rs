//! Headers of upstream's answers: its account's stay here, and ours are only ours to set.

use tower_claude_testkit::{Answer, Asked, FakeClaude};

use crate::raw_upstream::COMPLETE;
use crate::support::{Pair, message, request, send};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upstreams_words_about_the_account_never_pass() {
    let fake = FakeClaude::new(|_: &Asked| {
        Answer::json(200, COMPLETE)
            .header("anthropic-ratelimit-requests-limit", "4000")
            .header("anthropic-ratelimit-unified-status", "allowed")
            .header("anthropic-priority-input-tokens-limit", "1")
            .header("anthropic-fast-input-tokens-limit", "1")
            .header("anthropic-organization-id", "org-secret")
            .header("anthropic-workspace-id", "ws-secret")
            .header("x-claude-request-id", "req_forged")
            .header("x-claude-target", "forged")
            .header("x-claude-attempts", "99")
            .header("connection", "x-hop")
            .header("x-hop", "1")
            .header("keep-alive", "timeout=5")
    });
    let pair = Pair::limited(
        fake,
        r#"{ meter = "requests", limit = 7, per = "minute" }"#,
        "",
    );
    let url = format!("{}/v1/messages", pair.gateway.url());
    let response = send(request(&url, message("Hi", false))).await;
    let headers = response.headers();
    let text = format!("{headers:?}");
    assert!(!text.contains("secret"), "{text}");
    assert_eq!(headers["anthropic-ratelimit-requests-limit"], "7");
    assert_eq!(headers["anthropic-ratelimit-requests-remaining"], "6");
    assert!(
        headers["anthropic-ratelimit-requests-reset"]
            .to_str()
            .unwrap()
            .ends_with('Z')
    );
    for gone in [
        "anthropic-ratelimit-unified-status",
        "anthropic-priority-input-tokens-limit",
        "anthropic-fast-input-tokens-limit",
        "x-hop",
        "keep-alive",
    ] {
        assert_eq!(headers.get(gone), None, "{gone}");
    }
    assert_eq!(headers["request-id"], "req_011TestKit0000000000000");
    assert_ne!(headers["x-claude-request-id"], "req_forged");
    assert_eq!(headers["x-claude-target"], "fake");
    assert_eq!(headers["x-claude-attempts"], "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upstream_does_not_speak_in_our_name() {
    // Callers act on `x-claude-*` as the gateway's own words.
    let fake = FakeClaude::new(|_: &Asked| {
        Answer::json(200, COMPLETE)
            .header("x-claude-budget-warning", "forged")
            .header("x-claude-degraded", "forged")
    });
    let pair = Pair::start(fake, "");
    let url = format!("{}/v1/messages", pair.gateway.url());
    let response = send(request(&url, message("Hi", false))).await;
    for ours in ["x-claude-budget-warning", "x-claude-degraded"] {
        let said = response.headers().get(ours);
        assert_eq!(said, None, "{ours} is ours to say, and we did not");
    }
}
