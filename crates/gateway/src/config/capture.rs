use std::path::PathBuf;

use tower_claude::capture::Redactor;

use super::reader::{TableReader, Value};
use super::size::size;

/// How the texts of requests and answers are kept, redacted: the keys of `[usage]` that begin
/// with `capture`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Capture {
    /// The file they are kept in.
    pub file: PathBuf,
    /// How much text of each direction is kept, in bytes.
    pub limit: usize,
    /// Takes out what is not to be kept: the standard kinds, and the file's patterns.
    pub redactor: Redactor,
}

const CAPTURE: &[(&str, bool)] = &[("none", false), ("redacted", true)];

/// How much text of each direction is kept, unless the file says otherwise, in bytes.
const LIMIT: usize = 64 * 1024;

// === impl Capture ===

impl Capture {
    /// Reads the keys, and checks them, whether anything is to be kept or not.
    pub(super) fn read(table: &mut TableReader<'_>, file: PathBuf) -> Option<Self> {
        let is_wanted = table.or("capture", |value| value.choice(CAPTURE), false);
        let patterns = table.take("capture_patterns");
        let capture = Self {
            file: table.or("capture_file", Value::path, file),
            limit: table.or("capture_limit", size, LIMIT),
            redactor: patterns
                .and_then(|value| redactor(&value))
                .unwrap_or_default(),
        };
        is_wanted.then_some(capture)
    }
}

fn redactor(value: &Value<'_>) -> Option<Redactor> {
    let mut table = value.table("usage.capture_patterns")?;
    let redactor = table
        .take_all()
        .fold(Redactor::standard(), |redactor, (name, value)| {
            let Some(expression) = value.string() else {
                return redactor;
            };
            match redactor.clone().pattern(name, expression) {
                Ok(redactor) => redactor,
                Err(error) => {
                    value.error::<()>(error.to_string(), "write a regular expression in '…'");
                    redactor
                }
            }
        });
    Some(redactor)
}
