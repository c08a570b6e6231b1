use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use tower_claude_core::Intake;
use tower_layer::Layer;

use crate::jitter::{FullJitter, Jitter};
use crate::{DefaultClassify, Retry, RetryQuota};

/// Repeats calls at the same place where that is worth it; see the [crate] docs.
///
/// All services it makes share its quota and its source of jitter.
#[must_use = "a layer does nothing until it wraps a service"]
pub struct RetryLayer<C = DefaultClassify> {
    shared: Arc<Shared<C>>,
}

/// What all services of a layer have in common.
pub(crate) struct Shared<C> {
    pub(crate) classify: Arc<C>,
    pub(crate) settings: Settings,
}

#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) attempts: NonZeroU32,
    pub(crate) base: Duration,
    pub(crate) max_delay: Duration,
    pub(crate) total_timeout: Duration,
    pub(crate) gate_time: Duration,
    pub(crate) quota: RetryQuota,
    pub(crate) intake: Intake,
    pub(crate) jitter: Arc<dyn Jitter + Send + Sync>,
}

// === impl RetryLayer ===

impl RetryLayer {
    /// Also repeats what may have been billed (500, 504, no reply, a cut stream), so that one
    /// call may cost twice. The default is not to.
    pub fn possibly_billed(self, repeat: bool) -> Self {
        self.edit(|shared| {
            shared.classify = Arc::new(DefaultClassify::new().possibly_billed(repeat));
        })
    }
}

impl<C> RetryLayer<C> {
    /// A layer that repeats what `classify` says, within the default limits.
    pub fn new(classify: C) -> Self {
        Self {
            shared: Arc::new(Shared {
                classify: Arc::new(classify),
                settings: Settings {
                    attempts: NonZeroU32::MIN.saturating_add(2),
                    base: Duration::from_millis(500),
                    max_delay: Duration::from_secs(8),
                    total_timeout: Duration::from_secs(60),
                    gate_time: Duration::from_secs(10),
                    quota: RetryQuota::new(),
                    intake: Intake::new(),
                    jitter: Arc::new(FullJitter::new()),
                },
            }),
        }
    }

    /// Asks at most so often, the first time included; the default is 3.
    pub fn attempts(self, attempts: NonZeroU32) -> Self {
        self.set(|settings| settings.attempts = attempts)
    }

    /// Backs off at most so long before the first retry, twice as long before each later one;
    /// the default is 500 ms.
    pub fn base(self, base: Duration) -> Self {
        self.set(|settings| settings.base = base)
    }

    /// Never backs off longer than this; the default is 8 s.
    ///
    /// A server that asks for a longer wait is left at once, its answer returned.
    pub fn max_delay(self, max_delay: Duration) -> Self {
        self.set(|settings| settings.max_delay = max_delay)
    }

    /// Begins no attempt later than this after the first attempt of the call, at whatever
    /// target that was; the default is 60 s.
    ///
    /// An attempt that has begun is not cut short.
    pub fn total_timeout(self, total_timeout: Duration) -> Self {
        self.set(|settings| settings.total_timeout = total_timeout)
    }

    /// Holds the beginning of a stream back for at most so long, waiting for its first
    /// content; the default is 10 s.
    ///
    /// As long as it is held, an error in the stream can be repeated unnoticed; with zero, only
    /// one that comes together with the head. Errors that are not streams are held for as
    /// long, until their body is read.
    pub fn gate_time(self, gate_time: Duration) -> Self {
        self.set(|settings| settings.gate_time = gate_time)
    }

    /// Pays for retries out of this quota; the default is one of the layer's own.
    pub fn quota(self, quota: RetryQuota) -> Self {
        self.set(|settings| settings.quota = quota)
    }

    /// Reads requests that nobody outside has read within these limits.
    pub fn intake(self, intake: Intake) -> Self {
        self.set(|settings| settings.intake = intake)
    }

    /// Draws backoffs from this; the default is [`FullJitter`].
    pub fn jitter<J>(self, jitter: J) -> Self
    where
        J: Jitter + Send + Sync + 'static,
    {
        self.set(|settings| settings.jitter = Arc::new(jitter))
    }

    fn set(self, change: impl FnOnce(&mut Settings)) -> Self {
        self.edit(|shared| change(&mut shared.settings))
    }

    fn edit(mut self, change: impl FnOnce(&mut Shared<C>)) -> Self {
        change(Arc::make_mut(&mut self.shared));
        self
    }
}

impl Default for RetryLayer {
    fn default() -> Self {
        Self::new(DefaultClassify::new())
    }
}

impl<C> Clone for RetryLayer<C> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<S, C> Layer<S> for RetryLayer<C> {
    type Service = Retry<S, C>;

    fn layer(&self, inner: S) -> Retry<S, C> {
        Retry::new(inner, Arc::clone(&self.shared))
    }
}

impl<C> fmt::Debug for RetryLayer<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = &self.shared.settings;
        f.debug_struct("RetryLayer")
            .field("attempts", &settings.attempts)
            .field("base", &settings.base)
            .field("max_delay", &settings.max_delay)
            .field("total_timeout", &settings.total_timeout)
            .field("gate_time", &settings.gate_time)
            .field("quota", &settings.quota)
            .finish_non_exhaustive()
    }
}

// === impl Shared ===

impl<C> Clone for Shared<C> {
    fn clone(&self) -> Self {
        Self {
            classify: Arc::clone(&self.classify),
            settings: self.settings.clone(),
        }
    }
}

// === impl Settings ===

impl Settings {
    /// The backoff before the next attempt, after so many in a row.
    pub(crate) fn backoff(&self, tries: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(tries.saturating_sub(1));
        let most = self.base.saturating_mul(doubled).min(self.max_delay);
        self.jitter.jitter(most).min(most)
    }
}
