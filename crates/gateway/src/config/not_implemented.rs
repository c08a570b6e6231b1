//! What the contract promises and this build does not keep yet.
//!
//! A row is deleted when its capability arrives. NOTE: where the reading code already takes the value, that is all
//! there is to do; `tests/config/refused.rs` has one case for each row.

use toml::de::DeValue;

/// One key, or one of its values, that this build refuses.
pub(super) struct Row {
    path: &'static str,
    when: When,
    /// What to write instead.
    pub(super) instead: &'static str,
}

enum When {
    /// Whatever the value.
    Present,
    /// The value, or an item of its list, is this string.
    Is(&'static str),
}

use When::{Is, Present};

const ROWS: &[Row] = &[
    row("tenants_file", Present, "write [[tenants]] in this file"),
    row("auth.mode", Is("jwt"), "use \"keys\""),
    row("auth.mode", Is("trusted-header"), "use \"keys\""),
    row("auth.jwt", Present, "remove it"),
    row("auth.trusted_peers", Present, "remove it"),
    row(
        "auth.pepper",
        Present,
        "remove it; digests are \"sha256:…\"",
    ),
    row("targets.platform", Is("bedrock"), "use \"anthropic\""),
    row("targets.platform", Is("vertex"), "use \"anthropic\""),
    row("targets.platform", Is("foundry"), "use \"anthropic\""),
    row("targets.region", Present, "remove it"),
    row("targets.project", Present, "remove it"),
    row("targets.location", Present, "remove it"),
    row("targets.credential.aws", Present, "use env or file"),
    row("targets.credential.google", Present, "use env or file"),
    row("tenants.endpoints", Is("files"), "remove it"),
];

/// Finds the row that refuses this value at this path.
pub(super) fn refuses(path: &str, value: &DeValue<'_>) -> Option<&'static Row> {
    ROWS.iter()
        .find(|row| row.path == path && row.when.matches(value))
}

/// Says whether this name is refused as a value at this path.
pub(super) fn refuses_name(path: &str, name: &str) -> bool {
    ROWS.iter()
        .any(|row| row.path == path && matches!(row.when, Is(refused) if refused == name))
}

/// Names the keys directly under this path that have a row.
pub(super) fn keys(path: &str) -> impl Iterator<Item = &'static str> {
    ROWS.iter().filter_map(move |row| {
        let (parent, key) = row.path.rsplit_once('.').unwrap_or(("", row.path));
        (parent == path).then_some(key)
    })
}

/// Names the values at this path that have a row.
pub(super) fn names(path: &str) -> impl Iterator<Item = &'static str> {
    ROWS.iter().filter_map(move |row| match row.when {
        Is(name) if row.path == path => Some(name),
        _ => None,
    })
}

const fn row(path: &'static str, when: When, instead: &'static str) -> Row {
    Row {
        path,
        when,
        instead,
    }
}

// === impl Row ===

impl Row {
    /// Names what is refused, as it would be written.
    pub(super) fn what(&self) -> String {
        let path = self.path;
        match self.when {
            Present => format!("`{path}`"),
            Is(name) => format!("`{path} = \"{name}\"`"),
        }
    }
}

// === impl When ===

impl When {
    fn matches(&self, value: &DeValue<'_>) -> bool {
        match (self, value) {
            (Present, _) => true,
            (Is(name), DeValue::String(text)) => text == name,
            _ => false,
        }
    }
}
