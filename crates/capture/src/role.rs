use serde::ser::{Serialize, Serializer};

/// Whose words, or what kind of words, a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Role {
    /// The system prompt.
    System,
    /// What the user said, and what came with it.
    User,
    /// What the model said.
    Assistant,
    /// What the model thought.
    Thinking,
    /// What the model asked of a tool: JSON, with its escapes resolved.
    ToolUse,
    /// What a tool answered.
    ToolResult,
    /// The message of an error.
    Error,
}

// === impl Role ===

impl Role {
    /// The word for it in records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Thinking => "thinking",
            Self::ToolUse => "tool_use",
            Self::ToolResult => "tool_result",
            Self::Error => "error",
        }
    }

    /// The role of a message; whoever is not the model or the system is the user.
    pub(crate) fn of_message(word: &str) -> Self {
        match word {
            "assistant" => Self::Assistant,
            "system" => Self::System,
            _ => Self::User,
        }
    }
}

impl Serialize for Role {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
