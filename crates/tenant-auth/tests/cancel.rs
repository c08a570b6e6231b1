//! What is left when the caller leaves: nothing.

mod support;

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use support::{KEY, Recorder, call, keys, tenant};
use tokio_test::{assert_pending, task};
use tower::{Layer as _, Service as _, ServiceBuilder, ServiceExt};
use tower_claude_core::{ByteSemaphore, Intake, Refusal, Tenant};
use tower_claude_tenant_auth::{AuthorizeLayer, Credential, TenantAuthLayer};
use tower_claude_testkit::{Answer, FakeClaude, ScriptedBody, ServiceProbe, Step};

#[test]
fn dropped_while_authenticating_nothing_was_called() {
    struct Flag(Arc<AtomicBool>);
    impl Drop for Flag {
        fn drop(&mut self) {
            self.0.store(true, SeqCst);
        }
    }
    let dropped = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&dropped);
    let layer = TenantAuthLayer::new(move |_: Credential| {
        let flag = Flag(Arc::clone(&flag));
        async move {
            let _flag = flag;
            pending::<Result<Tenant, Refusal>>().await
        }
    });
    let recorder = Recorder::default();
    let mut service = layer.layer(recorder.clone());
    let mut response = task::spawn(service.call(call(&[("x-api-key", KEY)])));
    assert_pending!(response.poll());
    assert!(!dropped.load(SeqCst));
    drop(response);
    assert!(dropped.load(SeqCst), "the authenticator's future with it");
    assert!(recorder.heads().is_empty());
}

#[tokio::test(start_paused = true)]
async fn dropped_while_calling_the_inner_call_is_dropped() {
    let slow = Answer::overloaded().head_delay(Duration::from_secs(9));
    let inner = ServiceProbe::new(FakeClaude::sequence([slow]));
    let probe = inner.handle();
    let mut service = ServiceBuilder::new()
        .layer(TenantAuthLayer::new(keys()))
        .layer(AuthorizeLayer::new())
        .service(inner);
    let request = call(&[("x-api-key", KEY)]);
    let service = ServiceExt::<Request<Full<Bytes>>>::ready(&mut service);
    let mut response = task::spawn(service.await.unwrap().call(request));
    assert_pending!(response.poll());
    assert_eq!(probe.in_flight(), 1);
    drop(response);
    assert_eq!((probe.in_flight(), probe.dropped_unfinished()), (0, 1));
}

#[test]
fn dropped_while_reading_the_body_gives_its_memory_back() {
    let memory = ByteSemaphore::new(1_000);
    let body = ScriptedBody::new([Step::Data("{\"model\":".into()), Step::Stall]);
    let observer = body.observer();
    let recorder = Recorder::default();
    let layer = AuthorizeLayer::new().intake(Intake::new().semaphore(memory.clone()));
    let mut service = layer.layer(recorder.clone());
    let mut request = Request::post("/v1/messages").body(body).unwrap();
    request.extensions_mut().insert(tenant("web"));
    let mut response = task::spawn(service.call(request));
    assert_pending!(response.poll());
    assert!(memory.available() < memory.capacity());
    drop(response);
    assert_eq!(memory.available(), memory.capacity());
    assert!(observer.is_dropped());
    assert!(recorder.heads().is_empty());
}
