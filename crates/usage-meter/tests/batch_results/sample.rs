use http::{HeaderMap, Response};
use http_body::Body as _;
use tower_claude_core::{Endpoint, ServiceTier};
use tower_claude_pricing::Cost;
use tower_claude_testkit::{ScriptedBody, Step};
use tower_claude_usage_meter::{Outcome, SeenResults, Tally, UsageSink as _, UsageSource};

use crate::fetching::{BATCH, SAMPLE, answered, cut, data, fetch, metered};
use crate::support::{Records, cost, take};

/// In dollars for a million tokens of Haiku: up to 100,000 of a prompt 0.10 in, 0.01 read,
/// 0.50 out; above that 0.50 in, 2.50 out. A batch is half of it:
///
/// - row 1: 18 × 0.05 + 4,096 × 0.005 + 5 × 0.25 = 22.63 millionths
/// - row 3: 120,000 × 0.25 + 9 × 1.25 = 30,011.25 millionths
/// - row 6: a refusal without output is not billed
const COSTS: [(&str, &str); 3] = [
    ("row-0001", "0.00002263"),
    ("row-0003", "0.03001125"),
    ("row-0006", "0"),
];

#[track_caller]
fn assert_metered(records: &Records, how: &str) {
    let results = records.of_results();
    let costs: Vec<_> = results
        .iter()
        .map(|record| (record.session.clone().unwrap(), cost(record).unwrap()))
        .collect();
    let expected = COSTS.map(|(id, cost)| (format!("{BATCH}/{id}").into(), cost.to_owned()));
    assert_eq!(costs, expected, "{how}");
    assert_eq!(cost(&records.of_fetch()).as_deref(), Some("0"), "{how}");
}

#[tokio::test]
async fn every_result_is_a_record_at_half_the_price() {
    for content_type in [Some("application/x-jsonl"), None] {
        let (records, counts, layer) = metered(SeenResults::default());
        let mut response = Response::new(ScriptedBody::new([data(SAMPLE)]));
        if let Some(content_type) = content_type {
            let content_type = content_type.parse().unwrap();
            response.headers_mut().insert("content-type", content_type);
        }
        let path = format!("/v1/messages/batches/{BATCH}/results?limit=1");
        let body = answered(&layer, &path, response).await;
        assert_eq!(body.size_hint().exact(), Some(SAMPLE.len() as u64));
        assert_eq!(take(body).await, SAMPLE.as_bytes());

        assert_metered(&records, "whole");
        let results = records.of_results();
        let fetch = records.of_fetch();
        assert_eq!(fetch.session.as_deref(), Some("s-1"));
        assert_eq!(fetch.outcome, Outcome::Complete);
        let mut ids = vec![fetch.request_id];
        for record in &results {
            assert_eq!(record.tenant.as_ref().unwrap().as_str(), "web");
            assert_eq!(&*record.feature, "nightly");
            assert_eq!(record.user.as_deref(), Some("ann"));
            assert_eq!(record.endpoint, Endpoint::Batches);
            assert_eq!(record.service_tier, Some(ServiceTier::Batch));
            assert_eq!(record.usage_source, UsageSource::Exact);
            assert_eq!(record.outcome, Outcome::Complete);
            assert_eq!(record.status, Some(200));
            assert_eq!(record.timestamp, fetch.timestamp);
            assert!(record.attempt_log.is_empty() && record.model.is_none());
            assert!(!ids.contains(&record.request_id));
            ids.push(record.request_id);
        }
        let [one, three, six] = &results[..] else {
            panic!("three of them are billed");
        };
        assert_eq!(one.served_model.as_deref(), Some("claude-haiku-5-5"));
        assert_eq!((one.input_tokens, one.output_tokens), (Some(18), Some(5)));
        assert_eq!(one.cache_read_input_tokens, Some(4_096));
        assert_eq!(three.input_tokens, Some(120_000));
        assert_eq!(six.stop_reason.as_deref(), Some("refusal"));
        let counted = (counts.metered(), counts.repeated(), counts.unreadable());
        assert_eq!(counted, (3, 0, 0));
    }
}

#[tokio::test]
async fn results_are_the_same_at_every_split() {
    let without_end = SAMPLE.trim_end();
    for text in [SAMPLE, without_end, &SAMPLE.replace('\n', "\r\n")] {
        let mut splits: Vec<_> = [1, 7, 64, 1_000].map(|size| cut(text, size)).into();
        for at in 0..=text.len() {
            let (before, after) = text.split_at(at);
            splits.push(vec![data(before.to_owned()), data(after.to_owned())]);
        }
        for (number, mut steps) in splits.into_iter().enumerate() {
            let how = format!("split {number} of {} bytes", text.len());
            match number % 3 {
                // Ends with its last data; only after it; with trailers.
                0 => {}
                1 => steps.push(Step::Wait(std::time::Duration::ZERO)),
                _ => steps.push(Step::Trailers(HeaderMap::new())),
            }
            let (records, counts, layer) = metered(SeenResults::default());
            let body = fetch(&layer, steps).await;
            assert_eq!(take(body).await, text.as_bytes(), "{how}");
            assert_metered(&records, &how);
            assert_eq!(counts.unreadable(), 0, "{how}");
        }
    }
}

#[tokio::test]
async fn without_being_told_to_nothing_is_read() {
    let records = Records::default();
    let body = fetch(&records.layer(), vec![data(SAMPLE)]).await;
    assert_eq!(take(body).await, SAMPLE.as_bytes());
    let record = records.only();
    assert_eq!(record.cost, None, "nobody knows");
    assert_eq!(record.unpriced.as_ref().unwrap().reason(), "usage_missing");
}

#[tokio::test]
async fn only_results_that_are_given_are_read() {
    let ok = || Response::new(ScriptedBody::new([data(SAMPLE)]));
    let mut missing = ok();
    *missing.status_mut() = http::StatusCode::NOT_FOUND;
    for (path, response) in [
        ("/v1/messages/batches/msgbatch_1/results", missing),
        ("/v1/messages/batches/msgbatch_1", ok()),
        ("/v1/messages/batches/results", ok()),
        ("/v1/files/batches/x/results", ok()),
    ] {
        let (records, counts, layer) = metered(SeenResults::default());
        take(answered(&layer, path, response).await).await;
        assert_eq!(counts.metered(), 0, "{path}");
        let record = records.only();
        let is_of_batches = record.endpoint == Endpoint::Batches;
        assert!(!is_of_batches || record.cost == Some(Cost::ZERO), "{path}");
    }
}

#[tokio::test]
async fn results_are_spending_and_no_calls() {
    let (records, _, layer) = metered(SeenResults::default());
    take(fetch(&layer, vec![data(SAMPLE)]).await).await;
    let tally = Tally::new();
    records
        .all()
        .into_iter()
        .for_each(|record| tally.record(record));
    let totals = tally.snapshot().totals;
    assert_eq!((totals.requests, totals.complete), (1, 1), "the fetch");
    assert_eq!(
        totals.cost.to_string(),
        "0.03003388",
        "22.63 + 30,011.25 millionths"
    );
    assert_eq!(totals.output_tokens, 14);
}
