use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::http::{Request, Response};
use http_body_util::BodyExt;
use tower::ServiceExt;
use tower_claude::pricing::Cost;
use tower_claude::usage_meter::{Outcome, UsageRecord};

use super::*;

type Records = Arc<Mutex<Vec<Arc<UsageRecord>>>>;

fn app_for_test(server: &FakeServer) -> (Router, Records) {
    let records = Records::default();
    let sink = Arc::clone(&records);
    let ledger = move |record: Arc<UsageRecord>| sink.lock().unwrap().push(record);
    let app = app(&server.base_url(), "sk-upstream".to_owned(), ledger);
    (app.unwrap(), records)
}

fn message(key: &str) -> Request<Body> {
    let body = r#"{"model":"claude-sonnet-5-5","max_tokens":64,"messages":[{"role":"user","content":"Hi"}]}"#;
    Request::post("/v1/messages")
        .header("x-api-key", key)
        .body(Body::from(body))
        .unwrap()
}

async fn text(response: Response<Body>) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn a_tenant_gets_an_answer_and_is_billed_for_it() {
    let fake = FakeClaude::default().require_key("sk-upstream");
    let truth = fake.truth();
    let server = FakeServer::start(fake);
    let (app, records) = app_for_test(&server);

    let response = app.oneshot(message("key-of-tenant-web")).await.unwrap();
    assert_eq!(response.status(), 200);
    let headers = response.headers();
    assert_eq!(headers["anthropic-ratelimit-requests-remaining"], "299");
    assert!(text(response).await.contains("\"usage\""));

    let records = records.lock().unwrap();
    let [record] = &records[..] else {
        panic!("one record a call: {records:?}");
    };
    assert_eq!(record.outcome, Outcome::Complete);
    assert_eq!(record.tenant.as_ref().unwrap().as_str(), "web");
    assert_eq!(record.output_tokens, Some(truth.totals().output_tokens));
    assert!(record.cost.unwrap() > Cost::ZERO);
}

#[tokio::test]
async fn nobody_else_reaches_claude_and_the_page_is_for_all() {
    let fake = FakeClaude::default();
    let server = FakeServer::start(fake.clone());
    let (app, _) = app_for_test(&server);

    let response = app.clone().oneshot(message("somebody-elses-key")).await;
    let response = response.unwrap();
    assert_eq!(response.status(), 401);
    assert!(text(response).await.contains("authentication_error"));

    let upload = Request::post("/v1/files")
        .header("x-api-key", "key-of-tenant-web")
        .body(Body::empty());
    let response = app.clone().oneshot(upload.unwrap()).await.unwrap();
    assert_eq!(response.status(), 403, "not an endpoint of this tenant");
    assert_eq!(fake.calls(), 0);

    let page = Request::get("/").body(Body::empty()).unwrap();
    let response = app.oneshot(page).await.unwrap();
    assert_eq!(text(response).await, "a page of your own\n");
}

#[test]
fn the_readme_shows_this_very_code() {
    let readme = include_str!("../../../README.md");
    let (_, snippet) = readme.split_once("```rust,ignore\n").unwrap();
    let (snippet, _) = snippet.split_once("```").unwrap();
    // Indented in another way here, and the remarks are aligned there.
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut code = include_str!("main.rs").lines().map(words);
    for line in snippet.lines().map(words).filter(|line| !line.is_empty()) {
        assert!(code.any(|other| other == line), "{line}");
    }
}
