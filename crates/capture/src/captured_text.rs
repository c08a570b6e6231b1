use std::fmt;

use serde::Serialize;

use crate::Role;

/// One text of a call, redacted.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CapturedText {
    /// Whose words it is.
    pub role: Role,
    /// The name of the tool, of what is asked of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Box<str>>,
    /// The text.
    pub text: String,
}

// === impl CapturedText ===

impl fmt::Debug for CapturedText {
    /// Prints its length, never what it says.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({} bytes)", self.role.as_str(), self.text.len())
    }
}
