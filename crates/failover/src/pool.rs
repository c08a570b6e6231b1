use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tower_claude_core::{Capabilities, Target};

use crate::hedging::Hedging;
use crate::ladder::{Ladders, Step};
use crate::lobby::Lobby;
use crate::permit::Permit;
use crate::slot::Slot;
use crate::{Breaker, ConfigError, ModelClass};

/// The targets, and the settings of what is shared by all calls to them.
///
/// A clone shares the targets and how they are doing.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    pub(crate) slots: Arc<[Slot]>,
    /// Whether there are several.
    pub(crate) is_choice: bool,
    /// Whether one of them does not offer all that a call may need, or take every beta.
    pub(crate) is_partial: bool,
    pub(crate) breaker: Breaker,
    /// Whether to move on from what may have been billed.
    pub(crate) possibly_billed: bool,
    /// How long the beginning of an answer is held back at most.
    pub(crate) gate_time: Duration,
    /// When calls are asked elsewhere as well; `None` if they are not.
    pub(crate) hedging: Option<Arc<Hedging>>,
    /// Where calls wait; `None` if they do not.
    pub(crate) lobby: Option<Lobby>,
    /// Which models stand in for others.
    pub(crate) ladders: Ladders,
}

// === impl Pool ===

impl Pool {
    /// The most targets: their places fit in a byte.
    const MOST: usize = 255;

    pub(crate) fn new(targets: impl IntoIterator<Item = Target>) -> Result<Self, ConfigError> {
        let slots: Arc<[Slot]> = targets.into_iter().map(Slot::new).collect();
        let mut names = HashSet::new();
        for slot in slots.iter() {
            let target = slot.target();
            if !names.insert(target.name()) {
                return Err(ConfigError::duplicate_name(target.name()));
            }
            if target.share() == 0 {
                return Err(ConfigError::zero_weight(target.name()));
            }
        }
        match slots.len() {
            0 => Err(ConfigError::NO_TARGETS),
            1..=Self::MOST => Ok(Self {
                is_choice: slots.len() > 1,
                is_partial: slots.iter().any(|slot| is_partial(slot.target())),
                slots,
                breaker: Breaker::new(),
                possibly_billed: false,
                gate_time: Duration::from_secs(10),
                hedging: None,
                lobby: None,
                ladders: Ladders::default(),
            }),
            _ => Err(ConfigError::TOO_MANY_TARGETS),
        }
    }

    /// A target, as it is asked for a model.
    pub(crate) fn target(&self, slot: usize, step: Option<Step>) -> &Target {
        match step {
            None => self.slots[slot].target(),
            Some(step) => self.ladders.target(step, slot),
        }
    }

    pub(crate) fn closed_for(
        &self,
        slot: usize,
        class: ModelClass,
        now: Instant,
    ) -> Option<Duration> {
        self.slots[slot].closed_for(class, now)
    }

    /// How long a target's account would rather not have another call.
    pub(crate) fn short_for(
        &self,
        slot: usize,
        class: ModelClass,
        now: Instant,
    ) -> Option<Duration> {
        self.slots[slot].account().short_for(class, now)
    }

    /// Lets an attempt through to a target, if it takes one.
    pub(crate) fn admit(
        self: &Arc<Self>,
        slot: usize,
        (class, step): (ModelClass, Option<Step>),
        now: Instant,
    ) -> Option<Permit> {
        let pass = self.slots[slot].admit(class, &self.breaker, now).ok()?;
        Some(Permit::new(
            Arc::clone(self),
            slot,
            (class, step),
            (pass, now),
        ))
    }
}

fn is_partial(target: &Target) -> bool {
    target.capabilities() != Capabilities::all() || target.listed_betas().is_some()
}
