//! Reading requests: once, within limits, and with an answer for whatever cannot be read.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use tower_claude_core::{
    BoxError, ByteSemaphore, Call, CallBody, Endpoint, Intake, Prepare, Refusal, RefusalKind,
    Tenant, TenantId,
};
use tower_claude_testkit::{ScriptedBody, Step};

const JSON: &str = r#"{"model":"claude-opus-5-5","max_tokens":9,"messages":[]}"#;

fn request(body: CallBody) -> Request<CallBody> {
    Request::post("/v1/messages").body(body).unwrap()
}

fn in_pieces(json: &str, size: usize) -> CallBody {
    let pieces = json.as_bytes().chunks(size);
    CallBody::new(ScriptedBody::new(
        pieces.map(|piece| Step::Data(Bytes::copy_from_slice(piece))),
    ))
}

async fn refusal(request: Request<CallBody>, intake: &Intake) -> Refusal {
    Prepare::new(request, intake).await.unwrap_err().refusal
}

/// A body that a host has put into a box of its own.
struct Boxed(Pin<Box<dyn Body<Data = Bytes, Error = BoxError> + Send>>);

impl Body for Boxed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.0.as_mut().poll_frame(cx)
    }
}

#[tokio::test]
async fn the_bytes_that_travel_on_are_the_bytes_that_came() {
    for size in [1, 7, 1000] {
        let prepared = Prepare::new(request(in_pieces(JSON, size)), &Intake::new())
            .await
            .unwrap();
        assert_eq!(prepared.call.model(), Some("claude-opus-5-5"));
        let body = prepared.request.into_body().collect().await.unwrap();
        assert_eq!(body.to_bytes(), JSON);
    }
}

#[tokio::test]
async fn a_single_buffer_is_never_copied() {
    let bytes = Bytes::from(JSON.to_owned());
    let prepared = Prepare::new(request(CallBody::full(bytes.clone())), &Intake::new())
        .await
        .unwrap();
    let body = prepared.request.body().as_bytes().unwrap();
    assert_eq!(body.as_ptr(), bytes.as_ptr());
    let copy = prepared.request.body().try_clone().unwrap();
    assert_eq!(copy.as_bytes().unwrap().as_ptr(), bytes.as_ptr());
}

#[tokio::test]
async fn a_second_layer_reads_nothing_again() {
    let intake = Intake::new();
    let first = Prepare::new(request(CallBody::from(JSON)), &intake)
        .await
        .unwrap();
    let facts = std::ptr::from_ref(first.call.body().unwrap());
    // Even if a host has boxed the body in between.
    let boxed = first
        .request
        .map(|body| CallBody::new(Boxed(Box::pin(body))));
    let second = Prepare::new(boxed, &intake).await.unwrap();
    assert!(std::ptr::eq(facts, second.call.body().unwrap()));
}

#[tokio::test]
async fn a_body_that_somebody_rewrote_is_read_again_and_keeps_its_log() {
    let intake = Intake::new();
    let first = Prepare::new(request(CallBody::from(JSON)), &intake)
        .await
        .unwrap();
    let rewritten = first
        .request
        .map(|_| CallBody::from(JSON.replace("opus", "haiku")));
    let second = Prepare::new(rewritten, &intake).await.unwrap();
    assert_eq!(second.call.model(), Some("claude-haiku-5-5"));
    assert_eq!(second.call.id(), first.call.id());
    assert!(std::sync::Arc::ptr_eq(
        first.call.attempts(),
        second.call.attempts()
    ));
}

#[tokio::test]
async fn a_model_name_is_replaced_in_place() {
    let prepared = Prepare::new(request(CallBody::from(JSON)), &Intake::new())
        .await
        .unwrap();
    assert_eq!(
        prepared.call.body_with_model("my \"own\"").unwrap(),
        r#"{"model":"my \"own\"","max_tokens":9,"messages":[]}"#
    );
}

#[tokio::test]
async fn trailers_survive() {
    let mut trailers = HeaderMap::new();
    trailers.insert("checksum", "7".parse().unwrap());
    let body = CallBody::new(ScriptedBody::new([
        Step::Data(Bytes::from_static(JSON.as_bytes())),
        Step::Trailers(trailers.clone()),
    ]));
    let prepared = Prepare::new(request(body), &Intake::new()).await.unwrap();
    let collected = prepared.request.into_body().collect().await.unwrap();
    assert_eq!(collected.trailers(), Some(&trailers));
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_when_announced_and_when_it_comes() {
    let intake = Intake::new().body_limit(20);
    let mut announced = request(CallBody::from("{}"));
    announced
        .headers_mut()
        .insert("content-length", "21".parse().unwrap());
    for request in [
        announced,
        request(CallBody::from(JSON)),
        request(in_pieces(JSON, 5)),
    ] {
        let refusal = refusal(request, &intake).await;
        assert_eq!(refusal.kind(), RefusalKind::TooLarge);
        assert!(refusal.message().contains("20"), "names the limit");
    }
}

#[tokio::test]
async fn bodies_together_take_no_more_memory_than_there_is_and_give_it_back() {
    let memory = ByteSemaphore::new(100_000);
    let intake = Intake::new().semaphore(memory.clone());
    let json = JSON.replace("[]", &format!("[\"{}\"]", "x".repeat(60_000)));
    let held = Prepare::new(request(CallBody::from(json.clone())), &intake)
        .await
        .unwrap();
    let refused = refusal(request(CallBody::from(json.clone())), &intake).await;
    assert_eq!(refused.kind(), RefusalKind::Overloaded);
    assert!(refused.wait().is_some());
    drop(held);
    assert_eq!(memory.available(), 100_000);
    let pieces = Prepare::new(request(in_pieces(&json, 9_000)), &intake).await;
    assert!(pieces.is_ok(), "room is taken as bytes come");
    drop(pieces);
    assert_eq!(memory.available(), 100_000);
}

#[tokio::test]
async fn an_announced_length_takes_no_memory_by_itself() {
    let memory = ByteSemaphore::new(100_000);
    let intake = Intake::new().semaphore(memory.clone());
    let mut slow = request(CallBody::new(ScriptedBody::new([Step::Stall])));
    slow.headers_mut()
        .insert("content-length", "30000000".parse().unwrap());
    let mut reading = pinned(Prepare::new(slow, &intake));
    assert!(poll_once(&mut reading).is_pending());
    assert_eq!(memory.available(), 100_000);
}

#[tokio::test]
async fn a_refusal_that_a_body_fails_with_is_the_answer() {
    struct Slow;
    impl Body for Slow {
        type Data = Bytes;
        type Error = Refusal;
        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Refusal>>> {
            Poll::Ready(Some(Err(Refusal::new(
                RefusalKind::RequestTimeout,
                "too slow",
            ))))
        }
    }
    let refused = refusal(request(CallBody::new(Slow)), &Intake::new()).await;
    assert_eq!(refused.kind(), RefusalKind::RequestTimeout);
    let broken = CallBody::new(ScriptedBody::new([Step::Fail("reset".into())]));
    let refused = refusal(request(broken), &Intake::new()).await;
    assert_eq!(refused.kind(), RefusalKind::Invalid);
    assert!(
        !refused.message().contains("reset"),
        "the cause stays inside"
    );
}

#[tokio::test]
async fn unknown_paths_and_compressed_bodies_are_refused_before_they_are_read() {
    let stalled = || CallBody::new(ScriptedBody::new([Step::Stall]));
    let unknown = Request::post("/v1/complete").body(stalled()).unwrap();
    let refused = refusal(unknown, &Intake::new()).await;
    assert_eq!(refused.kind(), RefusalKind::NotFound);
    let wrong = Request::get("/v1/messages").body(stalled()).unwrap();
    let refused = refusal(wrong, &Intake::new()).await;
    assert_eq!(refused.kind(), RefusalKind::MethodNotAllowed);
    let mut gzip = request(stalled());
    gzip.headers_mut()
        .insert("content-encoding", "gzip".parse().unwrap());
    let refused = refusal(gzip, &Intake::new()).await;
    assert_eq!(refused.kind(), RefusalKind::Invalid);
}

#[tokio::test]
async fn files_and_passed_through_bodies_are_not_buffered() {
    let intake = Intake::new().passthrough(["/my.Service/"]);
    for path in ["/v1/files", "/my.Service/Method"] {
        let stalled = CallBody::new(ScriptedBody::new([Step::Stall]));
        let request = Request::post(path).body(stalled).unwrap();
        let prepared = Prepare::new(request, &intake).await.unwrap();
        assert!(prepared.request.body().as_bytes().is_none(), "{path}");
        assert!(prepared.call.body().is_none());
        let again = Prepare::new(prepared.request, &intake).await.unwrap();
        assert_eq!(again.call.id(), prepared.call.id());
    }
}

#[tokio::test]
async fn a_refused_call_still_says_whose_it_was() {
    let mut request = request(CallBody::from(r#"{"model":"claude-x"}"#));
    request
        .headers_mut()
        .insert("x-feature", "search".parse().unwrap());
    let tenant = Tenant::new(TenantId::new("web").unwrap());
    request.extensions_mut().insert(tenant);
    let unprepared = Prepare::new(request, &Intake::new()).await.unwrap_err();
    assert_eq!(unprepared.refusal.message(), "max_tokens: Field required");
    assert_eq!(unprepared.call.model(), Some("claude-x"));
    assert_eq!(unprepared.call.endpoint(), Endpoint::Messages);
    assert_eq!(unprepared.call.attribution().feature_or_unknown(), "search");
    assert!(unprepared.head.extensions.get::<Tenant>().is_some());
    assert!(unprepared.head.extensions.get::<Call>().is_none());
}

fn pinned<F: Future>(future: F) -> Pin<Box<F>> {
    Box::pin(future)
}

fn poll_once<F: Future>(future: &mut Pin<Box<F>>) -> Poll<F::Output> {
    let mut cx = Context::from_waker(std::task::Waker::noop());
    future.as_mut().poll(&mut cx)
}
