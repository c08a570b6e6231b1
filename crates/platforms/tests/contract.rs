//! What a stack relies on.

#![expect(clippy::unwrap_used, reason = "the helpers are part of the tests")]

mod support;

use support::{SAY, ask, claude};
use tower_claude_core::{CallBody, Target};
use tower_claude_platforms::{
    Adapter, AnswerBody, Anthropic, ApiKey, ConfigError, HttpClient, HttpClientBuilder, Platforms,
    ResponseFuture,
};
use tower_service::Service;

fn is_service<S>()
where
    S: Service<http::Request<CallBody>> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
}

fn is_shared<T: Send + Sync + 'static>() {}

#[test]
fn all_types_cross_threads() {
    is_service::<Anthropic>();
    is_service::<Platforms>();
    is_shared::<Adapter>();
    is_shared::<ApiKey>();
    is_shared::<ConfigError>();
    is_shared::<HttpClient>();
    is_shared::<HttpClientBuilder>();
    is_shared::<AnswerBody>();
    is_shared::<ResponseFuture>();
}

#[test]
fn futures_and_bodies_stay_small() {
    let sizes = [size_of::<ResponseFuture>(), size_of::<AnswerBody>()];
    assert!(sizes.iter().all(|size| *size <= 256), "{sizes:?}");
}

#[tokio::test]
async fn is_always_ready() {
    let mut claude = claude("http://127.0.0.1:1");
    let mut platforms = Platforms::new([(Target::new("a"), claude.clone())]).unwrap();
    let mut task = tokio_test::task::spawn(());
    task.enter(|cx, _| {
        assert!(claude.poll_ready(cx).is_ready());
        assert!(platforms.poll_ready(cx).is_ready());
    });
}

#[tokio::test]
#[should_panic(expected = "ResponseFuture polled after it was ready")]
async fn a_future_says_so_when_it_is_polled_too_often() {
    let request = http::Request::new(CallBody::from(SAY));
    let mut future = Box::pin(claude("http://127.0.0.1:1").call(request));
    let _ = (&mut future).await;
    let _ = future.await;
}

#[test]
fn clones_and_clients_need_no_runtime() {
    let client = HttpClient::new().unwrap();
    let key = ApiKey::new("k").unwrap();
    let claude = Anthropic::new("http://127.0.0.1:1", key, &client).unwrap();
    drop((claude.clone(), client.clone(), ask(SAY)));
}
