//! The line is byte for byte what `serde` writes.

use proptest::option::of;
use proptest::prelude::*;
use tower_claude_core::{End, Endpoint, Platform};

use super::*;
use crate::{AttemptOutcome, AttemptRecords, Outcome, UsageSource};

/// What callers and upstream may say: plain, odd, short or long.
fn said() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9._-]{0,40}",
        "[\\PC\\x00-\\x22\\\\\\x7f]{0,20}",
        ".*"
    ]
}

fn count() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0..64_u32).prop_map(|(count, shift)| count >> shift)
}

fn cost() -> impl Strategy<Value = Cost> {
    (any::<u128>(), 0..128_u32, 0..20_u32).prop_map(|(cost, shift, zeros)| {
        let unit = 10_u128.pow(zeros);
        Cost::from_pico_dollars((cost >> shift) / unit * unit)
    })
}

fn duration() -> impl Strategy<Value = Duration> {
    let any = (count(), 0..1_000_000_000_u32);
    any.prop_map(|(seconds, nanos)| Duration::new(seconds, nanos))
}

fn timestamp() -> impl Strategy<Value = Timestamp> {
    let day = 20_000..20_003_i64;
    let millis = prop_oneof![
        any::<i64>(),
        -100_000_000_000_000..300_000_000_000_000_i64,
        (day, 0..86_400_000_i64).prop_map(|(day, millis)| day * DAY + millis),
        (0..10_000_000_000_i64).prop_map(|second| second * 1_000),
    ];
    millis.prop_map(Timestamp::from_unix_millis)
}

fn target() -> impl Strategy<Value = Target> {
    let platforms = [Platform::Anthropic, Platform::Bedrock, Platform::Vertex];
    let platform = prop::sample::select(platforms.to_vec());
    (said(), platform).prop_map(|(name, platform)| Target::new(name).platform(platform))
}

fn attempt_record() -> impl Strategy<Value = AttemptRecord> {
    let reasons = [FailureKind::Overloaded, FailureKind::ServerError];
    let reason = prop::sample::select(reasons.to_vec());
    let parts = (of(target()), duration(), of(any::<u16>()), of(reason));
    parts.prop_map(|(target, started, status, reason)| {
        let outcome = reason.map_or(AttemptOutcome::Ended(End::Complete), |reason| {
            AttemptOutcome::Failed(reason)
        });
        let mut attempt = AttemptRecord::new(target, started, outcome);
        attempt.status = status;
        attempt.retry_reason = reason;
        attempt
    })
}

fn record() -> impl Strategy<Value = UsageRecord> {
    let texts = prop::collection::vec(of(said()), 12);
    let counts = prop::collection::vec(of(count()), 7);
    let log = prop::collection::vec(attempt_record(), 0..4);
    let parts = (of(cost()), any::<[u8; 32]>(), of(duration()), 0..5_usize);
    let rest = (timestamp(), of(target()), any::<bool>(), of(any::<u16>()));
    (texts, counts, log, parts, rest).prop_map(|(texts, counts, log, parts, rest)| {
        let text = |number: usize| texts[number].as_deref();
        let mut record = UsageRecord::new(rest.0, RequestId::generate());
        record.upstream_request_id = text(0).map(Into::into);
        record.tenant = text(1).and_then(|text| TenantId::new(text).ok());
        record.user = text(2).map(Into::into);
        record.feature = text(3).unwrap_or("unknown").into();
        record.session = text(4).map(Into::into);
        record.endpoint = text(5).map_or(Endpoint::Messages, |_| Endpoint::CountTokens);
        record.model = text(6).map(Into::into);
        record.served_model = text(7).map(Into::into);
        record.error_type = text(8).map(Into::into);
        record.stop_reason = text(9).map(Into::into);
        record.service_tier = text(10).map(Into::into);
        record.speed = text(11).map(Into::into);
        record.input_tokens = counts[0];
        record.output_tokens = counts[1];
        record.cache_read_input_tokens = counts[2];
        record.cache_creation_5m_input_tokens = counts[3];
        record.cache_creation_1h_input_tokens = counts[4];
        record.web_search_requests = counts[5];
        record.estimated_input_tokens = counts[6];
        record.attempt_log = log.into_iter().collect::<AttemptRecords>();
        record.cost = parts.0;
        record.unpriced = text(1).map(|model| Unpriced::UnknownModel(model.into()));
        record.price_version = text(2).map(|_| "v1+own");
        record.system_prompt_sha256 = text(3).map(|_| parts.1);
        record.latency = parts.2;
        record.time_to_first_token = parts.2;
        record.outcome = Outcome::ALL[parts.3];
        record.usage_source = text(4).map_or(UsageSource::None, |_| UsageSource::Partial);
        record.target = rest.1;
        record.stream = rest.2;
        record.status = rest.3;
        record
    })
}

proptest! {
    #[test]
    fn the_line_is_what_serde_writes(records in prop::collection::vec(record(), 1..4)) {
        let (mut ledger, mut lines) = (LedgerLine::default(), Vec::new());
        for record in records {
            lines.clear();
            ledger.write(&record, &mut lines);
            let expected = serde_json::to_string(&record).unwrap();
            prop_assert_eq!(std::str::from_utf8(&lines).unwrap(), expected);
        }
    }

    #[test]
    fn every_byte_that_needs_an_escape_is_seen(
        place in 0..40_usize,
        length in 0..40_usize,
        byte in 0..128_u8,
    ) {
        let mut text = vec![b'~'; length];
        if let Some(found) = text.get_mut(place) {
            *found = byte;
        }
        let mut line = Vec::new();
        let text = String::from_utf8(text).unwrap();
        super::text(&mut line, &text);
        prop_assert_eq!(line, serde_json::to_vec(&text).unwrap());
    }
}
