//! `hold_head = false`: life at once, and one stream whoever serves it.

use std::time::Duration;

use tokio::time::Instant;
use tower_claude_testkit::{Answer, Asked, FakeClaude};

use crate::support::{Pair, json, message, send};
use crate::{first_frame, messages, text_of};

const AT_ONCE: &str = "[retry]\nattempts = 2\nbase = \"1ms\"\nhold_head = false\n";

fn late(delay: Duration) -> Answer {
    let answer = Answer::message("claude-sonnet-5-5").text("Ahoy.");
    answer.into_stream().head_delay(delay)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_upstream_is_a_ping_at_once_for_the_caller() {
    let fake = FakeClaude::new(|_: &Asked| late(Duration::from_secs(20)));
    let pair = Pair::start(fake, AT_ONCE);
    let mut best = Duration::MAX;
    // A machine with other things to do may be late once, but not always.
    for _ in 0..8 {
        let start = Instant::now();
        let (head, frame) = first_frame(messages(&pair, message("Hi", true))).await;
        best = best.min(start.elapsed());
        assert_eq!(head.status(), 200);
        for name in ["x-claude-attempts", "x-claude-target"] {
            assert_eq!(head.headers().get(name), None, "nobody knows {name} yet");
        }
        assert!(frame.starts_with(b"event: ping\n"), "{frame:?}");
        if best < Duration::from_millis(200) {
            break;
        }
    }
    assert!(best < Duration::from_millis(200), "{best:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_attempt_takes_over_the_same_stream() {
    let delay = Duration::from_millis(300);
    let overloaded = Answer::overloaded().head_delay(delay);
    let pair = Pair::start(FakeClaude::sequence([overloaded, late(delay)]), AT_ONCE);
    let (head, text) = text_of(messages(&pair, message("Hi", true))).await;
    assert_eq!(head.status(), 200);
    assert!(text.starts_with("event: ping\n"), "{text}");
    assert_eq!(text.matches("event: message_start").count(), 1, "{text}");
    assert!(!text.contains("event: error"), "{text}");
    let ended = text.ends_with("data: {\"type\":\"message_stop\"}\n\n");
    assert!(ended, "{text}");
    let line = &pair.gateway.ledger_of(1).await[0];
    assert_eq!(line["attempts"], 2, "{line}");
    assert_eq!(line["outcome"], "complete", "{line}");
    assert_eq!(line["usage_source"], "exact", "{line}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_that_comes_after_the_pings_is_an_event() {
    let overloaded = || Answer::overloaded().head_delay(Duration::from_millis(100));
    let pair = Pair::start(FakeClaude::new(move |_: &Asked| overloaded()), AT_ONCE);
    let (head, text) = text_of(messages(&pair, message("Hi", true))).await;
    assert_eq!(head.status(), 200);
    assert_eq!(text.matches("event: error").count(), 1, "{text}");
    assert!(text.contains("overloaded_error"), "{text}");
    let line = &pair.gateway.ledger_of(1).await[0];
    assert_eq!(line["outcome"], "errored", "{line}");
    assert_eq!(line["cost_usd"], "0", "{line}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_at_once_keeps_its_status() {
    let more = format!(
        "{AT_ONCE}[failover]\nbreaker = {{ failures = 1, open = \"30s\" }}\n\
         [plans.none]\n"
    );
    let pair = Pair::start(FakeClaude::new(|_: &Asked| Answer::overloaded()), &more);
    let plain = send(messages(&pair, message("Hi", false))).await;
    assert_eq!(plain.status(), 529);
    let calls = pair.fake.calls();
    // Its breaker is open for longer than a call may wait.
    let response = send(messages(&pair, message("Hi", true))).await;
    assert_eq!(response.status(), 529, "{response:?}");
    assert_eq!(json(&response)["error"]["type"], "overloaded_error");
    assert!(response.headers().contains_key("retry-after"));
    assert_eq!(pair.fake.calls(), calls);
}
