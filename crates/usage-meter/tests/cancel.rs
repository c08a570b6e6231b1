//! Callers who leave, and panics: one record each, whatever was going on.

#![allow(
    clippy::unwrap_used,
    reason = "a test stops at what is not as it should be"
)]

mod support;

use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use support::{Records, cost, message, tenant};
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_claude_core::{Attempt, Call, CallBody, FailureKind, Target, TransportError};
use tower_claude_testkit::{Answer, FakeClaude, ScriptedBody, Step};
use tower_claude_usage_meter::{Outcome, UsageMeterLayer, UsageRecord, UsageSource};

fn cx() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

fn upload(steps: impl IntoIterator<Item = Step>) -> Request<ScriptedBody> {
    let mut request = Request::post("/v1/messages")
        .body(ScriptedBody::new(steps).open_ended())
        .unwrap();
    request.extensions_mut().insert(tenant("web"));
    request
}

#[tokio::test]
async fn a_future_that_is_never_polled_leaves_a_record() {
    let records = Records::default();
    let call = records.meter(FakeClaude::default());
    drop(call.oneshot(message("m", false)));
    assert!(records.all().is_empty(), "the service was not called");

    let mut meter = records.meter(FakeClaude::default());
    drop(tower::Service::call(&mut meter, message("m", false)));
    assert_eq!(records.only().outcome, Outcome::Dropped);
}

#[tokio::test]
async fn a_caller_who_leaves_while_sending_is_recorded() {
    let records = Records::default();
    let fake = FakeClaude::default();
    let request = upload([Step::Data("{\"model\":".into()), Step::Stall]);
    let mut call = Box::pin(records.meter(fake.clone()).oneshot(request));
    assert!(call.as_mut().poll(&mut cx()).is_pending());
    drop(call);
    let record = records.only();
    assert_eq!(record.outcome, Outcome::Dropped);
    assert_eq!(record.status, None);
    assert_eq!(record.tenant.as_ref().unwrap().as_str(), "web");
    assert_eq!(cost(&record).as_deref(), Some("0"), "nothing was asked");
    assert!(record.attempt_log.is_empty());
    assert_eq!(fake.calls(), 0);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_a_caller_who_left() {
    let records = Records::default();
    let request = upload([Step::Data("{".into()), Step::Fail("reset".into())]);
    let response = records.meter(FakeClaude::default()).oneshot(request).await;
    drop(response);
    let record = records.only();
    assert_eq!(record.outcome, Outcome::Dropped);
    assert_eq!((record.status, record.error_type.as_ref()), (None, None));
    assert_eq!(record.endpoint.as_str(), "messages");
}

#[tokio::test]
async fn a_caller_who_leaves_before_the_head_is_recorded_with_the_attempts() {
    let inner = service_fn(|request: Request<CallBody>| async move {
        let now = || tokio::time::Instant::now().into_std();
        let log = Call::of(&request).unwrap().clone();
        let first = log
            .attempts()
            .begin(Attempt::new(Some(Target::new("one")), now(), None));
        log.attempts().update(first, |attempt| {
            attempt.status = Some(529);
            attempt.failure = Some(FailureKind::Overloaded);
        });
        log.attempts().begin(Attempt::new(
            Some(Target::new("two")),
            now(),
            Some(FailureKind::Overloaded),
        ));
        pending::<Result<Response<ScriptedBody>, TransportError>>().await
    });
    let records = Records::default();
    let call = records
        .meter(inner)
        .oneshot(message("claude-opus-5-5", true));
    let mut call = Box::pin(call);
    assert!(call.as_mut().poll(&mut cx()).is_pending());
    drop(call);
    let record = records.only();
    assert_eq!(record.outcome, Outcome::Dropped);
    assert_eq!(record.model.as_deref(), Some("claude-opus-5-5"));
    assert_eq!(record.target.as_ref().unwrap().name(), "two");
    assert_eq!(record.cost, None, "the second may be billed");
    assert_eq!(record.usage_source, UsageSource::None);
    let outcomes: Vec<_> = record
        .attempt_log
        .iter()
        .map(|attempt| attempt.outcome.as_str())
        .collect();
    assert_eq!(outcomes, ["overloaded", "dropped"]);
}

#[tokio::test]
async fn dropping_the_call_drops_the_inner_call_first() {
    let records = Records::default();
    let fake = FakeClaude::sequence([
        Answer::cached_message().head_delay(std::time::Duration::from_secs(9))
    ]);
    let truth = fake.truth();
    let mut call = Box::pin(records.meter(fake).oneshot(message("m", false)));
    assert!(call.as_mut().poll(&mut cx()).is_pending());
    drop(call);
    assert_eq!(truth.entries()[0].ended.as_str(), "dropped_by_receiver");
    assert_eq!(records.only().attempt_log.len(), 1);
}

#[derive(Clone, Copy)]
enum Panics {
    InCall,
    InFuture,
}

async fn panicking() -> Result<Response<ScriptedBody>, TransportError> {
    panic!("inside")
}

#[test]
fn a_panic_inside_is_recorded_and_goes_on() {
    for at in [Panics::InCall, Panics::InFuture] {
        let records = Records::default();
        let inner = service_fn(move |_: Request<CallBody>| match at {
            Panics::InCall => panic!("inside"),
            Panics::InFuture => panicking(),
        });
        let mut call = Box::pin(records.meter(inner).oneshot(message("m", false)));
        let caught = catch_unwind(AssertUnwindSafe(|| {
            call.as_mut().poll(&mut cx()).is_ready()
        }));
        assert!(caught.is_err());
        // Runtimes catch the panic first and drop the future later.
        drop(call);
        let record = records.only();
        assert_eq!(record.outcome, Outcome::Errored);
        assert_eq!(record.status, None);
        assert_eq!(record.cost, None);
        assert_eq!(
            record.attempt_log.last().unwrap().outcome.as_str(),
            "errored"
        );
    }
}

struct PanickingBody;

impl Body for PanickingBody {
    type Data = Bytes;
    type Error = TransportError;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, TransportError>>> {
        panic!("in the body")
    }
}

#[tokio::test]
async fn a_panic_in_the_body_is_recorded_while_it_unwinds() {
    let records = Records::default();
    let inner = service_fn(|_: Request<CallBody>| async {
        Ok::<_, TransportError>(Response::new(PanickingBody))
    });
    let response = records.meter(inner).oneshot(message("m", false)).await;
    let mut body = Box::pin(response.unwrap().into_body());
    let caught = catch_unwind(AssertUnwindSafe(move || {
        body.as_mut().poll_frame(&mut cx()).is_ready()
    }));
    assert!(caught.is_err());
    assert_eq!(records.only().outcome, Outcome::Errored);
}

#[test]
fn a_sink_that_panics_while_a_panic_unwinds_does_not_end_the_process() {
    let layer = UsageMeterLayer::new(|_: Arc<UsageRecord>| panic!("in the sink"));
    let inner = service_fn(|_: Request<CallBody>| panicking());
    let call = layer.layer(inner).oneshot(message("m", false));
    let caught = catch_unwind(AssertUnwindSafe(move || {
        Box::pin(call).as_mut().poll(&mut cx()).is_ready()
    }));
    let message = caught.unwrap_err();
    assert_eq!(message.downcast_ref(), Some(&"inside"), "the first one");
}

#[tokio::test]
async fn a_sink_that_panics_does_not_break_the_answer() {
    let layer = UsageMeterLayer::new(|_: Arc<UsageRecord>| panic!("in the sink"));
    let fake = FakeClaude::sequence([Answer::cached_message()]);
    let response = layer.layer(fake).oneshot(message("m", false)).await;
    assert!(
        !support::take(response.unwrap().into_body())
            .await
            .is_empty()
    );
}
