//! The file sink: nothing lost that need not be, everything lost counted.
#![allow(
    clippy::unwrap_used,
    reason = "a test stops at what is not as it should be"
)]

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tower_claude_core::{RequestId, Timestamp};
use tower_claude_usage_meter::{JsonLines, UsageRecord, UsageSink};

fn record() -> UsageRecord {
    UsageRecord::new(
        Timestamp::from_unix_millis(1_795_169_701_250),
        RequestId::generate(),
    )
}

/// A file of its own for a test, gone at its end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let file = format!("usage-{name}-{}.jsonl", std::process::id());
        Self(std::env::temp_dir().join(file))
    }

    fn lines(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.0).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn ten_thousand_records_are_all_there_after_close() {
    let file = Scratch::new("close");
    let (ledger, writer) = JsonLines::open(&file.0).unwrap();
    let writer = writer.spawn_thread().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..2_500 {
                    ledger.record(Arc::new(record()));
                }
            });
        }
    });
    writer.close().unwrap();
    assert_eq!(ledger.lost(), 0);
    let lines = file.lines();
    assert_eq!(lines.len(), 10_000);
    for line in &lines {
        assert!(
            line.starts_with(r#"{"timestamp""#) && line.ends_with('}'),
            "{line}"
        );
    }
    ledger.record(Arc::new(record()));
    assert_eq!(ledger.lost(), 1, "too late");
}

#[test]
fn flush_waits_until_it_is_in_the_file() {
    let file = Scratch::new("flush");
    let (ledger, writer) = JsonLines::open(&file.0).unwrap();
    let writer = writer.spawn_thread().unwrap();
    for count in 1..=20 {
        ledger.record(Arc::new(record()));
        writer.flush().unwrap();
        assert_eq!(file.lines().len(), count);
    }
    drop(ledger);
    writer.close().unwrap();
}

#[test]
fn a_writer_ends_when_the_last_sink_is_gone() {
    let file = Scratch::new("gone");
    let (ledger, writer) = JsonLines::open(&file.0).unwrap();
    ledger.record(Arc::new(record()));
    drop(ledger);
    writer.run().unwrap();
    assert_eq!(file.lines().len(), 1);
}

#[test]
fn a_line_that_a_crash_has_cut_is_ended_first() {
    let file = Scratch::new("torn");
    std::fs::write(&file.0, "{\"timestamp\":\"20").unwrap();
    let (ledger, writer) = JsonLines::open(&file.0).unwrap();
    ledger.record(Arc::new(record()));
    drop(ledger);
    writer.run().unwrap();
    assert_eq!(file.lines().len(), 2);
    assert!(file.lines()[1].starts_with(r#"{"timestamp":"2026"#));
}

#[test]
fn a_full_queue_loses_and_counts() {
    let (ledger, writer) = JsonLines::new(io::sink(), NonZeroUsize::new(2).unwrap());
    for _ in 0..5 {
        ledger.record(Arc::new(record()));
    }
    assert_eq!(ledger.lost(), 3);
    drop(writer);
    ledger.record(Arc::new(record()));
    assert_eq!(ledger.lost(), 4);
}

/// Writes three bytes at a time and fails so many times in between.
#[derive(Clone, Default)]
struct BadDisk {
    written: Arc<Mutex<Vec<u8>>>,
    failures: Arc<AtomicUsize>,
}

impl Write for BadDisk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut written = self.written.lock().unwrap();
        let may_fail = written.len() > 100;
        let left = |left: usize| left.checked_sub(1);
        if may_fail
            && self
                .failures
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, left)
                .is_ok()
        {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let length = bytes.len().min(3);
        written.extend_from_slice(&bytes[..length]);
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_could_not_be_written_is_written_later_and_once() {
    let disk = BadDisk::default();
    disk.failures.store(3, Ordering::SeqCst);
    let (ledger, writer) = JsonLines::new(disk.clone(), JsonLines::CAPACITY);
    let writer = writer.spawn_thread().unwrap();
    for _ in 0..10 {
        ledger.record(Arc::new(record()));
    }
    writer.close().unwrap();
    assert_eq!((ledger.lost(), ledger.failed_writes()), (0, 3));
    let written = String::from_utf8(disk.written.lock().unwrap().clone()).unwrap();
    assert_eq!(written.lines().count(), 10);
    assert!(
        written
            .lines()
            .all(|line| line.starts_with("{\"t") && line.ends_with('}'))
    );
}

#[test]
fn a_disk_that_stays_bad_does_not_hold_up_the_end() {
    let disk = BadDisk::default();
    disk.failures.store(usize::MAX, Ordering::SeqCst);
    let (ledger, writer) = JsonLines::new(disk.clone(), NonZeroUsize::new(4).unwrap());
    let writer = writer.spawn_thread().unwrap();
    for _ in 0..100 {
        ledger.record(Arc::new(record()));
    }
    assert_eq!(
        writer.close().unwrap_err().kind(),
        io::ErrorKind::StorageFull
    );
    assert_eq!(ledger.lost(), 100, "all are accounted for");
}
