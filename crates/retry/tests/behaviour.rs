//! Which failures are repeated, how often, and what the caller gets.

mod support;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use http::Request;
use support::{CallsClaude as _, Spy, attempts, good, layer, play, prepared, request};
use tower::Layer as _;
use tower_claude_core::{
    CallBody, Failure, FailureKind, Intake, RequestId, Target, Tenant, TenantId,
};
use tower_claude_retry::{
    AttemptContext, Classify, DefaultClassify, RetryLayer, RetryQuota, Verdict,
};
use tower_claude_testkit::{Answer, FakeClaude, ScriptedBody, Step};

fn attempts_of(attempts: u32) -> NonZeroU32 {
    NonZeroU32::new(attempts).expect("not zero")
}

fn error(status: u16) -> Answer {
    Answer::error(status, "api_error", "no")
}

#[tokio::test(start_paused = true)]
async fn repeats_what_may_pass_a_little_later_and_cannot_have_been_billed() {
    for answer in [
        error(408),
        error(409),
        Answer::rate_limited(1),
        error(429),
        error(503),
        Answer::overloaded(),
        Answer::refused_connection(),
    ] {
        let outcome = play(&layer(), [answer.clone(), good()]).await;
        assert_eq!((outcome.status(), outcome.calls), (200, 2), "{answer:?}");
        assert_eq!(outcome.header("x-should-retry"), None);
    }
}

#[tokio::test(start_paused = true)]
async fn returns_what_the_request_or_the_account_is_to_blame_for() {
    for status in [301, 400, 401, 402, 403, 404, 413, 418, 422] {
        let outcome = play(&layer(), [error(status), good()]).await;
        assert_eq!((outcome.status(), outcome.calls), (status, 1));
        assert_eq!(outcome.elapsed, Duration::ZERO);
    }
}

#[tokio::test(start_paused = true)]
async fn never_repeats_a_spend_cap_or_a_spend_limit() {
    for (answer, status, kind) in [
        (Answer::spend_cap(), 429, FailureKind::SpendCap),
        (Answer::spend_limit(), 400, FailureKind::SpendLimit),
    ] {
        let outcome = play(&layer().possibly_billed(true), [answer, good()]).await;
        assert_eq!((outcome.status(), outcome.calls), (status, 1));
        assert_eq!(outcome.attempts[0].failure, Some(kind));
    }
}

#[tokio::test(start_paused = true)]
async fn repeats_what_may_have_been_billed_only_if_told_to() {
    for answer in [error(500), error(502), error(504)] {
        let outcome = play(&layer(), [answer.clone(), good()]).await;
        assert_eq!(outcome.calls, 1, "{answer:?}");
        let outcome = play(&layer().possibly_billed(true), [answer, good()]).await;
        assert_eq!((outcome.status(), outcome.calls), (200, 2));
    }
    let outcome = play(&layer(), [Answer::reset(), good()]).await;
    assert!(outcome.answer.is_err() && outcome.calls == 1);
    let outcome = play(&layer().possibly_billed(true), [Answer::reset(), good()]).await;
    assert_eq!((outcome.status(), outcome.calls), (200, 2));
}

#[tokio::test(start_paused = true)]
async fn obeys_x_should_retry_both_ways() {
    for status in [400, 404, 500, 504] {
        let answer = error(status).header("x-should-retry", "true");
        let outcome = play(&layer(), [answer, good()]).await;
        assert_eq!((outcome.status(), outcome.calls), (200, 2), "{status}");
    }
    for answer in [Answer::overloaded(), Answer::rate_limited(1), error(409)] {
        let outcome = play(&layer(), [answer.header("x-should-retry", "false"), good()]).await;
        assert_eq!(outcome.calls, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn asks_so_often_and_returns_the_last_answer_marked() {
    for most in 1..=4 {
        let layer = layer().attempts(attempts_of(most));
        let last = error(529).header("request-id", "req_last");
        let answers = (1..most)
            .map(|_| Answer::overloaded())
            .chain([last, good()]);
        let outcome = play(&layer, answers).await;
        assert_eq!((outcome.status(), outcome.calls), (529, u64::from(most)));
        assert_eq!(outcome.header("request-id"), Some("req_last"));
        assert!(outcome.text().contains(r#""message":"no""#), "unchanged");
        let mark = (most > 1).then_some("false");
        assert_eq!(outcome.header("x-should-retry"), mark, "after retries only");
    }
}

#[tokio::test(start_paused = true)]
async fn says_false_after_retries_even_if_upstream_says_true() {
    let answer = Answer::overloaded().header("x-should-retry", "true");
    let outcome = play(&layer(), [answer]).await;
    assert_eq!(outcome.header("x-should-retry"), Some("false"));
}

#[tokio::test(start_paused = true)]
async fn a_good_answer_and_what_retries_do_not_help_stay_unmarked() {
    let outcome = play(&layer(), [Answer::overloaded(), good()]).await;
    assert_eq!(outcome.header("x-should-retry"), None);
    let outcome = play(&layer(), [error(400)]).await;
    assert_eq!(outcome.header("x-should-retry"), None);
}

#[tokio::test(start_paused = true)]
async fn returns_the_last_error_unchanged() {
    let outcome = play(
        &layer(),
        [Answer::overloaded(), Answer::refused_connection()],
    )
    .await;
    let error = outcome.answer.unwrap_err();
    assert_eq!(outcome.calls, 3);
    assert_eq!(error.sent(), tower_claude_core::Sent::No);
    assert!(!outcome.attempts.iter().any(|attempt| attempt.is_final));
}

#[tokio::test(start_paused = true)]
async fn sends_the_same_bytes_out_of_the_same_buffer_every_time() {
    let body = bytes::Bytes::from(support::ASK.as_bytes().to_vec());
    let spy = Spy::new(FakeClaude::sequence([
        Answer::overloaded(),
        error(503),
        good(),
    ]));
    let request = Request::post("/v1/messages?beta=true")
        .header("anthropic-version", "2023-06-01")
        .header("anthropic-beta", "one")
        .header("anthropic-beta", "two")
        .extension(Tenant::new(TenantId::new("web").unwrap()))
        .extension(Target::new("east"))
        .extension(RequestId::generate())
        .body(CallBody::full(body.clone()))
        .unwrap();
    layer().layer(spy.clone()).ask(request).await.unwrap();

    let seen = spy.seen.lock().unwrap();
    assert_eq!(seen.len(), 3);
    for attempt in seen.iter() {
        assert_eq!(attempt.body, body);
        assert_eq!(attempt.body.as_ptr(), body.as_ptr(), "no copy");
        assert_eq!(attempt.head.uri, "/v1/messages?beta=true");
        assert_eq!(attempt.head.method, http::Method::POST);
        assert_eq!(attempt.head.headers, seen[0].head.headers);
        assert_eq!(attempt.id, seen[0].id);
        let extensions = &attempt.head.extensions;
        assert_eq!(extensions.len(), seen[0].head.extensions.len());
        assert_eq!(extensions.get::<Target>().unwrap().name(), "east");
        assert!(extensions.get::<Tenant>().is_some());
        assert_eq!(extensions.get::<RequestId>(), Some(&seen[0].id));
    }
}

#[tokio::test(start_paused = true)]
async fn keeps_the_extensions_of_strangers_for_every_attempt() {
    #[derive(Clone, PartialEq, Debug)]
    struct Theirs(u32);
    let spy = Spy::new(FakeClaude::sequence([
        Answer::overloaded(),
        error(503),
        good(),
    ]));
    let mut request = request();
    request.extensions_mut().insert(Theirs(7));
    request.extensions_mut().insert(Target::new("east"));
    let (request, call) = prepared(request).await;
    layer().layer(spy.clone()).ask(request).await.unwrap();

    let seen = spy.seen.lock().unwrap();
    assert_eq!(seen.len(), 3);
    assert!(
        seen.iter()
            .all(|attempt| attempt.head.extensions.get() == Some(&Theirs(7)))
    );
    let log = attempts(&call);
    assert!(
        log.iter()
            .all(|a| a.target.as_ref().unwrap().name() == "east")
    );
}

#[tokio::test(start_paused = true)]
async fn keeps_no_copy_where_none_can_be_sent() {
    struct Copies(Arc<AtomicU32>);
    impl Clone for Copies {
        fn clone(&self) -> Self {
            self.0.fetch_add(1, Relaxed);
            Self(Arc::clone(&self.0))
        }
    }
    let nothing = RetryQuota::new().capacity(NonZeroU32::MIN).floor(0);
    let file = CallBody::new(ScriptedBody::new([Step::Data("file".into())]));
    for (layer, path, body, copies) in [
        (layer(), "/v1/messages", support::ASK.into(), 1),
        (layer(), "/v1/files", file, 0),
        (
            layer().attempts(attempts_of(1)),
            "/v1/messages",
            support::ASK.into(),
            0,
        ),
        (
            layer().quota(nothing),
            "/v1/messages",
            support::ASK.into(),
            0,
        ),
    ] {
        let count = Arc::new(AtomicU32::new(0));
        let request = Request::post(path).extension(Copies(Arc::clone(&count)));
        let service = layer.layer(FakeClaude::sequence([good()]));
        service.ask(request.body(body).unwrap()).await.unwrap();
        assert_eq!(count.load(Relaxed), copies);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_streams_is_sent_once() {
    let fake = FakeClaude::sequence([Answer::overloaded(), good()]);
    let body = CallBody::new(ScriptedBody::new([Step::Data("file".into())]));
    let request = Request::post("/v1/files").body(body).unwrap();
    let response = layer().layer(fake.clone()).ask(request).await.unwrap();
    assert_eq!((response.status().as_u16(), fake.calls()), (529, 1));
    assert!(!response.headers().contains_key("x-should-retry"));
}

#[tokio::test(start_paused = true)]
async fn logs_every_attempt_with_its_reason_and_its_end() {
    let outcome = play(
        &layer().attempts(attempts_of(4)),
        [
            Answer::refused_connection(),
            Answer::overloaded(),
            Answer::error_after_start(),
            Answer::thinking_tool_use(),
        ],
    )
    .await;
    let log: Vec<_> = outcome
        .attempts
        .iter()
        .map(|a| (a.reason, a.status, a.failure, a.usage.is_some(), a.is_final))
        .collect();
    let not_sent = Some(FailureKind::NotSent);
    let overloaded = Some(FailureKind::Overloaded);
    let server_error = Some(FailureKind::ServerError);
    assert_eq!(
        log,
        [
            (None, None, not_sent, false, false),
            (not_sent, Some(529), overloaded, true, false),
            (overloaded, Some(200), server_error, true, false),
            (server_error, Some(200), None, true, true),
        ]
    );
    let starts: Vec<_> = outcome
        .attempts
        .iter()
        .map(|attempt| attempt.started - outcome.attempts[0].started)
        .collect();
    assert_eq!(starts, [0, 500, 1500, 3500].map(Duration::from_millis));
    let usage = outcome.attempts[3].usage.as_ref().unwrap();
    assert!(
        usage.read(tower_claude_core::Metered::is_exact),
        "it is the cell of the answer"
    );
}

#[tokio::test(start_paused = true)]
async fn a_failed_answer_that_is_returned_is_final_until_another_target_is_asked() {
    let (request, call) = prepared(request()).await;
    let again = Request::post("/v1/messages")
        .extension(call.clone())
        .extension(Target::new("west"))
        .body(CallBody::full(call.body().unwrap().clone()))
        .unwrap();
    let east = FakeClaude::sequence([error(404)]);
    layer().layer(east).ask(request).await.unwrap();
    assert!(attempts(&call)[0].is_final);

    let west = FakeClaude::sequence([good()]);
    layer().layer(west).ask(again).await.unwrap();
    let log = attempts(&call);
    assert_eq!(log.len(), 2);
    assert!(!log[0].is_final && log[1].is_final);
    assert_eq!(log[1].reason, Some(FailureKind::NotFound));
    assert_eq!(log[1].target.as_ref().unwrap().name(), "west");
}

#[tokio::test(start_paused = true)]
async fn asks_the_classifier_with_the_facts_of_the_attempt() {
    let classify = Arc::new(
        |attempt: &AttemptContext<'_>, failure: &Failure| -> Verdict {
            assert_eq!(attempt.call.model(), Some("claude-opus-5-5"));
            assert!(attempt.target.is_none());
            assert_eq!(failure.kind, FailureKind::NotFound);
            let elapsed = [Duration::ZERO, Duration::from_secs(3)];
            assert_eq!(attempt.elapsed, elapsed[attempt.tries as usize - 1]);
            Verdict::Retry {
                wait: Some(Duration::from_secs(3)),
            }
        },
    );
    let layer = RetryLayer::new(classify).jitter(|most: Duration| most);
    let outcome = play(&layer, [error(404)]).await;
    assert_eq!((outcome.status(), outcome.calls), (404, 3));
    assert_eq!(outcome.elapsed, Duration::from_secs(6));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_cannot_be_read_is_refused_and_never_sent() {
    let small = Intake::new().body_limit(10);
    for (path, layer, status) in [
        ("/v1/messages", layer().intake(small), 413),
        ("/v1/nothing", layer(), 404),
    ] {
        let fake = FakeClaude::sequence([good()]);
        let request = Request::post(path).body(support::ASK.into()).unwrap();
        let response = layer.layer(fake.clone()).ask(request).await.unwrap();
        assert_eq!((response.status().as_u16(), fake.calls()), (status, 0));
        assert!(response.headers().contains_key("request-id"));
    }
}

#[tokio::test]
async fn the_default_knows_every_kind() {
    let (_, call) = prepared(request()).await;
    let context = AttemptContext::new(&call);
    let careful = DefaultClassify::new();
    let bold = careful.possibly_billed(true);
    let repeats = |classify: DefaultClassify, kind| {
        classify.classify(&context, &Failure::new(kind)) != Verdict::Return
    };
    use FailureKind::*;
    for kind in [NotSent, RateLimited, Overloaded, RequestTimeout, Conflict] {
        assert!(repeats(careful, kind) && repeats(bold, kind), "{kind:?}");
    }
    for kind in [NoReply, Timeout, ServerError, Truncated, Stalled] {
        assert!(!repeats(careful, kind) && repeats(bold, kind), "{kind:?}");
    }
    for kind in [
        SpendCap,
        SpendLimit,
        Authentication,
        Billing,
        Permission,
        NotFound,
        TooLarge,
        Invalid,
        Redirect,
    ] {
        assert!(!repeats(careful, kind) && !repeats(bold, kind), "{kind:?}");
    }
}
