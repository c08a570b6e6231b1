//! Grants, refusals, headers, and what whole answers are charged.

mod support;

use std::future::{Ready, pending, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use http::Request;
use support::{ESTIMATE, Stack, json, limit, messages, of, owner, plan, tenant, text, wide};
use tokio::time::advance;
use tower::{Layer as _, ServiceExt as _};
use tower_claude_core::{
    Attempt, Call, CallBody, FailureKind, Refusal, RefusalKind, RequestId, Timestamp,
};
use tower_claude_testkit::{Answer, FakeClaude, ReportedUsage};
use tower_claude_token_budget::{
    BudgetStore, Estimated, LimitUsage, MemoryStore, Meter, Owner, Per, Plan, Plans, Reservation,
    ReserveOutput, Reserved, Settlement, StoreError, TokenBudgetLayer, WhenStoreIsDown,
};

fn header<'a, B>(response: &'a http::Response<B>, name: &str) -> &'a str {
    let name = format!("anthropic-ratelimit-{name}");
    response
        .headers()
        .get(&name)
        .unwrap_or_else(|| panic!("no {name}"))
        .to_str()
        .unwrap()
}

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
async fn the_fifth_of_four_calls_a_minute_is_told_when_to_come_back_and_then_passes() {
    let plans = Plans::new([Plan::new("small").limit(limit(Meter::Requests, 4))]).unwrap();
    let layer = TokenBudgetLayer::new(MemoryStore::new(), plans);
    let fake = FakeClaude::default();
    let service = layer.layer(fake.clone());
    let web = || of(tenant("web").plan("small"), messages(16, false));
    for left in [3, 2, 1, 0] {
        let response = service.clone().oneshot(web()).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(header(&response, "requests-remaining"), left.to_string());
        advance(Duration::from_millis(1_500)).await;
    }
    let response = service.clone().oneshot(web()).await.unwrap();
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["retry-after"], "54");
    assert_eq!(header(&response, "requests-limit"), "4");
    assert_eq!(header(&response, "requests-remaining"), "0");
    assert!(!response.headers().contains_key("x-should-retry"));
    let refusal = response.extensions().get::<Refusal>().unwrap();
    assert_eq!(refusal.kind(), RefusalKind::RateLimited);
    let reset = header(&response, "requests-reset").to_owned();
    let error = &json(response).await["error"];
    assert_eq!(error["type"], "rate_limit_error");
    assert_eq!(error["message"], "tenant web exhausted (4 requests/min)");
    assert_eq!(error["details"]["scope"], "tenant");
    assert_eq!(error["details"]["meter"], "requests");
    assert_eq!(error["details"]["limit"], 4);
    assert_eq!(error["details"]["per"], "minute");
    let resets_at = error["details"]["resets_at"].as_str().unwrap();
    assert!(Timestamp::parse(resets_at).is_some(), "{resets_at}");
    assert_eq!(resets_at.len(), "2026-01-01T00:00:00Z".len());
    assert_eq!(reset.len(), resets_at.len());
    assert_eq!(fake.calls(), 4, "a refused call is not sent");
    advance(Duration::from_secs(54)).await;
    let response = service.oneshot(web()).await.unwrap();
    assert_eq!(response.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn refusals_name_the_limit_as_it_was_written() {
    for (meter, amount, name) in [
        (Meter::InputTokens, 200_000, "200k input tokens/min"),
        (Meter::OutputTokens, 1_500_000, "1.5M output tokens/min"),
        (Meter::Tokens, 200_000, "200k tokens/min"),
    ] {
        let plan = plan(&[(meter, amount)]).reserve_output(ReserveOutput::Strict);
        let layer = TokenBudgetLayer::new(MemoryStore::new(), Plans::for_all(plan).unwrap())
            .estimate(|_: &Call| Estimated::new(150_000));
        let service = layer.layer(FakeClaude::new(|_| Answer::message("m").into_json()));
        let call = || {
            of(
                tenant("web"),
                messages(1_400_000.min(amount - 150_000), false),
            )
        };
        let first = service.clone().oneshot(call()).await.unwrap();
        let second = service.oneshot(call()).await.unwrap();
        assert_eq!(
            (first.status(), second.status()),
            (200.try_into().unwrap(), 429.try_into().unwrap())
        );
        let message = json(second).await["error"]["message"].clone();
        assert_eq!(message, format!("tenant web exhausted ({name})"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_larger_than_the_whole_limit_never_fits() {
    let plan = plan(&[(Meter::Requests, 5), (Meter::OutputTokens, 1_000)]);
    let stack = Stack::new(
        plan.reserve_output(ReserveOutput::Strict),
        FakeClaude::default(),
    );
    let response = stack.call(messages(4_096, false)).await;
    assert_eq!(response.status(), 400);
    assert!(!response.headers().contains_key("retry-after"));
    let error = &json(response).await["error"];
    assert_eq!(error["type"], "invalid_request_error");
    assert_eq!(
        error["message"],
        "never fits: the request needs 4096 output tokens, the limit is 1k output tokens/min"
    );
    assert_eq!(stack.books().await, [(0, 0), (0, 0)]);
    assert_eq!(stack.fake.calls(), 0);
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
            .into_json()
    });
    let stack = Stack::new(wide(), fake);
    let mut held = Vec::new();
    for _ in 0..30 {
        let response = stack.call(messages(64_000, false)).await;
        held.push(stack.books().await[2].1);
        text(response).await;
    }
    assert_eq!(held[0], 1_024, "a first guess");
    let last = held.last().unwrap();
    assert!((910..1_000).contains(last), "{last}");
    let response = stack.call(messages(300, false)).await;
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

/// An inner layer that answers by itself, after having done to the log what `log` says.
async fn inside(
    stack_plan: Plan,
    log: fn(&Call),
    answer: fn(
        RequestId,
    ) -> http::Response<
        tower_claude_core::ResponseBody<tower_claude_testkit::ScriptedBody>,
    >,
) -> (Vec<(u64, u64)>, u16) {
    let (store, plans) = (MemoryStore::new(), Plans::for_all(stack_plan).unwrap());
    let inner = tower::service_fn(move |request: Request<CallBody>| async move {
        let call = Call::of(&request).unwrap();
        log(call);
        Ok::<_, std::convert::Infallible>(answer(call.id()))
    });
    let service = TokenBudgetLayer::new(store.clone(), plans.clone()).layer(inner);
    let response = service.oneshot(messages(100, false)).await.unwrap();
    let status = response.status().as_u16();
    drop(response);
    let plan = plans.get(None).unwrap();
    (
        support::books(&store, &Owner::Anonymous, &plan).await,
        status,
    )
}

fn attempt(call: &Call, status: Option<u16>, failure: Option<FailureKind>) {
    let started = tokio::time::Instant::now().into_std();
    let mut attempt = Attempt::new(None, started, None);
    attempt.status = status;
    attempt.failure = failure;
    attempt.is_final = failure.is_none();
    call.attempts().begin(attempt);
}

fn refused(
    id: RequestId,
) -> http::Response<tower_claude_core::ResponseBody<tower_claude_testkit::ScriptedBody>> {
    let refusal = Refusal::new(RefusalKind::BadGateway, "no target answered");
    refusal.respond(tower_claude_core::Dialect::Anthropic, id)
}

fn good(
    _: RequestId,
) -> http::Response<tower_claude_core::ResponseBody<tower_claude_testkit::ScriptedBody>> {
    let answer = Answer::message("m")
        .input_tokens(50)
        .output_tokens(60)
        .into_json();
    // Never read, so the rest of the answer is dropped.
    answer
        .response()
        .unwrap()
        .map(tower_claude_core::ResponseBody::inner)
}

#[tokio::test(start_paused = true)]
async fn a_refusal_by_a_layer_inside_costs_nothing_where_upstream_was_not_asked() {
    let (books, status) = inside(wide(), |_| {}, refused).await;
    assert_eq!((books, status), (vec![(0, 0); 4], 502));
    let not_sent = |call: &Call| attempt(call, None, Some(FailureKind::NotSent));
    let (books, _) = inside(wide(), not_sent, refused).await;
    assert_eq!(books, [(0, 0); 4]);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_after_attempts_costs_what_they_may_have_been_billed() {
    let asked = |call: &Call| {
        attempt(call, Some(529), Some(FailureKind::Overloaded));
        attempt(call, None, Some(FailureKind::NoReply));
    };
    let (books, _) = inside(wide(), asked, refused).await;
    assert_eq!(books[..3], [(1, 0), (ESTIMATE, 0), (0, 0)]);
}

#[tokio::test(start_paused = true)]
async fn attempts_that_may_have_been_billed_come_on_top_of_the_answer() {
    let once = |call: &Call| attempt(call, Some(200), None);
    let (first, _) = inside(wide(), once, good).await;
    assert_eq!(
        first[..3],
        [(1, 0), (ESTIMATE, 0), (100, 0)],
        "unread: what was set aside"
    );
    let twice = |call: &Call| {
        attempt(call, None, Some(FailureKind::NoReply));
        attempt(call, Some(429), Some(FailureKind::RateLimited));
        attempt(call, Some(200), None);
    };
    let (books, _) = inside(wide(), twice, good).await;
    assert_eq!(books[..3], [(1, 0), (2 * ESTIMATE, 0), (100, 0)]);
}

#[tokio::test(start_paused = true)]
async fn no_plan_and_an_unknown_plan_are_refused() {
    let plans = Plans::new([wide()]).unwrap();
    let service = TokenBudgetLayer::new(MemoryStore::new(), plans).layer(FakeClaude::default());
    for (request, message) in [
        (
            of(tenant("web").plan("gold"), messages(16, false)),
            "unknown plan",
        ),
        (of(tenant("web"), messages(16, false)), "no plan"),
        (messages(16, false), "no plan"),
    ] {
        let response = service.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 403);
        let error = &json(response).await["error"];
        assert_eq!(error["type"], "permission_error");
        assert_eq!(error["message"], message);
    }
}

#[tokio::test(start_paused = true)]
async fn callers_without_a_tenant_share_one_budget_and_tenants_have_their_own() {
    let stack = Stack::new(plan(&[(Meter::Requests, 1)]), FakeClaude::default());
    assert_eq!(stack.call(messages(16, false)).await.status(), 200);
    let second = stack.call(messages(16, false)).await;
    assert_eq!(second.status(), 429);
    let error = &json(second).await["error"]["message"];
    assert_eq!(error, "anonymous exhausted (1 requests/min)");
    for name in ["anonymous", "web"] {
        let request = of(tenant(name), messages(16, false));
        assert_eq!(stack.call(request).await.status(), 200, "{name}");
    }
    let usage = stack.store.usage(&owner("web"), &stack.plan).await.unwrap();
    assert_eq!((usage[0].spent, usage[0].remaining()), (1, 0));
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

#[tokio::test]
async fn a_bad_request_is_refused_before_anything_is_set_aside() {
    let stack = Stack::new(wide(), FakeClaude::default());
    for (request, status) in [
        (Request::post("/v1/messages").body("{".into()).unwrap(), 400),
        (
            Request::post("/v1/complete").body("{}".into()).unwrap(),
            404,
        ),
        (Request::get("/v1/messages").body("".into()).unwrap(), 405),
    ] {
        let response = stack.call(request).await;
        assert_eq!(response.status(), status);
        assert!(response.extensions().get::<Refusal>().is_some());
    }
    assert_eq!((stack.spent().await, stack.fake.calls()), ((0, 0, 0), 0));
}

/// A store that is down, and counts what it is told all the same.
#[derive(Default)]
struct Down {
    settled: AtomicU64,
    input: AtomicU64,
}

impl BudgetStore for Down {
    type Reserve = Ready<Result<Reserved, StoreError>>;
    type Usage = Ready<Result<Vec<LimitUsage>, StoreError>>;

    fn reserve(&self, _: Reservation) -> Self::Reserve {
        ready(Err(StoreError::new("connection refused: redis.internal")))
    }

    fn extend(&self, more: Reservation) -> Self::Reserve {
        self.reserve(more)
    }

    fn settle(&self, settlement: Settlement) {
        self.settled.fetch_add(1, SeqCst);
        self.input
            .fetch_add(settlement.amounts.input_tokens, SeqCst);
    }

    fn usage(&self, _: &Owner, _: &Arc<Plan>) -> Self::Usage {
        ready(Err(StoreError::new("connection refused")))
    }
}

#[tokio::test]
async fn a_store_that_is_down_refuses_and_releases_what_it_may_have_set_aside() {
    let store = Arc::new(Down::default());
    let layer = TokenBudgetLayer::new(Arc::clone(&store), Plans::for_all(wide()).unwrap());
    let fake = FakeClaude::default();
    let response = layer.layer(fake.clone()).oneshot(messages(16, false)).await;
    let response = response.unwrap();
    assert_eq!(response.status(), 503);
    let text = String::from_utf8(
        http_body_util::BodyExt::collect(response.into_body())
            .await
            .unwrap()
            .to_bytes()
            .to_vec(),
    )
    .unwrap();
    assert!(text.contains(r#""type":"api_error""#), "{text}");
    assert!(!text.contains("redis"), "{text}");
    assert_eq!(fake.calls(), 0);
    assert_eq!(
        (store.settled.load(SeqCst), store.input.load(SeqCst)),
        (1, 0)
    );
}

#[tokio::test]
async fn a_store_that_is_down_may_let_calls_pass_and_is_told_what_they_took() {
    let store = Arc::new(Down::default());
    let layer = TokenBudgetLayer::new(Arc::clone(&store), Plans::for_all(wide()).unwrap())
        .when_store_is_down(WhenStoreIsDown::Allow);
    let answer = Answer::message("m").input_tokens(31).into_json();
    let service = layer.layer(FakeClaude::sequence([answer]));
    let response = service.oneshot(messages(16, false)).await.unwrap();
    assert_eq!(response.status(), 200);
    http_body_util::BodyExt::collect(response.into_body())
        .await
        .unwrap();
    assert_eq!(
        (store.settled.load(SeqCst), store.input.load(SeqCst)),
        (1, 31)
    );
}

#[tokio::test(start_paused = true)]
async fn limits_of_a_second_and_of_an_hour_slide_too() {
    let second =
        tower_claude_token_budget::Limit::new(Meter::Requests, 2.try_into().unwrap(), Per::Second);
    let hour =
        tower_claude_token_budget::Limit::new(Meter::Requests, 3.try_into().unwrap(), Per::Hour);
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
    assert_eq!(waits, [None, None, Some("1"), None, Some("3599")]);
}

#[tokio::test]
async fn a_store_that_never_answers_holds_only_its_own_call() {
    struct Silent;
    impl BudgetStore for Silent {
        type Reserve = std::future::Pending<Result<Reserved, StoreError>>;
        type Usage = std::future::Pending<Result<Vec<LimitUsage>, StoreError>>;
        fn reserve(&self, _: Reservation) -> Self::Reserve {
            pending()
        }
        fn extend(&self, _: Reservation) -> Self::Reserve {
            pending()
        }
        fn settle(&self, _: Settlement) {}
        fn usage(&self, _: &Owner, _: &Arc<Plan>) -> Self::Usage {
            pending()
        }
    }
    let layer = TokenBudgetLayer::new(Silent, Plans::for_all(wide()).unwrap());
    let service = layer.layer(FakeClaude::default());
    let mut call = tokio_test::task::spawn(service.clone().oneshot(messages(16, false)));
    tokio_test::assert_pending!(call.poll());
    let models = Request::get("/v1/models").body(CallBody::empty()).unwrap();
    assert_eq!(service.oneshot(models).await.unwrap().status(), 200);
}
