use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use zeroize::Zeroizing;

/// A value that is never printed and is wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

/// Far more than any key or token.
const LARGEST: usize = 64 * 1024;

// === impl Secret ===

impl Secret {
    /// The value itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Reads a secret from a file, as at start and again when the file has changed.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or holds what no header can carry.
    pub fn from_file(path: &Path) -> io::Result<Self> {
        // Room for all of it at once: growing would leave copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(LARGEST + 1));
        let limit = u64::try_from(LARGEST).unwrap_or(u64::MAX);
        File::open(path)?.take(limit).read_to_end(&mut bytes)?;
        let text = str::from_utf8(&bytes).unwrap_or("\0");
        Self::new(text).map_err(|problem| io::Error::new(io::ErrorKind::InvalidData, problem))
    }

    /// Takes a secret without the white space around it, such as a file's last line end.
    pub(super) fn new(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        if text.is_empty() {
            return Err("is empty");
        }
        if text.len() >= LARGEST {
            return Err("is too large");
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("holds a character that no header can carry");
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_trimmed_and_never_shown() {
        let secret = Secret::new(" sk-hidden\r\n").unwrap();
        assert_eq!(secret.expose(), "sk-hidden");
        assert_eq!(format!("{secret:?}"), "Secret(..)");
    }

    #[test]
    fn fits_a_header_or_is_refused() {
        assert_eq!(Secret::new(" \n").unwrap_err(), "is empty");
        assert!(Secret::new("two words").is_err());
        assert!(Secret::new("line\nline").is_err());
        assert!(Secret::new("naïve").is_err());
        assert_eq!(
            Secret::new(&"x".repeat(LARGEST)).unwrap_err(),
            "is too large"
        );
    }
}
