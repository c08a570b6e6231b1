use std::fmt;

use crate::redact::unescape;
use crate::{CapturedText, Redactions, Redactor, Role};

/// A text that is not redacted yet: it stays in memory and is never shown.
pub(crate) struct RawText {
    /// `None` until its message has said whose it is.
    pub(crate) role: Option<Role>,
    name: Option<Box<str>>,
    text: String,
    /// How many bytes of the text are to be kept.
    kept: usize,
    is_cut: bool,
}

// === impl RawText ===

impl RawText {
    /// What an entry counts beyond its text, in bytes: about what it takes.
    const OVERHEAD: usize = 96;

    /// How many bytes are looked at behind a cut: longer than anything that cannot be told by
    /// how it begins.
    pub(crate) const MARGIN: usize = 512;

    /// The longest name of a tool that is kept, in bytes.
    const LONGEST_NAME: usize = 128;

    pub(crate) fn new(role: Option<Role>, name: Option<&str>) -> Self {
        let most = Self::LONGEST_NAME + Self::MARGIN;
        let cut = |name: &str| name[..name.floor_char_boundary(most)].into();
        Self {
            role,
            name: name.map(cut),
            text: String::new(),
            kept: 0,
            is_cut: false,
        }
    }

    /// Appends as much as there is room for; false if that was not all.
    pub(crate) fn append(&mut self, text: &str, room: usize) -> bool {
        let taken = if self.is_cut {
            0
        } else {
            text.floor_char_boundary(room)
        };
        let (own, rest) = text.split_at(taken);
        self.text.push_str(own);
        self.kept += taken;
        self.is_cut |= !rest.is_empty();
        let margin = (self.kept + Self::MARGIN).saturating_sub(self.text.len());
        self.text
            .push_str(&rest[..rest.floor_char_boundary(margin)]);
        rest.is_empty()
    }

    /// Keeps so many bytes less.
    pub(crate) fn shorten(&mut self, by: usize) {
        self.kept = self.text.floor_char_boundary(self.kept.saturating_sub(by));
        self.is_cut = true;
        let end = self.text.floor_char_boundary(self.kept + Self::MARGIN);
        self.text.truncate(end);
        self.text.shrink_to_fit();
    }

    /// How many bytes of text are kept.
    pub(crate) fn len(&self) -> usize {
        self.kept
    }

    /// How many bytes it counts.
    pub(crate) fn cost(&self) -> usize {
        Self::OVERHEAD + self.name.as_deref().map_or(0, str::len) + self.kept
    }

    /// Whether it says anything.
    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty() && self.name.is_none()
    }

    pub(crate) fn redact(self, redactor: &Redactor, redactions: &mut Redactions) -> CapturedText {
        let role = self.role.unwrap_or(Role::User);
        let name = self.name.map(|name| {
            let kept = name.floor_char_boundary(Self::LONGEST_NAME);
            let name = redactor.redact_cut(&name, kept, redactions);
            name.into_boxed_str()
        });
        let text = match role {
            Role::ToolUse if self.text.is_empty() => "{}".to_owned(),
            // Between escapes, nothing would be found: `\n4` begins no number.
            Role::ToolUse => {
                let (text, kept) = unescape(&self.text, self.kept);
                redactor.redact_cut(&text, kept, redactions)
            }
            _ => redactor.redact_cut(&self.text, self.kept, redactions),
        };
        CapturedText { role, name, text }
    }
}

impl fmt::Debug for RawText {
    /// Prints its length, never what it says.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawText")
            .field("role", &self.role)
            .field("length", &self.kept)
            .field("is_cut", &self.is_cut)
            .finish_non_exhaustive()
    }
}
