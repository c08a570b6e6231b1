//! What stands in the record of a call.

#![allow(
    clippy::unwrap_used,
    reason = "a test stops at what is not as it should be"
)]

mod support;

use http::Request;
use http_body_util::Full;
use support::{Records, ask, cost, message, post, record_of, take};
use tower::ServiceExt as _;
use tower_claude_core::{Call, Endpoint, Intake};
use tower_claude_pricing::{Price, PriceTable, Rate, Rates};
use tower_claude_testkit::{Answer, FakeClaude};
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
async fn a_stream_of_something_else_ends_as_it_likes() {
    let records = Records::default();
    let layer = records
        .layer()
        .intake(Intake::new().passthrough(["/v1/agents"]));
    let fake = FakeClaude::sequence([Answer::sse("event: tick\ndata: 1\n\n")]);
    let meter = tower::Layer::layer(&layer, fake);
    let response = meter.oneshot(post("/v1/agents/run", "{}")).await.unwrap();
    take(response.into_body()).await;
    let record = records.only();
    assert_eq!(record.endpoint, Endpoint::Passthrough);
    assert_eq!(record.outcome, Outcome::Complete);
    assert_eq!((record.cost, record.model.as_ref()), (None, None));
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
