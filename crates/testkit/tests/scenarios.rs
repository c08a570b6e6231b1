//! Every scenario does what its name says.

mod support;

use std::time::Duration;

use support::{ask, bytes, call, frames, json, say};
use tokio::time::Instant;
use tokio_test::assert_pending;
use tower_claude_testkit::{Ended, FakeClaude, Scenario};

#[tokio::test]
async fn answers_errors_with_their_status() {
    let fake = FakeClaude::scenarios();
    for (name, status, error_type) in [
        ("overloaded", 529, "overloaded_error"),
        ("rate-limited", 429, "rate_limit_error"),
        ("spend-cap", 429, "rate_limit_error"),
        ("spend-limit", 400, "invalid_request_error"),
        ("bad-request", 400, "invalid_request_error"),
        ("authentication", 401, "authentication_error"),
        ("permission", 403, "permission_error"),
        ("not-found", 404, "not_found_error"),
        ("too-large", 413, "request_too_large"),
        ("server-error", 500, "api_error"),
        ("timeout", 504, "timeout_error"),
        ("nonesuch", 400, "invalid_request_error"),
    ] {
        let request = say(&format!("scenario:{name}"), true);
        let response = call(&fake, request).await.unwrap();
        assert_eq!(response.status(), status, "{name}");
        assert_eq!(json(response).await["error"]["type"], error_type, "{name}");
    }
}

#[tokio::test]
async fn streams_what_is_about_streaming() {
    let fake = FakeClaude::scenarios();
    for (name, ended, delivered) in [
        ("stream", Ended::Complete, true),
        ("in-band-error-before-content", Ended::Complete, false),
        ("in-band-error-midway", Ended::Complete, false),
        ("truncated", Ended::Cut, false),
    ] {
        let request = say(&format!("scenario:{name}"), false);
        let response = call(&fake, request).await.unwrap();
        assert!(bytes(response).await.starts_with(b"event: "), "{name}");
        let entry = fake.truth().entries().pop().unwrap();
        assert_eq!(entry.ended, ended, "{name}");
        assert_eq!(entry.final_usage_delivered, delivered, "{name}");
    }
}

#[tokio::test]
async fn goes_by_the_body_where_either_makes_sense() {
    let fake = FakeClaude::scenarios();
    for name in ["plain", "thinking-tool-use", "refusal", "long"] {
        let text = format!("scenario:{name}");
        let whole = json(call(&fake, say(&text, false)).await.unwrap()).await;
        assert_eq!(whole["type"], "message", "{name}");
        let stream = bytes(call(&fake, say(&text, true)).await.unwrap()).await;
        assert!(stream.starts_with(b"event: message_start\n"), "{name}");
    }
}

#[tokio::test]
async fn stalls_after_some_text() {
    let fake = FakeClaude::scenarios();
    let response = call(&fake, say("scenario:stalled", true)).await.unwrap();
    assert_pending!(tokio_test::task::spawn(bytes(response)).poll());
    let entry = &fake.truth().entries()[0];
    assert_eq!(entry.ended, Ended::Stalled);
    assert_eq!(entry.events, 5);
}

#[tokio::test(start_paused = true)]
async fn streams_two_hundred_deltas_slowly_or_at_once() {
    let fake = FakeClaude::scenarios();
    for (name, least) in [("slow", 200 * 20), ("long", 0)] {
        let start = Instant::now();
        let request = say(&format!("scenario:{name}"), true);
        let (frames, _) = frames(call(&fake, request).await.unwrap()).await;
        let deltas = frames
            .iter()
            .filter(|frame| frame.starts_with(b"event: content_block_delta"));
        assert_eq!(deltas.count(), 200);
        assert!(start.elapsed() >= Duration::from_millis(least));
        let most = Duration::from_millis(least + least / 10);
        assert!(start.elapsed() <= most, "{:?}", start.elapsed());
    }
    assert_eq!(fake.truth().totals().output_tokens, 400);
}

#[tokio::test]
async fn breaks_the_connection_before_the_head() {
    let fake = FakeClaude::scenarios();
    call(&fake, say("scenario:reset", true)).await.unwrap_err();
}

#[tokio::test]
async fn fails_the_first_ask_of_each_kind() {
    let fake = FakeClaude::scenarios();
    let keyed = |key: &str| {
        let mut request = say("scenario:flaky", false);
        request
            .headers_mut()
            .insert("x-scenario-key", key.parse().unwrap());
        request
    };
    for (request, status) in [
        (say("scenario:flaky", false), 529),
        (say("scenario:flaky", false), 200),
        (say("scenario:flaky", true), 529),
        (keyed("a"), 529),
        (keyed("b"), 529),
        (keyed("a"), 200),
    ] {
        assert_eq!(call(&fake, request).await.unwrap().status(), status);
    }
}

#[tokio::test]
async fn is_asked_for_by_the_last_words_of_the_user_or_by_the_model() {
    let fake = FakeClaude::scenarios();
    for body in [
        r#"{"model":"scenario:overloaded","max_tokens":1,"messages":[]}"#,
        r#"{"model":"m","messages":[
            {"role":"user","content":"scenario:long"},
            {"role":"assistant","content":"scenario:long"},
            {"role":"user","content":[
                {"type":"text","text":"first"},
                {"type":"text","text":" scenario:overloaded\n"},
                {"type":"image","source":{}}
            ]}]}"#,
    ] {
        assert_eq!(call(&fake, ask(body)).await.unwrap().status(), 529);
    }
    let spoken_of = say("what is scenario:overloaded?", false);
    assert_eq!(call(&fake, spoken_of).await.unwrap().status(), 200);
}

#[test]
fn has_a_name_for_each() {
    for scenario in Scenario::ALL {
        assert_eq!(Scenario::named(scenario.name()), Some(scenario));
    }
    assert_eq!(Scenario::named("nonesuch"), None);
}
