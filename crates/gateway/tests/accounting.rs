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
use tower_claude_testkit::{Answer, Asked, FakeClaude, ReportedUsage};

const CALLS: usize = 3_000;
const TASKS: usize = 32;

/// The model of those who leave before the end. What of an answer has reached the gateway by
/// then, the fake cannot know.
const LEAVERS: &str = "claude-haiku-5-5";

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
                .text("word ".repeat(20))
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
            7 if asked.is_stream() => good().pace(Duration::from_millis(1)),
            _ => good(),
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ledger_the_budget_and_the_truth_agree_to_the_token() {
    let limit =
        |meter| format!("{{ meter = \"{meter}\", limit = 1_000_000_000, per = \"minute\" }},");
    let limits = ["requests", "input_tokens", "output_tokens"]
        .map(limit)
        .concat();
    let pair = Pair::limited(
        mixed(),
        &limits,
        "[retry]\nattempts = 1\n[failover]\nbreaker = { failures = 1000000 }\n",
    );
    let url = format!("{}/v1/messages", pair.gateway.url());
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let url = url.clone();
            tokio::spawn(async move {
                let client = client();
                for number in (task..CALLS).step_by(TASKS) {
                    // Some leave midway; their model tells them apart.
                    let leaves = number % 41 == 39;
                    let body = message(&format!("call {number}"), number % 2 == 1);
                    let body = if leaves {
                        body.replace("claude-sonnet-5-5", LEAVERS)
                    } else {
                        body
                    };
                    let mut request = request(&url, body);
                    request
                        .headers_mut()
                        .insert("x-feature", format!("f-{}", number % 3).parse().unwrap());
                    let response = client.request(request).await.unwrap();
                    let mut body = response.into_body();
                    let patience = if leaves { 2 } else { usize::MAX };
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

    // Whatever upstream finally reported is in the ledger, exactly.
    let truth = pair.fake.truth();
    assert_eq!(truth.entries().len(), CALLS);
    let mut told = ReportedUsage::default();
    for entry in truth.entries() {
        if entry.final_usage_delivered && entry.model.as_deref() != Some(LEAVERS) {
            told = told.plus(entry.usage);
        }
    }
    let complete = |line: &&Value| line["outcome"] == "complete" && line["model"] != LEAVERS;
    let sum = |field: &str| -> u64 {
        let lines = ledger.iter().filter(complete);
        lines.map(|line| line[field].as_u64().unwrap()).sum()
    };
    println!("truth: {told:?}");
    assert_eq!(sum("input_tokens"), told.input_tokens);
    assert_eq!(sum("output_tokens"), told.output_tokens);
    assert_eq!(sum("cache_read_input_tokens"), told.cache_read);
    assert_eq!(
        sum("cache_creation_5m_input_tokens"),
        told.cache_creation_5m
    );
    for line in &ledger {
        match line["outcome"].as_str().unwrap() {
            "complete" => assert_eq!(line["usage_source"], "exact", "{line}"),
            "truncated" => assert_ne!(line["usage_source"], "exact", "{line}"),
            _ => {}
        }
        let is_known = line["cost_usd"].is_string();
        assert!(is_known || line["usage_source"] == "none", "{line}");
    }

    // The budget was charged what the ledger says: input with cache writes, and output.
    let tokens = |fields: &[&str]| -> u64 {
        let values = ledger
            .iter()
            .flat_map(|line| fields.iter().map(|field| &line[field]));
        values.map(|value| value.as_u64().unwrap_or(0)).sum()
    };
    let input = tokens(&[
        "input_tokens",
        "cache_creation_5m_input_tokens",
        "cache_creation_1h_input_tokens",
    ]);
    let usage = support::json(&get(&pair.gateway.admin, "/usage.json").await);
    let budgets = usage["budgets"].as_array().unwrap();
    let charged = |meter: &str| -> u64 {
        let budget = budgets.iter().find(|budget| budget["meter"] == meter);
        budget.unwrap()["used"].as_u64().unwrap()
    };
    println!("budget: {budgets:?}");
    assert_eq!(charged("requests"), CALLS as u64);
    assert_eq!(charged("input_tokens"), input);
    assert_eq!(charged("output_tokens"), tokens(&["output_tokens"]));
}
