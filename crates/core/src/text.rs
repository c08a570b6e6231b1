use std::fmt;
use std::ops::Deref;

use bytes::Bytes;

/// Text that shares the buffer it was read from.
///
/// A clone is a reference count; a name cut out of a request body costs no copy.
#[derive(Clone, Default)]
pub struct Text(Bytes);

// === impl Text ===

impl Text {
    /// Text that lives as long as the program.
    #[must_use]
    pub const fn from_static(text: &'static str) -> Self {
        Self(Bytes::from_static(text.as_bytes()))
    }

    /// The part of `buffer` that `part` borrows from, shared; or a copy if it is not a part.
    pub(crate) fn share(buffer: &Bytes, part: &str) -> Self {
        let start = (part.as_ptr() as usize).wrapping_sub(buffer.as_ptr() as usize);
        match buffer.get(start..start.wrapping_add(part.len())) {
            Some(found) if found == part.as_bytes() => Self(buffer.slice_ref(found)),
            _ => Self::from(part),
        }
    }

    /// The text itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(Bytes::from(text))
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Text {}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl std::hash::Hash for Text {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl std::borrow::Borrow<str> for Text {
    fn borrow(&self) -> &str {
        self
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_the_buffer_it_was_cut_from() {
        let buffer = Bytes::from_static(b"{\"model\":\"claude\"}");
        let part = std::str::from_utf8(&buffer[10..16]).unwrap();
        let text = Text::share(&buffer, part);
        assert_eq!(text, "claude");
        assert_eq!(text.0.as_ptr(), part.as_ptr());
        let elsewhere = String::from("claude");
        assert_eq!(Text::share(&buffer, &elsewhere), "claude");
    }
}
