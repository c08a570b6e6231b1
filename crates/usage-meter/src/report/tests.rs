//! The quick way reads a line as the careful one does, or leaves it to that.

use std::time::Duration;

use proptest::option::of;
use proptest::prelude::*;
use tower_claude_core::{
    End, Endpoint, FailureKind, Platform, RequestId, ServiceTier, Target, TenantId, Timestamp,
};
use tower_claude_pricing::{Cost, Unpriced};

use super::facts::Facts;
use super::full_line::FullLine;
use super::plain_line::plain_line;
use super::{Column, Report};
use crate::ledger_line::LedgerLine;
use crate::{AttemptOutcome, AttemptRecord, AttemptRecords, Outcome, UsageRecord};

/// Texts that look like other parts of a line, or end a string before its end.
const TRAPS: [&str; 10] = [
    "\"",
    "\\",
    "\\\"",
    ",\"tenant\":\"other\"",
    "\",\"cost_usd\":\"9\",\"x\":\"",
    "\"}",
    "null",
    "\u{0}",
    "\u{2028}é漢🦀",
    "\n{",
];

/// What may stand in a line that somebody has been at.
const PIECES: [&str; 24] = [
    "",
    "\"",
    "\\",
    "\\u0022",
    "\\ud800",
    ",",
    ":",
    "{",
    "}",
    "]",
    " ",
    "\t",
    "\r",
    "0",
    "-",
    ".0",
    "e3",
    "18446744073709551616",
    "null",
    "true",
    ",\"tenant\":\"other\"",
    ",\"cost_usd\":\"9\"",
    ",\"new\":[{\"tenant\":1}]",
    "\u{7f}é",
];

fn said() -> impl Strategy<Value = String> {
    let trap = prop::sample::select(TRAPS.to_vec());
    prop_oneof![
        4 => "[a-z0-9._-]{0,30}",
        1 => ("[a-z]{0,4}", trap, "[a-z]{0,4}").prop_map(|(a, b, c)| format!("{a}{b}{c}")),
        1 => ".{0,20}",
    ]
}

fn count() -> impl Strategy<Value = Option<u64>> {
    of((any::<u64>(), 0..64_u32).prop_map(|(count, shift)| count >> shift))
}

fn attempt(name: String) -> AttemptRecord {
    let status = u16::try_from(name.len()).ok();
    let outcome = match name.len() % 2 {
        0 => AttemptOutcome::Ended(End::Complete),
        _ => AttemptOutcome::Failed(FailureKind::Overloaded),
    };
    let mut attempt = AttemptRecord::new(Some(Target::new(name)), Duration::ZERO, outcome);
    attempt.status = status.filter(|status| *status > 3);
    attempt
}

prop_compose! {
    fn record()(
        texts in prop::collection::vec(of(said()), 10),
        counts in prop::collection::vec(count(), 6),
        names in prop::collection::vec(said(), 0..3),
        cost in of((any::<u128>(), 0..128_u32)),
        millis in prop_oneof![any::<i64>(), 1_790_000_000_000..1_800_000_000_000_i64],
        status in of(any::<u16>()),
        outcome in prop::sample::select(Outcome::ALL.to_vec()),
        time_to_first_token in of(any::<u32>()),
    ) -> UsageRecord {
        let text = |place: usize| texts[place].as_deref();
        let timestamp = Timestamp::from_unix_millis(millis);
        let mut record = UsageRecord::new(timestamp, RequestId::generate());
        record.tenant = text(0).and_then(|text| TenantId::new(text).ok());
        record.user = text(1).map(Into::into);
        record.feature = text(2).unwrap_or("unknown").into();
        record.session = text(3).map(Into::into);
        record.endpoint = text(4).map_or(Endpoint::Messages, |_| Endpoint::CountTokens);
        record.model = text(4).map(Into::into);
        record.served_model = text(5).map(Into::into);
        record.target = text(6).map(|name| Target::new(name).platform(Platform::Bedrock));
        record.error_type = text(7).map(Into::into);
        record.stop_reason = text(8).map(Into::into);
        record.service_tier = text(9).map(Into::into);
        record.stream = text(9).is_some();
        record.attempt_log = names.into_iter().map(attempt).collect::<AttemptRecords>();
        record.status = status;
        record.outcome = outcome;
        record.input_tokens = counts[0];
        record.output_tokens = counts[1];
        record.cache_read_input_tokens = counts[2];
        record.cache_creation_5m_input_tokens = counts[3];
        record.cache_creation_1h_input_tokens = counts[4];
        record.web_search_requests = counts[5];
        record.cost = cost.map(|(cost, shift)| Cost::from_pico_dollars(cost >> shift));
        record.unpriced = text(1).map(|model| Unpriced::UnknownModel(model.into()));
        record.system_prompt_sha256 = text(2).map(|_| [7; 32]);
        record.time_to_first_token = time_to_first_token.map(|ms| Duration::from_millis(ms.into()));
        record
    }
}

fn line_of(record: &UsageRecord) -> String {
    let mut line = Vec::new();
    LedgerLine::default().write(record, &mut line);
    String::from_utf8(line).unwrap()
}

/// What a record has to be read as.
fn facts_of(record: &UsageRecord) -> Facts<'_> {
    let target = record.target.as_ref();
    Facts {
        timestamp: record.timestamp,
        tenant: record.tenant.as_ref().map(TenantId::as_str),
        user: record.user.as_deref(),
        feature: Some(&record.feature),
        session: record.session.as_deref(),
        endpoint: Some(record.endpoint.as_str()),
        model: record.model.as_deref(),
        served_model: record.served_model.as_deref(),
        target: target.map(Target::name),
        platform: target.map(|target| target.speaks().as_str()),
        status: record.status,
        outcome: record.outcome,
        input_tokens: record.input_tokens,
        output_tokens: record.output_tokens,
        cache_read_input_tokens: record.cache_read_input_tokens,
        cache_creation_5m_input_tokens: record.cache_creation_5m_input_tokens,
        cache_creation_1h_input_tokens: record.cache_creation_1h_input_tokens,
        web_search_requests: record.web_search_requests,
        service_tier: record.service_tier.as_ref().map(ServiceTier::as_str),
        cost: record.cost,
    }
}

/// The line with a piece in the place of some of its characters.
fn damaged(line: &str, place: usize, length: usize, piece: &str) -> String {
    let whole: Vec<char> = line.chars().collect();
    let start = place % (whole.len() + 1);
    let end = whole.len().min(start + length);
    let (before, after) = (whole[..start].iter(), whole[end..].iter());
    before
        .copied()
        .chain(piece.chars())
        .chain(after.copied())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn both_ways_read_what_was_recorded(record in record()) {
        let line = line_of(&record);
        let full = FullLine::read(&line);
        prop_assert_eq!(full.as_ref().and_then(FullLine::facts), Some(facts_of(&record)));
        match plain_line(&line) {
            Some(facts) => prop_assert_eq!(facts, facts_of(&record)),
            // Escapes, and numbers of twenty digits.
            None => {
                let digits = line.split(|letter: char| !letter.is_ascii_digit());
                let is_long = digits.map(str::len).any(|length| length > 19);
                prop_assert!(line.contains('\\') || is_long, "{}", line);
            }
        }
    }

    #[test]
    fn a_damaged_line_is_never_read_in_two_ways(
        record in record(),
        place: usize,
        length in 0..12_usize,
        piece in prop::sample::select(PIECES.to_vec()),
    ) {
        let line = damaged(&line_of(&record), place, length, piece);
        let full = FullLine::read(&line);
        if let Some(facts) = plain_line(&line) {
            prop_assert_eq!(Some(facts), full.as_ref().and_then(FullLine::facts), "{}", line);
        }
    }

    #[test]
    fn what_is_no_ledger_is_counted_and_nothing_else(
        texts in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let mut report = Report::by(Column::ALL);
        let unread = report.read(&*texts).unwrap();
        let lines = texts.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        prop_assert_eq!(unread.lines, lines.count() as u64);
        prop_assert_eq!(report.records(), 0);
    }
}

/// A line with attempts and hardly a digit more than JSON needs, as the ledger writes it.
fn usual() -> UsageRecord {
    let mut record = UsageRecord::new(Timestamp::from_unix_millis(0), RequestId::generate());
    record.user = Some("né: 漢".into());
    record.input_tokens = Some(7);
    record.attempt_log = ["a", "b"]
        .map(|name| attempt(name.into()))
        .into_iter()
        .collect();
    record
}

#[test]
fn the_usual_line_is_read_the_quick_way() {
    let record = usual();
    assert_eq!(plain_line(&line_of(&record)), Some(facts_of(&record)));
}

#[test]
fn no_small_damage_anywhere_is_read_in_two_ways() {
    let line = line_of(&usual());
    let mut quick = 0_u32;
    for place in 0..=line.chars().count() {
        for (length, piece) in (0..2).flat_map(|length| PIECES.map(|piece| (length, piece))) {
            let line = damaged(&line, place, length, piece);
            if let Some(facts) = plain_line(&line) {
                quick += 1;
                let full = FullLine::read(&line);
                let full = full.as_ref().and_then(FullLine::facts);
                assert_eq!(Some(facts), full, "{line}");
            }
        }
    }
    assert!(
        quick > 1_000,
        "damage within texts is none to either: {quick}"
    );
}

#[test]
fn an_array_is_no_record_whatever_it_holds() {
    let names = ["null"; 15].join(",");
    let (texts, counts) = (["null"; 10].join(","), ["null"; 8].join(","));
    let line = format!("[\"1970-01-01T00:00:00Z\",{texts},\"complete\",{counts},{names}]");
    assert!(
        serde_json::from_str::<FullLine>(&line).is_ok(),
        "by its order alone"
    );
    assert!(FullLine::read(&line).is_none());
}
