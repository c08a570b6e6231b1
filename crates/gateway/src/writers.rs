use std::fmt::Display;
use std::io;

use tower_claude::capture::CaptureFileThread;
use tower_claude::usage_meter::JsonLinesThread;

use crate::StartError;

/// The threads that write what calls leave behind; closed when the last call has ended.
#[must_use = "what they have not written yet is lost unless they are closed"]
#[derive(Debug)]
pub struct Writers {
    ledger: JsonLinesThread,
    capture: Option<CaptureFileThread>,
}

// === impl Writers ===

impl Writers {
    pub(crate) const fn new(ledger: JsonLinesThread, capture: Option<CaptureFileThread>) -> Self {
        Self { ledger, capture }
    }

    /// Writes the last of it; blocks until then.
    ///
    /// # Errors
    ///
    /// When not everything could be written.
    pub fn close(self) -> Result<(), StartError> {
        // Each is closed, whatever becomes of the other.
        let capture = self.capture.map_or(Ok(()), CaptureFileThread::close);
        let ledger = self.ledger.close();
        said("ledger", ledger)?;
        said("capture file", capture)
    }
}

fn said(what: impl Display, result: io::Result<()>) -> Result<(), StartError> {
    result.map_err(|error| StartError::new(format!("writing the last of the {what}: {error}")))
}
