use std::num::NonZeroU32;
use std::time::Duration;

use super::duration::{duration, timeout};
use super::reader::{TableReader, Value};

/// `[retry]`: how often and how long one target is asked again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retry {
    /// Attempts per target, the first included.
    pub attempts: NonZeroU32,
    /// The first backoff, before jitter.
    pub base: Duration,
    /// The longest backoff of our own; a server's longer word leaves the target.
    pub max_delay: Duration,
    /// How long all attempts at all targets may take.
    pub total_timeout: Duration,
    /// Whether the head of a stream is held back until its first content.
    pub hold_head: bool,
    /// Whether what may have been billed is asked again.
    pub retry_possibly_billed: bool,
}

// === impl Retry ===

impl Retry {
    pub(super) fn read(mut table: TableReader<'_>) -> Self {
        let three = NonZeroU32::MIN.saturating_add(2);
        let retry = Self {
            attempts: table.or("attempts", Value::positive, three),
            base: table.or("base", duration, Duration::from_millis(500)),
            max_delay: table.or("max_delay", duration, Duration::from_secs(8)),
            total_timeout: table.or("total_timeout", timeout, Duration::from_secs(60)),
            hold_head: table.or("hold_head", Value::boolean, true),
            retry_possibly_billed: table.or("retry_possibly_billed", Value::boolean, false),
        };
        table.finish();
        retry
    }
}
