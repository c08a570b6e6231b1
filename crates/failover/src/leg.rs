use tower_claude_core::Call;

use crate::ladder::Step;
use crate::pool::Pool;
use crate::{ModelClass, Order};

/// The part of a journey on which one model is asked: the caller's first, then those that
/// stand in.
#[derive(Debug)]
pub(crate) struct Leg {
    pub(crate) class: ModelClass,
    pub(crate) step: Option<Step>,
    /// Places in the pool, in the order in which they are asked.
    order: Order,
    next: usize,
}

// === impl Leg ===

impl Leg {
    /// One on which the caller's model is asked.
    pub(crate) fn first(call: &Call) -> Self {
        Self {
            class: call.model().map_or(ModelClass::Other, ModelClass::of),
            step: None,
            order: Order::new(),
            next: 0,
        }
    }

    /// One on which a model that stands in is asked.
    pub(crate) fn down(pool: &Pool, step: Step) -> Self {
        Self {
            class: pool.ladders.class(step),
            step: Some(step),
            order: Order::new(),
            next: 0,
        }
    }

    /// Sets where it leads.
    pub(crate) fn leads_to(&mut self, order: Order) {
        self.order = order;
        self.next = 0;
    }

    /// The next place.
    pub(crate) fn advance(&mut self) -> Option<usize> {
        let slot = self.order.get(self.next)?;
        self.next += 1;
        Some(slot)
    }

    pub(crate) const fn has_more(&self) -> bool {
        self.next < self.order.len()
    }

    /// All places of it.
    pub(crate) fn places(&self) -> impl Iterator<Item = usize> + '_ {
        self.order.iter()
    }
}
