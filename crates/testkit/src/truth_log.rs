use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{Method, Uri};

use crate::receipt::Receipt;
use crate::{Ended, ReportedUsage, TruthEntry};

/// What a fake was asked and what usage it reported, one entry a call.
///
/// A shared handle, from [`FakeClaude::truth`](crate::FakeClaude::truth). An entry appears
/// when the call starts and is finished by the response body, when it ends or is dropped.
#[derive(Clone, Debug, Default)]
pub struct TruthLog {
    entries: Arc<Mutex<Vec<TruthEntry>>>,
}

// === impl TruthLog ===

impl TruthLog {
    /// All entries so far, in the order of the calls.
    #[must_use]
    pub fn entries(&self) -> Vec<TruthEntry> {
        self.lock().clone()
    }

    /// The sum of the usage of all entries whose final usage was delivered.
    #[must_use]
    pub fn totals(&self) -> ReportedUsage {
        self.lock()
            .iter()
            .filter(|entry| entry.final_usage_delivered)
            .fold(ReportedUsage::default(), |sum, entry| sum.plus(entry.usage))
    }

    /// All entries, one JSON object a line.
    #[must_use]
    pub fn to_jsonl(&self) -> String {
        let mut lines = Vec::new();
        for entry in self.lock().iter() {
            serde_json::to_writer(&mut lines, entry).expect("an entry is plain data");
            lines.push(b'\n');
        }
        String::from_utf8(lines).expect("JSON is UTF-8")
    }

    /// Writes [`to_jsonl`](Self::to_jsonl) to a file, replacing what it held.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn write_jsonl(&self, path: impl AsRef<Path>) -> io::Result<()> {
        std::fs::File::create(path)?.write_all(self.to_jsonl().as_bytes())
    }

    pub(crate) fn begin(&self, call: u64, method: &Method, uri: &Uri) -> Receipt {
        let mut entries = self.lock();
        entries.push(TruthEntry {
            call,
            method: method.as_str().to_owned(),
            path: uri.path().to_owned(),
            model: None,
            stream: false,
            status: None,
            error_type: None,
            usage: ReportedUsage::default(),
            final_usage_delivered: false,
            ended: Ended::InProgress,
            frames: 0,
            events: 0,
        });
        Receipt::new(self.clone(), entries.len() - 1)
    }

    pub(crate) fn edit(&self, index: usize, edit: impl FnOnce(&mut TruthEntry)) {
        if let Some(entry) = self.lock().get_mut(index) {
            edit(entry);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<TruthEntry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
