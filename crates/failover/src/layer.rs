use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tower_claude_core::{Intake, Target};
use tower_layer::Layer;

use crate::hedging::Hedging;
use crate::ladder::Ladders;
use crate::lobby::Lobby;
use crate::pool::Pool;
use crate::{Breaker, ByPriority, ConfigError, Failover, Health, Hedge, ModelFallbacks, Waiting};

/// Asks another target where one cannot serve a call. See the [crate] for the whole.
#[must_use]
pub struct FailoverLayer<R = ByPriority> {
    shared: Arc<Shared<R>>,
}

/// What all services of a layer have in common.
pub(crate) struct Shared<R> {
    pub(crate) pool: Arc<Pool>,
    pub(crate) route: Arc<R>,
    pub(crate) intake: Intake,
}

// === impl FailoverLayer ===

impl FailoverLayer {
    /// Serves calls at these targets, by priority and weight.
    ///
    /// # Errors
    ///
    /// No targets or more than 255, two of one name, or one of weight 0.
    pub fn new(targets: impl IntoIterator<Item = Target>) -> Result<Self, ConfigError> {
        Ok(Self {
            shared: Arc::new(Shared {
                pool: Arc::new(Pool::new(targets)?),
                route: Arc::new(ByPriority::new()),
                intake: Intake::new(),
            }),
        })
    }
}

impl<R> FailoverLayer<R> {
    /// Orders the targets of each call.
    pub fn route<Other>(self, route: Other) -> FailoverLayer<Other> {
        FailoverLayer {
            shared: Arc::new(Shared {
                pool: Arc::clone(&self.shared.pool),
                route: Arc::new(route),
                intake: self.shared.intake.clone(),
            }),
        }
    }

    /// Sets when a target is taken out of use; default [`Breaker::new`].
    pub fn breaker(self, breaker: Breaker) -> Self {
        self.edit(|shared| Arc::make_mut(&mut shared.pool).breaker = breaker)
    }

    /// Moves on from attempts that may have been billed, too: default no.
    ///
    /// These are a 500 or 504, a connection that broke or fell silent after sending, and a
    /// stream cut off before content. One call may then be billed twice.
    pub fn possibly_billed(self, move_on: bool) -> Self {
        self.edit(|shared| Arc::make_mut(&mut shared.pool).possibly_billed = move_on)
    }

    /// Lets calls wait while every target they may go to is closed for a moment, instead of
    /// refusing them at once: default no.
    pub fn waiting(self, waiting: Waiting) -> Self {
        self.edit(|shared| Arc::make_mut(&mut shared.pool).lobby = Some(Lobby::new(waiting)))
    }

    /// Asks a second target as well when the first is silent for longer than most are: default
    /// no.
    ///
    /// Only before content, only calls without thinking in them, and only where another target
    /// may serve the call. The one that is given up may be billed: it is in the log of attempts
    /// without an answer.
    pub fn hedge(self, hedge: Hedge) -> Self {
        let hedging = Some(Arc::new(Hedging::new(hedge)));
        self.edit(|shared| Arc::make_mut(&mut shared.pool).hedging = hedging)
    }

    /// Holds the beginning of a stream back for at most so long, waiting for its first
    /// content; the default is 10 s.
    ///
    /// As long as it is held, an error in the stream moves the call on unnoticed; with zero,
    /// only one that comes together with the head. Errors that are not streams are held for as
    /// long, until their body is read. What a layer inside has held back already is not held
    /// again.
    pub fn gate_time(self, gate_time: Duration) -> Self {
        self.edit(|shared| Arc::make_mut(&mut shared.pool).gate_time = gate_time)
    }

    /// Asks other models where no target takes calls for the one that was asked: default none.
    ///
    /// The last step: when every target is closed to that model, or the last of them is
    /// overloaded or its rate limit spent. The answer then has `x-claude-degraded` with the name
    /// of the model, and [`Degraded`](tower_claude_core::Degraded) in its extensions. A model
    /// that the tenant may not use is passed over. What goes on upstream is the request as it
    /// was but for the name of the model, so thinking that is bound to the one asked is dropped.
    pub fn model_fallbacks(self, fallbacks: ModelFallbacks) -> Self {
        let ladders = Ladders::new(fallbacks.into_lists(), &self.shared.pool.slots);
        self.edit(|shared| Arc::make_mut(&mut shared.pool).ladders = ladders)
    }

    /// Sets how requests are read, where no layer outside has read them.
    pub fn intake(self, intake: Intake) -> Self {
        self.edit(|shared| shared.intake = intake)
    }

    /// A view of how the targets are doing.
    #[must_use]
    pub fn health(&self) -> Health {
        Health::of(&self.shared.pool)
    }

    fn edit(mut self, edit: impl FnOnce(&mut Shared<R>)) -> Self {
        edit(Arc::make_mut(&mut self.shared));
        self
    }
}

impl<R> Clone for FailoverLayer<R> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<S, R> Layer<S> for FailoverLayer<R> {
    type Service = Failover<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        Failover::new(inner, Arc::clone(&self.shared))
    }
}

impl<R> fmt::Debug for FailoverLayer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailoverLayer")
            .field("pool", &self.shared.pool)
            .finish_non_exhaustive()
    }
}

// === impl Shared ===

impl<R> Clone for Shared<R> {
    fn clone(&self) -> Self {
        Self {
            pool: Arc::clone(&self.pool),
            route: Arc::clone(&self.route),
            intake: self.intake.clone(),
        }
    }
}
