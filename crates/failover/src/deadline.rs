use std::time::Duration;

use tokio::time::Instant;

/// A moment so long after another; a wait without end is a year.
pub(crate) fn after(now: Instant, wait: Duration) -> Instant {
    const YEAR: Duration = Duration::from_secs(366 * 24 * 3600);
    now + wait.min(YEAR)
}

/// What is left until a moment; `None` if it is past or never comes.
pub(crate) fn left(until: Option<Instant>, now: Instant) -> Option<Duration> {
    until
        .map(|until| until.saturating_duration_since(now))
        .filter(|left| !left.is_zero())
}
