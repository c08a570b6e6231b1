use std::time::Duration;

use tokio::time::Instant;
use tower_claude_core::FailureKind;

use crate::Breaker;
use crate::deadline::{after, left};
use crate::window::Window;

/// The breaker of one class of models at one target.
#[derive(Debug, Default)]
pub(crate) struct Circuit {
    window: Window,
    /// Failures since the last success.
    run: u32,
    /// How often it has opened: what began before does not count after.
    era: u32,
    /// Until when it is open, then half-open; `None` while it is closed.
    open_until: Option<Instant>,
    /// The last probe, and until when it keeps others back.
    probe: Probe,
    /// Until when upstream said that a limit is spent.
    cool_until: Option<Instant>,
    /// What last went wrong, and when; `None` once something went well.
    last_failure: Option<(Instant, FailureKind)>,
}

#[derive(Debug, Default)]
struct Probe {
    number: u32,
    reserved_until: Option<Instant>,
}

/// On what terms an attempt was let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pass {
    /// The circuit was closed, in this era.
    Normal(u32),
    /// As the probe of this number.
    Probe(u32),
}

/// Eras are counted in 31 bits: they share a word with a flag.
const ERAS: u32 = u32::MAX >> 1;

/// The wait that is told where only a probe's end is waited for.
const SHORTLY: Duration = Duration::from_secs(1);

// === impl Circuit ===

impl Circuit {
    /// How long it will take no calls; `None` if it takes one now.
    pub(crate) fn closed_for(&self, now: Instant) -> Option<Duration> {
        let open = left(self.open_until, now);
        let cool = left(self.cool_until, now);
        let probe = || {
            let waits_for_probe =
                self.open_until.is_some() && left(self.probe.reserved_until, now).is_some();
            waits_for_probe.then_some(SHORTLY)
        };
        open.max(cool).or_else(probe)
    }

    /// Lets an attempt through, or says how long none will be.
    pub(crate) fn admit(&mut self, breaker: &Breaker, now: Instant) -> Result<Pass, Duration> {
        if let Some(wait) = self.closed_for(now) {
            return Err(wait);
        }
        if self.open_until.is_none() {
            return Ok(Pass::Normal(self.era));
        }
        self.probe.number = self.probe.number.wrapping_add(1);
        self.probe.reserved_until = Some(after(now, breaker.pause()));
        Ok(Pass::Probe(self.probe.number))
    }

    pub(crate) fn succeed(&mut self, pass: Pass, breaker: &Breaker, now: Instant) {
        self.last_failure = None;
        match pass {
            Pass::Probe(_) => {
                self.open_until = None;
                self.probe.reserved_until = None;
                self.forget();
            }
            // Begun before the outage, it says nothing of what came after.
            Pass::Normal(era) if era != self.era => {}
            Pass::Normal(_) => {
                self.run = 0;
                self.window.count(false, breaker.memory(), now);
            }
        }
    }

    pub(crate) fn fail(&mut self, pass: Pass, breaker: &Breaker, now: Instant) {
        match pass {
            // A late probe of an outage that is over does not begin another.
            Pass::Probe(_) if self.open_until.is_none() => {}
            Pass::Probe(_) => self.open(breaker, now),
            Pass::Normal(era) if era != self.era => {}
            Pass::Normal(_) => {
                self.run = self.run.saturating_add(1);
                let tally = self.window.count(true, breaker.memory(), now);
                let in_a_row = self.run >= breaker.limit();
                let is_half = tally.failures >= tally.successes;
                if tally.failures >= breaker.limit() && (in_a_row || is_half) {
                    self.open(breaker, now);
                }
            }
        }
    }

    /// Gives a probe's reservation back without a judgement.
    pub(crate) fn release(&mut self, pass: Pass) {
        if pass == Pass::Probe(self.probe.number) {
            self.probe.reserved_until = None;
        }
    }

    /// Takes no calls for so long; a later deadline that is known already stays.
    pub(crate) fn cool(&mut self, wait: Duration, now: Instant) {
        self.cool_until = self.cool_until.max(Some(after(now, wait)));
    }

    /// Notes what went wrong.
    pub(crate) const fn note(&mut self, kind: FailureKind, now: Instant) {
        self.last_failure = Some((now, kind));
    }

    pub(crate) const fn last_failure(&self) -> Option<(Instant, FailureKind)> {
        self.last_failure
    }

    pub(crate) const fn era(&self) -> u32 {
        self.era
    }

    /// Whether there is nothing to remember: as long as this holds, a success changes nothing.
    pub(crate) fn is_calm(&self, breaker: &Breaker, now: Instant) -> bool {
        self.open_until.is_none()
            && self.last_failure.is_none()
            && left(self.cool_until, now).is_none()
            && !self.window.has_failures(breaker.memory(), now)
    }

    /// Whether it is open or half-open.
    pub(crate) const fn is_open(&self) -> bool {
        self.open_until.is_some()
    }

    /// Whether it is open for a time to come; half-open, it waits for a probe and is not.
    pub(crate) fn is_open_at(&self, now: Instant) -> bool {
        left(self.open_until, now).is_some()
    }

    fn open(&mut self, breaker: &Breaker, now: Instant) {
        self.era = self.era.wrapping_add(1) & ERAS;
        self.open_until = self.open_until.max(Some(after(now, breaker.pause())));
        self.probe.reserved_until = None;
        self.forget();
    }

    fn forget(&mut self) {
        self.run = 0;
        self.window = Window::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BREAKER: Breaker = Breaker::new();

    fn fail(circuit: &mut Circuit, times: usize) {
        for _ in 0..times {
            let now = Instant::now();
            let pass = circuit.admit(&BREAKER, now).unwrap();
            circuit.fail(pass, &BREAKER, now);
        }
    }

    fn succeed(circuit: &mut Circuit, times: usize) {
        for _ in 0..times {
            let now = Instant::now();
            let pass = circuit.admit(&BREAKER, now).unwrap();
            circuit.succeed(pass, &BREAKER, now);
        }
    }

    async fn pass_seconds(seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn opens_on_failures_in_a_row_whatever_came_before() {
        let mut circuit = Circuit::default();
        succeed(&mut circuit, 1000);
        fail(&mut circuit, 4);
        assert!(!circuit.is_open());
        fail(&mut circuit, 1);
        let wait = circuit.admit(&BREAKER, Instant::now());
        assert_eq!(wait, Err(Duration::from_secs(15)));
    }

    #[tokio::test(start_paused = true)]
    async fn opens_when_half_of_the_answers_fail() {
        let mut circuit = Circuit::default();
        for _ in 0..4 {
            succeed(&mut circuit, 1);
            fail(&mut circuit, 1);
        }
        assert!(!circuit.is_open());
        succeed(&mut circuit, 1);
        fail(&mut circuit, 1);
        assert!(circuit.is_open());
    }

    #[tokio::test(start_paused = true)]
    async fn a_busy_target_that_fails_now_and_then_stays_in_use() {
        let mut circuit = Circuit::default();
        for _ in 0..50 {
            succeed(&mut circuit, 9);
            fail(&mut circuit, 1);
        }
        assert!(!circuit.is_open());
    }

    #[tokio::test(start_paused = true)]
    async fn failures_far_apart_do_not_add_up() {
        let mut circuit = Circuit::default();
        for _ in 0..20 {
            fail(&mut circuit, 1);
            pass_seconds(10).await;
        }
        assert!(!circuit.is_open());
    }

    #[tokio::test(start_paused = true)]
    async fn one_probe_at_a_time_and_its_failure_opens_again() {
        let mut circuit = Circuit::default();
        fail(&mut circuit, 5);
        pass_seconds(15).await;
        let now = Instant::now();
        let probe = circuit.admit(&BREAKER, now).unwrap();
        assert_eq!(circuit.admit(&BREAKER, now), Err(SHORTLY));
        circuit.fail(probe, &BREAKER, now);
        assert_eq!(circuit.closed_for(now), Some(Duration::from_secs(15)));

        pass_seconds(15).await;
        let now = Instant::now();
        let probe = circuit.admit(&BREAKER, now).unwrap();
        circuit.succeed(probe, &BREAKER, now);
        assert!(!circuit.is_open());
        fail(&mut circuit, 4);
        assert!(!circuit.is_open(), "it began anew");
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_given_back_makes_room_for_the_next() {
        let mut circuit = Circuit::default();
        fail(&mut circuit, 5);
        pass_seconds(15).await;
        let now = Instant::now();
        let probe = circuit.admit(&BREAKER, now).unwrap();
        circuit.release(probe);
        let next = circuit.admit(&BREAKER, now).unwrap();
        circuit.release(probe);
        assert!(circuit.admit(&BREAKER, now).is_err(), "only once");
        circuit.release(next);
        assert!(circuit.closed_for(now).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_without_end_does_not_keep_the_target_closed() {
        let mut circuit = Circuit::default();
        fail(&mut circuit, 5);
        pass_seconds(15).await;
        let slow = circuit.admit(&BREAKER, Instant::now()).unwrap();
        pass_seconds(15).await;
        let next = circuit.admit(&BREAKER, Instant::now()).unwrap();
        circuit.succeed(next, &BREAKER, Instant::now());
        circuit.fail(slow, &BREAKER, Instant::now());
        assert!(!circuit.is_open());
    }

    #[tokio::test(start_paused = true)]
    async fn what_began_before_an_outage_says_nothing_after_it() {
        let mut circuit = Circuit::default();
        let now = Instant::now();
        let old: Vec<_> = (0..20)
            .map(|_| circuit.admit(&BREAKER, now).unwrap())
            .collect();
        fail(&mut circuit, 5);
        circuit.succeed(old[0], &BREAKER, now);
        assert!(circuit.is_open());
        pass_seconds(15).await;
        let now = Instant::now();
        let probe = circuit.admit(&BREAKER, now).unwrap();
        circuit.succeed(probe, &BREAKER, now);
        for pass in &old[1..] {
            circuit.fail(*pass, &BREAKER, now);
        }
        assert!(!circuit.is_open());
    }

    #[tokio::test(start_paused = true)]
    async fn the_later_of_two_deadlines_wins() {
        let mut circuit = Circuit::default();
        let now = Instant::now();
        circuit.cool(Duration::from_secs(40), now);
        circuit.cool(Duration::from_secs(10), now);
        assert_eq!(circuit.closed_for(now), Some(Duration::from_secs(40)));
        pass_seconds(40).await;
        assert_eq!(circuit.closed_for(Instant::now()), None);
    }
}
