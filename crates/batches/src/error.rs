use std::error::Error;
use std::fmt;

/// A configuration that cannot be meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    PublicUrl(Box<str>),
}

// === impl ConfigError ===

impl ConfigError {
    pub(crate) fn public_url(url: &str) -> Self {
        Self(Kind::PublicUrl(url.chars().take(200).collect()))
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Kind::PublicUrl(url) = &self.0;
        write!(
            f,
            "a public url is http:// or https://, a host and perhaps a path, not {url:?}"
        )
    }
}

impl Error for ConfigError {}
