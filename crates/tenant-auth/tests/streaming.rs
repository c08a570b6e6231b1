//! An answer passes both layers as it is, frame by frame.

mod support;

use http_body::Body as _;
use http_body_util::BodyExt as _;
use support::{KEY, call, keys};
use tower::{ServiceBuilder, ServiceExt as _};
use tower_claude_core::ResponseBody;
use tower_claude_tenant_auth::{AuthorizeLayer, TenantAuthLayer};
use tower_claude_testkit::{Answer, FakeClaude, ScriptedBody, Split};

type Passed = ResponseBody<ResponseBody<ScriptedBody>>;

async fn pass(answer: &Answer) -> Passed {
    let service = ServiceBuilder::new()
        .layer(TenantAuthLayer::new(keys()))
        .layer(AuthorizeLayer::new())
        .service(FakeClaude::sequence([answer.clone()]));
    let response = service.oneshot(call(&[("x-api-key", KEY)])).await;
    response.expect("an answer").into_body()
}

async fn direct(answer: &Answer) -> ScriptedBody {
    let fake = FakeClaude::sequence([answer.clone()]);
    let response = fake.oneshot(call(&[])).await;
    response.expect("an answer").into_body()
}

#[tokio::test]
async fn a_stream_passes_frame_by_frame() {
    let answer = Answer::thinking_tool_use().split(Split::EveryByte);
    let (mut passed, mut direct) = (pass(&answer).await, direct(&answer).await);
    while let Some(frame) = direct.frame().await {
        assert!(!passed.is_end_stream());
        let passed = passed.frame().await.unwrap().unwrap();
        assert_eq!(passed.into_data().ok(), frame.unwrap().into_data().ok());
    }
    assert!(passed.frame().await.is_none());
    assert!(passed.is_end_stream());
}

#[tokio::test]
async fn a_broken_stream_breaks_with_the_same_error() {
    let answer = Answer::thinking_tool_use().reset_after(100);
    let ours = pass(&answer).await.collect().await.unwrap_err();
    let direct = direct(&answer).await.collect().await.unwrap_err();
    assert_eq!(format!("{ours:?}"), format!("{direct:?}"));
}

#[tokio::test]
async fn the_size_of_a_plain_answer_is_still_known() {
    let answer = Answer::overloaded();
    let (passed, direct) = (pass(&answer).await, direct(&answer).await);
    assert_eq!(passed.size_hint().exact(), direct.size_hint().exact());
}
