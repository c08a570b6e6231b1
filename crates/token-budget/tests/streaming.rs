//! What streams are charged, wherever they end.

mod support;

use http::Request;
use http_body_util::BodyExt as _;
use support::{ESTIMATE, Stack, messages, text};
use tower::{Layer as _, ServiceExt as _};
use tower_claude_core::{ByteSemaphore, CallBody, Intake, UsageCell};
use tower_claude_testkit::{Answer, FakeClaude, Message, Split};
use tower_claude_token_budget::{MemoryStore, Plans, TokenBudgetLayer};

/// Ten deltas of eight characters.
fn message() -> Message {
    Answer::message("claude-opus-5-5")
        .text("12345678".repeat(10))
        .deltas(10)
        .input_tokens(100)
        .output_tokens(21)
}

#[tokio::test(start_paused = true)]
async fn a_whole_stream_is_charged_what_it_reports_last() {
    for split in [Split::Events, Split::EveryByte, Split::Every(1_000_000)] {
        let stack = Stack::answering(message().into_stream().split(split));
        let response = stack.call(messages(1_000, true)).await;
        assert!(UsageCell::of(&response).is_some());
        assert!(text(response).await.contains("message_stop"));
        assert_eq!(stack.spent().await, (1, 100, 21));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_held_while_it_runs_and_settled_before_its_body_is_dropped() {
    let stack = Stack::answering(message().into_stream());
    let mut body = stack.call(messages(1_000, true)).await.into_body();
    body.frame().await.unwrap().unwrap();
    assert_eq!(stack.books().await[2], (0, 1_000));
    while body.frame().await.is_some() {}
    assert_eq!(stack.spent().await, (1, 100, 21));
    drop(body);
    assert_eq!(stack.spent().await, (1, 100, 21), "once");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_dropped_is_charged_no_less_than_what_was_seen() {
    let frames = Stack::answering(message().into_stream());
    let mut body = frames.call(messages(1_000, true)).await.into_body();
    let mut count = 0;
    while body.frame().await.is_some() {
        count += 1;
    }
    let mut last = 0;
    for read in 0..count {
        let stack = Stack::answering(message().into_stream());
        let mut body = stack.call(messages(1_000, true)).await.into_body();
        let mut deltas = 0;
        for _ in 0..read {
            let data = body.frame().await.unwrap().unwrap().into_data().unwrap();
            let data = std::str::from_utf8(&data).unwrap();
            deltas += data.matches("event: content_block_delta").count() as u64;
        }
        drop(body);
        let (requests, input, output) = stack.spent().await;
        assert_eq!(requests, 1);
        assert_eq!(
            input,
            if read == 0 { ESTIMATE } else { 100 },
            "after {read}"
        );
        assert!(output >= deltas, "{output} after {deltas} deltas");
        assert!(output >= last && output <= 40, "{output} after {last}");
        last = output;
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_in_band_before_content_costs_no_tokens_and_one_after_it_does() {
    let overloaded = |events| {
        let answer = message().into_stream();
        Stack::answering(answer.error_event_after(events, "overloaded_error", "Overloaded"))
    };
    let early = overloaded(2);
    text(early.call(messages(1_000, true)).await).await;
    assert_eq!(early.spent().await, (1, 0, 0));
    let late = overloaded(7);
    text(late.call(messages(1_000, true)).await).await;
    let (requests, input, output) = late.spent().await;
    assert_eq!((requests, input), (1, 100));
    assert!(output > 1, "{output}");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_cut_is_charged_what_was_seen() {
    for answer in [
        message().into_stream().truncate_after(6),
        message().into_stream().reset_after(6),
    ] {
        let stack = Stack::answering(answer);
        let body = stack.call(messages(1_000, true)).await.into_body();
        let _ = body.collect().await;
        let (requests, input, output) = stack.spent().await;
        assert_eq!((requests, input), (1, 100));
        assert!((2..=21).contains(&output), "{output}");
    }
}

#[tokio::test(start_paused = true)]
async fn output_beyond_what_was_set_aside_is_a_debt() {
    let stack = Stack::answering(message().output_tokens(5_000).into_stream());
    text(stack.call(messages(6_000, true)).await).await;
    assert_eq!(stack.spent().await, (1, 100, 5_000));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_read_along_already_is_not_read_twice() {
    let stack = Stack::answering(message().into_stream());
    let inner = tower::ServiceBuilder::new()
        .map_response(tower_claude_core::tap)
        .service(FakeClaude::sequence([message().into_stream()]));
    let plans = tower_claude_token_budget::Plans::for_all(support::wide()).unwrap();
    let layer = tower_claude_token_budget::TokenBudgetLayer::new(stack.store.clone(), plans);
    let service = tower::Layer::layer(&layer, inner);
    let response = tower::ServiceExt::oneshot(service, messages(1_000, true)).await;
    response.unwrap().into_body().collect().await.unwrap();
    assert_eq!(stack.spent().await, (1, 100, 21));
}

#[tokio::test(start_paused = true)]
async fn a_stream_runs_without_keeping_the_request_in_memory() {
    let semaphore = ByteSemaphore::new(1_000_000);
    let plans = Plans::for_all(support::wide()).unwrap();
    let layer = TokenBudgetLayer::new(MemoryStore::new(), plans)
        .intake(Intake::new().semaphore(semaphore.clone()));
    let inner = {
        let semaphore = semaphore.clone();
        tower::service_fn(move |request: Request<CallBody>| {
            assert!(semaphore.available() < semaphore.capacity(), "it is held");
            drop(request);
            std::future::ready(message().into_stream().response())
        })
    };
    let body = CallBody::new(messages(1_000, true).into_body());
    let request = Request::post("/v1/messages").body(body).unwrap();
    let response = layer.layer(inner).oneshot(request).await.unwrap();
    let mut body = response.into_body();
    body.frame().await.unwrap().unwrap();
    assert_eq!(semaphore.available(), semaphore.capacity());
    drop(body);
}
