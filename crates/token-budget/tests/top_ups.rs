//! Output that is set aside while a stream goes on.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod support;

use std::fmt::Write as _;

use http_body_util::BodyExt as _;
use support::{Stack, messages, plan, text};
use tower::Layer as _;
use tower_claude_testkit::{Answer, FakeClaude};
use tower_claude_token_budget::{
    Limit, LimitScope, Meter, Per, Plan, Plans, ReserveOutput, TokenBudgetLayer,
};

/// A long story in many deltas.
fn story(words: usize) -> Answer {
    let mut text = String::new();
    for word in 0..words {
        let _ = write!(text, "word{word} ");
    }
    Answer::message("m")
        .text(text)
        .output_tokens(u64::try_from(words).unwrap() * 3)
        .into_stream()
}

fn stack(plan: Plan, answer: Answer) -> Stack {
    let fake = FakeClaude::sequence([answer]);
    let mut stack = Stack::new(plan.clone(), fake.clone());
    let layer = TokenBudgetLayer::new(stack.store.clone(), Plans::for_all(plan).unwrap());
    stack.service = layer.top_up(256.try_into().unwrap()).layer(fake);
    stack
}

#[tokio::test(start_paused = true)]
async fn a_stream_has_more_set_aside_as_it_goes_on() {
    let stack = stack(plan(&[(Meter::OutputTokens, 100_000)]), story(2_000));
    let response = stack.call(messages(50_000, true)).await;
    let mut body = response.into_body();
    let mut held = Vec::new();
    while let Some(frame) = body.frame().await {
        frame.unwrap();
        held.push(stack.books().await[0].1);
    }
    held.dedup();
    println!("{held:?}");
    assert_eq!(held[0], 1_024, "the first guess");
    assert!(held.len() > 5, "{held:?}");
    let steps = held.windows(2).take_while(|pair| pair[1] > 0);
    for pair in steps {
        assert_eq!(pair[1] - pair[0], 256, "{held:?}");
    }
    assert_eq!(stack.books().await, [(6_000, 0)]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_gets_no_more_ends_one_step_later_with_an_error() {
    let limit = 1_500;
    let stack = stack(plan(&[(Meter::OutputTokens, limit)]), story(4_000));
    let said = text(stack.call(messages(50_000, true)).await).await;
    let last = said.trim_end().rsplit("\n\n").next().unwrap();
    assert!(last.starts_with("event: error\n"), "{last}");
    assert!(last.contains("rate_limit_error"), "{last}");
    assert!(!said.contains("message_stop"));
    let (spent, held) = stack.books().await[0];
    assert_eq!(held, 0);
    println!("{spent} of {limit} spent");
    assert!((limit..limit + 256 + 64).contains(&spent), "{spent}");
}

#[tokio::test(start_paused = true)]
async fn an_optimistic_one_goes_on_and_leaves_a_debt() {
    let plan = plan(&[(Meter::OutputTokens, 1_500)]).reserve_output(ReserveOutput::Optimistic);
    let stack = stack(plan, story(2_000));
    let said = text(stack.call(messages(50_000, true)).await).await;
    assert!(said.contains("message_stop"));
    assert_eq!(stack.books().await, [(6_000, 0)]);
    assert_eq!(stack.call(messages(1, true)).await.status(), 429);
}

#[tokio::test(start_paused = true)]
async fn a_plain_answer_overruns_by_one_step_at_most() {
    let answer = Answer::message("m").output_tokens(2_000).into_json();
    let stack = stack(plan(&[(Meter::OutputTokens, 10_000)]), answer);
    let response = stack.call(messages(2_000, false)).await;
    assert_eq!(stack.books().await, [(0, 2_000 - 256)]);
    text(response).await;
    assert_eq!(stack.books().await, [(2_000, 0)]);
}

#[tokio::test(start_paused = true)]
async fn the_account_has_more_set_aside_as_well() {
    let limit = Limit::new(Meter::OutputTokens, 1_500.try_into().unwrap(), Per::Minute);
    let plan = Plan::new("p").limit(limit.scope(LimitScope::Account));
    let stack = stack(plan, story(4_000));
    let said = text(stack.call(messages(50_000, true)).await).await;
    assert!(said.contains("rate_limit_error"), "{}", said.len());
}
