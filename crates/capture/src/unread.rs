use serde::ser::{Serialize, Serializer};

/// Why a request or an answer was not read, or not all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unread {
    /// It is compressed.
    Compressed,
    /// It is neither JSON nor an event stream.
    OtherType,
    /// It is JSON of more bytes than are kept until its end.
    TooLarge,
    /// It is not the JSON it should be, or broke off; what came before that was read.
    Malformed,
    /// There is none: the request's body never came, or no answer did.
    Absent,
}

// === impl Unread ===

impl Unread {
    /// The word for it in records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Compressed => "compressed",
            Self::OtherType => "other_type",
            Self::TooLarge => "too_large",
            Self::Malformed => "malformed",
            Self::Absent => "absent",
        }
    }
}

impl Serialize for Unread {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
