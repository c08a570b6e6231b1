//! Models that stand in for others: the last step, and a marked one.

#![allow(
    clippy::unwrap_used,
    reason = "a test stops at what is not as it should be"
)]

mod support;

use support::{Fleet, good, in_order, log, prepared};
use tower::{Layer as _, ServiceExt as _};
use tower_claude_core::{
    Call, CallBody, Degraded, FailureKind, ModelPattern, Target, Tenant, TenantId,
};
use tower_claude_failover::{FailoverLayer, ModelFallbacks};
use tower_claude_testkit::{Answer, FakeClaude};

const SONNET: &str = "claude-sonnet-5-5";
const HAIKU: &str = "claude-haiku-5-5";

fn layer(targets: Vec<Target>) -> FailoverLayer {
    let fallbacks = ModelFallbacks::new()
        .of("claude-opus-*", [SONNET, HAIKU])
        .unwrap();
    FailoverLayer::new(targets)
        .unwrap()
        .model_fallbacks(fallbacks)
}

/// Targets that give these answers, the last of them for ever.
fn fleet<const N: usize>(scripts: [(&'static str, Vec<Answer>); N]) -> Fleet {
    Fleet::new(scripts.map(|(name, answers)| (name, FakeClaude::sequence(answers))))
}

/// Asks once; the status, what the caller is told, and the models that were asked, by target.
async fn asked(
    layer: &FailoverLayer,
    fleet: &Fleet,
    request: http::Request<CallBody>,
    call: &Call,
) -> (u16, Option<String>, Vec<(String, Option<String>)>) {
    let response = layer.layer(fleet.clone()).oneshot(request).await.unwrap();
    let told = response.headers().get(Degraded::HEADER);
    let told = told.map(|value| value.to_str().unwrap().to_owned());
    let marked = response.extensions().get::<Degraded>();
    assert_eq!(marked.map(|degraded| degraded.model().to_owned()), told);
    let mut models = Vec::new();
    call.attempts().for_each(|attempt| {
        let target = attempt.target.as_ref().unwrap();
        let model = target.model_here(call.model().unwrap());
        models.push((target.name().to_owned(), model.map(str::to_owned)));
    });
    (response.status().as_u16(), told, models)
}

fn step(target: &str, model: Option<&str>) -> (String, Option<String>) {
    (target.to_owned(), model.map(str::to_owned))
}

#[tokio::test]
async fn a_model_stands_in_when_every_target_is_overloaded() {
    let scripted = fleet([
        ("a", vec![Answer::overloaded(), good()]),
        ("b", vec![Answer::overloaded()]),
    ]);
    let layer = layer(in_order(["a", "b"]));
    let (request, call) = prepared().await;
    let (status, told, models) = asked(&layer, &scripted, request, &call).await;
    assert_eq!((status, told.as_deref()), (200, Some(SONNET)));
    let expected = [step("a", None), step("b", None), step("a", Some(SONNET))];
    assert_eq!(models, expected);
    assert!(log(&call).last().unwrap().4, "the last one is the answer");
}

#[tokio::test]
async fn a_class_that_is_closed_is_passed_over_for_one_that_is_not() {
    let scripted = fleet([(
        "a",
        vec![
            Answer::rate_limited(30),
            Answer::rate_limited(30),
            good(),
            good(),
        ],
    )]);
    let layer = layer(in_order(["a"]));
    // Opus and Sonnet are limited; Haiku answers.
    let (request, call) = prepared().await;
    let (status, told, models) = asked(&layer, &scripted, request, &call).await;
    assert_eq!((status, told.as_deref()), (200, Some(HAIKU)));
    assert_eq!(models.len(), 3);
    // Both are known to be closed.
    let (request, call) = prepared().await;
    let (status, told, models) = asked(&layer, &scripted, request, &call).await;
    assert_eq!((status, told.as_deref()), (200, Some(HAIKU)));
    assert_eq!(models, [step("a", Some(HAIKU))]);
}

#[tokio::test]
async fn a_model_goes_by_the_name_it_has_at_the_target() {
    let scripted = fleet([("a", vec![Answer::overloaded(), good()])]);
    let layer = layer(vec![Target::new("a").model(SONNET, "my-sonnet")]);
    let (request, call) = prepared().await;
    let (_, told, models) = asked(&layer, &scripted, request, &call).await;
    assert_eq!(told.as_deref(), Some(SONNET), "as callers know it");
    assert_eq!(models, [step("a", None), step("a", Some("my-sonnet"))]);
}

#[tokio::test]
async fn a_model_that_the_tenant_may_not_use_does_not_stand_in() {
    let scripted = fleet([("a", vec![Answer::overloaded(), good()])]);
    let (mut request, call) = prepared().await;
    let tenant = Tenant::new(TenantId::new("web").unwrap());
    let allowed = ["claude-opus-*", HAIKU].map(ModelPattern::new);
    request.extensions_mut().insert(tenant.models(allowed));
    let layer = layer(in_order(["a"]));
    let (status, told, models) = asked(&layer, &scripted, request, &call).await;
    assert_eq!((status, told.as_deref()), (200, Some(HAIKU)));
    assert_eq!(models, [step("a", None), step("a", Some(HAIKU))]);
}

#[tokio::test]
async fn what_is_not_about_the_model_asks_no_other() {
    for (answer, status) in [
        (Answer::spend_cap(), 429),
        (Answer::error(500, "api_error", "?"), 500),
        (Answer::error(400, "invalid_request_error", "?"), 400),
        (Answer::overloaded().header("x-should-retry", "false"), 529),
    ] {
        let scripted = fleet([("a", vec![answer, good()])]);
        let (request, call) = prepared().await;
        let layer = layer(in_order(["a"]));
        let (seen, told, models) = asked(&layer, &scripted, request, &call).await;
        assert_eq!((seen, told, models.len()), (status, None, 1));
    }
}

#[tokio::test]
async fn a_model_without_fallbacks_and_a_good_answer_are_as_ever() {
    let scripted = fleet([("a", vec![good()])]);
    let (request, call) = prepared().await;
    let (status, told, models) = asked(&layer(in_order(["a"])), &scripted, request, &call).await;
    assert_eq!((status, told, models), (200, None, vec![step("a", None)]));

    let scripted = fleet([("a", vec![Answer::overloaded(), good()])]);
    let none = FailoverLayer::new(in_order(["a"])).unwrap();
    let (request, call) = prepared().await;
    let (status, told, _) = asked(&none, &scripted, request, &call).await;
    assert_eq!((status, told), (529, None), "opt-in");
    call.attempts().for_each(|attempt| {
        assert_eq!(attempt.failure, Some(FailureKind::Overloaded));
    });
}
