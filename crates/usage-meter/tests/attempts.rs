//! Calls of several attempts, and what outlives a call.
#![allow(
    clippy::unwrap_used,
    reason = "a test stops at what is not as it should be"
)]

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use support::{Records, ask, cost, message, post, take};
use tokio::time::Instant;
use tower::{ServiceExt as _, service_fn};
use tower_claude_core::{
    Attempt, AttemptLog, Call, CallBody, FailureKind, Platform, Refusal, RefusalKind, ResponseBody,
    Target, TransportError, UsageCell, tap,
};
use tower_claude_testkit::{Answer, FakeClaude, ScriptedBody};
use tower_claude_usage_meter::Outcome;

/// An inner service that fails at one target in a billed way, and answers at another.
async fn two_attempts(
    request: Request<CallBody>,
) -> Result<Response<tower_claude_core::TapBody<ScriptedBody>>, TransportError> {
    let call = Call::of(&request).unwrap().clone();
    let log = call.attempts();
    let now = || Instant::now().into_std();

    let first = log.begin(Attempt::new(Some(Target::new("one")), now(), None));
    tokio::time::advance(std::time::Duration::from_millis(250)).await;
    let cut = Answer::thinking_tool_use().truncate_after(1).response()?;
    let cut = tap(cut);
    let cell = UsageCell::of(&cut).cloned();
    drop(cut.into_body().collect().await);
    log.update(first, |attempt| {
        attempt.status = Some(200);
        attempt.failure = Some(FailureKind::Truncated);
        attempt.usage = cell;
    });

    let two = Target::new("two")
        .platform(Platform::Foundry)
        .model("claude-opus-5-5", "mine");
    let second = log.begin(Attempt::new(Some(two), now(), Some(FailureKind::Truncated)));
    let answer = Answer::message("mine")
        .input_tokens(1_000)
        .output_tokens(100)
        .into_json();
    let response = tap(answer.response()?);
    log.update(second, |attempt| {
        attempt.status = Some(200);
        attempt.usage = UsageCell::of(&response).cloned();
        attempt.is_final = true;
    });
    Ok(response)
}

#[tokio::test(start_paused = true)]
async fn the_cost_is_of_all_attempts_and_the_columns_are_of_the_answer() {
    let records = Records::default();
    ask(
        &records,
        service_fn(two_attempts),
        message("claude-opus-5-5", false),
    )
    .await
    .unwrap();
    let record = records.only();
    assert_eq!(record.target.as_ref().unwrap().name(), "two");
    assert_eq!(
        (record.input_tokens, record.output_tokens),
        (Some(1_000), Some(100))
    );
    assert_eq!(record.served_model.as_deref(), Some("mine"));
    // The answer at opus, because `mine` is only its name there: 1,000 × $4 + 100 × $20.
    // The first attempt: 512 × $4 + 4 × $20 + 8,192 × $0.20 + 1,400 × $5. All per million.
    assert_eq!(cost(&record).unwrap(), "0.0167664");
    let log: Vec<_> = record
        .attempt_log
        .iter()
        .map(|attempt| {
            (
                attempt.target.as_ref().unwrap().name().to_owned(),
                attempt.started.as_millis(),
                attempt.status,
                attempt.outcome.as_str(),
                attempt.retry_reason.map(FailureKind::as_str),
            )
        })
        .collect();
    assert_eq!(
        log,
        [
            ("one".to_owned(), 0, Some(200), "truncated", None),
            (
                "two".to_owned(),
                250,
                Some(200),
                "complete",
                Some("truncated")
            ),
        ]
    );
}

/// Says when the buffer it owns is gone.
struct Watched(Vec<u8>, Arc<AtomicBool>);

impl AsRef<[u8]> for Watched {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.1.store(true, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn neither_record_nor_body_keeps_the_request_alive() {
    let is_gone = Arc::<AtomicBool>::default();
    let json = r#"{"model":"claude-opus-5-5","max_tokens":9,"stream":true,"metadata":{"user_id":"ann"},"messages":[]}"#;
    let buffer = Bytes::from_owner(Watched(json.into(), Arc::clone(&is_gone)));
    let records = Records::default();
    let answer = service_fn(|request: Request<CallBody>| async move {
        drop(request);
        Answer::thinking_tool_use().response()
    });
    let response = records
        .meter(answer)
        .oneshot(post("/v1/messages", buffer))
        .await;
    let (head, body) = response.unwrap().into_parts();
    assert!(!is_gone.load(Ordering::Relaxed), "the head has the call");
    drop(head);
    assert!(
        is_gone.load(Ordering::Relaxed),
        "the stream runs without it"
    );
    take(body).await;
    assert_eq!(records.only().user.as_deref(), Some("ann"));
    assert_eq!(records.only().model.as_deref(), Some("claude-opus-5-5"));
}

#[tokio::test]
async fn an_estimate_stands_in_the_record_whatever_ends_the_call() {
    for answer in [
        Answer::cached_message(),
        Answer::thinking_tool_use(),
        Answer::overloaded(),
        Answer::reset(),
    ] {
        let records = Records::default();
        let inner = service_fn(move |request: Request<CallBody>| {
            Call::of(&request).unwrap().attempts().estimate(7);
            std::future::ready(answer.response())
        });
        let _ = ask(&records, inner, message("claude-opus-5-5", false)).await;
        assert_eq!(records.only().estimated_input_tokens, Some(7));
    }
    let records = Records::default();
    let inner = service_fn(|request: Request<CallBody>| {
        let call = Call::of(&request).unwrap();
        call.attempts().estimate(7);
        let refusal = Refusal::new(RefusalKind::RateLimited, "spent");
        let response: Response<ResponseBody<ScriptedBody>> =
            refusal.respond(call.dialect(), call.id());
        std::future::ready(Ok::<_, TransportError>(response))
    });
    let asked = ask(&records, inner, message("claude-opus-5-5", false)).await;
    asked.unwrap();
    assert_eq!(records.only().estimated_input_tokens, Some(7));

    let records = Records::default();
    let fake = FakeClaude::sequence([Answer::cached_message()]);
    let asked = ask(&records, fake, message("claude-opus-5-5", false)).await;
    asked.unwrap();
    assert_eq!(records.only().estimated_input_tokens, None);
}

#[tokio::test]
async fn what_is_written_about_an_attempt_after_the_head_is_in_the_record() {
    let records = Records::default();
    let kept = Arc::<Mutex<Option<Arc<AttemptLog>>>>::default();
    let inner = {
        let kept = Arc::clone(&kept);
        service_fn(move |request: Request<CallBody>| {
            let log = Call::of(&request).unwrap().attempts();
            let started = Instant::now().into_std();
            log.begin(Attempt::new(Some(Target::new("one")), started, None));
            *kept.lock().unwrap() = Some(Arc::clone(log));
            std::future::ready(Answer::thinking_tool_use().response())
        })
    };
    let response = records
        .meter(inner)
        .oneshot(message("claude-opus-5-5", true))
        .await
        .unwrap();
    let mut body = response.into_body();
    body.frame().await.unwrap().unwrap();
    let log = kept.lock().unwrap().take().unwrap();
    log.update(0, |attempt| attempt.failure = Some(FailureKind::Stalled));
    drop(body);
    let record = records.only();
    assert_eq!(record.outcome, Outcome::Dropped);
    assert_eq!(
        record.attempt_log.last().unwrap().outcome.as_str(),
        "stalled"
    );
    assert_eq!(record.attempt_log.last().unwrap().status, Some(200));
    assert!(!record.cost.unwrap().is_zero());
}
