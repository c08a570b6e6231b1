use std::fmt::Display;
use std::io;
use std::path::Path;

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

/// Whether a file is, or can be made, at a path; what only writing shows is left open.
pub(crate) fn can_be_a_file(what: &str, path: &Path) -> Result<(), StartError> {
    let shown = path.display();
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    if path.is_dir() {
        return Err(StartError::new(format!(
            "the {what} {shown} is a folder; name a file in it"
        )));
    }
    match folder {
        Some(folder) if !folder.is_dir() => Err(StartError::new(format!(
            "the folder of the {what} {shown} is not there; make it"
        ))),
        _ => Ok(()),
    }
}

/// That a file could not be opened.
pub(crate) fn opening(what: &str, path: &Path, error: &io::Error) -> StartError {
    StartError::new(format!("opening the {what} {}: {error}", path.display()))
}

fn said(what: impl Display, result: io::Result<()>) -> Result<(), StartError> {
    result.map_err(|error| StartError::new(format!("writing the last of the {what}: {error}")))
}
