//! What `Authorize` lets a tenant ask for, and how it refuses the rest.

mod support;

use http::Request;
use http_body_util::Full;
use support::{Answer, Recorder, ask, call, request, tenant};
use tower::{Layer as _, ServiceBuilder, ServiceExt as _};
use tower_claude_core::{Call, CallBody, Endpoint, Intake, RequestId, Tenant};
use tower_claude_tenant_auth::{AuthFailure, AuthorizeLayer, Residencies};
use tower_claude_testkit::{FakeClaude, ScriptedBody, Step};

async fn ask_as<B>(layer: &AuthorizeLayer, tenant: &Tenant, mut request: Request<B>) -> Answer
where
    B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
    B::Error: Into<tower_claude_core::BoxError>,
{
    request.extensions_mut().insert(tenant.clone());
    ask(layer.layer(Recorder::default()), request).await
}

#[tokio::test]
async fn a_call_of_nobody_is_refused_and_its_body_unread() {
    let body = ScriptedBody::new([Step::Stall]);
    let observer = body.observer();
    let recorder = Recorder::default();
    let service = AuthorizeLayer::new().layer(recorder.clone());
    let mut request = Request::post("/v1/messages").body(body).unwrap();
    let id = RequestId::generate();
    request.extensions_mut().insert(id);
    let answer = ask(service, request).await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.headers["request-id"], id.as_str());
    let reason = AuthFailure::of(answer.refusal.as_ref().unwrap());
    assert_eq!(reason, Some(AuthFailure::Missing));
    assert_eq!(observer.polls(), 0);
    assert!(recorder.heads().is_empty());
}

#[tokio::test]
async fn a_tenant_without_lists_may_ask_every_priced_model() {
    let web = tenant("web");
    let all = AuthorizeLayer::new();
    assert_eq!(
        ask_as(&all, &web, request("claude-x", &[])).await.status,
        200
    );
    let priced = AuthorizeLayer::new().priced(|model| model == "claude-x");
    assert_eq!(
        ask_as(&priced, &web, request("claude-x", &[])).await.status,
        200
    );
    let answer = ask_as(&priced, &web, request("claude-y", &[])).await;
    assert_eq!(answer.status, 403);
    assert!(answer.body.contains("permission_error"));
    assert_eq!(answer.message(), "tenant web may not use model claude-y");
}

#[tokio::test]
async fn a_model_without_a_price_passes_only_if_the_list_means_it() {
    let layer = AuthorizeLayer::new().priced(|model| model.starts_with("claude-"));
    let web = tenant("web").models(["*".into(), "my-deployment".into()]);
    for (model, status) in [
        ("claude-x", 200),
        ("my-deployment", 200),
        ("your-deployment", 403),
    ] {
        let answer = ask_as(&layer, &web, request(model, &[])).await;
        assert_eq!(answer.status, status, "{model}");
    }
}

#[tokio::test]
async fn a_list_of_models_excludes_the_others() {
    let layer = AuthorizeLayer::new();
    let web = tenant("web").models(["claude-haiku-*".into()]);
    let answer = ask_as(&layer, &web, request("claude-opus-5-5", &[])).await;
    assert_eq!(
        answer.message(),
        "tenant web may not use model claude-opus-5-5"
    );
}

#[tokio::test]
async fn a_long_name_of_a_model_is_not_echoed_in_full() {
    let layer = AuthorizeLayer::new().priced(|_| false);
    let answer = ask_as(&layer, &tenant("web"), request(&"é".repeat(10_000), &[])).await;
    assert_eq!(answer.status, 403);
    assert!(answer.message().len() < 500);
}

#[tokio::test]
async fn endpoints_that_are_not_the_tenant_s_are_refused_by_name() {
    let layer = AuthorizeLayer::new();
    let web = tenant("web").endpoints([Endpoint::Messages]);
    assert_eq!(ask_as(&layer, &web, call(&[])).await.status, 200);
    let models = || Request::get("/v1/models/claude-x").body(CallBody::empty());
    let answer = ask_as(&layer, &web, models().unwrap()).await;
    assert_eq!(answer.status, 403);
    assert_eq!(answer.message(), "tenant web may not use endpoint models");
    // Saying hello is always allowed.
    let hello = Request::head("/api/hello").body(CallBody::empty()).unwrap();
    assert_eq!(ask_as(&layer, &web, hello).await.status, 200);
}

#[tokio::test]
async fn the_path_of_a_model_is_not_checked_as_one() {
    let layer = AuthorizeLayer::new().priced(|_| false);
    let request = Request::get("/v1/models/claude-x").body(CallBody::empty());
    let answer = ask_as(&layer, &tenant("web"), request.unwrap()).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_residency_without_a_target_is_refused_by_name_and_last() {
    let layer = AuthorizeLayer::new().residencies(["us"]);
    let bound = tenant("web").residency(["eu".into(), "uk".into()]);
    let answer = ask_as(&layer, &bound, call(&[])).await;
    assert_eq!(answer.status, 403);
    assert!(answer.message().contains("residency eu, uk"));

    let neither = bound.models(["claude-haiku-*".into()]);
    let answer = ask_as(&layer, &neither, call(&[])).await;
    assert!(answer.message().contains("model"), "the model comes first");

    let free = ask_as(&layer, &tenant("web"), call(&[])).await;
    assert_eq!(free.status, 200);
}

#[tokio::test]
async fn residencies_can_be_replaced_and_without_any_none_are_asked() {
    let bound = tenant("web").residency(["eu".into()]);
    let residencies = Residencies::new(["us"]);
    let layer = AuthorizeLayer::new().residencies(residencies.clone());
    assert_eq!(ask_as(&layer, &bound, call(&[])).await.status, 403);
    residencies.replace(["us", "eu"]);
    assert_eq!(ask_as(&layer, &bound, call(&[])).await.status, 200);
    residencies.replace(Vec::<String>::new());
    assert_eq!(ask_as(&layer, &bound, call(&[])).await.status, 403);
    let layer = AuthorizeLayer::new();
    assert_eq!(ask_as(&layer, &bound, call(&[])).await.status, 200);
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_before_what_is_not_allowed() {
    let layer = AuthorizeLayer::new().intake(Intake::new().body_limit(10));
    let nothing = tenant("web").endpoints([]);
    let answer = ask_as(&layer, &nothing, call(&[])).await;
    assert_eq!(answer.status, 413);
    let layer = AuthorizeLayer::new();
    let request = |path: &str| Request::post(path).body(Full::from("{}")).unwrap();
    let answer = ask_as(&layer, &nothing, request("/v1/complete")).await;
    assert_eq!(answer.status, 404);
    let answer = ask_as(&layer, &nothing, request("/v1/messages")).await;
    assert_eq!(answer.status, 400);
}

#[tokio::test]
async fn the_facts_travel_on_with_the_same_bytes() {
    let fake = FakeClaude::default().recording();
    let service = ServiceBuilder::new()
        .layer(AuthorizeLayer::new())
        .map_request(|request: Request<CallBody>| {
            let call = Call::of(&request).expect("the facts");
            assert_eq!(call.model(), Some("claude-opus-5-5"));
            assert_eq!(call.body(), request.body().as_bytes());
            request
        })
        .service(fake.clone());
    let mut request = call(&[]);
    request.extensions_mut().insert(tenant("web"));
    let response = service.oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(
        fake.asked()[0].body(),
        r#"{"model":"claude-opus-5-5","max_tokens":9,"messages":[]}"#
    );
}
