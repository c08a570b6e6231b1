use std::num::NonZeroU64;
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::UsageRecord;
use crate::ledger_line::LedgerLine;
use crate::outbox::Parcel;

/// Records on their way, as the commands that add them.
pub(super) struct Batch {
    key: Arc<str>,
    max_len: Option<NonZeroU64>,
    line: LedgerLine,
    /// Where a record is written before its command is.
    scratch: Vec<u8>,
    commands: Vec<u8>,
    entries: Vec<Entry>,
}

/// One record of the batch.
struct Entry {
    /// How many bytes its command has.
    length: usize,
    receipt: Option<oneshot::Sender<()>>,
    is_there: bool,
}

/// No more is gathered beyond so many bytes.
const FULL: usize = 256 * 1024;

// === impl Batch ===

impl Batch {
    pub(super) fn new(key: Arc<str>, max_len: Option<NonZeroU64>) -> Self {
        Self {
            key,
            max_len,
            line: LedgerLine::default(),
            scratch: Vec::new(),
            commands: Vec::new(),
            entries: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, Parcel { record, receipt }: Parcel) {
        let start = self.commands.len();
        self.write(&record);
        self.entries.push(Entry {
            length: self.commands.len() - start,
            receipt,
            is_there: false,
        });
    }

    fn write(&mut self, record: &UsageRecord) {
        self.scratch.clear();
        self.line.write(record, &mut self.scratch);
        let mut command = redis::cmd("XADD");
        command.arg(&*self.key);
        if let Some(max_len) = self.max_len {
            command.arg("MAXLEN").arg("~").arg(max_len.get());
        }
        command.arg("*");
        command.arg("request_id").arg(record.request_id.as_str());
        command.arg("record").arg(self.scratch.as_slice());
        command.write_packed_command(&mut self.commands);
    }

    pub(super) fn commands(&self) -> &[u8] {
        &self.commands
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.commands.len() >= FULL
    }

    /// Whether somebody waits for one of them.
    pub(super) fn is_awaited(&self) -> bool {
        self.entries.iter().any(|entry| entry.receipt.is_some())
    }

    /// Takes note that one of them is in the stream.
    pub(super) fn arrived(&mut self, place: usize) {
        if let Some(entry) = self.entries.get_mut(place) {
            entry.is_there = true;
            if let Some(receipt) = entry.receipt.take() {
                Parcel::arrived(receipt);
            }
        }
    }

    /// Forgets those that are in the stream, so that they are not sent again.
    pub(super) fn settle(&mut self) {
        let mut rest = Vec::new();
        if self.entries.iter().any(|entry| !entry.is_there) {
            let mut start = 0;
            for entry in &self.entries {
                let end = start + entry.length;
                if !entry.is_there {
                    rest.extend_from_slice(&self.commands[start..end]);
                }
                start = end;
            }
        }
        self.entries.retain(|entry| !entry.is_there);
        self.commands.clear();
        self.commands.extend_from_slice(&rest);
        self.commands.shrink_to(FULL);
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.commands.clear();
    }

    /// Tells everybody who waits that their record will not be there in time.
    pub(super) fn disappoint(&mut self) {
        for entry in &mut self.entries {
            entry.receipt = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use tower_claude_core::{RequestId, Timestamp};

    use super::*;

    fn parcel() -> (Parcel, oneshot::Receiver<()>) {
        let (sender, receiver) = oneshot::channel();
        let timestamp = Timestamp::from_unix_millis(0);
        let parcel = Parcel {
            record: Arc::new(UsageRecord::new(timestamp, RequestId::generate())),
            receipt: Some(sender),
        };
        (parcel, receiver)
    }

    #[test]
    fn what_has_not_arrived_is_kept_as_it_was() {
        let mut batch = Batch::new("k".into(), NonZeroU64::new(5));
        let mut receipts = Vec::new();
        let mut ends = Vec::new();
        for _ in 0..3 {
            let (parcel, receipt) = parcel();
            batch.push(parcel);
            receipts.push(receipt);
            ends.push(batch.commands().len());
        }
        let all = batch.commands().to_vec();
        assert!(all.starts_with(b"*10\r\n$4\r\nXADD\r\n$1\r\nk\r\n$6\r\nMAXLEN\r\n$1\r\n~\r\n"));
        batch.arrived(1);
        batch.settle();
        assert_eq!(
            batch.commands(),
            [&all[..ends[0]], &all[ends[1]..]].concat()
        );
        assert_eq!(batch.len(), 2);
        assert!(receipts[1].try_recv().is_ok());
        assert!(batch.is_awaited());
        batch.disappoint();
        assert!(!batch.is_awaited() && receipts[0].try_recv().is_err());
        batch.arrived(0);
        batch.arrived(1);
        batch.arrived(2);
        batch.settle();
        assert!(batch.is_empty() && batch.commands().is_empty());
    }
}
