use std::sync::Arc;
use std::time::Duration;

use http::Request;
use tokio::time::Instant;
use tower_claude_core::{Call, CallBody, Failure, FailureKind, Refusal, Replay, Scope};

use crate::Route;
use crate::layer::Shared;
use crate::lobby::{Lobby, Place};
use crate::permit::Permit;
use crate::plan::{Aim, all_closed};
use crate::trial::Trial;
use crate::urgency::urgency;
use crate::verdict::Onward;
use crate::wait::Wait;
use crate::way::{Closed, Way};

/// What a call takes along from target to target.
pub(crate) struct Journey<R> {
    shared: Arc<Shared<R>>,
    /// `None` until it has set out.
    way: Option<Way>,
    /// `None` where no second target can be asked.
    spare: Option<Replay>,
    /// Whether two targets are asked: neither is left for another one meanwhile.
    pub(crate) is_contested: bool,
}

/// How a journey begins.
pub(crate) enum Departure {
    /// At this target.
    Go(Permit),
    /// Not yet: every target is closed for a moment.
    Wait(Wait),
    /// Not at all.
    Refused(Refusal),
}

// === impl Journey ===

impl<R> Journey<R> {
    pub(crate) const fn new(shared: Arc<Shared<R>>) -> Self {
        Self {
            shared,
            way: None,
            spare: None,
            is_contested: false,
        }
    }

    /// Whether a second target may be asked while one is.
    pub(crate) fn may_hedge(&self) -> bool {
        self.shared.pool.hedging.is_some() && self.spare.is_some()
    }

    /// How long to wait before a second target is asked; `None` is for ever.
    pub(crate) fn hedge_after(&self) -> Option<Duration> {
        let (hedging, way) = (self.shared.pool.hedging.as_ref()?, self.way.as_ref()?);
        hedging.wait(way.class(), way.call())
    }

    /// Notes that a target's answer is good.
    pub(crate) fn is_good(&self, trial: &Trial) {
        if let (Some(hedging), Some(way)) = (&self.shared.pool.hedging, &self.way) {
            hedging.record(way.class(), way.call(), trial.elapsed());
        }
    }

    /// What it takes to ask a second target while one is asked, if that may be.
    pub(crate) fn rival(&mut self) -> Option<Onward> {
        let way = self.way.as_mut().filter(|way| way.may_go_on())?;
        let spare = self.spare.as_ref()?;
        self.shared.pool.hedging.as_ref()?.pay(|| {
            Some(Onward {
                request: spare.request()?,
                permit: way.admit(&self.shared, Instant::now())?,
                call: way.call().clone(),
                reason: Some(FailureKind::Slow),
            })
        })
    }

    /// The attempt whose answer the caller would get.
    pub(crate) fn final_attempt(&self) -> Option<usize> {
        let (mut number, mut last) = (0, None);
        self.way.as_ref()?.call().attempts().for_each(|attempt| {
            last = attempt.is_final.then_some(number).or(last);
            number += 1;
        });
        last
    }

    /// Says that the caller gets the answer of this attempt, or of none.
    pub(crate) fn make_final(&self, attempt: Option<usize>) {
        if let Some(way) = &self.way {
            let log = way.call().attempts();
            log.revise(|number, other| other.is_final = Some(number) == attempt);
        }
    }

    /// How long the beginning of an answer may be held back.
    pub(crate) fn gate_time(&self) -> Duration {
        self.shared.pool.gate_time
    }
}

impl<R> Journey<R>
where
    R: Route,
{
    /// Plans the journey of a call.
    pub(crate) fn set_out(&mut self, request: &Request<CallBody>, call: &Call) -> Departure {
        let pool = &self.shared.pool;
        let way = match Way::of(pool, request, call) {
            Ok(way) => self.way.insert(way),
            Err(refusal) => return Departure::Refused(refusal),
        };
        if let Some(hedging) = &pool.hedging {
            hedging.deposit();
        }
        // Other calls than messages have limits of their own.
        let lobby = pool.lobby.as_ref().filter(|_| way.is_message());
        // Those who came before go first.
        let is_behind = lobby.is_some_and(|lobby| lobby.is_waiting(way.lane(None)));
        let to_stay = lobby.map_or(Duration::ZERO, Lobby::to_stay);
        let closed = if is_behind {
            Closed::NOW
        } else {
            match way.set_out(&self.shared, Aim::WithRoom, to_stay) {
                Ok(permit) => return self.depart(permit, request),
                Err(closed) => closed,
            }
        };
        let place = lobby.map_or(Place::Useless, |lobby| {
            let tenant = way.tenant();
            let urgency = urgency(request.headers(), tenant);
            let tenant = tenant.map(|tenant| tenant.id().clone());
            lobby.enter(way.lane(closed.stay_at), closed, tenant, urgency)
        });
        match place {
            Place::Wait(wait) => Departure::Wait(wait),
            Place::Full if closed.stay_at.is_none() => self.turn_away(request),
            Place::Full | Place::Useless => self.give_up(request),
        }
    }

    /// Looks whether a target takes a call that waits; `None` if it is to wait on.
    pub(crate) fn look(
        &mut self,
        wait: &mut Wait,
        request: &Request<CallBody>,
    ) -> Option<Departure> {
        let way = self.way.as_mut()?;
        match way.set_out(&self.shared, Aim::WithRoom, wait.to_stay()) {
            Ok(permit) => Some(self.depart(permit, request)),
            Err(closed)
                if closed
                    .soonest
                    .is_some_and(|soonest| wait.look_again(soonest)) =>
            {
                None
            }
            Err(_) => Some(self.give_up(request)),
        }
    }

    /// What a call does that does not wait, or no longer: what it would rather not.
    pub(crate) fn give_up(&mut self, request: &Request<CallBody>) -> Departure {
        let departs = self
            .way
            .as_mut()
            .map(|way| way.set_out(&self.shared, Aim::Open, Duration::ZERO));
        match departs {
            Some(Ok(permit)) => self.depart(permit, request),
            Some(Err(closed)) => self.step_down(request, closed.soonest),
            None => Departure::Refused(all_closed(None)),
        }
    }

    /// What a call does for which there is no place, not even to wait: it asks another model,
    /// or is refused. It does not go where others wait to go.
    pub(crate) fn turn_away(&mut self, request: &Request<CallBody>) -> Departure {
        let soonest = self.way.as_ref().and_then(|way| way.soonest(&self.shared));
        self.step_down(request, soonest)
    }

    /// Asks another model, or refuses the call until the first target opens.
    fn step_down(&mut self, request: &Request<CallBody>, soonest: Option<Duration>) -> Departure {
        let way = self.way.as_mut();
        match way.and_then(|way| way.step_down(&self.shared)) {
            Some(permit) => self.depart(permit, request),
            None => Departure::Refused(all_closed(soonest)),
        }
    }

    fn depart(&mut self, permit: Permit, request: &Request<CallBody>) -> Departure {
        let pool = &self.shared.pool;
        if self.way.as_ref().is_some_and(|way| way.has_more(pool)) {
            self.spare = Replay::new(request);
        }
        Departure::Go(permit)
    }

    /// The permit for the next target and the request for it, if the call is to move on from
    /// such a failure.
    pub(crate) fn move_on(&mut self, failure: &Failure) -> Option<(Permit, Request<CallBody>)> {
        if self.spare.is_none() || self.is_contested || !self.may_move(failure) {
            return None;
        }
        let now = Instant::now();
        let way = self.way.as_mut()?;
        let permit = way.admit(&self.shared, now).or_else(|| {
            // Another model helps only where this one is what is short.
            let is_about_model = failure.kind.scope() == Scope::ModelClass;
            is_about_model
                .then(|| way.step_down(&self.shared))
                .flatten()
        })?;
        let request = self.spare.as_ref()?.request()?;
        Some((permit, request))
    }

    /// The permit for the next target, for a call that has not been anywhere since the last.
    pub(crate) fn another(&mut self) -> Option<Permit> {
        self.way.as_mut()?.admit(&self.shared, Instant::now())
    }

    /// Whether another target may serve what failed so, without the risk of a second bill.
    fn may_move(&self, failure: &Failure) -> bool {
        let kind = failure.kind;
        let is_ours = kind.scope() == Scope::Account;
        if is_ours || matches!(kind, FailureKind::RateLimited | FailureKind::Redirect) {
            // Upstream's word on asking again is about this account, not about another.
            return true;
        }
        if !kind.may_pass_elsewhere() || kind == FailureKind::Conflict {
            return false;
        }
        failure
            .should_retry
            .unwrap_or(self.shared.pool.possibly_billed || !failure.possibly_billed())
    }
}
