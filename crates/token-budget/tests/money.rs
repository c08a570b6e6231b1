//! Limits in dollars, and what calls set aside of them.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod support;

use http::Request;
use support::{Stack, messages, text, wide};
use tower::{Layer as _, ServiceExt as _};
use tower_claude_core::{CallBody, Consent, ModelPattern, Platform, Target};
use tower_claude_pricing::{Price, PriceTable, Rate, Rates};
use tower_claude_testkit::{Answer, FakeClaude, ReportedUsage};
use tower_claude_token_budget::{Limit, Per, Plan, Plans, TokenBudgetLayer};

/// In nano-dollars: $1 a million input tokens, $2 a million output tokens.
const INPUT: u64 = 1_000;
const OUTPUT: u64 = 2_000;

fn prices() -> PriceTable {
    let rate = |dollars| Rate::per_million_tokens(dollars).unwrap();
    let rates = Rates::new(rate("1"), rate("2"));
    PriceTable::empty().price("claude-opus-5-5", Price::new(rates))
}

fn stack(nanos: u64, fake: FakeClaude) -> Stack {
    let limit = Limit::nano_dollars(nanos.try_into().unwrap(), Per::Day);
    let mut stack = Stack::new(Plan::new("p").limit(limit), fake.clone());
    let plans = Plans::for_all(Plan::new("p").limit(limit)).unwrap();
    let layer = TokenBudgetLayer::new(stack.store.clone(), plans).prices(prices());
    stack.service = layer.layer(fake);
    stack
}

fn usage(input: u64, output: u64, cache_read: u64) -> ReportedUsage {
    let mut usage = ReportedUsage::default();
    (usage.input_tokens, usage.output_tokens, usage.cache_read) = (input, output, cache_read);
    usage
}

fn answer(output: u64) -> Answer {
    Answer::message("claude-opus-5-5")
        .output_tokens(output)
        .into_json()
}

#[tokio::test(start_paused = true)]
async fn a_call_is_charged_to_the_nano_dollar_what_it_cost() {
    let usage = usage(100, 50, 1_000);
    let answer = Answer::message("claude-opus-5-5").usage(usage).into_json();
    let stack = stack(1_000_000_000, FakeClaude::sequence([answer]));
    let response = stack.call(messages(64, false)).await;
    let (spent, held) = stack.books().await[0];
    assert_eq!(spent, 0);
    // All input at its dearest, a cache write for an hour, and all the output allowed.
    assert_eq!(held, 2 * INPUT * support::ESTIMATE + OUTPUT * 64);
    text(response).await;
    // A read costs a tenth of input by default.
    let cost = 100 * INPUT + 50 * OUTPUT + 1_000 * INPUT / 10;
    assert_eq!(stack.books().await, [(cost, 0)]);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_is_refused_and_what_can_never_fit_is_never() {
    let stack = stack(1_000_000, FakeClaude::sequence([answer(400)]));
    text(stack.call(messages(400, false)).await).await;
    let refused = stack.call(messages(400, false)).await;
    assert_eq!(refused.status(), 429);
    assert!(!refused.headers().contains_key("retry-after"));
    let said = text(refused).await;
    assert!(said.contains("exhausted ($0.001/day), resets "), "{said}");
    let never = stack.call(messages(1_000, false)).await;
    assert_eq!(never.status(), 400);
    let said = text(never).await;
    assert!(
        said.contains("never fits: the request needs $0.00"),
        "{said}"
    );
    assert_eq!(stack.fake.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_model_without_a_price_does_not_pass_where_money_is_limited() {
    let stack = stack(1_000_000_000, FakeClaude::default());
    let body = r#"{"model":"mystery","max_tokens":1,"messages":[]}"#;
    let request = Request::post("/v1/messages").body(body.into()).unwrap();
    let refused = stack.call(request).await;
    assert_eq!(refused.status(), 403);
    let said = text(refused).await;
    assert!(
        said.contains("anonymous has a limit in dollars, and model mystery has no price"),
        "{said}"
    );
    assert_eq!(stack.books().await, [(0, 0)]);
}

#[tokio::test(start_paused = true)]
async fn cache_reads_count_where_a_plan_says_so() {
    let usage = usage(100, 0, 1_000);
    for (percent, expected) in [(0, 100), (10, 200), (100, 1_100)] {
        let answer = Answer::message("m").usage(usage).into_json();
        let plan = wide().cache_reads(ModelPattern::new("claude-opus-*"), percent);
        let stack = Stack::new(plan, FakeClaude::sequence([answer]));
        text(stack.call(messages(64, false)).await).await;
        assert_eq!(stack.books().await[1], (expected, 0), "{percent} %");
    }
}

/// What the inner service is told to ask before it goes to a target.
async fn consent(stack: &Stack) -> Consent {
    let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
    let inner = tower::service_fn(move |request: Request<CallBody>| {
        let consent = Consent::of(&request).cloned();
        let sender = sender.clone();
        async move {
            sender.send(consent).await.unwrap();
            std::future::pending::<
                Result<
                    http::Response<http_body_util::Empty<bytes::Bytes>>,
                    std::convert::Infallible,
                >,
            >()
            .await
        }
    });
    let plans = Plans::for_all(Plan::clone(&stack.plan)).unwrap();
    let layer = TokenBudgetLayer::new(stack.store.clone(), plans).prices(prices());
    tokio::spawn(layer.layer(inner).oneshot(messages(64, false)));
    receiver
        .recv()
        .await
        .unwrap()
        .expect("where money is limited")
}

#[tokio::test(start_paused = true)]
async fn a_dearer_target_has_more_set_aside_or_is_refused() {
    let held = 2 * INPUT * support::ESTIMATE + OUTPUT * 64;
    let regional = || {
        // 10 % more, as the id says.
        Target::new("eu")
            .platform(Platform::Bedrock)
            .model("claude-opus-5-5", "eu.anthropic.claude-opus-5-5-v1:0")
    };
    let rich = stack(held * 2, FakeClaude::default());
    let asked = consent(&rich).await;
    assert!(
        asked.ask(&Target::new("here")).is_none(),
        "as dear as thought"
    );
    assert_eq!(rich.books().await, [(0, held)]);
    asked.ask(&regional()).unwrap().await.unwrap();
    assert_eq!(rich.books().await, [(0, held + held / 10)]);
    assert!(asked.ask(&regional()).is_none(), "it has it already");

    let poor = stack(held + held / 20, FakeClaude::default());
    let asked = consent(&poor).await;
    let refusal = asked.ask(&regional()).unwrap().await.unwrap_err();
    assert!(
        refusal.message().starts_with("never fits"),
        "{}",
        refusal.message()
    );
    assert_eq!(poor.books().await, [(0, held)], "nothing is lost");
}
