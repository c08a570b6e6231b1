//! Results pass as they come, and so does all that is not of batches.

#![allow(
    clippy::unwrap_used,
    reason = "a test stops at what is not as it should be"
)]

mod support;

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use support::{BATCHES, ID, RESULTS, get, layer, request, tenant};
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_claude_batches::BatchBook as _;
use tower_claude_core::CallBody;
use tower_claude_testkit::{Answer, FakeClaude, ScriptedBody, Split, Step};

#[tokio::test]
async fn results_pass_frame_by_frame_whatever_is_in_them() {
    let layer = layer();
    layer.book().claim(tenant("web").id(), ID).await.unwrap();
    let path = format!("{BATCHES}/{ID}/results");
    let steps = [
        Step::Data(Bytes::from_static(b"{\"custom_id\":\"a\"")),
        Step::Data(Bytes::from_static(
            b",\"results_url\":\"https://api.anthropic.com\"}\n\xff",
        )),
        Step::Stall,
    ];
    let body = Arc::new(Mutex::new(Some(ScriptedBody::new(steps).open_ended())));
    let observer = body.lock().unwrap().as_ref().unwrap().observer();
    let service = layer.layer(service_fn(move |_: Request<CallBody>| {
        let body = body.lock().unwrap().take().unwrap();
        std::future::ready(Ok::<_, Infallible>(Response::new(body)))
    }));
    let mut body = service
        .oneshot(get(&tenant("web"), &path))
        .await
        .unwrap()
        .into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(&first[..], b"{\"custom_id\":\"a\"");
    assert_eq!(
        observer.frames_sent(),
        1,
        "it reads no further than it is read"
    );
    let second = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(second.ends_with(b"\"https://api.anthropic.com\"}\n\xff"));
    assert!(!body.is_end_stream());
    drop(body);
    assert!(observer.is_dropped());
}

#[tokio::test]
async fn results_are_the_same_bytes_at_every_split() {
    for split in [Split::Whole, Split::EveryByte] {
        let answer = Answer::raw(200, "application/x-jsonl", RESULTS).split(split);
        let path = format!("{BATCHES}/{ID}/results");
        let said = support::answered(&Method::GET, &path, answer).await;
        assert_eq!(said.body, RESULTS);
        assert_eq!(said.headers["content-type"], "application/x-jsonl");
    }
}

#[tokio::test]
async fn what_is_not_of_batches_is_not_even_read() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let paths = Arc::clone(&seen);
    let service = layer().layer(service_fn(move |request: Request<CallBody>| {
        let encoding = request.headers().get("accept-encoding").cloned();
        let is_read = request
            .extensions()
            .get::<tower_claude_core::Call>()
            .is_some();
        paths.lock().unwrap().push((encoding, is_read));
        std::future::ready(Ok::<_, Infallible>(Response::new(ScriptedBody::new([]))))
    }));
    for (method, path) in [
        (Method::POST, "/v1/messages"),
        (Method::POST, "/v1/messages/count_tokens"),
        (Method::GET, "/v1/models"),
        (Method::POST, "/v1/files"),
        (Method::GET, "/v1/files/batches"),
        (Method::GET, "/anything"),
    ] {
        let body = ScriptedBody::new([Step::Stall]).open_ended();
        let observer = body.observer();
        let mut call = request(&tenant("web"), &method, path, "").map(|_| body);
        let gzip = http::HeaderValue::from_static("gzip");
        call.headers_mut().insert("accept-encoding", gzip.clone());
        service.clone().oneshot(call).await.unwrap();
        assert_eq!(observer.polls(), 0, "{path}");
        assert_eq!(
            seen.lock().unwrap().pop(),
            Some((Some(gzip), false)),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_passthrough_path_that_looks_alike_is_let_through() {
    let intake = tower_claude_core::Intake::new().passthrough(["/other"]);
    let service = layer()
        .intake(intake)
        .layer(FakeClaude::new(|_| Answer::json(200, "mine")));
    let path = format!("/other{BATCHES}/b/x/y");
    let said = support::ask(service, get(&tenant("web"), &path)).await;
    assert_eq!((said.status, said.body.as_str()), (200, "mine"));
}
