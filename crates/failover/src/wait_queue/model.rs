//! The queue beside a naive model of it: lists, no wakers, nothing ever forgotten.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, Wake, Waker};

use super::*;

#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Join { lane: u8, tenant: u8, urgency: u8 },
    Poll(usize),
    Leave(usize),
}

pub(super) struct World {
    queue: Arc<WaitQueue>,
    calls: Vec<Call>,
    model: Model,
}

struct Call {
    ticket: Ticket,
    number: u64,
    wakes: Arc<Wakes>,
    last_poll: LastPoll,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum LastPoll {
    Never,
    /// After so many wakes.
    Pending(usize),
    Ready,
    Displaced,
}

#[derive(Default)]
struct Wakes(AtomicUsize);

#[derive(Default)]
struct Model {
    waiting: Vec<Entry>,
    /// In which round a tenant is due, and in which round its line is.
    due: HashMap<(Place, Party), u64>,
    rounds: HashMap<Place, u64>,
    number: u64,
}

type Place = (Lane, u8);

#[derive(Clone, PartialEq)]
struct Entry {
    place: Place,
    party: Party,
    number: u64,
    had_turn: bool,
}

// === impl World ===

impl World {
    pub(super) fn new(most: usize) -> Self {
        Self {
            queue: Arc::new(WaitQueue::new(NonZeroUsize::new(most).unwrap())),
            calls: Vec::new(),
            model: Model::default(),
        }
    }

    pub(super) fn step(&mut self, step: Step) {
        let wakes_before = self.wakes();
        let mut displaced = None;
        let pick = |at: usize| at.checked_rem(self.calls.len());
        match step {
            Step::Join {
                lane,
                tenant,
                urgency,
            } => {
                let lane = Lane {
                    class: lane,
                    ..Lane::default()
                };
                let party = party(tenant);
                let joined = self.queue.join(lane, party.clone(), urgency);
                let expected = self.model.join(self.queue.most, (lane, urgency), party);
                assert_eq!(joined.is_ok(), expected.is_ok());
                if let (Ok(ticket), Ok((number, victim))) = (joined, expected) {
                    displaced = victim;
                    self.calls.push(Call {
                        ticket,
                        number,
                        wakes: Arc::default(),
                        last_poll: LastPoll::Never,
                    });
                }
            }
            Step::Poll(at) => {
                let Some(at) = pick(at) else { return };
                let call = &mut self.calls[at];
                let waker = Waker::from(Arc::clone(&call.wakes));
                let wakes = call.wakes.0.load(Relaxed);
                let poll = call.ticket.poll_front(&mut Context::from_waker(&waker));
                call.last_poll = match poll {
                    Poll::Pending => LastPoll::Pending(wakes),
                    Poll::Ready(Ok(())) => LastPoll::Ready,
                    Poll::Ready(Err(Displaced)) => LastPoll::Displaced,
                };
                assert_eq!(poll, self.model.poll(call.number));
            }
            Step::Leave(at) => {
                let Some(at) = pick(at) else { return };
                let call = self.calls.swap_remove(at);
                self.model.leave(call.number);
            }
        }
        self.check(displaced);
        let woken = self.wakes() - wakes_before.min(self.wakes());
        assert!(
            woken <= 1 + usize::from(displaced.is_some()),
            "{woken} woken"
        );
    }

    fn check(&self, displaced: Option<u64>) {
        assert_eq!(self.queue.len(), self.model.waiting.len());
        for class in 0..3 {
            let lane = Lane {
                class,
                ..Lane::default()
            };
            let first = self.model.first(lane).map(|entry| entry.number);
            assert_eq!(self.queue.lines().first(lane), first);
            assert_eq!(self.queue.is_waiting(lane), first.is_some());
            let told = [first, displaced];
            for call in self
                .calls
                .iter()
                .filter(|call| told.contains(&Some(call.number)))
            {
                if let LastPoll::Pending(wakes) = call.last_poll {
                    assert!(call.wakes.0.load(Relaxed) > wakes, "a wake-up was lost");
                }
            }
        }
    }

    fn wakes(&self) -> usize {
        let calls = self.calls.iter();
        calls.map(|call| call.wakes.0.load(Relaxed)).sum()
    }
}

fn party(tenant: u8) -> Party {
    (tenant > 0).then(|| TenantId::new(&format!("tenant-{tenant}")).unwrap())
}

// === impl Wakes ===

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

// === impl Model ===

impl Model {
    /// The number of the call that joined, and of the one that was sent away for it.
    fn join(
        &mut self,
        most: usize,
        place: Place,
        party: Party,
    ) -> Result<(u64, Option<u64>), Full> {
        let mut victim = None;
        if self.waiting.len() == most {
            let own = self.length(place, &party);
            let worst = self.waiting.iter().max_by_key(|entry| {
                let length = self.length(entry.place, &entry.party);
                (
                    entry.place.1,
                    length,
                    entry.place.0,
                    entry.party.clone(),
                    entry.number,
                )
            });
            let worst = worst.cloned().unwrap();
            let length = self.length(worst.place, &worst.party);
            if worst.place.1 < place.1 || worst.place.1 == place.1 && length <= own + 1 {
                return Err(Full);
            }
            victim = Some(worst.number);
            self.take(worst.number);
        }
        self.number += 1;
        if self.length(place, &party) == 0 {
            let round = self.rounds.get(&place).copied().unwrap_or(0);
            let due = self.due.entry((place, party.clone())).or_default();
            *due = round.max(*due);
        }
        let number = self.number;
        self.waiting.push(Entry {
            place,
            party,
            number,
            had_turn: false,
        });
        Ok((number, victim))
    }

    fn poll(&mut self, number: u64) -> Poll<Result<(), Displaced>> {
        let Some(at) = self.waiting.iter().position(|entry| entry.number == number) else {
            return Poll::Ready(Err(Displaced));
        };
        let lane = self.waiting[at].place.0;
        if self.first(lane).map(|entry| entry.number) != Some(number) {
            return Poll::Pending;
        }
        self.waiting[at].had_turn = true;
        Poll::Ready(Ok(()))
    }

    fn leave(&mut self, number: u64) {
        let Some(entry) = self.waiting.iter().find(|entry| entry.number == number) else {
            return;
        };
        if entry.had_turn {
            let due = self
                .due
                .entry((entry.place, entry.party.clone()))
                .or_default();
            let round = self.rounds.entry(entry.place).or_default();
            *round = (*round).max(*due);
            *due += 1;
        }
        self.take(number);
    }

    fn take(&mut self, number: u64) {
        let at = self.waiting.iter().position(|entry| entry.number == number);
        let place = self.waiting.remove(at.unwrap()).place;
        if self.waiting.iter().all(|entry| entry.place != place) {
            self.rounds.remove(&place);
            self.due.retain(|(other, _), _| *other != place);
        }
    }

    fn first(&self, lane: Lane) -> Option<&Entry> {
        let in_lane = self.waiting.iter().filter(|entry| entry.place.0 == lane);
        let first_of_tenant = in_lane.filter(|entry| {
            !self.waiting.iter().any(|other| {
                (other.place, &other.party) == (entry.place, &entry.party)
                    && other.number < entry.number
            })
        });
        first_of_tenant.min_by_key(|entry| {
            let due = self.due[&(entry.place, entry.party.clone())];
            (entry.place.1, due, entry.number)
        })
    }

    fn length(&self, place: Place, party: &Party) -> usize {
        let same = |entry: &&Entry| (entry.place, &entry.party) == (place, party);
        self.waiting.iter().filter(same).count()
    }
}
