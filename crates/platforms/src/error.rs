use std::error::Error;
use std::fmt;

/// What is wrong with a client, a base URL, a key or a set of targets.
///
/// The text never holds the value that is at fault.
pub struct ConfigError {
    what: &'static str,
    source: Option<Box<dyn Error + Send + Sync>>,
}

// === impl ConfigError ===

impl ConfigError {
    pub(crate) const fn new(what: &'static str) -> Self {
        Self { what, source: None }
    }

    #[cfg(feature = "tls")]
    pub(crate) fn caused(what: &'static str, source: impl Error + Send + Sync + 'static) -> Self {
        Self {
            what,
            source: Some(Box::new(source)),
        }
    }
}

impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigError")
            .field("what", &self.what)
            .field("source", &self.source)
            .finish()
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)
    }
}

impl Error for ConfigError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn Error + 'static))
    }
}
