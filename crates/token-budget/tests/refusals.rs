//! Who is refused, and in which words.

mod support;

use std::future::{Pending, Ready, pending, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use http::Request;
use http_body_util::BodyExt as _;
use support::{Stack, header, json, limit, messages, of, plan, subject, tenant, wide};
use tokio::time::advance;
use tower::{Layer as _, ServiceExt as _};
use tower_claude_core::{Call, CallBody, Refusal, RefusalKind, Timestamp};
use tower_claude_testkit::{Answer, FakeClaude};
use tower_claude_token_budget::{
    BudgetStore, Estimated, LimitUsage, MemoryStore, Meter, Plan, Plans, Reservation,
    ReserveOutput, Reserved, Settlement, StoreError, Subject, TokenBudgetLayer, WhenStoreIsDown,
};

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
    let usage = stack
        .store
        .usage(&subject("web"), &stack.plan)
        .await
        .unwrap();
    assert_eq!((usage[0].spent, usage[0].remaining()), (1, 0));
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

    fn usage(&self, _: &Subject, _: &Arc<Plan>) -> Self::Usage {
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
        response
            .into_body()
            .collect()
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
    response.into_body().collect().await.unwrap();
    assert_eq!(
        (store.settled.load(SeqCst), store.input.load(SeqCst)),
        (1, 31)
    );
}

#[tokio::test]
async fn a_store_that_never_answers_holds_only_its_own_call() {
    struct Silent;
    impl BudgetStore for Silent {
        type Reserve = Pending<Result<Reserved, StoreError>>;
        type Usage = Pending<Result<Vec<LimitUsage>, StoreError>>;
        fn reserve(&self, _: Reservation) -> Self::Reserve {
            pending()
        }
        fn extend(&self, _: Reservation) -> Self::Reserve {
            pending()
        }
        fn settle(&self, _: Settlement) {}
        fn usage(&self, _: &Subject, _: &Arc<Plan>) -> Self::Usage {
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
