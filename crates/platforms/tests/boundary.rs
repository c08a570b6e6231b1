//! The boundary: answers where there are none, and nothing of the account outside of it.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

use http::{Request, Response};
use http_body_util::Full;
use tower_claude_core::{CallBody, Failure, FailureKind, Refusal, RefusalKind, RequestId};
use tower_claude_core::{Sent, TransportError};
use tower_claude_platforms::BoundaryLayer;
use tower_claude_testkit::{Answer, FakeClaude};
use tower_layer::Layer;
use tower_service::Service;

async fn ask(fake: FakeClaude) -> (Response<()>, RequestId) {
    let mut service = BoundaryLayer::new().layer(fake);
    let mut request = Request::post("/v1/messages")
        .body(CallBody::from("{}"))
        .unwrap();
    let id = RequestId::generate();
    request.extensions_mut().insert(id);
    std::future::poll_fn(|cx| Service::<Request<CallBody>>::poll_ready(&mut service, cx))
        .await
        .unwrap();
    let response = service.call(request).await.unwrap();
    (response.map(drop), id)
}

#[tokio::test]
async fn no_answer_becomes_one_that_says_what_may_be_billed() {
    let (refused, id) = ask(FakeClaude::sequence([Answer::refused_connection()])).await;
    assert_eq!(refused.status(), 502);
    assert_eq!(
        refused.headers()["request-id"],
        id.as_str(),
        "the host's own id"
    );
    let failure: &Failure = refused.extensions().get().unwrap();
    assert_eq!(failure.kind, FailureKind::NotSent);
    let refusal: &Refusal = refused.extensions().get().unwrap();
    assert_eq!(refusal.kind(), RefusalKind::BadGateway);

    let (reset, _) = ask(FakeClaude::sequence([Answer::reset()])).await;
    assert_eq!(reset.status(), 502);
    let failure: &Failure = reset.extensions().get().unwrap();
    assert!(failure.possibly_billed());
}

#[tokio::test]
async fn time_that_ran_out_is_a_504() {
    let late = tower::service_fn(|_: Request<CallBody>| async {
        Err::<Response<Full<bytes::Bytes>>, _>(TransportError::timeout(Sent::Maybe))
    });
    let mut service = BoundaryLayer::new().layer(late);
    let response = service.call(Request::new(CallBody::empty())).await.unwrap();
    assert_eq!(response.status(), 504);
}

#[tokio::test]
async fn what_upstream_says_of_the_account_is_taken_off() {
    let answer = Answer::json(200, "{}")
        .header("anthropic-organization-id", "org")
        .header("anthropic-ratelimit-requests-limit", "1000")
        .header("request-id", "req_upstream");
    let (response, _) = ask(FakeClaude::sequence([answer])).await;
    assert!(!response.headers().contains_key("anthropic-organization-id"));
    assert!(
        !response
            .headers()
            .contains_key("anthropic-ratelimit-requests-limit")
    );
    assert_eq!(response.headers()["request-id"], "req_upstream");
}
