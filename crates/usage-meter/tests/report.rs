//! Sums of a ledger that has been written.
#![allow(
    clippy::unwrap_used,
    reason = "a test stops at what is not as it should be"
)]

#[path = "report/unread.rs"]
mod unread;

use std::num::NonZeroUsize;

use proptest::prelude::*;
use tower_claude_core::{Endpoint, RequestId, Target, TenantId, Timestamp};
use tower_claude_pricing::Cost;
use tower_claude_usage_meter::{Column, Outcome, Report, ReportRow, UsageRecord};

fn record(tenant: &str, cost: &str) -> UsageRecord {
    let start = Timestamp::parse("2026-11-20T10:15:01.250Z").unwrap();
    let mut record = UsageRecord::new(start, RequestId::generate());
    record.tenant = TenantId::new(tenant).ok();
    record.outcome = Outcome::Complete;
    record.input_tokens = Some(10);
    record.output_tokens = Some(2);
    record.cost = Some(Cost::from_dollars_str(cost).unwrap());
    record
}

fn line(record: &UsageRecord) -> String {
    serde_json::to_string(record).unwrap() + "\n"
}

fn ledger(records: &[UsageRecord]) -> String {
    records.iter().map(line).collect()
}

/// The keys of a report's rows, `null` as `-`, and what their calls cost.
fn rows(report: &Report) -> Vec<(String, String)> {
    let text = |key: Option<&str>| key.unwrap_or("-").to_owned();
    let rows = report.rows().into_iter().map(|row| {
        let keys: Vec<_> = row.keys().map(text).collect();
        (keys.join("|"), row.sums().totals.cost.to_string())
    });
    rows.collect()
}

/// Rows as they should be.
fn these<const ROWS: usize>(rows: [(&str, &str); ROWS]) -> Vec<(String, String)> {
    let owned = |(keys, cost): (&str, &str)| (keys.to_owned(), cost.to_owned());
    rows.map(owned).into()
}

fn read(mut report: Report, text: &str) -> Report {
    let unread = report.read(text.as_bytes()).unwrap();
    assert_eq!(unread.lines, 0, "every line is a record");
    report
}

/// The line with one field said otherwise.
fn with(field: &str, value: &str) -> String {
    let line = line(&record("web", "1"));
    let start = line.find(&format!("\"{field}\":")).unwrap() + field.len() + 3;
    let quoted = line[start..].starts_with('"');
    let end = match quoted {
        true => start + 2 + line[start + 1..].find('"').unwrap(),
        false => start + line[start..].find([',', '}']).unwrap(),
    };
    [&line[..start], value, &line[end..]].concat()
}

#[test]
fn sums_every_count_exactly() {
    let mut one = record("web", "0.000000000001");
    one.cache_read_input_tokens = Some(100);
    one.cache_creation_5m_input_tokens = Some(30);
    one.cache_creation_1h_input_tokens = Some(4);
    one.web_search_requests = Some(3);
    let mut two = record("web", "12345678901234567890.1");
    two.outcome = Outcome::Truncated;
    let mut three = record("web", "0");
    three.cost = None;
    three.input_tokens = None;
    three.outcome = Outcome::Dropped;
    let mut four = record("web", "0");
    four.outcome = Outcome::Refused;
    let mut five = record("web", "0");
    five.outcome = Outcome::Errored;
    let report = read(
        Report::by([Column::Tenant]),
        &ledger(&[one, two, three, four, five]),
    );
    let rows = report.rows();
    assert_eq!(rows.len(), 1);
    let (totals, sums) = (&rows[0].sums().totals, rows[0].sums());
    let outcomes = [
        totals.complete,
        totals.refused,
        totals.errored,
        totals.truncated,
        totals.dropped,
    ];
    assert_eq!((totals.requests, outcomes), (5, [1; 5]));
    assert_eq!((totals.input_tokens, totals.output_tokens), (40, 10));
    assert_eq!(totals.cache_read_input_tokens, 100);
    assert_eq!(totals.cache_creation_input_tokens, 34);
    assert_eq!(sums.web_search_requests, 3);
    assert_eq!(totals.cost.to_string(), "12345678901234567890.100000000001");
    assert_eq!(totals.unpriced, 1);
    assert_eq!(report.total(), sums);
}

#[test]
fn tells_calls_apart_by_every_column_in_the_order_asked() {
    let mut record = record("web", "1");
    record.user = Some("anna".into());
    record.feature = "search".into();
    record.session = Some("s1".into());
    record.endpoint = Endpoint::Messages;
    record.model = Some("asked".into());
    record.served_model = Some("served".into());
    record.target = Some(Target::new("anthropic"));
    record.status = Some(200);
    record.service_tier = Some("standard".into());
    let text = line(&record);
    for (column, key) in [
        (Column::Tenant, "web"),
        (Column::User, "anna"),
        (Column::Feature, "search"),
        (Column::Session, "s1"),
        (Column::Endpoint, "messages"),
        (Column::Model, "asked"),
        (Column::ServedModel, "served"),
        (Column::Target, "anthropic"),
        (Column::Platform, "anthropic"),
        (Column::Outcome, "complete"),
        (Column::Status, "200"),
        (Column::ServiceTier, "standard"),
        (Column::Day, "2026-11-20"),
        (Column::Hour, "2026-11-20T10:00:00Z"),
        (Column::Month, "2026-11"),
    ] {
        let report = read(Report::by([column]), &text);
        assert_eq!(rows(&report), these([(key, "1")]), "{column:?}");
        assert_eq!(column.as_str().parse(), Ok(column));
    }
    let report = read(
        Report::by([Column::Model, Column::Day, Column::Tenant]),
        &text,
    );
    assert_eq!(rows(&report), these([("asked|2026-11-20|web", "1")]));
    let report = read(Report::by([]), &text);
    assert_eq!(rows(&report), these([("", "1")]));
}

#[test]
fn rows_are_the_dearest_first_then_by_keys_and_null_is_not_an_empty_text() {
    let mut nobody = record("x", "2");
    nobody.tenant = None;
    let mut empty = record("b", "2");
    empty.model = Some("".into());
    let records = [
        record("b", "2"),
        record("a", "2"),
        nobody,
        empty,
        record("c", "1"),
        record("c", "9"),
    ];
    let report = read(
        Report::by([Column::Tenant, Column::Model]),
        &ledger(&records),
    );
    let expected = [
        ("c|-", "10"),
        ("-|-", "2"),
        ("a|-", "2"),
        ("b|-", "2"),
        ("b|", "2"),
    ];
    assert_eq!(rows(&report), these(expected));
}

#[test]
fn the_period_begins_with_its_first_moment_and_ends_before_its_last() {
    let text: String = [
        "09:59:59.999Z",
        "10:00:00Z",
        "10:59:59.999Z",
        "11:00:00Z",
        "12:00:00+02:00",
    ]
    .map(|time| with("timestamp", &format!("\"2026-11-20T{time}\"")))
    .concat();
    let at = |time: &str| Timestamp::parse(&format!("2026-11-20T{time}Z")).unwrap();
    let hours = || Report::by([Column::Hour]);
    let report = read(hours().since(at("10:00:00")).until(at("11:00:00")), &text);
    assert_eq!(rows(&report), these([("2026-11-20T10:00:00Z", "3")]));
    assert_eq!(report.records(), 5, "what is left out was read");
    assert_eq!(
        read(hours().since(at("11:00:00")), &text)
            .total()
            .totals
            .requests,
        1
    );
    assert_eq!(
        read(hours().until(at("10:00:00")), &text)
            .total()
            .totals
            .requests,
        1
    );
}

#[test]
fn any_json_of_a_record_is_read() {
    let compact = line(&record("web", "1"));
    let spaced = compact.replace(",\"", " ,\t\"").replace("\":", "\" : ");
    let more = compact.replacen(
        '{',
        "{\"new_field\":{\"tenant\":\"other\",\"a\":[1,-2.5e3]},",
        1,
    );
    let escaped = compact.replace("\"web\"", "\"\\u0077eb\"");
    let last_first = {
        let (first, rest) = compact.trim().split_once(',').unwrap();
        let rest = rest.strip_suffix('}').unwrap();
        format!("{{{rest},{}}}\r\n", first.strip_prefix('{').unwrap())
    };
    let without_end = compact.trim();
    let text = [&spaced, &more, &escaped, &last_first, "\n", without_end].concat();
    let report = read(Report::by([Column::Tenant]), &text);
    assert_eq!(rows(&report), these([("web", "5")]));
}

#[test]
fn the_fields_of_attempts_are_not_those_of_the_record() {
    let log =
        r#""attempt_log":[{"target":"other","status":529,"outcome":"dropped","tenant":"other"}]"#;
    let text = line(&record("web", "1")).replace("\"attempt_log\":[]", log);
    assert!(text.contains("\"other\""));
    let report = read(
        Report::by([Column::Tenant, Column::Target, Column::Outcome]),
        &text,
    );
    assert_eq!(rows(&report), these([("web|-|complete", "1")]));
}

#[test]
fn groups_beyond_the_bound_are_summed_together() {
    let names = ["a", "b", "c", "d", "a", "c"];
    let text = ledger(&names.map(|name| record(name, "1")));
    let most = NonZeroUsize::new(2).unwrap();
    let report = read(Report::by([Column::Tenant]).groups(most), &text);
    assert_eq!(rows(&report), these([("a", "2"), ("b", "1")]));
    assert_eq!(report.other().unwrap().totals.requests, 3);
    assert_eq!(report.total().totals.cost.to_string(), "6");
    let report = read(Report::by([Column::Tenant]), &text);
    assert!(report.other().is_none());
}

proptest! {
    #[test]
    fn the_rows_and_the_rest_add_up_to_the_total(
        calls in prop::collection::vec((0..9_u8, 0..4_u8, any::<u64>(), any::<u32>()), 0..60),
        most in 1..40_usize,
    ) {
        let records: Vec<_> = calls.iter().map(|(tenant, model, cost, tokens)| {
            let mut record = record(&format!("tenant-{tenant}"), "0");
            record.model = (*model > 0).then(|| format!("model {model} \"x\"").into());
            record.cost = Some(Cost::from_pico_dollars(u128::from(*cost)));
            record.input_tokens = Some(u64::from(*tokens));
            record
        }).collect();
        let most = NonZeroUsize::new(most).unwrap();
        let report = read(Report::by([Column::Model, Column::Tenant]).groups(most), &ledger(&records));
        let rows = report.rows();
        prop_assert!(rows.len() <= most.get());
        let sums = || rows.iter().map(ReportRow::sums).chain(report.other());
        let cost: Cost = sums().map(|sums| sums.totals.cost).sum();
        let tokens: u64 = sums().map(|sums| sums.totals.input_tokens).sum();
        let requests: u64 = sums().map(|sums| sums.totals.requests).sum();
        prop_assert_eq!(cost, calls.iter().map(|call| Cost::from_pico_dollars(call.2.into())).sum());
        prop_assert_eq!(tokens, calls.iter().map(|call| u64::from(call.3)).sum::<u64>());
        prop_assert_eq!(requests, calls.len() as u64);
        prop_assert_eq!(report.total().totals.cost, cost);
    }
}
