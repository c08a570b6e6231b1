use std::io;
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::thread::JoinHandle;

use crate::outbox::{Parcel, Queue};

/// What is told to a writer on a thread of its own.
pub(crate) enum Message {
    Record(Parcel),
    /// Answered when everything before it is written.
    Flush(SyncSender<()>),
    Close,
}

// === impl Message ===

impl Queue for SyncSender<Message> {
    fn try_put(&self, parcel: Parcel) -> Result<(), Parcel> {
        match self.try_send(Message::Record(parcel)) {
            Err(
                TrySendError::Full(Message::Record(parcel))
                | TrySendError::Disconnected(Message::Record(parcel)),
            ) => Err(parcel),
            _ => Ok(()),
        }
    }
}

/// Waits until the writer, of which `whose` says what it writes, has written everything before.
pub(crate) fn flush<T>(
    queue: &SyncSender<Message>,
    writer: &JoinHandle<T>,
    whose: &str,
) -> io::Result<()> {
    let (done, is_done) = mpsc::sync_channel(1);
    let ended = || io::Error::other(format!("the writer of the {whose} has ended"));
    queue.send(Message::Flush(done)).map_err(|_| ended())?;
    writer.thread().unpark();
    is_done.recv().map_err(|_| ended())
}
