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
use tower_claude_testkit::{Answer, Asked, Ended, FakeClaude, Message, ReportedUsage};

const CALLS: usize = 10_000;
const TASKS: usize = 32;

/// How many events a streamed answer has.
const EVENTS: usize = 16;

/// What goes wrong with a call, and where. The numbers have no common factor, so every fault
/// meets every place, streamed or not, whether the caller stays or leaves.
struct Plan {
    number: usize,
    is_stream: bool,
    fault: usize,
    /// After how many frames upstream fails.
    at: usize,
    /// After how many frames the caller leaves.
    leaves_after: Option<usize>,
}

impl Plan {
    fn of(number: usize) -> Self {
        Self {
            number,
            is_stream: !number.is_multiple_of(3),
            fault: number % 11,
            at: number / 11 % EVENTS,
            leaves_after: (number % 7 == 5).then_some(number / 7 % (EVENTS + 1)),
        }
    }

    fn message(&self) -> Message {
        let number = u64::try_from(self.number).unwrap();
        Answer::message("claude-sonnet-5-5")
            .text("word ".repeat(20))
            .deltas(10)
            .input_tokens(100 + number % 977)
            .output_tokens(10 + number % 113)
            .cache_read(number % 7 * 100)
            .cache_creation_5m(number % 5 * 10)
            .cache_creation_1h(number % 3 * 10)
    }

    fn answer(&self) -> Answer {
        let stream = || self.message().into_stream();
        let good = match self.is_stream {
            true => stream(),
            false => self.message().into_json(),
        };
        match self.fault {
            1 => Answer::error(500, "api_error", "Internal server error"),
            2 => Answer::error(400, "invalid_request_error", "no"),
            3 if self.is_stream => stream().truncate_after(self.at),
            4 if self.is_stream => stream().reset_after(self.at),
            4 => good.reset_after(0),
            5 if self.is_stream => {
                stream().error_event_after(self.at, "overloaded_error", "Overloaded")
            }
            6 if self.at == 3 && self.is_stream => stream().stall_after(self.number % EVENTS),
            7 if self.is_stream => good.pace(Duration::from_millis(1)),
            8 => good.head_delay(Duration::from_millis(5)),
            _ => good,
        }
    }
}

fn fake() -> FakeClaude {
    FakeClaude::new(|asked: &Asked| {
        let text = asked.last_user_text().unwrap_or_default();
        Plan::of(text.rsplit(' ').next().unwrap().parse().unwrap()).answer()
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
        fake(),
        &limits,
        "[server]\nstream_idle_timeout = \"700ms\"\n[retry]\nattempts = 1\n\
         [failover]\nbreaker = { failures = 1000000 }\n",
    );
    let url = format!("{}/v1/messages", pair.gateway.url());
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let url = url.clone();
            tokio::spawn(async move {
                let client = client();
                for number in (task..CALLS).step_by(TASKS) {
                    call(&client, &url, &Plan::of(number)).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let asked = usize::try_from(pair.fake.calls()).unwrap();
    let ledger = pair.gateway.ledger_of(asked).await;
    let mut lines: HashMap<&str, &Value> = HashMap::new();
    for line in &ledger {
        let before = lines.insert(line["session"].as_str().unwrap_or("gone"), line);
        assert!(before.is_none(), "one record a call: {line}");
    }
    // Whoever left before the request was read was no call yet, or one that was never sent.
    assert!((asked..=CALLS).contains(&ledger.len()), "{}", ledger.len());
    println!("{} records, {asked} asked", ledger.len());

    let mut counts: HashMap<String, usize> = HashMap::new();
    for line in &ledger {
        check(line);
        let kind = format!("{} {}", line["outcome"], line["usage_source"]);
        *counts.entry(kind).or_default() += 1;
    }
    println!("{counts:#?}");
    for outcome in ["complete", "errored", "truncated", "dropped"] {
        let any = counts.keys().any(|kind| kind.contains(outcome));
        assert!(any, "{outcome}: {counts:?}");
    }

    // Whatever upstream finally reported is in the ledger, exactly, and nothing else is.
    let mut told = ReportedUsage::default();
    let mut delivered = 0;
    for entry in pair.fake.truth().entries() {
        assert_ne!(entry.ended, Ended::InProgress, "{entry:?}");
        if entry.final_usage_delivered {
            told = told.plus(entry.usage);
            delivered += 1;
        }
    }
    let exact = |line: &&Value| line["usage_source"] == "exact";
    assert_eq!(ledger.iter().filter(exact).count(), delivered);
    let sum = |field: &str| -> u64 {
        let lines = ledger.iter().filter(exact);
        lines.map(|line| line[field].as_u64().unwrap()).sum()
    };
    println!("truth: {told:?}");
    assert_eq!(sum("input_tokens"), told.input_tokens);
    assert_eq!(sum("output_tokens"), told.output_tokens);
    assert_eq!(sum("cache_read_input_tokens"), told.cache_read);
    let creation = |field| (format!("cache_creation_{field}_input_tokens"), field);
    assert_eq!(sum(&creation("5m").0), told.cache_creation_5m);
    assert_eq!(sum(&creation("1h").0), told.cache_creation_1h);

    // The budget was charged what the ledger says: input with cache writes, and output. Of what
    // nobody knows it keeps what was held, and what is reported and not billed is free.
    let is_unknown = |line: &Value| line["cost_usd"].is_null();
    let tokens = |fields: &[&str], instead: &str| -> u64 {
        let of = |line: &Value| match line["cost_usd"].as_str() {
            None => line[instead].as_u64().unwrap_or(0),
            Some("0") => 0,
            Some(_) => fields.iter().filter_map(|field| line[field].as_u64()).sum(),
        };
        ledger.iter().map(of).sum()
    };
    let input = tokens(
        &[
            "input_tokens",
            "cache_creation_5m_input_tokens",
            "cache_creation_1h_input_tokens",
        ],
        "estimated_input_tokens",
    );
    let usage = support::json(&get(&pair.gateway.admin, "/usage.json").await);
    let budgets = usage["budgets"].as_array().unwrap();
    let charged = |meter: &str| -> u64 {
        let budget = budgets.iter().find(|budget| budget["meter"] == meter);
        budget.unwrap()["used"].as_u64().unwrap()
    };
    println!("budget: {budgets:?}");
    assert_eq!(charged("input_tokens"), input);
    let output = charged("output_tokens") - tokens(&["output_tokens"], "output_tokens");
    let unknown = u64::try_from(ledger.iter().filter(|line| is_unknown(line)).count()).unwrap();
    println!("{output} output tokens held for {unknown} unknown answers");
    assert!(output >= unknown && output <= unknown * support::MAX_TOKENS);
}

/// Makes a call as planned, and leaves it where it is planned.
async fn call(client: &support::TestClient, url: &str, plan: &Plan) {
    let number = plan.number;
    let mut request = request(url, message(&format!("call {number}"), plan.is_stream));
    let headers = request.headers_mut();
    headers.insert("x-session-id", number.to_string().parse().unwrap());
    let ask = async || match client.request(request.clone()).await {
        Ok(response) => Some(response.into_body()),
        // Upstream has reset before the first byte, and so are we, with or without the head.
        Err(_) if plan.fault == 4 => None,
        // A pooled connection may have been closed for idleness just now; nothing was asked then.
        Err(_) => Some(client.request(request.clone()).await.unwrap().into_body()),
    };
    let Some(frames) = plan.leaves_after else {
        if let Some(mut body) = ask().await {
            while let Some(Ok(_)) = body.frame().await {}
        }
        return;
    };
    if frames == 0 {
        // Before the head: it is sent, and not waited for.
        let request = client.request(request.clone());
        let _ = tokio::time::timeout(Duration::from_millis(2), request).await;
        return;
    }
    let Some(mut body) = ask().await else { return };
    for _ in 1..frames {
        if !matches!(body.frame().await, Some(Ok(_))) {
            return;
        }
    }
}

/// One line says what can be known of its call, and no more.
fn check(line: &Value) {
    let Some(number) = line["session"].as_str() else {
        assert_eq!(line["outcome"], "dropped", "{line}");
        assert_eq!(line["cost_usd"], "0", "{line}");
        return;
    };
    let plan = Plan::of(number.parse().unwrap());
    let expected = u64::try_from(plan.number).unwrap();
    let source = line["usage_source"].as_str().unwrap();
    let outcome = line["outcome"].as_str().unwrap();
    let is_cost_known = line["cost_usd"].is_string();
    match source {
        "exact" => {
            assert_eq!(line["input_tokens"], 100 + expected % 977, "{line}");
            assert_eq!(line["output_tokens"], 10 + expected % 113, "{line}");
            assert!(is_cost_known, "{line}");
        }
        "partial" => {
            assert_eq!(line["input_tokens"], 100 + expected % 977, "{line}");
            assert_ne!(outcome, "complete", "{line}");
            assert!(matches!(plan.fault, 3..=6), "{line}");
        }
        _ => {
            assert_ne!(outcome, "complete", "{line}");
            assert!(
                line["output_tokens"].is_null() || source == "estimated",
                "{line}"
            );
        }
    }
    if plan.leaves_after.is_none() {
        let expected = match (plan.fault, plan.is_stream) {
            (1 | 2, _) => "errored",
            (3..=5, true) if outcome == "complete" => "complete",
            (3 | 4, true) => "truncated",
            (5, true) => "errored",
            (6, true) if plan.at == 3 => "truncated",
            (4, false) => outcome,
            _ => "complete",
        };
        assert_eq!(outcome, expected, "{line}");
    }
}
