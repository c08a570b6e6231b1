//! What `/readyz` and `claude_target_up` say of targets that had an outage.

use std::time::Duration;

use tower_claude_testkit::{Answer, Asked, FakeClaude};

use crate::support::{Pair, get, send};
use crate::{ONCE, asking, messages, metric_is};

/// One of each class.
const MODELS: [&str; 6] = [
    "claude-opus-5-5",
    "claude-sonnet-5-5",
    "claude-haiku-5-5",
    "claude-fable-5-5",
    "claude-mythos-5-5",
    "claude-of-no-known-class",
];
const UP: &str = "claude_target_up{target=\"fake\"}";

fn breaker(open: &str) -> String {
    format!("{ONCE}[failover]\nwait = \"never\"\nbreaker = {{ failures = 1, open = \"{open}\" }}\n")
}

/// A gateway whose only target has failed a call of each of these models.
async fn failed(answer: Answer, open: &str, models: &[&str]) -> Pair {
    let fake = FakeClaude::new(move |_: &Asked| answer.clone());
    let priced = MODELS[3..].iter();
    let prices = priced.map(|model| format!("[prices.\"{model}\"]\ninput = 1\noutput = 1\n"));
    let more = breaker(open) + &prices.collect::<String>();
    let pair = Pair::start(fake, &more);
    for model in models {
        let response = send(messages(&pair, asking(model, "Hi", false))).await;
        assert!(!response.status().is_success(), "{model}: {response:?}");
        assert!(
            response.headers().contains_key("x-claude-attempts"),
            "{model}"
        );
    }
    pair
}

async fn ready(pair: &Pair) -> (u16, String) {
    let response = get(&pair.gateway.admin, "/readyz").await;
    let text = String::from_utf8(response.body().to_vec()).unwrap();
    (response.status().as_u16(), text)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_class_of_models_that_is_down_leaves_the_gateway_ready() {
    let pair = failed(Answer::overloaded(), "300s", &MODELS[..1]).await;
    assert_eq!(ready(&pair).await.0, 200);
    metric_is(&pair, UP, "0").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_whose_targets_take_no_calls_is_not_ready_and_says_why() {
    let pair = failed(Answer::overloaded(), "300s", &MODELS).await;
    let (status, text) = ready(&pair).await;
    assert_eq!(status, 503, "{text}");
    assert!(
        text.starts_with("no target takes calls\ntarget fake: down, closed for "),
        "{text}"
    );
    assert!(text.ends_with("last failure: overloaded\n"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_an_outage_it_is_ready_again_though_no_call_comes() {
    let pair = failed(Answer::overloaded(), "1s", &MODELS).await;
    let calls = pair.fake.calls();
    let is_ready = async { while ready(&pair).await.0 != 200 {} };
    let in_time = tokio::time::timeout(Duration::from_secs(10), is_ready).await;
    assert!(in_time.is_ok(), "{:?}", ready(&pair).await);
    metric_is(&pair, UP, "1").await;
    assert_eq!(pair.fake.calls(), calls, "nobody called");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_whose_only_account_is_spent_is_not_ready() {
    let pair = failed(Answer::spend_cap(), "1s", &MODELS[..1]).await;
    let (status, text) = ready(&pair).await;
    assert_eq!(status, 503, "{text}");
    assert!(text.starts_with("no target takes calls\n"), "{text}");
}
