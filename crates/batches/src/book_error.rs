use std::error::Error;
use std::fmt;

use tower_claude_core::BoxError;

/// A book of batches that could not be asked, or did not answer.
#[derive(Debug)]
pub struct BookError {
    source: BoxError,
}

// === impl BookError ===

impl BookError {
    /// An error of the book, for logs; callers do not read it.
    pub fn new(source: impl Into<BoxError>) -> Self {
        Self {
            source: source.into(),
        }
    }
}

impl fmt::Display for BookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("asking the book of batches failed")
    }
}

impl Error for BookError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}
