use std::sync::Mutex;

use tower::{Layer, ServiceExt};
use tower_claude::core::Endpoint;
use tower_claude::usage_meter::Outcome;

use super::*;

const KEY: &str = "key-of-tenant-web";

fn greeting(key: &str) -> Request<Body> {
    Request::post("/demo.Greeter/Hello")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("x-api-key", key)
        .body(Body::new(Full::new(Bytes::from_static(&[0; 5]))))
        .unwrap()
}

fn message() -> Request<Body> {
    let body = r#"{"model":"claude-sonnet-5-5","max_tokens":64,"messages":[]}"#;
    Request::post("/v1/messages")
        .header("x-api-key", KEY)
        .body(Body::new(Full::new(Bytes::from_static(body.as_bytes()))))
        .unwrap()
}

#[tokio::test]
async fn a_grpc_call_passes_with_its_tenant_and_is_on_record() {
    let records = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&records);
    let sink = move |record: Arc<UsageRecord>| sink.lock().unwrap().push(record);
    let (layers, routes) = app(FakeClaude::default(), sink).unwrap();

    let response = layers.layer(routes).oneshot(greeting(KEY)).await.unwrap();
    let body = response.into_body().collect().await.unwrap();
    assert_eq!(body.trailers().unwrap()["grpc-status"], "0");
    assert_eq!(body.to_bytes(), &b"\0\0\0\0\x0c\x0a\x0aAhoy, web."[..]);

    let records = records.lock().unwrap();
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].endpoint, Endpoint::Passthrough);
    assert_eq!(records[0].outcome, Outcome::Complete);
    assert_eq!(records[0].tenant.as_ref().unwrap().as_str(), "web");
}

#[tokio::test]
async fn a_refused_grpc_call_gets_trailers_only() {
    let (layers, routes) = app(FakeClaude::default(), ()).unwrap();
    let request = greeting("a-key-of-nobody-here");
    let response = layers.layer(routes).oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["grpc-status"], "16");
}

#[tokio::test]
async fn a_spent_budget_refuses_claude_and_lets_grpc_pass() {
    let claude = FakeClaude::default();
    let (layers, routes) = app(claude.clone(), ()).unwrap();
    let service = layers.layer(routes);
    for expected in [200, 200, 429] {
        let response = service.clone().oneshot(message()).await.unwrap();
        assert_eq!(response.status(), expected);
    }
    assert_eq!(claude.calls(), 2);
    let response = service.oneshot(greeting(KEY)).await.unwrap();
    let body = response.into_body().collect().await.unwrap();
    assert_eq!(body.trailers().unwrap()["grpc-status"], "0");
}
