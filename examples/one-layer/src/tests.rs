use tower_claude_core::{FailureKind, Intake, Prepare};

use super::*;

#[tokio::test(start_paused = true)]
async fn waits_as_long_as_the_server_says_and_asks_again() {
    let claude = FakeClaude::sequence([Answer::rate_limited(2), Answer::cached_message()]);
    let began = Instant::now();
    let response = app(claude.clone()).oneshot(call("chat").unwrap()).await;
    assert_eq!(response.unwrap().status(), 200);
    assert_eq!(claude.calls(), 2);
    assert!(began.elapsed() >= Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn a_job_gets_the_failure_at_once() {
    let claude = FakeClaude::sequence([Answer::overloaded()]);
    let began = Instant::now();
    let response = app(claude.clone())
        .oneshot(call("nightly-job").unwrap())
        .await;
    assert_eq!(response.unwrap().status(), 529);
    assert_eq!(claude.calls(), 1);
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn the_policy_needs_no_layer_to_be_tested() {
    for (feature, expected) in [
        ("nightly-job", Verdict::Return),
        ("chat", Verdict::Retry { wait: None }),
    ] {
        let request = call(feature).unwrap();
        let prepared = Prepare::new(request, &Intake::new()).await.unwrap();
        let attempt = AttemptContext::new(&prepared.call);
        let failure = Failure::new(FailureKind::Overloaded);
        assert_eq!(NotForJobs::default().classify(&attempt, &failure), expected);
    }
}
