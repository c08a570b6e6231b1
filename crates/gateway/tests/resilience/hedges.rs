//! A second target is asked as well when the first is silent for too long.

use std::time::Duration;

use tower_claude_testkit::{Answer, Asked, FakeClaude, FakeServer};

use crate::support::{Pair, message};
use crate::{messages, metric_is, second, text_of};

const HEDGE: &str = "[failover]\n\
                     hedge = { percentile = 50, at_least = \"10ms\", budget_percent = 100 }\n";
/// Enough calls for the gateway to know how long they take.
const KNOWN: usize = 64;

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
    let pair = Pair::start(fake, &format!("{HEDGE}{}", second(&other)));
    for _ in 0..KNOWN {
        let (head, _) = text_of(messages(&pair, message("quick", false))).await;
        assert_eq!(head.status(), 200);
    }
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
