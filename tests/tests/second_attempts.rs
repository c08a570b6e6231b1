//! Calls that are asked twice on purpose, by a hedge or to be continued: one record, and a
//! charge for both.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

#[path = "retry_failover_sums/books.rs"]
mod books;
#[path = "retry_failover_sums/dice.rs"]
#[allow(dead_code, reason = "only its model is needed here")]
mod dice;
#[path = "retry_failover_sums/sum.rs"]
#[allow(dead_code, reason = "what is billed is worked out here")]
mod sum;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use books::Books;
use dice::MODEL;
use http::Request;
use http_body_util::BodyExt as _;
use sum::{Sum, prices};
use tower::ServiceExt as _;
use tower_claude::core::{CallBody, End, FailureKind, Target};
use tower_claude::failover::Hedge;
use tower_claude::pricing::Cost;
use tower_claude::usage_meter::{AttemptOutcome, Outcome, UsageRecord, UsageSource};
use tower_claude::{
    ContinuationLayer, FailoverLayer, RetryLayer, TokenBudgetLayer, UsageMeterLayer,
};
use tower_claude_testkit::{Answer, FakeClaude, Message};
use tower_layer::Layer as _;

fn message() -> Message {
    Answer::message(MODEL)
        .text("the tide is out until seven")
        .deltas(4)
        .input_tokens(100)
        .output_tokens(40)
}

/// Makes so many calls, streamed or not, of a fake that gives these answers; what the last of
/// them was charged, its record, and what its caller read.
async fn last(calls: usize, is_stream: bool, answers: Vec<Answer>) -> (Sum, UsageRecord, String) {
    let books = Books::new();
    let records = Arc::new(Mutex::new(Vec::<Arc<UsageRecord>>::new()));
    let sink = Arc::clone(&records);
    let meter = UsageMeterLayer::new(move |record| sink.lock().unwrap().push(record));
    let budget = TokenBudgetLayer::new(books.store.clone(), books.plans.clone());
    let (meter, budget) = (meter.prices(prices()), budget.prices(prices()));
    let targets = [Target::new("first"), Target::new("second").priority(1)];
    let failover = FailoverLayer::new(targets).unwrap().hedge(Hedge::new());
    let inner = failover.layer(RetryLayer::default().layer(FakeClaude::sequence(answers)));
    let continued = ContinuationLayer::new(|_: &str| true).layer(inner);
    let service = meter.layer(budget.layer(continued));

    let (mut before, mut after, mut text) = (Sum::default(), Sum::default(), String::new());
    for _ in 0..calls {
        let body = format!(
            r#"{{"model":"{MODEL}","max_tokens":1024,"stream":{is_stream},"messages":[{{"role":"user","content":"hi"}}]}}"#
        );
        let request = Request::post("/v1/messages")
            .body(CallBody::from(body))
            .unwrap();
        let response = service.clone().oneshot(request).await.unwrap();
        let read = response.into_body().collect().await.unwrap().to_bytes();
        text = String::from_utf8(read.to_vec()).unwrap();
        before = after;
        after = books.spent().await;
    }
    let mut records = records.lock().unwrap();
    assert_eq!(records.len(), calls, "one record a call");
    let charged = Sum {
        input: after.input - before.input,
        output: after.output - before.output,
        pico_dollars: after.pico_dollars - before.pico_dollars,
    };
    let record = Arc::try_unwrap(records.pop().unwrap()).unwrap();
    (charged, record, text)
}

#[tokio::test(start_paused = true)]
async fn a_hedge_is_charged_for_both_whoever_wins() {
    let slow = |seconds| {
        message()
            .into_json()
            .head_delay(Duration::from_secs(seconds))
    };
    // The second answers at once; the first does, after it was given up on.
    for (first, second, winner) in [(30, 0, "second"), (3, 30, "first")] {
        let mut answers = vec![message().into_json(); 40];
        answers.extend([slow(first), slow(second)]);
        let (charged, record, _) = last(41, false, answers).await;
        assert_eq!(record.outcome, Outcome::Complete);
        assert_eq!(record.usage_source, UsageSource::Exact);
        assert_eq!(
            (record.input_tokens, record.output_tokens),
            (Some(100), Some(40))
        );
        let log: Vec<_> = record
            .attempt_log
            .iter()
            .map(|one| {
                (
                    one.target.as_ref().unwrap().name().to_owned(),
                    one.retry_reason,
                )
            })
            .collect();
        let expected = [
            ("first".to_owned(), None),
            ("second".to_owned(), Some(FailureKind::Slow)),
        ];
        assert_eq!(log, expected);
        assert_eq!(record.target.as_ref().unwrap().name(), winner);
        assert_eq!(record.cost, None, "nobody knows what the other one cost");
        // Of the other one the input is charged, as far as it is known.
        assert_eq!(charged.output, 40);
        assert!(charged.input > 100, "{charged:?}");
        assert!(charged.pico_dollars > 100 * 3_000_000 + 40 * 15_000_000);
    }
}

#[tokio::test(start_paused = true)]
async fn a_continued_answer_is_charged_for_both_its_parts() {
    let cut = message().into_stream().truncate_after(5);
    let (charged, record, text) = last(1, true, vec![cut, rest()]).await;
    assert!(
        text.ends_with("data: {\"type\":\"message_stop\"}\n\n"),
        "{text}"
    );
    assert!(text.contains("event: continuation") && !text.contains("event: error"));
    assert_eq!(text.matches("event: message_start").count(), 1);
    assert_eq!(record.outcome, Outcome::Complete);
    assert_eq!(record.attempt_log.len(), 2);
    assert_eq!(charged.input, 100 + 120);
    assert!(charged.output > 20, "{charged:?}");
    // What the first part had of output is what was seen of it.
    let cost = u128::from(charged.input) * 3_000_000 + u128::from(charged.output) * 15_000_000;
    assert_eq!(charged.pico_dollars, cost);
    assert_eq!(record.cost.map(Cost::pico_dollars), Some(cost));
}

fn rest() -> Answer {
    Answer::message(MODEL)
        .text(" in the evening")
        .input_tokens(120)
        .output_tokens(20)
        .into_stream()
}

/// Forty calls that teach the hedge, then these answers to the next.
fn learnt(answers: impl IntoIterator<Item = Answer>) -> Vec<Answer> {
    let mut all = vec![message().into_stream(); 40];
    all.extend(answers);
    all
}

/// Of another one, of which nothing is known, the input is charged as it was estimated.
fn assert_charged_for_another(charged: Sum, alone: Sum, record: &UsageRecord) {
    let input = record.estimated_input_tokens.unwrap();
    assert!(input > 0);
    let expected = Sum {
        input: alone.input + input,
        pico_dollars: alone.pico_dollars + u128::from(input) * 6_000_000,
        ..alone
    };
    assert_eq!(charged, expected);
}

/// Target, how it ended, and why it was made, of each attempt.
fn lines(record: &UsageRecord) -> Vec<(&str, AttemptOutcome, Option<FailureKind>)> {
    let mut lines = Vec::new();
    for one in record.attempt_log.iter() {
        let target = one.target.as_ref().unwrap().name();
        lines.push((target, one.outcome, one.retry_reason));
    }
    lines
}

#[tokio::test(start_paused = true)]
async fn a_hedged_answer_that_cannot_be_gone_on_with_is_charged_as_its_winners() {
    let late = |answer: Answer, seconds| answer.head_delay(Duration::from_secs(seconds));
    let cut = || message().into_stream().truncate_after(5);
    let refused = || {
        Answer::json(
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"no"}}"#,
        )
    };
    // What was seen of the part is charged alone when nobody was asked besides.
    let (alone, _, _) = last(41, true, learnt([cut(), refused()])).await;
    assert_eq!(alone.input, 100);
    let lost = AttemptOutcome::Ended(End::Dropped);
    let winner = AttemptOutcome::Ended(End::Truncated);
    for (first, second, is_first) in [(3, 30, true), (30, 0, false)] {
        let answers = [late(cut(), first), late(cut(), second), refused()];
        let (charged, record, text) = last(41, true, learnt(answers)).await;
        assert!(text.contains("event: error") && !text.contains("event: continuation"));
        assert_eq!(record.outcome, Outcome::Truncated);
        assert_eq!(record.input_tokens, Some(100));
        let log = lines(&record);
        assert_eq!(log.len(), 3);
        assert_eq!((log[0].0, log[1].0), ("first", "second"));
        let (won, other) = if is_first { (0, 1) } else { (1, 0) };
        assert_eq!((log[won].1, log[other].1), (winner, lost));
        assert_eq!(record.target.as_ref().unwrap().name(), log[won].0);
        assert_eq!(record.cost, None, "nobody knows what the other one cost");
        assert_charged_for_another(charged, alone, &record);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_whose_rest_is_hedged_is_charged_for_both_its_parts_and_the_other_one() {
    let late = |seconds| rest().head_delay(Duration::from_secs(seconds));
    let cut = || message().into_stream().truncate_after(5);
    let (alone, _, _) = last(41, true, learnt([cut(), rest()])).await;
    assert_eq!(alone.input, 100 + 120);
    let complete = AttemptOutcome::Ended(End::Complete);
    let lost = AttemptOutcome::Ended(End::Dropped);
    let cut_off = AttemptOutcome::Ended(End::Truncated);
    for (first, second, is_first) in [(3, 30, true), (30, 0, false)] {
        let answers = [cut(), late(first), late(second)];
        let (charged, record, text) = last(41, true, learnt(answers)).await;
        assert!(text.contains("event: continuation") && !text.contains("event: error"));
        assert_eq!(record.outcome, Outcome::Complete);
        assert_eq!(record.output_tokens, Some(20));
        let log = lines(&record);
        let further = if is_first {
            [complete, lost]
        } else {
            [lost, complete]
        };
        let expected = [
            ("first", cut_off, None),
            ("first", further[0], Some(FailureKind::Truncated)),
            ("second", further[1], Some(FailureKind::Slow)),
        ];
        assert_eq!(log, expected);
        let winner = if is_first { "first" } else { "second" };
        assert_eq!(record.target.as_ref().unwrap().name(), winner);
        assert_eq!(record.cost, None, "nobody knows what the other one cost");
        assert_charged_for_another(charged, alone, &record);
    }
}
