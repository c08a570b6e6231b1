use super::reader::TableReader;

/// `[auth]`: how a caller proves which tenant it is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Auth {
    /// The one way that is accepted.
    pub mode: AuthMode,
}

/// A way to authenticate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthMode {
    /// Keys whose digests are in the file.
    Keys,
}

// === impl Auth ===

impl Auth {
    pub(super) fn read(mut table: TableReader<'_>) -> Self {
        let names = [("keys", AuthMode::Keys)];
        let auth = Self {
            mode: table.or("mode", |value| value.choice(&names), AuthMode::Keys),
        };
        table.finish();
        auth
    }
}
