//! What the tests of this crate have in common.
#![allow(dead_code, reason = "each test uses a part of it")]
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod gated;
mod heard;

use bytes::Bytes;
use http::Request;
use tower_claude_continuation::ContinuationLayer;
use tower_claude_core::{Attempt, Call, CallBody, Intake, Prepare};
use tower_claude_testkit::{Answer, Asked, FakeClaude};

pub(crate) use gated::Gated;
#[allow(unused_imports, reason = "each test uses a part of it")]
pub(crate) use heard::{Heard, hear};

pub(crate) const MODEL: &str = "claude-sonnet-4-5";
pub(crate) const ASK: &str = r#"{"model":"claude-sonnet-4-5","max_tokens":64,"stream":true,"messages":[{"role":"user","content":"When?"}]}"#;
/// With characters of one to four bytes, quotes, and line ends.
pub(crate) const TEXT: &str = "The gate opens at seven.\nThe \"upper\" one \u{2013} for \u{e9}lite boats \u{26f5}\u{1f6a2} \u{2013} at nine, tide and wind permitting.";

pub(crate) fn request() -> Request<CallBody> {
    asking(ASK)
}

pub(crate) fn asking(body: &'static str) -> Request<CallBody> {
    Request::post("/v1/messages").body(body.into()).unwrap()
}

/// A request whose call is known outside, as below a meter.
pub(crate) async fn prepared(request: Request<CallBody>) -> (Request<CallBody>, Call) {
    let prepared = Prepare::new(request, &Intake::new()).await.unwrap();
    (prepared.request, prepared.call)
}

pub(crate) fn layer() -> ContinuationLayer {
    ContinuationLayer::default()
}

/// The whole text, in three characters a delta or so.
pub(crate) fn whole() -> Answer {
    Answer::message(MODEL)
        .text(TEXT)
        .deltas(30)
        .input_tokens(20)
        .output_tokens(40)
        .into_stream()
}

/// The bytes of an answer.
pub(crate) fn bytes_of(answer: &Answer) -> Bytes {
    let body = answer.response().unwrap().into_body();
    let collected = http_body_util::BodyExt::collect(body);
    let mut task = tokio_test::task::spawn(collected);
    tokio_test::assert_ready!(task.poll()).unwrap().to_bytes()
}

/// What stands in the last message of a request, if it is the assistant's.
pub(crate) fn prefill(asked: &Asked) -> Option<String> {
    let body: serde_json::Value = asked.json()?;
    let last = body["messages"].as_array()?.last()?;
    let is_prefill = last["role"] == "assistant";
    is_prefill.then(|| last["content"].as_str().unwrap().to_owned())
}

/// The rest of the text, after that which the request has; more input than the first answer.
pub(crate) fn rest(asked: &Asked) -> Answer {
    let begun = prefill(asked).unwrap();
    let rest = TEXT.strip_prefix(&*begun).unwrap();
    let message = Answer::message(MODEL)
        .id("msg_second")
        .input_tokens(33)
        .output_tokens(17);
    match rest {
        "" => message.into_stream(),
        rest => message.text(rest).deltas(4).into_stream(),
    }
}

/// A model that breaks off so every other time, and then goes on from wherever it is asked to.
pub(crate) fn claude(first: Answer) -> FakeClaude {
    FakeClaude::new(move |asked| match asked.call() % 2 {
        1 => first.clone(),
        _ => rest(asked),
    })
    .recording()
}

/// A model that breaks off so, and then answers so.
pub(crate) fn sequence(first: Answer, second: Answer) -> FakeClaude {
    FakeClaude::sequence([first, second]).recording()
}

pub(crate) fn attempts(call: &Call) -> Vec<Attempt> {
    let mut all = Vec::new();
    call.attempts()
        .for_each(|attempt| all.push(attempt.clone()));
    all
}
