//! What is set aside, what whole answers are charged, and what tenants are told.

mod support;

use std::time::Duration;

use http::Request;
use support::{ESTIMATE, Stack, header, messages, plan, text, wide};
use tokio::time::advance;
use tower::{Layer as _, ServiceExt as _};
use tower_claude_core::Timestamp;
use tower_claude_testkit::{Answer, FakeClaude, ReportedUsage};
use tower_claude_token_budget::{
    Limit, LimitScope, MemoryStore, Meter, Per, Plan, Plans, ReserveOutput, TokenBudgetLayer,
};

#[tokio::test(start_paused = true)]
async fn a_whole_answer_is_charged_what_it_reports_and_cache_reads_are_free() {
    let mut usage = ReportedUsage::default();
    usage.input_tokens = 100;
    usage.output_tokens = 40;
    usage.cache_read = 5_000;
    usage.cache_creation_5m = 20;
    usage.cache_creation_1h = 3;
    let answer = Answer::message("claude-opus-5-5").usage(usage).into_json();
    let stack = Stack::answering(answer);
    let response = stack.call(messages(1_000, false)).await;
    assert_eq!(
        stack.books().await,
        [(1, 0), (0, ESTIMATE), (0, 1_000), (0, ESTIMATE + 1_000)],
        "held until the answer is over"
    );
    text(response).await;
    assert_eq!(stack.spent().await, (1, 123, 40));
}

#[tokio::test(start_paused = true)]
async fn a_guess_of_output_never_makes_a_call_too_large() {
    for policy in [ReserveOutput::Balanced, ReserveOutput::Optimistic] {
        let plan = plan(&[(Meter::OutputTokens, 100), (Meter::Tokens, 90)]);
        let stack = Stack::new(plan.reserve_output(policy), FakeClaude::default());
        let response = stack.call(messages(50_000, false)).await;
        assert_eq!(response.status(), 200, "{policy:?}");
        let held = 90 - ESTIMATE;
        assert_eq!(stack.books().await, [(0, held), (0, 90)]);
    }
}

#[tokio::test(start_paused = true)]
async fn balanced_learns_what_calls_need() {
    let fake = FakeClaude::new(|_| {
        Answer::message("m")
            .text("x")
            .output_tokens(700)
            .into_stream()
    });
    let stack = Stack::new(wide(), fake);
    let mut held = Vec::new();
    for _ in 0..30 {
        let response = stack.call(messages(64_000, true)).await;
        held.push(stack.books().await[2].1);
        text(response).await;
    }
    assert_eq!(held[0], 1_024, "a first guess");
    let last = held.last().unwrap();
    assert!((910..1_000).contains(last), "{last}");
    let response = stack.call(messages(300, true)).await;
    assert_eq!(stack.books().await[2].1, 300, "never more than max_tokens");
    text(response).await;
}

#[tokio::test(start_paused = true)]
async fn answers_tell_of_the_tenants_limits_and_not_of_the_accounts() {
    let plan = plan(&[(Meter::Requests, 300), (Meter::InputTokens, 200_000)]);
    let stack = Stack::new(plan, FakeClaude::default());
    let before = Timestamp::now();
    let response = stack.call(messages(16, false)).await;
    assert_eq!(header(&response, "requests-limit"), "300");
    assert_eq!(header(&response, "requests-remaining"), "299");
    assert_eq!(header(&response, "input-tokens-limit"), "200000");
    assert_eq!(
        header(&response, "input-tokens-remaining"),
        (200_000 - ESTIMATE).to_string()
    );
    for meter in ["requests", "input-tokens"] {
        let reset = Timestamp::parse(header(&response, &format!("{meter}-reset"))).unwrap();
        let wait = reset.saturating_since(before);
        assert!(wait >= Duration::from_secs(60), "{wait:?}");
        assert!(wait <= Duration::from_secs(62), "{wait:?}");
    }
    let account: Vec<_> = response
        .headers()
        .keys()
        .filter(|name| name.as_str().starts_with("anthropic-ratelimit-"))
        .map(http::HeaderName::as_str)
        .collect();
    assert_eq!(account.len(), 6, "{account:?}");
    assert_eq!(
        response
            .headers()
            .get_all("anthropic-ratelimit-requests-limit")
            .iter()
            .count(),
        1
    );
}

#[tokio::test(start_paused = true)]
async fn an_error_of_upstream_costs_the_request_and_no_tokens() {
    for (answer, headers) in [
        (Answer::overloaded(), false),
        (Answer::rate_limited(30), true),
        (Answer::spend_limit(), false),
        (Answer::error(500, "api_error", "oops"), false),
    ] {
        let stack = Stack::answering(answer);
        let response = stack.call(messages(16, true)).await;
        let has = response
            .headers()
            .contains_key("anthropic-ratelimit-tokens-limit");
        assert_eq!(has, headers, "on 200 and 429: {}", response.status());
        assert_eq!(stack.spent().await, (1, 0, 0), "at once");
        assert!(text(response).await.contains("error"));
        assert_eq!(stack.spent().await, (1, 0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_before_sending_costs_nothing_and_one_after_it_costs_the_input() {
    let stack = Stack::answering(Answer::refused_connection());
    let result = stack.service.clone().oneshot(messages(16, false)).await;
    assert!(result.is_err());
    assert_eq!(stack.spent().await, (0, 0, 0));
    let stack = Stack::answering(Answer::reset());
    let result = stack.service.clone().oneshot(messages(16, false)).await;
    assert!(result.is_err());
    assert_eq!(stack.spent().await, (1, ESTIMATE, 0));
}

#[tokio::test(start_paused = true)]
async fn a_count_of_tokens_is_a_request_without_tokens() {
    let stack = Stack::new(wide(), FakeClaude::default());
    let body = r#"{"model":"claude-opus-5-5","messages":[]}"#;
    let request = Request::post("/v1/messages/count_tokens").body(body.into());
    let response = stack.call(request.unwrap()).await;
    assert_eq!(response.status(), 200);
    assert_eq!(header(&response, "requests-remaining"), "999");
    assert_eq!(stack.spent().await, (1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_says_nothing_of_usage_is_charged_what_was_set_aside() {
    let stack = Stack::answering(Answer::raw(200, "application/octet-stream", "??"));
    let response = stack.call(messages(77, true)).await;
    text(response).await;
    assert_eq!(stack.spent().await, (1, ESTIMATE, 77));
}

#[tokio::test(start_paused = true)]
async fn zero_is_a_value() {
    let answer = Answer::message("m")
        .input_tokens(0)
        .output_tokens(0)
        .into_json();
    let stack = Stack::answering(answer);
    text(stack.call(messages(0, false)).await).await;
    assert_eq!(stack.spent().await, (1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_is_replaced_binds_the_next_call() {
    let plans = Plans::for_all(plan(&[(Meter::Requests, 1)])).unwrap();
    let layer = TokenBudgetLayer::new(MemoryStore::new(), plans.clone());
    let service = layer.layer(FakeClaude::default());
    let mut statuses = Vec::new();
    for amount in [1, 2, 1, 3] {
        plans.replace(&Plans::for_all(plan(&[(Meter::Requests, amount)])).unwrap());
        let response = service.clone().oneshot(messages(16, false)).await.unwrap();
        statuses.push(response.status().as_u16());
    }
    assert_eq!(statuses, [200, 200, 429, 200]);
}

#[tokio::test(start_paused = true)]
async fn limits_of_a_second_and_of_an_hour_slide_too() {
    let second = Limit::new(Meter::Requests, 2.try_into().unwrap(), Per::Second);
    let hour = Limit::new(Meter::Requests, 3.try_into().unwrap(), Per::Hour);
    let stack = Stack::new(
        Plan::new("p").limit(second).limit(hour),
        FakeClaude::default(),
    );
    let mut waits = Vec::new();
    for wait in [0, 0, 0, 1_000, 0] {
        advance(Duration::from_millis(wait)).await;
        let response = stack.call(messages(16, false)).await;
        let wait = response.headers().get("retry-after");
        waits.push(wait.map(|wait| wait.to_str().unwrap().to_owned()));
    }
    let waits: Vec<_> = waits.iter().map(Option::as_deref).collect();
    assert_eq!(waits[..4], [None, None, Some("1"), None]);
    // An hour has sixty parts, each of which stops to count with the last of it: the first
    // calls, or with the third if that is of the same part.
    assert!(matches!(waits[4], Some("3599" | "3600")), "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn the_account_is_charged_whatever_books_a_tenant_shares_with_it() {
    // A store keeps owners apart by hashes that are other ones in each: in some of so many, the
    // account's books are beside the tenant's.
    for _ in 0..400 {
        let limit = Limit::new(Meter::Requests, 1.try_into().unwrap(), Per::Hour);
        let plan = Plan::new("p").limit(limit.scope(LimitScope::Account));
        let stack = Stack::new(plan, FakeClaude::default());
        let mut statuses = Vec::new();
        for _ in 0..2 {
            let response = stack.call(messages(10, false)).await;
            statuses.push(response.status().as_u16());
            text(response).await;
        }
        assert_eq!(statuses, [200, 429]);
    }
}
