use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use toml::de::DeValue;

use super::duration::timeout;
use super::reader::{TableReader, Value};
use super::size::size;

/// `[usage]`: what is written down about each call.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// The file that gets one line a call.
    pub ledger: PathBuf,
    /// Whether the record is on disk before the caller sees the end.
    pub durable: bool,
    /// When another file is begun; never by default.
    pub rotation: Rotation,
    /// What happens upstream when the caller leaves.
    pub on_disconnect: OnDisconnect,
    /// Whether request and response texts are kept.
    pub capture: Capture,
    /// The file they are kept in.
    pub capture_file: PathBuf,
    /// How much text of each direction is kept, in bytes.
    pub capture_limit: usize,
    /// What else is taken out, besides what always is: regular expressions by name.
    pub capture_patterns: Vec<(String, String)>,
}

/// When the ledger goes on in another file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Rotation {
    /// Before it would have more bytes.
    pub size: Option<NonZeroU64>,
    /// Each day, at midnight UTC.
    pub is_daily: bool,
}

/// What happens upstream when the caller leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnDisconnect {
    /// The call ends there too, and its usage is partial.
    Abort,
    /// It is read on, within both bounds; the default, with 2000 tokens and 30 seconds.
    Drain {
        /// How many more output tokens.
        tokens: NonZeroU64,
        /// For how long.
        time: Duration,
    },
}

/// What is kept of the texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Capture {
    /// Nothing.
    #[default]
    None,
    /// The texts, without what tells of persons or opens doors.
    Redacted,
}

const CAPTURE: &[(&str, Capture)] = &[("none", Capture::None), ("redacted", Capture::Redacted)];
const ON_DISCONNECT: &[(&str, OnDisconnect)] = &[("abort", OnDisconnect::Abort)];
const ROTATE: &[(&str, bool)] = &[("never", false), ("day", true)];

/// How much text of each direction is kept, unless the file says otherwise, in bytes.
const CAPTURE_LIMIT: usize = 64 * 1024;

/// How many more tokens are read, unless the file says otherwise.
const DRAIN_TOKENS: NonZeroU64 = NonZeroU64::MIN.saturating_add(1_999);

/// For how long, unless the file says otherwise.
const DRAIN_TIME: Duration = Duration::from_secs(30);

// === impl OnDisconnect ===

impl Default for OnDisconnect {
    fn default() -> Self {
        Self::Drain {
            tokens: DRAIN_TOKENS,
            time: DRAIN_TIME,
        }
    }
}

// === impl Usage ===

impl Usage {
    pub(super) fn read(mut table: TableReader<'_>, default: impl Fn(&str) -> PathBuf) -> Self {
        let patterns = table.take("capture_patterns").and_then(|value| patterns(&value));
        let capture = |value: &Value<'_>| value.choice(CAPTURE);
        let usage = Self {
            ledger: table.or("ledger", Value::path, default("usage.jsonl")),
            durable: table.or("durable", Value::boolean, true),
            rotation: Rotation {
                size: table.optional("rotate_size", size).and_then(bytes),
                is_daily: table.or("rotate", |value| value.choice(ROTATE), false),
            },
            on_disconnect: table.or("on_disconnect", on_disconnect, OnDisconnect::default()),
            capture: table.or("capture", capture, Capture::default()),
            capture_file: table.or("capture_file", Value::path, default("capture.jsonl")),
            capture_limit: table.or("capture_limit", size, CAPTURE_LIMIT),
            capture_patterns: patterns.unwrap_or_default(),
        };
        table.finish();
        usage
    }
}

fn patterns(value: &Value<'_>) -> Option<Vec<(String, String)>> {
    let mut table = value.table("usage.capture_patterns")?;
    let patterns = table.take_all().filter_map(|(name, value)| {
        let expression = value.string()?;
        Some((name.to_owned(), expression.to_owned()))
    });
    Some(patterns.collect())
}

fn bytes(size: usize) -> Option<NonZeroU64> {
    NonZeroU64::new(u64::try_from(size).unwrap_or(u64::MAX))
}

fn on_disconnect(value: &Value<'_>) -> Option<OnDisconnect> {
    let DeValue::Table(_) = value.node() else {
        return value.choice(ON_DISCONNECT);
    };
    let mut table = value.table("usage.on_disconnect")?;
    let tokens = table.required("drain_tokens", Value::positive);
    let time = table.required("drain_time", timeout);
    table.finish();
    Some(OnDisconnect::Drain {
        tokens: tokens?,
        time: time?,
    })
}
