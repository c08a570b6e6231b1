use std::future::Future as _;
use std::task::Context;

use proptest::prelude::*;
use tokio_test::{assert_pending, assert_ready_eq, task};

use super::*;
use crate::ModelClass;

pub(super) fn queue(most: usize) -> Arc<WaitQueue> {
    Arc::new(WaitQueue::new(NonZeroUsize::new(most).unwrap()))
}

/// Where all wait unless it is said otherwise.
fn lane() -> Lane {
    Lane::new(ModelClass::Opus, [0])
}

fn tenant(name: &str) -> Option<TenantId> {
    Some(TenantId::new(name).unwrap())
}

pub(super) fn join(queue: &Arc<WaitQueue>, name: &str) -> Ticket {
    queue.join(lane(), tenant(name), 3).unwrap()
}

pub(super) fn poll(ticket: &mut Ticket) -> Poll<Result<(), Displaced>> {
    ticket.poll_front(&mut Context::from_waker(Waker::noop()))
}

/// Lets each call have its turn; says whose they were.
fn serve(mut tickets: Vec<Ticket>) -> String {
    let mut turns = String::new();
    while !tickets.is_empty() {
        let first = tickets
            .iter_mut()
            .position(|ticket| poll(ticket).is_ready());
        let ticket = tickets.remove(first.unwrap());
        turns.push_str(ticket.waiter().party.as_ref().map_or("-", TenantId::as_str));
    }
    turns
}

#[test]
fn one_call_at_a_time_is_first_and_the_next_one_is_woken_when_it_leaves() {
    let queue = queue(8);
    let mut first = task::spawn(join(&queue, "a"));
    let mut second = task::spawn(join(&queue, "a"));
    let mut third = task::spawn(join(&queue, "a"));
    assert_ready_eq!(first.enter(|cx, mut ticket| ticket.poll_front(cx)), Ok(()));
    assert_pending!(second.enter(|cx, mut ticket| ticket.poll_front(cx)));
    assert_pending!(third.enter(|cx, mut ticket| ticket.poll_front(cx)));
    assert!(queue.is_waiting(lane()));
    drop(first);
    assert!(second.is_woken() && !third.is_woken());
    assert_ready_eq!(second.enter(|cx, mut ticket| ticket.poll_front(cx)), Ok(()));
    drop(third);
    drop(second);
    assert!(!queue.is_waiting(lane()));
    assert_eq!(queue.len(), 0);
}

#[test]
fn a_flood_of_one_tenant_delays_another_by_one_turn() {
    let queue = queue(1_000);
    let mut tickets: Vec<_> = (0..5).map(|_| join(&queue, "a")).collect();
    tickets.extend([join(&queue, "b"), join(&queue, "c"), join(&queue, "b")]);
    tickets.push(queue.join(lane(), None, 3).unwrap());
    assert_eq!(serve(tickets), "abc-abaaa");
}

#[test]
fn who_comes_back_after_its_turn_does_not_come_before_who_waits() {
    let queue = queue(1_000);
    let mut flood: Vec<_> = (0..10).map(|_| join(&queue, "a")).collect();
    let mut turns = String::new();
    let mut single = join(&queue, "b");
    for _ in 0..10 {
        if poll(&mut single).is_ready() {
            // At once, or before the place is left: the same.
            drop(single);
            single = join(&queue, "b");
            turns.push('b');
        } else {
            assert!(poll(&mut flood[0]).is_ready());
            drop(flood.remove(0));
            turns.push('a');
        }
    }
    assert_eq!(turns, "ababababab");
}

#[test]
fn who_comes_late_does_not_come_before_turns_of_this_round() {
    let queue = queue(1_000);
    let mut tickets: Vec<_> = ["a", "b", "a", "b"].map(|name| join(&queue, name)).into();
    for _ in 0..3 {
        assert!(poll(&mut tickets[0]).is_ready());
        drop(tickets.remove(0));
    }
    tickets.push(join(&queue, "c"));
    assert_eq!(serve(tickets), "bc");
}

#[test]
fn calls_that_give_up_leave_their_tenants_turn_to_its_next_one() {
    let queue = queue(1_000);
    let mut tickets: Vec<_> = (0..4).map(|_| join(&queue, "a")).collect();
    let mut others: Vec<_> = (0..100).map(|_| join(&queue, "b")).collect();
    others.drain(..99);
    tickets.append(&mut others);
    assert_eq!(serve(tickets), "abaaa");
}

#[test]
fn the_most_urgent_come_first_and_stand_before_who_is_first_already() {
    let queue = queue(8);
    let mut late = queue.join(lane(), tenant("a"), 255).unwrap();
    assert!(poll(&mut late).is_ready());
    let mut later = queue.join(lane(), tenant("a"), 7).unwrap();
    let mut urgent = task::spawn(queue.join(lane(), tenant("a"), 0).unwrap());
    assert_pending!(poll(&mut late));
    assert_ready_eq!(urgent.enter(|cx, mut ticket| ticket.poll_front(cx)), Ok(()));
    drop(urgent);
    assert!(poll(&mut late).is_ready(), "255 is no less urgent than 7");
    drop(late);
    assert!(poll(&mut later).is_ready());
}

#[test]
fn lanes_do_not_wait_for_each_other_but_share_the_bound() {
    let queue = queue(2);
    let other = Lane::new(ModelClass::Sonnet, [0]);
    let mut here = join(&queue, "a");
    let mut there = queue.join(other, tenant("a"), 3).unwrap();
    assert!(poll(&mut here).is_ready() && poll(&mut there).is_ready());
    assert_eq!(queue.join(other, tenant("a"), 3).unwrap_err(), Full);
    assert!(!queue.is_waiting(Lane::new(ModelClass::Haiku, [0])));
}

#[test]
fn a_more_urgent_call_takes_the_place_of_the_least_urgent_one() {
    let queue = queue(2);
    let mut old = task::spawn(queue.join(lane(), tenant("a"), 5).unwrap());
    let mut young = task::spawn(queue.join(lane(), tenant("a"), 5).unwrap());
    assert_pending!(young.enter(|cx, mut ticket| ticket.poll_front(cx)));
    assert_eq!(queue.join(lane(), tenant("a"), 5).unwrap_err(), Full);
    assert_eq!(queue.join(lane(), tenant("a"), 6).unwrap_err(), Full);
    let mut urgent = queue.join(lane(), tenant("a"), 4).unwrap();
    assert!(young.is_woken());
    assert_ready_eq!(
        young.enter(|cx, mut ticket| ticket.poll_front(cx)),
        Err(Displaced)
    );
    assert_pending!(old.enter(|cx, mut ticket| ticket.poll_front(cx)));
    drop(young);
    assert_eq!(queue.len(), 2);
    assert!(poll(&mut urgent).is_ready());
    drop(urgent);
    assert!(old.is_woken());
}

#[test]
fn a_flood_that_fills_the_queue_gives_way_to_tenants_with_fewer() {
    let queue = queue(9);
    let mut tickets: Vec<_> = (0..9).map(|_| join(&queue, "a")).collect();
    for name in ["b", "c"].repeat(3) {
        tickets.push(join(&queue, name));
    }
    for name in ["a", "b", "c"] {
        assert_eq!(queue.join(lane(), tenant(name), 3).unwrap_err(), Full);
    }
    tickets.retain_mut(|ticket| poll(ticket) != Poll::Ready(Err(Displaced)));
    assert_eq!(serve(tickets), "abcabcabc");
}

#[test]
fn a_waker_may_come_back_to_the_queue() {
    /// Holds a place until it is woken or dropped.
    struct Holder(Mutex<Option<Ticket>>);

    impl std::task::Wake for Holder {
        fn wake(self: Arc<Self>) {
            self.0.lock().unwrap().take();
        }
    }

    let queue = queue(8);
    let mut first = join(&queue, "a");
    let mut second = join(&queue, "a");
    let holder = |ticket| Waker::from(Arc::new(Holder(Mutex::new(Some(ticket)))));
    let dropped = holder(join(&queue, "a"));
    let woken = holder(join(&queue, "a"));
    assert_pending!(second.poll_front(&mut Context::from_waker(&dropped)));
    drop(dropped);
    assert_eq!(queue.len(), 4);
    assert_pending!(second.poll_front(&mut Context::from_waker(&woken)));
    assert_eq!(queue.len(), 3);
    assert!(poll(&mut first).is_ready());
    drop((woken, first));
    assert_eq!(queue.len(), 1);
}

proptest! {
    #[test]
    fn tenants_that_wait_all_the_time_have_as_many_turns(
        joins in proptest::collection::vec(0..3_usize, 0..60),
        leaves in proptest::collection::vec(any::<usize>(), 0..20),
    ) {
        let names = ["a", "b", "c"];
        let queue = queue(1_000);
        let mut tickets: Vec<_> = joins.iter().map(|at| join(&queue, names[*at])).collect();
        for at in leaves {
            if let Some(at) = at.checked_rem(tickets.len()) {
                drop(tickets.swap_remove(at));
            }
        }
        let left = |turns: &str, name| turns.matches(name).count();
        let turns = serve(tickets);
        for (at, _) in turns.char_indices() {
            let (past, future) = turns.split_at(at);
            for (one, other) in [("a", "b"), ("b", "c"), ("c", "a")] {
                if left(future, one) > 0 && left(future, other) > 0 {
                    prop_assert!(left(past, one).abs_diff(left(past, other)) <= 1, "{}", turns);
                }
            }
        }
    }
}

#[test]
fn threads_that_come_and_go_never_sleep_for_good() {
    let queue = queue(6);
    let run = |name: String, urgency: u8| {
        let queue = Arc::clone(&queue);
        let calls = async move {
            let (mut turns, mut misses) = (0, 0);
            for number in 0..2_000 {
                let Ok(mut ticket) = queue.join(lane(), tenant(&name), urgency) else {
                    misses += 1;
                    continue;
                };
                let mut front = std::pin::pin!(std::future::poll_fn(|cx| ticket.poll_front(cx)));
                if number % 5 == 0 {
                    // Gives up after a look.
                    let _ = std::future::poll_fn(|cx| Poll::Ready(front.as_mut().poll(cx))).await;
                    continue;
                }
                match front.await {
                    Ok(()) => turns += 1,
                    Err(Displaced) => misses += 1,
                }
            }
            (turns, misses)
        };
        let patience = std::time::Duration::from_secs(60);
        let calls = async { tokio::time::timeout(patience, calls).await.unwrap() };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        runtime.unwrap().block_on(calls)
    };
    let (turns, misses) = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8_u8)
            .map(|thread| scope.spawn(move || run(format!("tenant-{}", thread % 3), thread / 3)))
            .collect();
        let ended = threads.into_iter().map(|thread| thread.join().unwrap());
        ended.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    });
    assert!(turns > 0 && turns + misses <= 16_000);
    assert_eq!(queue.len(), 0);
    assert!(queue.lines().lines.is_empty());
}
