//! What stands in the record of a call.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use support::{Records, ask, cost, message, post, record_of, take};
use tokio::time::Instant;
use tower::{ServiceExt as _, service_fn};
use tower_claude_core::{
    Attempt, BoxError, Call, CallBody, Endpoint, FailureKind, Intake, Platform, Refusal,
    RefusalKind, ResponseBody, Target, TransportError, UsageCell, tap,
};
use tower_claude_pricing::{Price, PriceTable, Rate, Rates};
use tower_claude_testkit::{Answer, FakeClaude, ScriptedBody};
use tower_claude_usage_meter::{Outcome, Prices, UsageRecord, UsageSource};

type Tokens = [Option<u64>; 6];

fn tokens(record: &UsageRecord) -> Tokens {
    [
        record.input_tokens,
        record.output_tokens,
        record.cache_read_input_tokens,
        record.cache_creation_5m_input_tokens,
        record.cache_creation_1h_input_tokens,
        record.web_search_requests,
    ]
}

#[tokio::test]
async fn a_plain_answer_is_recorded_with_everything_it_says() {
    let records = Records::default();
    let fake = FakeClaude::sequence([Answer::cached_message()]);
    let response = ask(&records, fake, message("claude-opus-5-5", false))
        .await
        .unwrap();

    let record = records.only();
    assert_eq!(record.tenant.as_ref().unwrap().as_str(), "web");
    assert_eq!(record.user.as_deref(), Some("ann"));
    assert_eq!(&*record.feature, "search");
    assert_eq!(record.session.as_deref(), Some("s-1"));
    assert_eq!(record.endpoint, Endpoint::Messages);
    assert_eq!(record.model.as_deref(), Some("claude-opus-5-5"));
    assert_eq!(record.served_model.as_deref(), Some("claude-opus-5-5"));
    assert_eq!(record.status, Some(200));
    assert_eq!(record.outcome, Outcome::Complete);
    assert_eq!(record.error_type, None);
    assert_eq!(record.stop_reason.as_deref(), Some("end_turn"));
    assert_eq!(
        tokens(&record),
        [
            Some(37),
            Some(118),
            Some(10_240),
            Some(1_800),
            Some(500),
            None
        ]
    );
    assert_eq!(record.usage_source, UsageSource::Exact);
    assert_eq!(record.service_tier.as_ref().unwrap().as_str(), "standard");
    assert_eq!(record.speed.as_ref().unwrap().as_str(), "standard");
    assert_eq!(cost(&record).unwrap(), "0.017556");
    assert_eq!(record.price_version, Some(PriceTable::VERSION));
    assert_eq!(record.unpriced, None);
    assert!(record.time_to_first_token.is_some());
    // SHA-256 of `"Be brief."`, quotes included.
    assert_eq!(record.system_prompt_sha256.unwrap()[..2], [0xfe, 0xce]);
    assert_eq!(
        record.upstream_request_id.as_deref(),
        response.headers()["request-id"].to_str().ok()
    );
    assert_eq!(record.attempt_log.len(), 1, "nobody wrote a log");
    let attempt = record.attempt_log.last().unwrap();
    assert_eq!(
        (attempt.status, attempt.outcome.as_str()),
        (Some(200), "complete")
    );
    assert!(attempt.target.is_none());

    let call = response.extensions().get::<Call>().unwrap();
    assert_eq!(call.id(), record.request_id, "the call travels in the head");
}

#[tokio::test]
async fn every_shape_of_usage_has_its_columns_and_its_cost() {
    let none = None;
    let cases: [(Answer, bool, Tokens, &str, &str); 8] = [
        (
            Answer::fallback(),
            false,
            [Some(388), Some(205), Some(0), Some(0), Some(0), none],
            "0.007065",
            "claude-opus-4-8",
        ),
        (
            Answer::refusal(),
            false,
            [Some(420), Some(0), Some(0), Some(0), Some(0), none],
            "0",
            "claude-fable-5-2",
        ),
        (
            Answer::refusal_midway(),
            true,
            [Some(300), Some(12), Some(0), Some(0), Some(0), none],
            "0.00288",
            "claude-fable-5-2",
        ),
        (
            Answer::server_tool(),
            true,
            [Some(10_682), Some(97), Some(0), Some(0), Some(0), Some(1)],
            "0.032334",
            "claude-sonnet-5-5",
        ),
        (
            Answer::thinking_tool_use(),
            true,
            [
                Some(512),
                Some(163),
                Some(8_192),
                Some(1_400),
                Some(0),
                none,
            ],
            "0.0139464",
            "claude-opus-5-5",
        ),
        (
            Answer::thinking_tool_use_json(),
            false,
            [
                Some(512),
                Some(163),
                Some(8_192),
                Some(1_400),
                Some(0),
                none,
            ],
            "0.0139464",
            "claude-opus-5-5",
        ),
        (
            Answer::crlf_comments(),
            true,
            [Some(9), Some(4), Some(0), Some(0), Some(0), none],
            "0.0000029",
            "claude-haiku-5-5",
        ),
        (
            Answer::message("claude-opus-5-5")
                .input_tokens(1_000_000)
                .output_tokens(0)
                .into_json(),
            false,
            [Some(1_000_000), Some(0), Some(0), Some(0), Some(0), none],
            "4",
            "claude-opus-5-5",
        ),
    ];
    for (answer, stream, columns, dollars, served) in cases {
        let record = record_of(answer, stream).await;
        assert_eq!(tokens(&record), columns, "{served}");
        assert_eq!(cost(&record).as_deref(), Some(dollars), "{served}");
        assert_eq!(record.served_model.as_deref(), Some(served));
        assert_eq!(record.outcome, Outcome::Complete, "a model's refusal too");
        assert_eq!(record.usage_source, UsageSource::Exact);
    }
}

#[tokio::test]
async fn iterations_are_billed_each_at_its_model_and_columns_are_the_top_level() {
    let rate = |dollars| Rate::per_million_tokens(dollars).unwrap();
    let rates = Rates::new(rate("2"), rate("10")).cache_read(rate("0.10"));
    let table = PriceTable::builtin().price("claude-sonnet-5-5", Price::new(rates));
    let records = Records::default();
    let meter = tower::Layer::layer(
        &records.layer().prices(table),
        FakeClaude::sequence([Answer::iterations()]),
    );
    let response = meter.oneshot(message("claude-sonnet-5-5", false)).await;
    take(response.unwrap().into_body()).await;
    let record = records.only();
    assert_eq!(record.input_tokens, Some(2_510));
    assert_eq!(record.output_tokens, Some(640));
    // sonnet: (152,300 + 900 + 1,610) × $2 + (2,100 + 140 + 500) × $10 + 900 × $0.10;
    // opus: 1,210 × $4 + 1,520 × $20; all per million.
    assert_eq!(cost(&record).unwrap(), "0.37235");
    assert!(record.price_version.unwrap().ends_with("+own"));
}

#[tokio::test]
async fn what_costs_nothing_says_so_and_what_is_not_known_is_null() {
    let records = Records::default();
    let count = post(
        "/v1/messages/count_tokens",
        r#"{"model":"claude-opus-5-5","messages":[]}"#,
    );
    ask(&records, FakeClaude::default(), count).await.unwrap();
    let models = Request::get("/v1/models").body(Full::default()).unwrap();
    ask(&records, FakeClaude::default(), models).await.unwrap();
    let hello = Request::head("/api/hello").body(Full::default()).unwrap();
    ask(&records, FakeClaude::default(), hello).await.unwrap();
    for record in records.all() {
        assert_eq!(record.outcome, Outcome::Complete, "{:?}", record.endpoint);
        assert_eq!(cost(&record).as_deref(), Some("0"));
        assert_eq!(tokens(&record), [None; 6], "absent is not zero");
        assert_eq!(record.time_to_first_token, None);
        assert_eq!(record.price_version, None);
    }
    assert_eq!(records.all().len(), 3);
    assert!(records.all()[1].tenant.is_none());
    assert_eq!(&*records.all()[1].feature, "unknown");

    let unpriced = record_of(Answer::message("mystery").into_json(), false).await;
    assert_eq!(unpriced.cost, None);
    assert_eq!(
        unpriced.unpriced.as_ref().unwrap().reason(),
        "unknown_model"
    );
    assert_eq!(unpriced.usage_source, UsageSource::Exact);

    let zipped = Answer::raw(200, "application/json", "\u{1f}…").header("content-encoding", "gzip");
    let unread = record_of(zipped, false).await;
    assert_eq!(unread.outcome, Outcome::Complete);
    assert_eq!(
        (unread.cost, unread.usage_source),
        (None, UsageSource::None)
    );
    assert_eq!(unread.unpriced.as_ref().unwrap().reason(), "usage_missing");
}

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
    drop(http_body_util::BodyExt::collect(cut.into_body()).await);
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

#[tokio::test]
async fn prices_can_be_replaced_while_calls_run() {
    let records = Records::default();
    let prices = Prices::new(PriceTable::empty());
    let fake = FakeClaude::sequence([Answer::cached_message()]);
    let meter = tower::Layer::layer(&records.layer().prices(prices.clone()), fake);
    let call = || meter.clone().oneshot(message("claude-opus-5-5", false));

    take(call().await.unwrap().into_body()).await;
    let running = call().await.unwrap();
    prices.replace(PriceTable::builtin());
    take(running.into_body()).await;

    let records = records.all();
    assert_eq!(
        records[0].unpriced.as_ref().unwrap().reason(),
        "unknown_model"
    );
    assert_eq!(cost(&records[1]).unwrap(), "0.017556");
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
