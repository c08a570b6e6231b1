//! A second target is asked as well when the first is silent for too long.

use std::time::Duration;

use tower_claude_testkit::{Answer, Asked, FakeClaude, FakeServer};

use crate::support::{Pair, message};
use crate::{messages, metric_is, second, text_of};

const HEDGE: &str = "[failover]\n\
                     hedge = { percentile = 50, at_least = \"10ms\", budget_percent = 100 }\n";
/// Enough calls for the gateway to know how long they take.
const KNOWN: usize = 64;

/// A gateway that hedges and knows how long calls take.
async fn known(fake: FakeClaude, other: &FakeServer) -> Pair {
    let pair = Pair::start(fake, &format!("{HEDGE}{}", second(other)));
    for _ in 0..KNOWN {
        let (head, _) = text_of(messages(&pair, message("quick", false))).await;
        assert_eq!(head.status(), 200);
    }
    pair
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_target_that_is_named_is_the_one_that_answered_first() {
    let fake = |slow: Duration| {
        FakeClaude::new(move |asked: &Asked| {
            let answer = Answer::message("claude-sonnet-5-5").text("Ahoy.");
            let is_slow = asked.last_user_text().as_deref() == Some("slow");
            let delay = if is_slow { slow } else { Duration::ZERO };
            answer.into_json().head_delay(delay)
        })
    };
    let other = FakeServer::start(fake(Duration::from_secs(60)));
    let pair = known(fake(Duration::from_secs(1)), &other).await;
    let (head, _) = text_of(messages(&pair, message("slow", false))).await;
    assert_eq!(head.status(), 200);
    assert_eq!(
        head.headers()["x-claude-attempts"],
        "2",
        "the other was asked"
    );
    assert_eq!(head.headers()["x-claude-target"], "fake");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_targets_call_is_served_by_another_and_both_are_recorded() {
    let other = FakeServer::start(FakeClaude::default());
    let fake = FakeClaude::new(|asked: &Asked| {
        let answer = Answer::message("claude-sonnet-5-5")
            .text("Ahoy.")
            .into_json();
        match asked.last_user_text().as_deref() {
            Some("slow") => answer.head_delay(Duration::from_secs(60)),
            _ => answer,
        }
    });
    let pair = known(fake, &other).await;
    let (head, _) = text_of(messages(&pair, message("slow", false))).await;
    assert_eq!(head.status(), 200);
    assert_eq!(head.headers()["x-claude-target"], "second");
    assert_eq!(head.headers()["x-claude-attempts"], "2");
    let ledger = pair.gateway.ledger_of(KNOWN + 1).await;
    let log = ledger[KNOWN]["attempt_log"].as_array().unwrap().clone();
    let of = |target: &str| {
        let found = log.iter().find(|attempt| attempt["target"] == target);
        found.unwrap_or_else(|| panic!("{log:?}")).clone()
    };
    assert_eq!(of("second")["retry_reason"], "slow");
    assert_eq!(of("second")["status"], 200);
    assert!(of("fake")["status"].is_null(), "{log:?}");
    let hedges = "claude_attempts_total{target=\"second\",reason=\"slow\"}";
    metric_is(&pair, hedges, "1").await;
}
