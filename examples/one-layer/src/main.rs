//! Run with `cargo run -p example-one-layer`
//!
//! One layer alone: retries around a fake Claude, with a policy of one's own. No socket, and
//! a clock that stands still but for sleeping, so that the tests take no time. They are the
//! point; `main` only prints what happens.

use std::time::Duration;

use http::Request;
use tokio::time::Instant;
use tower::{BoxError, Layer, ServiceExt};
use tower_claude_core::{CallBody, Failure};
use tower_claude_retry::{AttemptContext, Classify, DefaultClassify, Retry, RetryLayer, Verdict};
use tower_claude_testkit::{Answer, FakeClaude};

/// Leaves calls of nightly jobs alone: a job asks again by itself, and nobody waits for it.
#[derive(Debug, Default)]
struct NotForJobs(DefaultClassify);

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), BoxError> {
    for feature in ["chat", "nightly-job"] {
        let claude = FakeClaude::sequence([
            Answer::rate_limited(2),
            Answer::overloaded(),
            Answer::cached_message(),
        ]);
        let began = Instant::now();
        let response = app(claude.clone()).oneshot(call(feature)?).await?;
        let (status, attempts) = (response.status(), claude.calls());
        let waited = began.elapsed().as_secs_f32();
        println!("{feature}: {status} after {attempts} attempt(s) and {waited:.1} s");
    }
    Ok(())
}

/// The layer under test, around a service that stands where the HTTP client would.
fn app(claude: FakeClaude) -> Retry<FakeClaude, NotForJobs> {
    RetryLayer::new(NotForJobs::default())
        .max_delay(Duration::from_secs(4))
        .layer(claude)
}

/// A call of one feature of an app.
fn call(feature: &str) -> http::Result<Request<CallBody>> {
    Request::post("/v1/messages")
        .header("x-feature", feature)
        .body(CallBody::from(
            r#"{"model":"claude-opus-5-5","max_tokens":64,"messages":[]}"#,
        ))
}

// === impl NotForJobs ===

impl Classify for NotForJobs {
    fn classify(&self, attempt: &AttemptContext<'_>, failure: &Failure) -> Verdict {
        match attempt.call.attribution().feature.as_deref() {
            Some(feature) if feature.ends_with("-job") => Verdict::Return,
            _ => self.0.classify(attempt, failure),
        }
    }
}

#[cfg(test)]
mod tests;
