//! What calls are charged that took several attempts.
#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod support;

use std::convert::Infallible;

use http::{Request, Response};
use http_body_util::BodyExt as _;
use support::{ESTIMATE, messages, wide};
use tokio_test::{assert_ready, task};
use tower::{Layer as _, ServiceExt as _};
use tower_claude_core::{
    Attempt, Call, CallBody, Dialect, Failure, FailureKind, Refusal, RefusalKind, RequestId,
    ResponseBody, UsageCell, tap,
};
use tower_claude_testkit::{Answer, ScriptedBody};
use tower_claude_token_budget::{MemoryStore, Owner, Plans, Subject, TokenBudgetLayer};

type Inner = Response<ResponseBody<ScriptedBody>>;

/// An inner layer that answers by itself, after having done to the log what `log` says.
async fn inside(log: fn(&Call), answer: fn(RequestId) -> Inner) -> (Vec<(u64, u64)>, u16) {
    let (store, plans) = (MemoryStore::new(), Plans::for_all(wide()).unwrap());
    let inner = tower::service_fn(move |request: Request<CallBody>| async move {
        let call = Call::of(&request).unwrap();
        log(call);
        Ok::<_, Infallible>(answer(call.id()))
    });
    let service = TokenBudgetLayer::new(store.clone(), plans.clone()).layer(inner);
    let response = service.oneshot(messages(100, false)).await.unwrap();
    let status = response.status().as_u16();
    drop(response);
    let plan = plans.get(None).unwrap();
    (
        support::books(&store, &Subject::new(Owner::Anonymous), &plan).await,
        status,
    )
}

fn attempt(call: &Call, status: Option<u16>, failure: Option<FailureKind>) {
    let started = tokio::time::Instant::now().into_std();
    let mut attempt = Attempt::new(None, started, None);
    attempt.status = status;
    attempt.failure = failure;
    attempt.is_final = failure.is_none();
    call.attempts().begin(attempt);
}

fn refused(id: RequestId) -> Inner {
    let refusal = Refusal::new(RefusalKind::BadGateway, "no target answered");
    refusal.respond(Dialect::Anthropic, id)
}

/// The answer of ours to a call that failed inside, as the layer there leaves it.
fn failed(kind: FailureKind, id: RequestId) -> Inner {
    let mut response = refused(id);
    response.extensions_mut().insert(Failure::new(kind));
    response
}

fn good(_: RequestId) -> Inner {
    let answer = Answer::message("m")
        .input_tokens(50)
        .output_tokens(60)
        .into_json();
    // Never read, so the rest of the answer is dropped.
    answer.response().unwrap().map(ResponseBody::inner)
}

#[tokio::test(start_paused = true)]
async fn a_refusal_by_a_layer_inside_costs_nothing_where_upstream_was_not_asked() {
    let (books, status) = inside(|_| {}, refused).await;
    assert_eq!((books, status), (vec![(0, 0); 4], 502));
    let not_sent = |call: &Call| attempt(call, None, Some(FailureKind::NotSent));
    let (books, _) = inside(not_sent, refused).await;
    assert_eq!(books, [(0, 0); 4]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_ours_to_a_failure_costs_what_the_failure_does() {
    let (books, _) = inside(|_| {}, |id| failed(FailureKind::NotSent, id)).await;
    assert_eq!(books, [(0, 0); 4]);
    let (books, _) = inside(|_| {}, |id| failed(FailureKind::NoReply, id)).await;
    assert_eq!(books[..3], [(1, 0), (ESTIMATE, 0), (0, 0)]);
    let (books, _) = inside(|_| {}, |id| failed(FailureKind::Timeout, id)).await;
    assert_eq!(books[..3], [(1, 0), (ESTIMATE, 0), (0, 0)]);
    // The log knows each attempt, and the failure is of the last one only.
    let asked = |call: &Call| {
        attempt(call, None, Some(FailureKind::NoReply));
        attempt(call, None, Some(FailureKind::NotSent));
    };
    let (books, _) = inside(asked, |id| failed(FailureKind::NotSent, id)).await;
    assert_eq!(books[..3], [(1, 0), (ESTIMATE, 0), (0, 0)]);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_no_upstream_caused_costs_nothing_whatever_failure_it_carries() {
    let full = |id: RequestId| {
        let refusal = Refusal::new(RefusalKind::Overloaded, "too much to do");
        let mut response: Inner = refusal.respond(Dialect::Anthropic, id);
        let failure = Failure::new(FailureKind::NoReply);
        response.extensions_mut().insert(failure);
        response
    };
    let (books, _) = inside(|_| {}, full).await;
    assert_eq!(books, [(0, 0); 4]);
}

#[tokio::test(start_paused = true)]
async fn the_estimate_is_written_into_the_log_of_the_call() {
    let estimated = |call: &Call| {
        let log = call.attempts();
        assert_eq!(log.estimated_input_tokens(), Some(ESTIMATE));
        assert!(log.is_empty());
    };
    inside(estimated, good).await;
}

#[tokio::test(start_paused = true)]
async fn a_refusal_after_attempts_costs_what_they_may_have_been_billed() {
    let asked = |call: &Call| {
        attempt(call, Some(529), Some(FailureKind::Overloaded));
        attempt(call, None, Some(FailureKind::NoReply));
    };
    let (books, _) = inside(asked, refused).await;
    assert_eq!(books[..3], [(1, 0), (ESTIMATE, 0), (0, 0)]);
}

#[tokio::test(start_paused = true)]
async fn attempts_that_may_have_been_billed_come_on_top_of_the_answer() {
    let once = |call: &Call| attempt(call, Some(200), None);
    let (first, _) = inside(once, good).await;
    assert_eq!(
        first[..3],
        [(1, 0), (ESTIMATE, 0), (100, 0)],
        "unread: what was set aside"
    );
    let twice = |call: &Call| {
        attempt(call, None, Some(FailureKind::NoReply));
        attempt(call, Some(429), Some(FailureKind::RateLimited));
        attempt(call, Some(200), None);
    };
    let (books, _) = inside(twice, good).await;
    assert_eq!(books[..3], [(1, 0), (2 * ESTIMATE, 0), (100, 0)]);
}

#[tokio::test(start_paused = true)]
async fn what_a_failed_attempt_reported_is_known_and_need_not_be_guessed() {
    let reported = |call: &Call| {
        for (answer, kind) in [
            // Cut after content: billed what was seen.
            (stream().truncate_after(6), FailureKind::Truncated),
            // In band before content: not billed, whatever the start reported.
            (
                stream().error_event_after(1, "api_error", "oops"),
                FailureKind::ServerError,
            ),
        ] {
            let response = tap(answer.response().unwrap());
            let cell = UsageCell::of(&response).cloned();
            let mut collect = task::spawn(response.into_body().collect());
            let _ = assert_ready!(collect.poll(), "the script does not wait");
            attempt(call, Some(200), Some(kind));
            call.attempts()
                .update(call.attempts().len() - 1, |attempt| attempt.usage = cell);
        }
        attempt(call, Some(200), None);
    };
    let (books, _) = inside(reported, good).await;
    assert_eq!(books[1], (7_000 + ESTIMATE, 0));
    assert!((102..140).contains(&books[2].0), "{books:?}");
}

fn stream() -> Answer {
    Answer::message("m")
        .text("12345678".repeat(10))
        .deltas(10)
        .input_tokens(7_000)
        .into_stream()
}
