use std::fmt;
use std::ops::Deref;

use serde::ser::{Serialize, Serializer};

/// Upstream's id of an answer, as its header says it.
///
/// One of the usual length is kept in place, without an allocation.
#[derive(Clone)]
pub struct UpstreamId(Kept);

#[derive(Clone)]
enum Kept {
    Here { length: u8, bytes: [u8; MOST] },
    Elsewhere(Box<str>),
}

/// How many bytes are kept in place: enough for `req_…` and for a UUID.
const MOST: usize = 38;

// === impl UpstreamId ===

impl UpstreamId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Kept::Here { length, bytes } => {
                let text = &bytes[..usize::from(*length)];
                std::str::from_utf8(text).unwrap_or_default()
            }
            Kept::Elsewhere(text) => text,
        }
    }
}

impl From<&str> for UpstreamId {
    fn from(text: &str) -> Self {
        let mut bytes = [0; MOST];
        Self(
            match (bytes.get_mut(..text.len()), u8::try_from(text.len())) {
                (Some(place), Ok(length)) => {
                    place.copy_from_slice(text.as_bytes());
                    Kept::Here { length, bytes }
                }
                _ => Kept::Elsewhere(text.into()),
            },
        )
    }
}

impl Deref for UpstreamId {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq for UpstreamId {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for UpstreamId {}

impl Serialize for UpstreamId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl fmt::Debug for UpstreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Display for UpstreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_any_length_is_what_it_was() {
        for length in [0, 1, 28, MOST, MOST + 1, 128, 1_000] {
            let text = "é".repeat(length / 2) + &"x".repeat(length % 2);
            assert_eq!(UpstreamId::from(&*text).as_str(), text);
        }
    }
}
