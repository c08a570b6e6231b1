//! The JSON of a record for whoever serialises it; NOTE: `ledger_line` writes the same bytes.

use std::fmt::Display;
use std::time::Duration;

use serde::ser::{Serialize, SerializeSeq, SerializeStruct, Serializer};

use crate::{AttemptRecord, AttemptRecords, UsageRecord};

/// Written as the string it prints as, without an allocation.
struct Shown<T>(T);

/// Written in lower-case hexadecimal.
struct Hex<'a>(&'a [u8; 32]);

struct Log<'a>(&'a AttemptRecords);

struct Entry<'a>(&'a AttemptRecord);

// === impl UsageRecord ===

impl Serialize for UsageRecord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let target = self.target.as_ref();
        let mut line = serializer.serialize_struct("UsageRecord", 35)?;
        line.serialize_field("timestamp", &Shown(self.timestamp))?;
        line.serialize_field("request_id", self.request_id.as_str())?;
        line.serialize_field("upstream_request_id", &self.upstream_request_id)?;
        line.serialize_field(
            "tenant",
            &self
                .tenant
                .as_ref()
                .map(tower_claude_core::TenantId::as_str),
        )?;
        line.serialize_field("user", &self.user)?;
        line.serialize_field("feature", &*self.feature)?;
        line.serialize_field("session", &self.session)?;
        line.serialize_field("endpoint", self.endpoint.as_str())?;
        line.serialize_field("model", &self.model.as_deref())?;
        line.serialize_field("served_model", &self.served_model.as_deref())?;
        line.serialize_field("target", &target.map(tower_claude_core::Target::name))?;
        line.serialize_field("platform", &target.map(|target| target.speaks().as_str()))?;
        line.serialize_field("attempts", &self.attempt_log.len())?;
        line.serialize_field("attempt_log", &Log(&self.attempt_log))?;
        line.serialize_field("stream", &self.stream)?;
        line.serialize_field("status", &self.status)?;
        line.serialize_field("outcome", self.outcome.as_str())?;
        line.serialize_field("error_type", &self.error_type.as_deref())?;
        line.serialize_field("stop_reason", &self.stop_reason.as_deref())?;
        line.serialize_field("input_tokens", &self.input_tokens)?;
        line.serialize_field("output_tokens", &self.output_tokens)?;
        line.serialize_field("cache_read_input_tokens", &self.cache_read_input_tokens)?;
        line.serialize_field(
            "cache_creation_5m_input_tokens",
            &self.cache_creation_5m_input_tokens,
        )?;
        line.serialize_field(
            "cache_creation_1h_input_tokens",
            &self.cache_creation_1h_input_tokens,
        )?;
        line.serialize_field("web_search_requests", &self.web_search_requests)?;
        line.serialize_field(
            "service_tier",
            &self
                .service_tier
                .as_ref()
                .map(tower_claude_core::ServiceTier::as_str),
        )?;
        line.serialize_field(
            "speed",
            &self.speed.as_ref().map(tower_claude_core::Speed::as_str),
        )?;
        line.serialize_field("usage_source", self.usage_source.as_str())?;
        line.serialize_field("cost_usd", &self.cost.map(Shown))?;
        line.serialize_field("price_version", &self.price_version)?;
        line.serialize_field(
            "unpriced",
            &self
                .unpriced
                .as_ref()
                .map(tower_claude_pricing::Unpriced::reason),
        )?;
        line.serialize_field("estimated_input_tokens", &self.estimated_input_tokens)?;
        line.serialize_field(
            "system_prompt_sha256",
            &self.system_prompt_sha256.as_ref().map(Hex),
        )?;
        line.serialize_field("latency_ms", &self.latency.map(millis))?;
        line.serialize_field(
            "time_to_first_token_ms",
            &self.time_to_first_token.map(millis),
        )?;
        line.end()
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

// === impl Shown ===

impl<T> Serialize for Shown<T>
where
    T: Display,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

// === impl Hex ===

impl Serialize for Hex<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; 64];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        serializer.serialize_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

// === impl Log ===

impl Serialize for Log<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut log = serializer.serialize_seq(Some(self.0.len()))?;
        for attempt in self.0.iter() {
            log.serialize_element(&Entry(attempt))?;
        }
        log.end()
    }
}

// === impl Entry ===

impl Serialize for Entry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(attempt) = self;
        let mut entry = serializer.serialize_struct("AttemptRecord", 5)?;
        entry.serialize_field(
            "target",
            &attempt.target.as_ref().map(tower_claude_core::Target::name),
        )?;
        entry.serialize_field("started_ms", &millis(attempt.started))?;
        entry.serialize_field("status", &attempt.status)?;
        entry.serialize_field("outcome", attempt.outcome.as_str())?;
        entry.serialize_field(
            "retry_reason",
            &attempt
                .retry_reason
                .map(tower_claude_core::FailureKind::as_str),
        )?;
        entry.end()
    }
}
