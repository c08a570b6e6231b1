use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use toml::de::DeValue;

use super::capture::Capture;
use super::duration::timeout;
use super::reader::{TableReader, Value};
use super::size::size;

/// `[usage]`: what is written down about each call.
#[derive(Debug, Clone)]
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
    /// How request and response texts are kept; not at all by default.
    pub capture: Option<Capture>,
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

const ON_DISCONNECT: &[(&str, OnDisconnect)] = &[("abort", OnDisconnect::Abort)];
const ROTATE: &[(&str, bool)] = &[("never", false), ("day", true)];

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
        let usage = Self {
            ledger: table.or("ledger", Value::path, default("usage.jsonl")),
            durable: table.or("durable", Value::boolean, true),
            rotation: Rotation {
                size: table.optional("rotate_size", size).and_then(bytes),
                is_daily: table.or("rotate", |value| value.choice(ROTATE), false),
            },
            on_disconnect: table.or("on_disconnect", on_disconnect, OnDisconnect::default()),
            capture: Capture::read(&mut table, default("capture.jsonl")),
        };
        if usage
            .capture
            .as_ref()
            .is_some_and(|capture| capture.file == usage.ledger)
        {
            let message = "`usage.capture_file` is the same as `usage.ledger`".to_owned();
            table.error(message, "choose another file");
        }
        table.finish();
        usage
    }
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
