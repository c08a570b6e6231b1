//! Callers who leave, and panics: one record each, whatever was going on.

#![allow(
    clippy::unwrap_used,
    reason = "a test stops at what is not as it should be"
)]

mod support;

use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use support::{Records, message, said};
use tower::{Service as _, ServiceExt as _, service_fn};
use tower_claude_capture::Unread;
use tower_claude_core::{CallBody, End, TransportError};
use tower_claude_testkit::{FakeClaude, ScriptedBody, Step};

type Answered = Result<Response<Full<Bytes>>, TransportError>;

fn cx() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

#[tokio::test]
async fn a_caller_who_leaves_before_the_head_leaves_what_was_asked() {
    let records = Records::default();
    let inner = service_fn(|_: Request<CallBody>| pending::<Answered>());
    let request = message(r#"[{"role":"user","content":"Hello."}]"#);
    let mut call = Box::pin(records.capture(inner).oneshot(request));
    assert!(call.as_mut().poll(&mut cx()).is_pending());
    assert!(records.all().is_empty());
    drop(call);
    let record = records.only();
    assert_eq!((record.status, record.end), (None, End::Dropped));
    assert_eq!(said(&record.request), ["system: Be brief.", "user: Hello."]);
    assert_eq!(record.response.unread, Some(Unread::Absent));
}

#[tokio::test]
async fn a_caller_who_leaves_while_sending_has_said_nothing_yet() {
    let records = Records::default();
    let body = ScriptedBody::new([Step::Data("{\"model\":".into()), Step::Stall]).open_ended();
    let request = Request::post("/v1/messages").body(body).unwrap();
    let mut call = Box::pin(records.capture(FakeClaude::default()).oneshot(request));
    assert!(call.as_mut().poll(&mut cx()).is_pending());
    drop(call);
    assert!(records.all().is_empty());
}

#[tokio::test]
async fn a_panic_inside_is_recorded_as_an_error() {
    let records = Records::default();
    let inner = service_fn(|_: Request<CallBody>| poll_fn(|_| -> Poll<Answered> { panic!("!") }));
    let mut capture = records.capture(inner);
    let mut call = Box::pin(capture.call(message("[]")));
    let polled = catch_unwind(AssertUnwindSafe(move || {
        drop(call.as_mut().poll(&mut cx()));
    }));
    assert!(polled.is_err());
    let record = records.only();
    assert_eq!((record.status, record.end), (None, End::Errored));
}
