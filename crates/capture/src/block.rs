use serde::Deserialize;
use serde::de::Deserializer;
use serde_json::value::RawValue;

use crate::Role;
use crate::loose::Loose;
use crate::texts::Texts;

/// What a block of content says of itself, beside its text.
#[derive(Default)]
pub(crate) struct Block<'a> {
    pub(crate) kind: Loose<'a>,
    /// Of a tool.
    pub(crate) name: Loose<'a>,
    /// Of a tool, as it stands.
    pub(crate) input: Option<&'a RawValue>,
    /// Of a block whose text is encrypted.
    pub(crate) data: Loose<'a>,
    pub(crate) source: Source,
}

/// Where an image or a document comes from.
#[derive(Default)]
pub(crate) struct Source {
    /// How large its data is, in bytes; `None` if it is elsewhere.
    size: Option<usize>,
}

#[derive(Deserialize)]
struct SourceFields<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Loose<'a>,
    #[serde(borrow, default)]
    data: Loose<'a>,
}

// === impl Block ===

impl Block<'_> {
    /// Adds what stands for the block; its text is there already.
    pub(crate) fn push(&self, role: Option<Role>, texts: &mut Texts) {
        let kind = self.kind.as_str();
        if let Some(input) = self.input {
            texts.push(Some(Role::ToolUse), self.name.0.as_deref(), input.get());
            return;
        }
        let kind = match kind {
            "image" | "document" | "redacted_thinking" => kind,
            _ => return,
        };
        let data = self.data.0.as_ref().map(|data| data.len());
        let mark = match self.source.size.or(data) {
            Some(size) => format!("[{kind} {size} bytes]"),
            None => format!("[{kind} by reference]"),
        };
        texts.push(role, None, &mark);
    }
}

// === impl Source ===

impl<'de> Deserialize<'de> for Source {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        let fields: Option<SourceFields<'_>> = serde_json::from_str(raw.get()).ok();
        let size = fields.and_then(|fields| {
            let data = fields.data.0?;
            Some(match fields.kind.as_str() {
                "base64" => data.trim_end_matches('=').len() * 3 / 4,
                _ => data.len(),
            })
        });
        Ok(Self { size })
    }
}
