//! The queue and its model, step by step: which call is first, and that it knows.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, Wake, Waker};

use proptest::prelude::*;

use super::model::Model;
use super::*;
use crate::ModelClass;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// In a lane, of a tenant, so urgent.
    Join(u8, u8, u8),
    Poll(usize),
    Leave(usize),
    /// The first of a lane has its turn.
    Serve(u8),
}

struct World {
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
}

#[derive(Default)]
struct Wakes(AtomicUsize);

const LANES: usize = 3;

// === impl World ===

impl World {
    fn new(most: usize) -> Self {
        Self {
            queue: Arc::new(WaitQueue::new(NonZeroUsize::new(most).unwrap())),
            calls: Vec::new(),
            model: Model::default(),
        }
    }

    fn step(&mut self, step: Step) {
        let firsts = self.firsts();
        let wakes: Vec<_> = self.wakes().collect();
        let displaced = match step {
            Step::Join(lane, tenant, urgency) => self.join(lane, tenant, urgency),
            Step::Poll(at) => {
                if let Some(at) = at.checked_rem(self.calls.len()) {
                    self.poll(at);
                }
                None
            }
            Step::Leave(at) => {
                if let Some(at) = at.checked_rem(self.calls.len()) {
                    self.leave(at);
                }
                None
            }
            Step::Serve(lane) => {
                let first = firsts[usize::from(lane)];
                if let Some(at) = self
                    .calls
                    .iter()
                    .position(|call| Some(call.number) == first)
                {
                    self.poll(at);
                    self.leave(at);
                }
                None
            }
        };
        self.check_firsts();
        let told: Vec<_> = self
            .firsts()
            .into_iter()
            .filter(|first| !firsts.contains(first))
            .chain([displaced])
            .flatten()
            .collect();
        for (number, count) in self.wakes() {
            let before = wakes.iter().find(|(other, _)| *other == number);
            let woken = count - before.map_or(0, |(_, count)| *count);
            assert!(
                woken <= usize::from(told.contains(&number)),
                "woken for nothing"
            );
        }
        for call in self.calls.iter().filter(|call| told.contains(&call.number)) {
            if let LastPoll::Pending(wakes) = call.last_poll {
                assert!(call.wakes.0.load(Relaxed) > wakes, "a wake-up was lost");
            }
        }
    }

    /// Says who was sent away for it.
    fn join(&mut self, lane: u8, tenant: u8, urgency: u8) -> Option<u64> {
        let (lane, party) = (in_class(lane), party(tenant));
        let joined = self.queue.join(lane, party.clone(), urgency);
        let expected = self.model.join(self.queue.most, (lane, urgency), party);
        assert_eq!(joined.is_ok(), expected.is_ok());
        let (number, displaced) = expected.ok()?;
        self.calls.push(Call {
            ticket: joined.unwrap(),
            number,
            wakes: Arc::default(),
            last_poll: LastPoll::Never,
        });
        displaced
    }

    fn poll(&mut self, at: usize) {
        let call = &mut self.calls[at];
        let waker = Waker::from(Arc::clone(&call.wakes));
        let wakes = call.wakes.0.load(Relaxed);
        let poll = call.ticket.poll_front(&mut Context::from_waker(&waker));
        call.last_poll = match poll {
            Poll::Pending => LastPoll::Pending(wakes),
            Poll::Ready(_) => LastPoll::Ready,
        };
        assert_eq!(poll, self.model.poll(call.number));
    }

    fn leave(&mut self, at: usize) {
        let call = self.calls.swap_remove(at);
        self.model.leave(call.number);
    }

    fn check_firsts(&self) {
        assert_eq!(self.queue.len(), self.model.waiting.len());
        for (lane, first) in (0..).map(in_class).zip(self.firsts()) {
            assert_eq!(self.queue.lines().first(lane), first);
            assert_eq!(self.queue.is_waiting(lane), first.is_some());
        }
    }

    /// Who is first in each lane, by the model.
    fn firsts(&self) -> [Option<u64>; LANES] {
        let mut classes = 0..;
        [(); LANES].map(|()| {
            let first = self.model.first(in_class(classes.next().unwrap()));
            first.map(|entry| entry.number)
        })
    }

    fn wakes(&self) -> impl Iterator<Item = (u64, usize)> {
        let calls = self.calls.iter();
        calls.map(|call| (call.number, call.wakes.0.load(Relaxed)))
    }
}

fn in_class(class: u8) -> Lane {
    Lane::new(ModelClass::ALL[usize::from(class)], [])
}

fn party(tenant: u8) -> Party {
    let names = [None, Some("a"), Some("b"), Some("c")];
    names[usize::from(tenant)].map(|name| TenantId::new(name).unwrap())
}

// === impl Wakes ===

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

#[test]
fn every_order_of_a_few_steps_is_as_in_the_model() {
    let steps = [
        Step::Join(0, 0, 3),
        Step::Join(0, 1, 3),
        Step::Join(0, 1, 0),
        Step::Join(1, 1, 3),
        Step::Poll(0),
        Step::Poll(1),
        Step::Leave(0),
        Step::Leave(1),
        Step::Serve(0),
    ];
    const DEPTH: u32 = 5;
    for order in 0..steps.len().pow(DEPTH) {
        let mut world = World::new(3);
        // Before the first call there is nothing to order.
        world.step(steps[1]);
        (0..DEPTH).fold(order, |order, _| {
            world.step(steps[order % steps.len()]);
            order / steps.len()
        });
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3_u8, 0..4_u8, 2..5_u8)
            .prop_map(|(lane, tenant, urgency)| Step::Join(lane, tenant, urgency)),
        4 => any::<usize>().prop_map(Step::Poll),
        2 => any::<usize>().prop_map(Step::Leave),
        3 => (0..3_u8).prop_map(Step::Serve),
    ]
}

proptest! {
    #[test]
    fn every_history_is_as_in_the_model(
        most in 1..12_usize,
        steps in proptest::collection::vec(step(), 1..200),
    ) {
        let mut world = World::new(most);
        for step in steps {
            world.step(step);
        }
    }
}
