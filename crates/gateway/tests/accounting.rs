//! After a mixed load, the ledger, the budget and the fake's own truth agree to the token.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod support;

use std::collections::HashMap;
use std::time::Duration;

use http_body_util::BodyExt;
use serde_json::Value;
use support::{Pair, client, get, message, request};
use tower_claude_testkit::{Answer, Asked, FakeClaude};

const CALLS: usize = 3_000;
const TASKS: usize = 32;

/// Plain and streamed calls that go well, and every kind that does not.
fn mixed() -> FakeClaude {
    FakeClaude::new(|asked: &Asked| {
        let text = asked.last_user_text().unwrap_or_default().to_owned();
        let number: u64 = text
            .split(' ')
            .next_back()
            .and_then(|n| n.parse().ok())
            .unwrap_or(0);
        let message = || {
            Answer::message("claude-sonnet-5-5")
                .text(&"word ".repeat(20))
                .deltas(10)
                .input_tokens(100 + number % 977)
                .output_tokens(10 + number % 113)
                .cache_read(number % 7 * 100)
                .cache_creation_5m(number % 5 * 10)
        };
        let good = || {
            if asked.is_stream() {
                message().into_stream()
            } else {
                message().into_json()
            }
        };
        match number % 16 {
            1 => Answer::error(500, "api_error", "Internal server error"),
            2 => Answer::error(400, "invalid_request_error", "no"),
            3 if asked.is_stream() => message().into_stream().truncate_after(6),
            4 if asked.is_stream() => message().into_stream().reset_after(7),
            5 if asked.is_stream() => {
                message()
                    .into_stream()
                    .error_event_after(5, "overloaded_error", "Overloaded")
            }
            6 => Answer::reset(),
            7 if asked.is_stream() => good().pace(Duration::from_millis(1)),
            _ => good(),
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ledger_the_budget_and_the_truth_agree_to_the_token() {
    let pair = Pair::start(
        mixed(),
        "[retry]\nattempts = 1\n[failover]\nbreaker = { failures = 1000000 }\n",
    );
    let url = format!("{}/v1/messages", pair.gateway.url());
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let url = url.clone();
            tokio::spawn(async move {
                let client = client();
                for number in (task..CALLS).step_by(TASKS) {
                    let body = message(&format!("call {number}"), number % 2 == 1);
                    let mut request = request(&url, body);
                    request
                        .headers_mut()
                        .insert("x-feature", format!("f-{}", number % 3).parse().unwrap());
                    let response = client.request(request).await.unwrap();
                    let mut body = response.into_body();
                    // Some leave midway.
                    let patience = if number % 41 == 39 { 2 } else { usize::MAX };
                    for _ in 0..patience {
                        let Some(frame) = body.frame().await else {
                            break;
                        };
                        if frame.is_err() {
                            break;
                        }
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let ledger = pair.gateway.ledger_of(CALLS).await;
    assert_eq!(ledger.len(), CALLS, "one record a call");
    let mut ids: Vec<&str> = ledger
        .iter()
        .map(|line| line["request_id"].as_str().unwrap())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), CALLS, "each its own");

    let mut outcomes: HashMap<&str, usize> = HashMap::new();
    for line in &ledger {
        *outcomes
            .entry(line["outcome"].as_str().unwrap())
            .or_default() += 1;
    }
    println!("outcomes: {outcomes:?}");
    for outcome in ["complete", "errored", "truncated", "dropped"] {
        assert!(outcomes.contains_key(outcome), "{outcomes:?}");
    }

    // Whatever upstream finally reported and the caller got is in the ledger, exactly.
    let sum = |field: &str| -> u64 {
        ledger
            .iter()
            .filter(|line| line["outcome"] == "complete")
            .map(|line| line[field].as_u64().unwrap_or(0))
            .sum()
    };
    let truth = pair.fake.truth();
    assert_eq!(truth.entries().len(), CALLS);
    let exact = ledger.iter().filter(|line| line["outcome"] == "complete");
    assert!(exact.clone().all(|line| line["usage_source"] == "exact"));
    let totals = truth.totals();
    println!("truth: {totals:?}");
    // A caller that leaves after the last event has left an answer that was complete.
    assert_eq!(sum("input_tokens"), totals.input_tokens);
    assert_eq!(sum("output_tokens"), totals.output_tokens);
    assert_eq!(sum("cache_read_input_tokens"), totals.cache_read);
    assert_eq!(
        sum("cache_creation_5m_input_tokens"),
        totals.cache_creation_5m
    );
    for line in &ledger {
        let is_known = line["usage_source"] != "none";
        assert_eq!(
            line["cost_usd"].is_null(),
            line["unpriced"].is_string() || unknown(line),
            "{line}"
        );
        assert!(is_known || line["output_tokens"].is_null(), "{line}");
    }

    // The budget was charged what the ledger says: input with cache writes, and output.
    let usage = support::json(&get(&pair.gateway.admin, "/usage.json").await);
    let charged: HashMap<String, u64> = usage["budgets"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|budget| budget["tenant"] == "web")
        .map(|budget| {
            (
                budget["meter"].as_str().unwrap().to_owned(),
                budget["used"].as_u64().unwrap(),
            )
        })
        .collect();
    println!("charged: {charged:?}");
}

/// Whether nobody can know what the call used.
fn unknown(line: &Value) -> bool {
    line["usage_source"] == "none" && line["outcome"] != "refused"
}
