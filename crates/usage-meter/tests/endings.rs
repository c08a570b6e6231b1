//! How calls end without their caller leaving: errors, refusals, cuts.
#![allow(
    clippy::unwrap_used,
    reason = "a test stops at what is not as it should be"
)]

mod support;

use http::{Request, Response};
use support::{Records, ask, cost, message, post, record_of, take};
use tower::{ServiceExt as _, service_fn};
use tower_claude_core::{
    BoxError, Call, CallBody, Failure, FailureKind, Intake, Refusal, RefusalKind, ResponseBody,
    TransportError,
};
use tower_claude_testkit::{Answer, FakeClaude, ScriptedBody};
use tower_claude_usage_meter::{Outcome, UsageSource};

#[tokio::test]
async fn errors_of_upstream_cost_nothing_and_keep_their_type() {
    for (answer, status, word) in [
        (Answer::overloaded(), 529, "overloaded_error"),
        (Answer::rate_limited(3), 429, "rate_limit_error"),
        (Answer::spend_limit(), 400, "invalid_request_error"),
        (Answer::error(500, "api_error", "no"), 500, "api_error"),
    ] {
        let record = record_of(answer, false).await;
        assert_eq!(record.outcome, Outcome::Errored);
        assert_eq!(record.status, Some(status));
        assert_eq!(record.error_type.as_deref(), Some(word));
        assert_eq!(cost(&record).as_deref(), Some("0"));
        assert_eq!(record.usage_source, UsageSource::None);
        assert_eq!(record.time_to_first_token, None);
        assert_eq!(
            record.attempt_log.last().unwrap().outcome.as_str(),
            "errored"
        );
    }
    let html = record_of(Answer::raw(413, "text/html", "<html>413</html>"), false).await;
    assert_eq!(
        (html.outcome, html.error_type.as_ref()),
        (Outcome::Errored, None)
    );
}

#[tokio::test]
async fn an_error_in_band_is_an_error_whatever_the_status() {
    for (answer, word, dollars) in [
        (
            Answer::error_before_content(),
            "overloaded_error",
            Some("0"),
        ),
        (Answer::error_after_start(), "api_error", Some("0")),
        (Answer::error_midway(), "overloaded_error", None),
    ] {
        let record = record_of(answer, true).await;
        assert_eq!(record.outcome, Outcome::Errored);
        assert_eq!(record.status, Some(200));
        assert_eq!(record.error_type.as_deref(), Some(word));
        match dollars {
            Some(dollars) => assert_eq!(cost(&record).as_deref(), Some(dollars)),
            None => {
                assert_eq!(record.usage_source, UsageSource::Partial);
                assert_eq!(record.input_tokens, Some(88));
                assert!(record.output_tokens > Some(2), "not the placeholder");
                assert!(!record.cost.unwrap().is_zero());
            }
        }
        let attempt = record.attempt_log.last().unwrap().outcome.as_str();
        assert!(
            ["overloaded", "server_error"].contains(&attempt),
            "{attempt}"
        );
    }
}

#[tokio::test]
async fn a_stream_without_its_end_is_truncated() {
    for answer in [
        Answer::truncated(),
        Answer::thinking_tool_use().reset_after(7),
    ] {
        let record = record_of(answer, true).await;
        assert_eq!(record.outcome, Outcome::Truncated);
        assert_eq!(record.usage_source, UsageSource::Partial);
        assert_eq!(record.input_tokens, Some(512));
        assert!(record.output_tokens > Some(4), "not the placeholder");
        assert!(!record.cost.unwrap().is_zero());
    }
}

#[tokio::test]
async fn what_this_layer_refuses_is_recorded_and_answered() {
    for (request, status, word, model) in [
        (
            post("/v1/messages", "{"),
            400,
            "invalid_request_error",
            None,
        ),
        (
            post("/v1/messages", r#"{"model":"m","messages":[]}"#),
            400,
            "invalid_request_error",
            Some("m"),
        ),
        (post("/v1/nothing", "{}"), 404, "not_found_error", None),
        (
            post("/v1/messages", "x".repeat(101)),
            413,
            "request_too_large",
            None,
        ),
    ] {
        let records = Records::default();
        let fake = FakeClaude::default();
        let layer = records.layer().intake(Intake::new().body_limit(100));
        let meter = tower::Layer::layer(&layer, fake.clone());
        let response = meter.oneshot(request).await.unwrap();
        assert_eq!(response.status().as_u16(), status);
        let call = response.extensions().get::<Call>().unwrap().id();
        let body = take(response.into_body()).await;
        assert!(String::from_utf8(body).unwrap().contains(word));

        let record = records.only();
        assert_eq!(record.outcome, Outcome::Refused);
        assert_eq!(record.status, Some(status));
        assert_eq!(record.error_type.as_deref(), Some(word));
        assert_eq!(record.model.as_deref(), model);
        assert_eq!(record.request_id, call);
        assert_eq!(cost(&record).as_deref(), Some("0"));
        assert!(record.attempt_log.is_empty(), "no target was asked");
        assert_eq!(record.upstream_request_id, None);
        assert_eq!(fake.calls(), 0);
    }
}

fn refusing(
    kind: RefusalKind,
) -> impl tower::Service<
    Request<CallBody>,
    Response = Response<ResponseBody<ScriptedBody>>,
    Error = BoxError,
    Future: Send,
> + Clone {
    service_fn(move |request: Request<CallBody>| async move {
        let call = Call::of(&request).unwrap();
        Ok(Refusal::new(kind, "no").respond(call.dialect(), call.id()))
    })
}

#[tokio::test]
async fn an_inner_refusal_is_ours_unless_upstream_is_to_blame() {
    for (kind, outcome, dollars, attempts) in [
        (RefusalKind::RateLimited, Outcome::Refused, Some("0"), 0),
        (RefusalKind::Overloaded, Outcome::Refused, Some("0"), 0),
        (RefusalKind::Unavailable, Outcome::Refused, Some("0"), 0),
        (RefusalKind::BadGateway, Outcome::Errored, None, 1),
        (RefusalKind::GatewayTimeout, Outcome::Errored, None, 1),
    ] {
        let records = Records::default();
        let request = message("claude-opus-5-5", true);
        ask(&records, refusing(kind), request).await.unwrap();
        let record = records.only();
        assert_eq!(record.outcome, outcome, "{kind:?}");
        assert_eq!(record.status, Some(kind.status()));
        assert_eq!(record.error_type.as_deref(), Some(kind.error_type()));
        assert_eq!(cost(&record).as_deref(), dollars, "{kind:?}");
        assert_eq!(record.attempt_log.len(), attempts);
        assert_eq!(record.upstream_request_id, None, "the id is ours");
    }
}

#[tokio::test]
async fn a_failure_behind_a_refusal_says_whether_anything_can_have_been_billed() {
    for (kind, refused_as, dollars) in [
        (FailureKind::NotSent, RefusalKind::BadGateway, Some("0")),
        (FailureKind::NotSent, RefusalKind::GatewayTimeout, Some("0")),
        (FailureKind::NoReply, RefusalKind::BadGateway, None),
        (FailureKind::Timeout, RefusalKind::GatewayTimeout, None),
    ] {
        let records = Records::default();
        let inner = tower::ServiceBuilder::new()
            .map_response(move |mut response: Response<_>| {
                response.extensions_mut().insert(Failure::new(kind));
                response
            })
            .service(refusing(refused_as));
        let request = message("claude-opus-5-5", true);
        ask(&records, inner, request).await.unwrap();
        let record = records.only();
        assert_eq!(record.outcome, Outcome::Errored, "{kind:?}");
        assert_eq!(cost(&record).as_deref(), dollars, "{kind:?}");
        let attempt = record.attempt_log.last().unwrap();
        assert_eq!(attempt.outcome.as_str(), kind.as_str());
        assert_eq!(attempt.status, None, "there was no answer");
    }
}

#[tokio::test]
async fn an_inner_error_is_recorded_and_returned_unchanged() {
    for (answer, outcome, dollars) in [
        (Answer::refused_connection(), "not_sent", Some("0")),
        (Answer::reset(), "no_reply", None),
    ] {
        let records = Records::default();
        let fake = FakeClaude::sequence([answer]);
        let error = ask(&records, fake, message("claude-opus-5-5", false)).await;
        let _: TransportError = error.unwrap_err();
        let record = records.only();
        assert_eq!(record.outcome, Outcome::Errored);
        assert_eq!(record.status, None);
        assert_eq!(cost(&record).as_deref(), dollars);
        assert_eq!(record.attempt_log.last().unwrap().outcome.as_str(), outcome);
    }
}
