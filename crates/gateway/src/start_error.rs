use std::error::Error;
use std::fmt;

/// Why the gateway does not start; its text is for whoever starts it.
#[derive(Debug)]
pub struct StartError(Box<dyn Error + Send + Sync>);

// === impl StartError ===

impl StartError {
    /// Wraps what went wrong.
    pub fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(error.into())
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

impl Error for StartError {}
