use std::borrow::Cow;
use std::ops::Deref;

use serde::Deserialize;

/// A JSON string that borrows from the input unless it holds escapes.
///
/// A type of its own because serde borrows a `Cow` only where it is a field, not inside an
/// `Option`.
#[derive(Default, Deserialize)]
pub(crate) struct JsonText<'a>(#[serde(borrow)] Cow<'a, str>);

// === impl JsonText ===

impl Deref for JsonText<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}
