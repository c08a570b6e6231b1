use std::sync::Arc;
use std::time::Duration;

use crate::books::account::Entry;
use crate::{Amounts, Plan, Reservation, ReservationId, Subject};

/// What is set aside for a call, times in milliseconds.
#[derive(Clone, Debug)]
pub(crate) struct Hold {
    pub(crate) subject: Subject,
    pub(crate) plan: Arc<Plan>,
    /// What is held.
    pub(crate) held: Amounts,
    /// What has been spent already: the request, or all that was certain when it expired.
    pub(crate) charged: Amounts,
    pub(crate) charged_at: u64,
    /// What is spent when it expires.
    pub(crate) certain: Amounts,
    pub(crate) since: u64,
    pub(crate) expires: u64,
}

/// What is asked for a call, times in milliseconds.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) id: ReservationId,
    pub(crate) subject: Subject,
    pub(crate) plan: Arc<Plan>,
    pub(crate) amounts: Amounts,
    pub(crate) certain: Amounts,
    pub(crate) hold_for: u64,
    pub(crate) lasting: u64,
}

// === impl Hold ===

impl Hold {
    /// What nobody holds yet.
    pub(crate) fn new(asked: Asked, now: u64) -> Self {
        Self {
            subject: asked.subject,
            plan: asked.plan,
            held: Amounts::default(),
            charged: Amounts::default(),
            charged_at: now,
            certain: asked.certain,
            since: now,
            expires: now.saturating_add(asked.hold_for),
        }
    }

    pub(crate) fn entry(&self) -> Entry<'_> {
        Entry {
            plan: &self.plan,
            subject: &self.subject,
            since: self.since,
        }
    }

    /// What has to be added to what is held for the call to have `total`.
    pub(crate) const fn missing(&self, total: Amounts) -> Amounts {
        total.minus(self.held.plus(self.charged))
    }

    /// Notes that `more` was taken: requests are spent, all else is held.
    pub(crate) const fn raise(&mut self, more: Amounts, certain: Amounts) {
        let mut held = self.held.plus(more);
        held.requests = self.held.requests;
        self.held = held;
        self.charged.requests = self.charged.requests.saturating_add(more.requests);
        self.certain = self.certain.max(certain);
    }

    /// Notes that it expired: what was certain is spent, nothing is held.
    pub(crate) fn expire(&mut self, now: u64) {
        self.held = Amounts::default();
        self.charged = self.charged.max(self.certain);
        self.charged.running = 0;
        self.charged_at = now;
    }
}

// === impl Asked ===

impl From<Reservation> for Asked {
    fn from(reservation: Reservation) -> Self {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self {
            id: reservation.id,
            subject: reservation.subject,
            plan: reservation.plan,
            amounts: reservation.amounts,
            certain: reservation.certain,
            hold_for: millis(reservation.hold_for),
            lasting: millis(reservation.lasting),
        }
    }
}
