//! Calls that wait for a target to open, and who goes first.

use tower_claude::tenant_auth::KeyDigest;
use tower_claude_testkit::{Answer, Asked, FakeClaude};

use crate::support::{Pair, get, json, message, send};
use crate::{ONCE, messages, metric_is};

const URGENT_KEY: &str = "integration-key-of-urgent";

/// An upstream whose limit is spent at the first call, for two seconds.
fn spent_once() -> FakeClaude {
    FakeClaude::sequence([
        Answer::rate_limited(2),
        Answer::message("claude-sonnet-5-5")
            .text("Ahoy.")
            .into_json(),
    ])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_waits_for_a_spent_limit_to_reset() {
    let pair = Pair::start(spent_once(), ONCE);
    let first = send(messages(&pair, message("Hi", false))).await;
    assert_eq!(first.status(), 429);
    let second = tokio::spawn(send(messages(&pair, message("Hi", false))));
    metric_is(&pair, "claude_waiting_calls", "1").await;
    let usage = json(&get(&pair.gateway.admin, "/usage.json").await);
    assert_eq!(usage["waiting_calls"], 1, "{usage}");
    let target = &usage["targets"][0];
    assert!(target["closed_for"].as_f64().unwrap() <= 2.0, "{target}");
    let used = &target["used"][0];
    assert_eq!(used["class"], "sonnet", "{target}");
    assert!(used["input_tokens"].as_f64().unwrap() > 0.0, "{target}");
    assert_eq!(target["distrusted_headers"], 0);
    assert_eq!(second.await.unwrap().status(), 200);
    metric_is(&pair, "claude_waiting_calls", "0").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_does_not_wait_where_none_may() {
    let pair = Pair::start(
        spent_once(),
        &format!("{ONCE}[failover]\nwait = \"never\"\n"),
    );
    let first = send(messages(&pair, message("Hi", false))).await;
    assert_eq!(first.status(), 429);
    let second = send(messages(&pair, message("Hi", false))).await;
    assert_eq!(second.status(), 529);
    let wait = second.headers()["retry-after"].to_str().unwrap();
    assert!(["1", "2"].contains(&wait), "{wait}");
    assert_eq!(pair.fake.calls(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_urgent_plan_goes_first_and_a_caller_can_only_be_less_urgent() {
    let fake = spent_once().recording();
    let urgent = format!(
        "{ONCE}[failover]\nwait = {{ calls = 1 }}\n[plans.urgent]\nurgency = 2\n\
         [[tenants]]\nid = \"urgent\"\nplan = \"urgent\"\nkeys = [{{ digest = \"{}\" }}]\n",
        KeyDigest::of(URGENT_KEY)
    );
    let pair = Pair::start(fake, &urgent);
    let hasty = || {
        let mut request = messages(&pair, message("Hi", false));
        let headers = request.headers_mut();
        headers.insert("priority", "u=0".parse().unwrap());
        request
    };
    assert_eq!(send(hasty()).await.status(), 429);
    let hasty = tokio::spawn(send(hasty()));
    metric_is(&pair, "claude_waiting_calls", "1").await;
    let mut urgent = messages(&pair, message("Hi", false));
    let key = URGENT_KEY.parse().unwrap();
    urgent.headers_mut().insert("x-api-key", key);
    let urgent = tokio::spawn(send(urgent));
    assert_eq!(hasty.await.unwrap().status(), 529, "its place was taken");
    assert_eq!(urgent.await.unwrap().status(), 200);
    let asked = pair.fake.asked();
    assert_eq!(asked.len(), 2);
    let said = |asked: &Asked| asked.header("priority").map(str::to_owned);
    assert_eq!(asked.iter().find_map(said), None, "it is between us");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_that_make_no_sense_are_counted() {
    let answer = Answer::message("claude-sonnet-5-5").text("Ahoy.");
    let answer = answer
        .into_json()
        .header("anthropic-ratelimit-requests-limit", "-5")
        .header("anthropic-ratelimit-requests-remaining", "7")
        .header("anthropic-ratelimit-requests-reset", "soon");
    let pair = Pair::start(FakeClaude::new(move |_: &Asked| answer.clone()), "");
    let count = "claude_distrusted_headers_total{target=\"fake\"}";
    metric_is(&pair, count, "0").await;
    let response = send(messages(&pair, message("Hi", false))).await;
    assert_eq!(response.status(), 200);
    let metrics = get(&pair.gateway.admin, "/metrics").await;
    let text = String::from_utf8_lossy(metrics.body()).into_owned();
    let line = text.lines().find_map(|line| line.strip_prefix(count));
    let counted: u64 = line.unwrap().trim().parse().unwrap();
    assert!(counted > 0, "{text}");
}
