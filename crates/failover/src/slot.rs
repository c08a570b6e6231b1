use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tower_claude_core::{Failure, FailureKind, Target};

use crate::account::Account;
use crate::calm::Calm;
use crate::circuit::{Circuit, Pass};
use crate::deadline::{after, left};
use crate::{Breaker, ModelClass, TargetHealth, Utilisation};

/// A target and how it is doing.
#[derive(Debug)]
pub(crate) struct Slot {
    target: Target,
    state: Mutex<State>,
    account: Account,
    /// What of the state can be told without its lock, by class.
    calm: [Calm; ModelClass::ALL.len()],
}

#[derive(Debug, Default)]
struct State {
    circuits: [Circuit; ModelClass::ALL.len()],
    /// Until when the account cannot pay.
    spent_until: Option<Instant>,
}

/// What a failure says of the target it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blame {
    /// It is in trouble.
    Breaker,
    /// A limit is spent for a class of models, for so long.
    Cooldown(Duration),
    /// The account cannot pay, for so long.
    Account(Duration),
    /// Nothing of how it is doing: the credential, or the request.
    Nothing,
}

/// What a rate limit without a reset is taken for.
const UNTOLD: Duration = Duration::from_secs(5);

/// The longest a rate limit is believed to last. The API's are per minute; a header that says
/// days does not take a target out of use for days.
const LONGEST_COOLDOWN: Duration = Duration::from_secs(3600);

/// What a spent account without a date is taken for.
const UNDATED: Duration = Duration::from_secs(3600);

// === impl Slot ===

impl Slot {
    pub(crate) fn new(target: Target) -> Self {
        Self {
            target,
            state: Mutex::default(),
            account: Account::default(),
            calm: Default::default(),
        }
    }

    pub(crate) const fn target(&self) -> &Target {
        &self.target
    }

    pub(crate) const fn account(&self) -> &Account {
        &self.account
    }

    /// How long it will take no calls of a class; `None` if it takes one now.
    pub(crate) fn closed_for(&self, class: ModelClass, now: Instant) -> Option<Duration> {
        if self.calm[class.index()].era().is_some() {
            return None;
        }
        let state = self.state();
        let spent = left(state.spent_until, now);
        spent.max(state.circuits[class.index()].closed_for(now))
    }

    pub(crate) fn admit(
        &self,
        class: ModelClass,
        breaker: &Breaker,
        now: Instant,
    ) -> Result<Pass, Duration> {
        if let Some(era) = self.calm[class.index()].era() {
            return Ok(Pass::Normal(era));
        }
        let mut state = self.state();
        match left(state.spent_until, now) {
            Some(wait) => Err(wait),
            None => state.circuits[class.index()].admit(breaker, now),
        }
    }

    pub(crate) fn succeed(&self, class: ModelClass, pass: Pass, breaker: &Breaker) {
        if self.calm[class.index()].era().is_some() {
            return;
        }
        let now = Instant::now();
        let mut state = self.state();
        let is_spent = left(state.spent_until, now).is_some();
        let circuit = &mut state.circuits[class.index()];
        circuit.succeed(pass, breaker, now);
        let is_calm = !is_spent && circuit.is_calm(breaker, now);
        self.calm[class.index()].set(is_calm, circuit.era());
    }

    pub(crate) fn fail(&self, class: ModelClass, pass: Pass, failure: &Failure, breaker: &Breaker) {
        let now = Instant::now();
        self.account.distrust(failure.distrusted);
        let mut state = self.state();
        let circuit = &mut state.circuits[class.index()];
        let blame = Blame::of(failure);
        match blame {
            Blame::Breaker => circuit.fail(pass, breaker, now),
            _ => circuit.release(pass),
        }
        if let Blame::Cooldown(wait) = blame {
            circuit.cool(wait, now);
        }
        if failure.kind.may_pass_elsewhere() {
            circuit.note(failure.kind, now);
        }
        let is_calm = circuit.is_calm(breaker, now) && left(state.spent_until, now).is_none();
        self.calm[class.index()].set(is_calm, state.circuits[class.index()].era());
        if let Blame::Account(wait) = blame {
            state.spent_until = state.spent_until.max(Some(after(now, wait)));
            for (calm, circuit) in self.calm.iter().zip(&state.circuits) {
                calm.set(false, circuit.era());
            }
        }
    }

    pub(crate) fn release(&self, class: ModelClass, pass: Pass) {
        self.state().circuits[class.index()].release(pass);
    }

    pub(crate) fn health(&self, now: Instant) -> TargetHealth {
        let state = self.state();
        let spent = left(state.spent_until, now);
        let open_classes: Vec<_> = ModelClass::ALL
            .into_iter()
            .filter(|class| state.circuits[class.index()].is_open())
            .collect();
        let circuits = state.circuits.iter();
        TargetHealth {
            target: self.target.clone(),
            is_up: spent.is_none() && !circuits.clone().any(|circuit| circuit.is_open_at(now)),
            takes_calls: spent.is_none()
                && circuits
                    .clone()
                    .any(|circuit| circuit.closed_for(now).is_none()),
            open_classes,
            closed_for: circuits
                .clone()
                .filter_map(|circuit| circuit.closed_for(now))
                .chain(spent)
                .max(),
            used: ModelClass::ALL
                .into_iter()
                .filter_map(|class| Utilisation::of(class, self.account.used(class, now)))
                .collect(),
            distrusted_headers: self.account.distrusted(),
            last_failure: circuits
                .filter_map(Circuit::last_failure)
                .max_by_key(|(when, _)| *when)
                .map(|(_, kind)| kind),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Blame ===

impl Blame {
    fn of(failure: &Failure) -> Self {
        match failure.kind {
            FailureKind::NotSent
            | FailureKind::NoReply
            | FailureKind::Timeout
            | FailureKind::ServerError
            | FailureKind::Overloaded
            | FailureKind::Truncated
            | FailureKind::Stalled => Self::Breaker,
            FailureKind::RateLimited => {
                Self::Cooldown(failure.wait.unwrap_or(UNTOLD).min(LONGEST_COOLDOWN))
            }
            FailureKind::SpendCap | FailureKind::SpendLimit => {
                Self::Account(failure.wait.unwrap_or(UNDATED))
            }
            _ => Self::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BREAKER: Breaker = Breaker::new();
    const CLASS: ModelClass = ModelClass::Opus;

    fn attempt(slot: &Slot, failure: Option<FailureKind>) {
        let pass = slot.admit(CLASS, &BREAKER, Instant::now()).unwrap();
        match failure {
            None => slot.succeed(CLASS, pass, &BREAKER),
            Some(kind) => slot.fail(CLASS, pass, &Failure::new(kind), &BREAKER),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_target_that_does_well_takes_no_lock() {
        let slot = Slot::new(Target::new("a"));
        let held = slot.state();
        assert_eq!(slot.closed_for(CLASS, Instant::now()), None);
        attempt(&slot, None);
        drop(held);
    }

    #[tokio::test(start_paused = true)]
    async fn a_target_is_up_again_when_it_waits_for_a_probe_though_none_comes() {
        let slot = Slot::new(Target::new("a"));
        for _ in 0..5 {
            attempt(&slot, Some(FailureKind::Overloaded));
        }
        let health = slot.health(Instant::now());
        assert!(!health.is_up && health.takes_calls, "other classes do");
        tokio::time::advance(Duration::from_secs(15)).await;
        let health = slot.health(Instant::now());
        assert!(health.is_up && health.takes_calls);
        assert_eq!(health.open_classes, [CLASS], "no call went well yet");

        let pass = slot.admit(CLASS, &BREAKER, Instant::now()).unwrap();
        assert!(slot.health(Instant::now()).is_up, "nobody knows yet");
        let failure = Failure::new(FailureKind::Overloaded);
        slot.fail(CLASS, pass, &failure, &BREAKER);
        assert!(!slot.health(Instant::now()).is_up, "open again");
    }

    #[tokio::test(start_paused = true)]
    async fn a_target_takes_no_calls_while_it_takes_none_of_any_class() {
        let slot = Slot::new(Target::new("a"));
        let fail = |class, kind| {
            let pass = slot.admit(class, &BREAKER, Instant::now()).unwrap();
            slot.fail(class, pass, &Failure::new(kind), &BREAKER);
        };
        for class in ModelClass::ALL {
            assert!(slot.health(Instant::now()).takes_calls);
            for _ in 0..5 {
                fail(class, FailureKind::NoReply);
            }
        }
        assert!(!slot.health(Instant::now()).takes_calls);
        tokio::time::advance(Duration::from_secs(15)).await;
        assert!(slot.health(Instant::now()).takes_calls);
        fail(CLASS, FailureKind::SpendCap);
        let health = slot.health(Instant::now());
        assert!(!health.is_up && !health.takes_calls);
        tokio::time::advance(UNDATED).await;
        assert!(slot.health(Instant::now()).takes_calls);
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_calm_again_when_its_failures_are_forgotten() {
        let slot = Slot::new(Target::new("a"));
        let is_calm = || slot.calm[CLASS.index()].era().is_some();
        attempt(&slot, Some(FailureKind::Overloaded));
        attempt(&slot, None);
        assert!(!is_calm(), "a failure still counts");
        tokio::time::advance(Duration::from_secs(30)).await;
        attempt(&slot, None);
        assert!(is_calm());

        attempt(&slot, Some(FailureKind::Invalid));
        assert!(is_calm(), "the caller's mistake");
        attempt(&slot, Some(FailureKind::SpendCap));
        assert!(!is_calm());
        tokio::time::advance(UNDATED).await;
        attempt(&slot, None);
        assert!(is_calm());
    }
}
