//! What the queue keeps of calls that are gone.

use std::collections::VecDeque;
use std::mem;

use super::tests::{join, poll, queue};
use super::*;

/// Of how many tenants the queue keeps anything.
fn remembered(queue: &WaitQueue) -> usize {
    let lines = queue.lines();
    lines.lines.values().map(Line::remembered).sum()
}

#[test]
fn nothing_is_kept_of_a_hundred_thousand_calls_that_gave_up() {
    let queue = queue(1_024);
    let keeps_the_line = join(&queue, "a");
    for number in 0..100_000 {
        drop(join(&queue, &format!("tenant-{number}")));
    }
    assert_eq!(remembered(&queue), 1);
    drop(keeps_the_line);
    assert!(queue.lines().lines.is_empty());
}

#[test]
fn nor_is_much_kept_of_as_many_that_had_their_turn() {
    let queue = queue(1_024);
    let mut first = join(&queue, "a");
    for number in 0..100_000 {
        let next = join(&queue, &format!("tenant-{number}"));
        assert!(poll(&mut first).is_ready());
        drop(mem::replace(&mut first, next));
        assert!(remembered(&queue) <= 1_024);
    }
}

#[test]
fn tenants_that_come_and_go_are_remembered_once_and_then_forgotten() {
    let queue = queue(1_024);
    let mut flood: VecDeque<_> = (0..4).map(|_| join(&queue, "a")).collect();
    let mut serve_one = || {
        let mut first = flood.pop_front().unwrap();
        assert!(poll(&mut first).is_ready());
    };
    serve_one();
    assert!(poll(&mut join(&queue, "b")).is_ready());
    for _ in 0..1_000 {
        drop(join(&queue, "b"));
    }
    assert_eq!(remembered(&queue), 2);
    // It waits while the round ends, and is forgotten at the end of the next.
    let mut waits = join(&queue, "b");
    serve_one();
    assert!(poll(&mut waits).is_ready());
    drop(waits);
    assert_eq!(remembered(&queue), 2);
    serve_one();
    assert_eq!(remembered(&queue), 1);
}
