use std::io::Write;
use std::sync::mpsc::TrySendError;

use tower_claude_core::{RequestId, Timestamp};

use super::*;
use crate::outbox::{Outbox, PATIENCE};
use crate::{Overflow, Undelivered, UsageRecord};

/// Says what it was asked to sync, and does as it is told.
struct Disk {
    asked: SyncSender<()>,
    answers: Receiver<bool>,
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Output for Disk {
    fn begin(&mut self, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.asked.send(()).map_err(io::Error::other)?;
        match self.answers.recv() {
            Ok(true) => Ok(()),
            _ => Err(io::Error::other("no sync")),
        }
    }
}

fn record() -> Arc<UsageRecord> {
    let timestamp = Timestamp::from_unix_millis(1_795_169_701_250);
    Arc::new(UsageRecord::new(timestamp, RequestId::generate()))
}

type Ends = (Outbox<SyncSender<Message>>, JsonLinesWriter);

fn durable(out: impl Output + 'static, capacity: usize) -> Ends {
    let (queue, receiver) = mpsc::sync_channel(capacity);
    let counters = Arc::<Counters>::default();
    let writer = JsonLinesWriter::new(
        Box::new(out),
        receiver,
        queue.clone(),
        Arc::clone(&counters),
        NonZeroUsize::new(capacity),
    );
    (
        Outbox::new(queue, Overflow::Wait(PATIENCE), counters),
        writer,
    )
}

#[tokio::test]
async fn a_disk_that_cannot_be_synced_fails_until_it_can() {
    let (asked, is_asked) = mpsc::sync_channel(0);
    let (answer, answers) = mpsc::sync_channel(0);
    let (outbox, writer) = durable(Disk { asked, answers }, 16);
    let writer = writer.spawn_thread().unwrap();
    let within = || is_asked.recv_timeout(2 * PATIENCE).is_ok();
    let delivery = outbox.deliver(record(), true);
    for _ in 0..3 {
        assert!(within(), "it is synced although nobody waits any more");
        answer.send(false).unwrap();
    }
    assert_eq!(delivery.await, Err(Undelivered));
    assert!(within());
    assert!(outbox.is_failing(), "lines can be written, and that is all");
    assert_eq!(outbox.deliver(record(), true).await, Err(Undelivered));
    answer.send(true).unwrap();

    // What nobody waits for is not synced any more.
    writer.flush().unwrap();
    assert!(!outbox.is_failing());
    let delivery = outbox.deliver(record(), true);
    assert!(within());
    answer.send(true).unwrap();
    assert_eq!(delivery.await, Ok(()));
    drop((is_asked, answer));
    assert!(writer.close().is_err(), "nor can the end be synced");
}

#[tokio::test]
async fn those_beyond_a_full_backlog_are_told_too() {
    let (outbox, mut writer) = durable(super::super::output::Other(io::sink()), 3);
    let plain = || Message::Record(Parcel::new(record()));
    writer
        .backlog
        .extend((1..JsonLines::CAPACITY.get()).map(|_| plain()));
    let deliveries = [(); 3].map(|()| outbox.deliver(record(), true));
    writer.disappoint(true);
    for delivery in deliveries {
        assert_eq!(delivery.await, Err(Undelivered));
    }
    assert_eq!(writer.backlog.len(), JsonLines::CAPACITY.get());
    assert_eq!(outbox.counters().lost.load(Relaxed), 2);

    // Those who came since do not wait, and stay where there is room for them.
    outbox.counters().is_failing.store(true, Relaxed);
    for _ in 0..3 {
        assert_eq!(outbox.deliver(record(), true).await, Err(Undelivered));
    }
    writer.disappoint(false);
    assert_eq!(outbox.counters().lost.load(Relaxed), 2);
    let queue = writer.queue.as_ref().unwrap();
    assert!(matches!(
        queue.try_send(plain()),
        Err(TrySendError::Full(_))
    ));
}
