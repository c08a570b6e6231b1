//! Reads a line that is as the ledger writes it, with every field in its place.
//!
//! NOTE: `ledger_line` writes it, and `full_line` reads whatever else is a record. What is taken
//! here is taken only when that would take the same.

use tower_claude_core::Timestamp;
use tower_claude_pricing::Cost;

use super::cursor::Cursor;
use super::facts::Facts;

/// What stands in a line, or `None` for one that has to be read with more care.
pub(super) fn plain_line(line: &str) -> Option<Facts<'_>> {
    let mut cursor = Cursor::new(line)?;
    let at = &mut cursor;
    at.pass(br#"{"timestamp":"#)?;
    let timestamp = Timestamp::parse(at.text()?)?;
    at.pass(br#","request_id":"#)?;
    at.text()?;
    at.pass(br#","upstream_request_id":"#)?;
    at.maybe_text()?;
    at.pass(br#","tenant":"#)?;
    let tenant = at.maybe_text()?;
    at.pass(br#","user":"#)?;
    let user = at.maybe_text()?;
    at.pass(br#","feature":"#)?;
    let feature = at.maybe_text()?;
    at.pass(br#","session":"#)?;
    let session = at.maybe_text()?;
    at.pass(br#","endpoint":"#)?;
    let endpoint = at.maybe_text()?;
    at.pass(br#","model":"#)?;
    let model = at.maybe_text()?;
    at.pass(br#","served_model":"#)?;
    let served_model = at.maybe_text()?;
    at.pass(br#","target":"#)?;
    let target = at.maybe_text()?;
    at.pass(br#","platform":"#)?;
    let platform = at.maybe_text()?;
    at.pass(br#","attempts":"#)?;
    at.number()?;
    at.pass(br#","attempt_log":["#)?;
    attempt_log(at)?;
    at.pass(br#","stream":"#)?;
    if !at.passes(b"true") {
        at.pass(b"false")?;
    }
    at.pass(br#","status":"#)?;
    let status = at.maybe_number()?.map(u16::try_from).transpose().ok()?;
    at.pass(br#","outcome":"#)?;
    let outcome = Facts::outcome(at.text()?)?;
    at.pass(br#","error_type":"#)?;
    at.maybe_text()?;
    at.pass(br#","stop_reason":"#)?;
    at.maybe_text()?;
    at.pass(br#","input_tokens":"#)?;
    let input_tokens = at.maybe_number()?;
    at.pass(br#","output_tokens":"#)?;
    let output_tokens = at.maybe_number()?;
    at.pass(br#","cache_read_input_tokens":"#)?;
    let cache_read_input_tokens = at.maybe_number()?;
    at.pass(br#","cache_creation_5m_input_tokens":"#)?;
    let cache_creation_5m_input_tokens = at.maybe_number()?;
    at.pass(br#","cache_creation_1h_input_tokens":"#)?;
    let cache_creation_1h_input_tokens = at.maybe_number()?;
    at.pass(br#","web_search_requests":"#)?;
    let web_search_requests = at.maybe_number()?;
    at.pass(br#","service_tier":"#)?;
    let service_tier = at.maybe_text()?;
    at.pass(br#","speed":"#)?;
    at.maybe_text()?;
    at.pass(br#","usage_source":"#)?;
    at.text()?;
    at.pass(br#","cost_usd":"#)?;
    let cost = at.maybe_text()?.map(Cost::from_dollars_str);
    let cost = cost.transpose().ok()?;
    at.pass(br#","price_version":"#)?;
    at.maybe_text()?;
    at.pass(br#","unpriced":"#)?;
    at.maybe_text()?;
    at.pass(br#","estimated_input_tokens":"#)?;
    at.maybe_number()?;
    at.pass(br#","system_prompt_sha256":"#)?;
    at.maybe_text()?;
    at.pass(br#","latency_ms":"#)?;
    at.maybe_number()?;
    at.pass(br#","time_to_first_token_ms":"#)?;
    at.maybe_number()?;
    at.pass(b"}")?;
    at.is_at_end().then_some(Facts {
        timestamp,
        tenant,
        user,
        feature,
        session,
        endpoint,
        model,
        served_model,
        target,
        platform,
        status,
        outcome,
        input_tokens,
        output_tokens,
        cache_read_input_tokens,
        cache_creation_5m_input_tokens,
        cache_creation_1h_input_tokens,
        web_search_requests,
        service_tier,
        cost,
    })
}

/// Passes the attempts: their fields have names that the record has as well.
fn attempt_log(at: &mut Cursor<'_>) -> Option<()> {
    if at.passes(b"]") {
        return Some(());
    }
    loop {
        at.pass(br#"{"target":"#)?;
        at.maybe_text()?;
        at.pass(br#","started_ms":"#)?;
        at.number()?;
        at.pass(br#","status":"#)?;
        at.maybe_number()?;
        at.pass(br#","outcome":"#)?;
        at.text()?;
        at.pass(br#","retry_reason":"#)?;
        at.maybe_text()?;
        at.pass(b"}")?;
        if at.passes(b"]") {
            return Some(());
        }
        at.pass(b",")?;
    }
}
