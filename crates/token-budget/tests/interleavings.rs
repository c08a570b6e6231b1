//! The one counter that shards share without a lock, in every order of its steps.

/// What the counter is made of, under the eyes of loom.
mod sync {
    pub(crate) use loom::sync::atomic::{AtomicUsize, Ordering};
}

#[path = "../src/books/owner_count.rs"]
mod owner_count;

use loom::sync::Arc;
use loom::thread;
use owner_count::OwnerCount;

#[test]
fn there_are_never_more_owners_than_the_books_were_made_for() {
    loom::model(|| {
        let count = Arc::new(OwnerCount::new(1));
        let inside = Arc::new(loom::sync::atomic::AtomicUsize::new(0));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let (count, inside) = (Arc::clone(&count), Arc::clone(&inside));
                thread::spawn(move || {
                    if !count.enter() {
                        return 0;
                    }
                    let before = inside.fetch_add(1, loom::sync::atomic::Ordering::SeqCst);
                    assert_eq!(before, 0, "two are inside");
                    assert!(count.get() <= count.most());
                    inside.fetch_sub(1, loom::sync::atomic::Ordering::SeqCst);
                    count.leave(1);
                    1
                })
            })
            .collect();
        let entered: usize = threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or(0))
            .sum();
        assert!(entered >= 1, "nobody was let in");
        assert_eq!(count.get(), 0);
    });
}
