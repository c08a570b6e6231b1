//! The line of the ledger, whose names, order and shapes users script against.
//!
//! Written by hand, as there is one for every call: `serde` takes several times as long. NOTE:
//! `usage_record_json` says the same in the words of `serde`.

use std::io::Write as _;
use std::time::Duration;

use tower_claude_core::{
    FailureKind, RequestId, ServiceTier, Speed, Target, TenantId, Text, Timestamp,
};
use tower_claude_pricing::{Cost, Unpriced};

use crate::{AttemptRecord, UsageRecord};

/// Writes records as JSON, one after the other.
#[derive(Debug, Default)]
pub(crate) struct LedgerLine {
    /// The day of the last record since the Unix epoch, and how it prints.
    today: Option<(i64, [u8; 10])>,
}

const DAY: i64 = 86_400_000;

/// How many decimals dollars have.
const PLACES: usize = 12;

/// Pico-dollars in a dollar.
const DOLLAR: u64 = 10_u64.pow(12);

const HEX: [[u8; 2]; 256] = {
    let digits = *b"0123456789abcdef";
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        pairs[byte] = [digits[byte >> 4], digits[byte & 15]];
        byte += 1;
    }
    pairs
};

// === impl LedgerLine ===

impl LedgerLine {
    /// Writes a record at the end of `line`, without a line break.
    pub(crate) fn write(&mut self, record: &UsageRecord, line: &mut Vec<u8>) {
        let target = record.target.as_ref();
        put(line, br#"{"timestamp":""#);
        self.timestamp(line, record.timestamp);
        put(line, br#"","request_id":"#);
        word(line, RequestId::as_str(&record.request_id));
        put(line, br#","upstream_request_id":"#);
        maybe(line, record.upstream_request_id.as_deref(), text);
        put(line, br#","tenant":"#);
        maybe(line, record.tenant.as_ref().map(TenantId::as_str), word);
        put(line, br#","user":"#);
        maybe(line, record.user.as_deref(), text);
        put(line, br#","feature":"#);
        text(line, &record.feature);
        put(line, br#","session":"#);
        maybe(line, record.session.as_deref(), text);
        put(line, br#","endpoint":"#);
        word(line, record.endpoint.as_str());
        put(line, br#","model":"#);
        maybe(line, record.model.as_deref(), text);
        put(line, br#","served_model":"#);
        maybe(line, record.served_model.as_deref(), text);
        put(line, br#","target":"#);
        maybe(line, target.map(Target::name), text);
        put(line, br#","platform":"#);
        maybe(line, target.map(|target| target.speaks().as_str()), word);
        put(line, br#","attempts":"#);
        number(line, record.attempt_log.len() as u64);
        put(line, br#","attempt_log":["#);
        for (place, entry) in record.attempt_log.iter().enumerate() {
            if place > 0 {
                put(line, b",");
            }
            attempt(line, entry);
        }
        put(line, br#"],"stream":"#);
        line.extend_from_slice(if record.stream { b"true" } else { b"false" });
        put(line, br#","status":"#);
        maybe(line, record.status.map(u64::from), number);
        put(line, br#","outcome":"#);
        word(line, record.outcome.as_str());
        put(line, br#","error_type":"#);
        maybe(line, record.error_type.as_deref(), text);
        put(line, br#","stop_reason":"#);
        maybe(line, record.stop_reason.as_ref().map(Text::as_str), text);
        put(line, br#","input_tokens":"#);
        maybe(line, record.input_tokens, number);
        put(line, br#","output_tokens":"#);
        maybe(line, record.output_tokens, number);
        put(line, br#","cache_read_input_tokens":"#);
        maybe(line, record.cache_read_input_tokens, number);
        put(line, br#","cache_creation_5m_input_tokens":"#);
        maybe(line, record.cache_creation_5m_input_tokens, number);
        put(line, br#","cache_creation_1h_input_tokens":"#);
        maybe(line, record.cache_creation_1h_input_tokens, number);
        put(line, br#","web_search_requests":"#);
        maybe(line, record.web_search_requests, number);
        put(line, br#","service_tier":"#);
        let tier = record.service_tier.as_ref();
        maybe(line, tier.map(ServiceTier::as_str), text);
        put(line, br#","speed":"#);
        maybe(line, record.speed.as_ref().map(Speed::as_str), text);
        put(line, br#","usage_source":"#);
        word(line, record.usage_source.as_str());
        put(line, br#","cost_usd":"#);
        maybe(line, record.cost, dollars);
        put(line, br#","price_version":"#);
        maybe(line, record.price_version, text);
        put(line, br#","unpriced":"#);
        maybe(line, record.unpriced.as_ref().map(Unpriced::reason), word);
        put(line, br#","estimated_input_tokens":"#);
        maybe(line, record.estimated_input_tokens, number);
        put(line, br#","system_prompt_sha256":"#);
        maybe(line, record.system_prompt_sha256.as_ref(), hex);
        put(line, br#","latency_ms":"#);
        maybe(line, record.latency, millis);
        put(line, br#","time_to_first_token_ms":"#);
        maybe(line, record.time_to_first_token, millis);
        put(line, b"}");
    }

    /// As [`Timestamp`] prints.
    fn timestamp(&mut self, line: &mut Vec<u8>, timestamp: Timestamp) {
        let day = timestamp.unix_millis().div_euclid(DAY);
        let date = match self.today {
            Some((today, date)) if today == day => date,
            _ => {
                let mut date = [0; 10];
                // The first ten bytes are the date, whatever the time.
                let _ = write!(&mut date[..], "{timestamp}");
                self.today = Some((day, date));
                date
            }
        };
        let millis = timestamp.unix_millis().rem_euclid(DAY).unsigned_abs();
        let seconds = millis / 1_000;
        let [hours, minutes] = [seconds / 3_600, seconds / 60 % 60];
        put(line, &date);
        for (mark, number) in [(b'T', hours), (b':', minutes), (b':', seconds % 60)] {
            put(line, &[mark, digit(number / 10), digit(number)]);
        }
        if !millis.is_multiple_of(1_000) {
            let [tens, hundreds] = [millis / 10, millis / 100];
            put(line, &[b'.', digit(hundreds), digit(tens), digit(millis)]);
        }
        put(line, b"Z");
    }
}

fn attempt(line: &mut Vec<u8>, attempt: &AttemptRecord) {
    put(line, br#"{"target":"#);
    maybe(line, attempt.target.as_ref().map(Target::name), text);
    put(line, br#","started_ms":"#);
    millis(line, attempt.started);
    put(line, br#","status":"#);
    maybe(line, attempt.status.map(u64::from), number);
    put(line, br#","outcome":"#);
    word(line, attempt.outcome.as_str());
    put(line, br#","retry_reason":"#);
    maybe(line, attempt.retry_reason.map(FailureKind::as_str), word);
    put(line, b"}");
}

/// Of a length that is known when compiling: so many stores, and no call.
#[inline]
fn put<const LENGTH: usize>(line: &mut Vec<u8>, bytes: &[u8; LENGTH]) {
    line.extend_from_slice(bytes);
}

#[inline]
fn maybe<T>(line: &mut Vec<u8>, value: Option<T>, write: impl FnOnce(&mut Vec<u8>, T)) {
    match value {
        Some(value) => write(line, value),
        None => put(line, b"null"),
    }
}

/// A string in which nothing can need an escape.
fn word(line: &mut Vec<u8>, word: &str) {
    line.reserve(word.len() + 2);
    line.push(b'"');
    line.extend_from_slice(word.as_bytes());
    line.push(b'"');
}

/// A string of anybody's.
fn text(line: &mut Vec<u8>, text: &str) {
    if is_plain(text.as_bytes()) {
        return word(line, text);
    }
    // Writing a string to memory cannot fail.
    let _ = serde_json::to_writer(line, text);
}

/// Whether JSON has the text as it is: no control character, quotation mark or backslash.
fn is_plain(text: &[u8]) -> bool {
    const EVERY: u64 = u64::MAX / 255;
    // Whether a byte is less than `most`, at most 128: it borrows into its top bit.
    const fn has_less(word: u64, most: u64) -> u64 {
        word.wrapping_sub(EVERY * most) & !word & (EVERY * 128)
    }
    let (words, rest) = text.as_chunks::<8>();
    let odd = words.iter().fold(0, |odd, word| {
        let word = u64::from_ne_bytes(*word);
        let quotes = has_less(word ^ (EVERY * u64::from(b'"')), 1);
        let backslashes = has_less(word ^ (EVERY * u64::from(b'\\')), 1);
        odd | has_less(word, 0x20) | quotes | backslashes
    });
    let is_odd = |byte: &u8| *byte < 0x20 || matches!(byte, b'"' | b'\\');
    odd == 0 && !rest.iter().any(is_odd)
}

fn number(line: &mut Vec<u8>, mut number: u64) {
    // As nearly half of them are.
    if number < 10 {
        return line.push(digit(number));
    }
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = digit(number);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    line.extend_from_slice(&digits[start..]);
}

/// The last digit.
const fn digit(number: u64) -> u8 {
    b'0' + (number % 10) as u8
}

fn millis(line: &mut Vec<u8>, duration: Duration) {
    let whole = duration.as_secs().checked_mul(1_000);
    let millis = whole.and_then(|whole| whole.checked_add(duration.subsec_millis().into()));
    number(line, millis.unwrap_or(u64::MAX));
}

/// As [`Cost`] prints.
fn dollars(line: &mut Vec<u8>, cost: Cost) {
    put(line, b"\"");
    match u64::try_from(cost.pico_dollars()) {
        Ok(pico_dollars) => {
            number(line, pico_dollars / DOLLAR);
            let mut fraction = pico_dollars % DOLLAR;
            if fraction > 0 {
                let mut digits = [b'.'; PLACES + 1];
                for place in digits[1..].iter_mut().rev() {
                    *place = digit(fraction);
                    fraction /= 10;
                }
                let zeros = digits.iter().rev().take_while(|digit| **digit == b'0');
                let length = digits.len() - zeros.count();
                line.extend_from_slice(&digits[..length]);
            }
        }
        // Writing to memory cannot fail.
        Err(_) => drop(write!(line, "{cost}")),
    }
    put(line, b"\"");
}

fn hex(line: &mut Vec<u8>, bytes: &[u8; 32]) {
    let mut text = [b'"'; 66];
    for (pair, byte) in text[1..].chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&HEX[usize::from(*byte)]);
    }
    put(line, &text);
}

#[cfg(test)]
mod tests;
