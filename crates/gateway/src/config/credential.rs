use std::path::PathBuf;

use zeroize::Zeroizing;

use super::reader::Value;
use super::secret::Secret;

/// A secret of ours, and where it came from.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Credential {
    /// The value, as it was when the file was read.
    pub secret: Secret,
    /// Where it was found, to read it again.
    pub source: SecretSource,
}

/// Where a secret is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecretSource {
    /// An environment variable; it cannot change while the process runs.
    Env(String),
    /// A file, read again within seconds when it changes; see [`Secret::from_file`].
    File(PathBuf),
}

const SUGGESTION: &str = "write { env = \"NAME\" } or { file = \"path\" }";

// === impl Credential ===

impl Credential {
    pub(super) fn read(value: &Value<'_>) -> Option<Self> {
        if value.node().is_str() {
            let message = format!("`{}` is written in the file itself", value.name());
            return value.error(message, SUGGESTION);
        }
        if !value.node().is_table() {
            return value.expected("a table", SUGGESTION);
        }
        let mut table = value.table("targets.credential")?;
        let given = (table.take("env"), table.take("file"));
        let refused = table.is_refused();
        table.finish();
        match given {
            (Some(variable), None) => Self::from_env(&variable),
            (None, Some(file)) => Self::from_file(&file),
            _ if refused => None,
            (None, None) => value.error(format!("`{}` names no source", value.name()), SUGGESTION),
            (Some(_), Some(_)) => {
                value.error(format!("`{}` names two sources", value.name()), SUGGESTION)
            }
        }
    }

    fn from_env(value: &Value<'_>) -> Option<Self> {
        let name = value.string()?;
        let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if name.is_empty() || !name.bytes().all(word) {
            // Not shown: a key pasted here would be printed.
            let message = format!("`{}` is not the name of a variable", value.name());
            return value.error(message, "use letters, digits and `_`");
        }
        let Some(text) = value.source().surroundings().variable(name) else {
            let message = format!("the environment variable `{name}` is not set");
            return value.error(message, "set it, or use { file = \"path\" }");
        };
        match Secret::new(&Zeroizing::new(text)) {
            Ok(secret) => Some(Self {
                secret,
                source: SecretSource::Env(name.to_owned()),
            }),
            Err(problem) => value.error(format!("the secret in `{name}` {problem}"), ""),
        }
    }

    fn from_file(value: &Value<'_>) -> Option<Self> {
        let path = value.source().path(value.string()?);
        match Secret::from_file(&path) {
            Ok(secret) => Some(Self {
                secret,
                source: SecretSource::File(path),
            }),
            Err(error) => {
                let message = format!("the secret file {path:?} cannot be used: {error}");
                value.error(message, "name a readable file that holds only the secret")
            }
        }
    }
}
