//! Files of the ledger that follow one another.

#![allow(
    clippy::unwrap_used,
    reason = "a test stops at what is not as it should be"
)]

use std::fs::{self, File};
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tower_claude_core::{RequestId, Timestamp};
use tower_claude_usage_meter::{JsonLines, UsageRecord, UsageSink};

/// A folder of its own for a test, gone at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("rotation-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn ledger(&self) -> PathBuf {
        self.0.join("usage.jsonl")
    }

    /// The names in order, with their lines.
    fn files(&self) -> Vec<(String, Vec<String>)> {
        let mut files: Vec<_> = fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| {
                let name = entry.file_name().into_string().unwrap();
                let text = fs::read_to_string(entry.path()).unwrap();
                assert!(text.is_empty() || text.ends_with('\n'), "whole lines");
                (name, text.lines().map(str::to_owned).collect())
            })
            .collect();
        files.sort();
        files
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn record() -> Arc<UsageRecord> {
    let timestamp = Timestamp::from_unix_millis(1_795_169_701_250);
    Arc::new(UsageRecord::new(timestamp, RequestId::generate()))
}

#[test]
fn a_full_file_is_put_aside_under_the_time() {
    let folder = Folder::new("size");
    let builder = JsonLines::builder().rotate_at(NonZeroU64::new(10_000).unwrap());
    let (ledger, writer) = builder.open(folder.ledger()).unwrap();
    let thread = writer.spawn_thread().unwrap();
    for _ in 0..50 {
        ledger.record(record());
        thread.flush().unwrap();
    }
    thread.close().unwrap();
    let files = folder.files();
    assert!(files.len() >= 4, "{files:?}");
    assert_eq!(
        files.iter().map(|(_, lines)| lines.len()).sum::<usize>(),
        50
    );
    for (name, lines) in &files {
        assert!(
            name.starts_with("usage.") && name.ends_with("jsonl"),
            "{name}"
        );
        let bytes: usize = lines.iter().map(|line| line.len() + 1).sum();
        assert!(bytes <= 10_000, "{name} has {bytes} bytes");
    }
    assert_eq!(files.last().unwrap().0, "usage.jsonl");
}

#[test]
fn a_file_of_another_day_is_put_aside() {
    let folder = Folder::new("day");
    // Cut, as by a crash.
    fs::write(folder.ledger(), "{\"timestamp\":\"yesterday\"}").unwrap();
    let yesterday = SystemTime::now() - Duration::from_secs(86_400);
    let file = File::options().append(true).open(folder.ledger()).unwrap();
    file.set_modified(yesterday).unwrap();
    for _ in 0..2 {
        let (ledger, writer) = JsonLines::builder()
            .durable()
            .rotate_daily()
            .open(folder.ledger())
            .unwrap();
        ledger.record(record());
        drop(ledger);
        writer.run().unwrap();
    }
    let files = folder.files();
    assert_eq!(files.len(), 2, "{files:?}");
    assert_eq!(files[0].1, ["{\"timestamp\":\"yesterday\"}"]);
    assert_eq!(files[1].1.len(), 2, "the same day goes on in the same file");
}

#[test]
fn a_file_that_cannot_be_put_aside_goes_on() {
    let folder = Folder::new("stuck");
    let builder = JsonLines::builder().rotate_at(NonZeroU64::MIN);
    let (ledger, writer) = builder.open(folder.ledger()).unwrap();
    let thread = writer.spawn_thread().unwrap();
    ledger.record(record());
    thread.flush().unwrap();
    // What is gone cannot be renamed; what is written goes where it went.
    let elsewhere = folder.0.join("usage.elsewhere.jsonl");
    fs::rename(folder.ledger(), &elsewhere).unwrap();
    ledger.record(record());
    thread.flush().unwrap();
    assert_eq!((ledger.lost(), ledger.failed_writes()), (0, 1));
    thread.close().unwrap();
    assert_eq!(fs::read_to_string(&elsewhere).unwrap().lines().count(), 2);
}
