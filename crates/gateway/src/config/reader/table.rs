use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use super::super::nearest::{nearest, nearest_first};
use super::super::not_implemented;
use super::super::text::{quoted, shown};
use super::source::Source;
use super::value::Value;

/// A table whose keys are taken one by one; what is left is unknown.
#[derive(Debug)]
#[must_use = "`finish` reports the keys nobody took"]
pub(in crate::config) struct TableReader<'a> {
    source: &'a Source<'a>,
    /// The keys that lead here, without indices and names the file chose.
    path: &'static str,
    line: usize,
    entries: BTreeMap<&'a str, Value<'a>>,
    known: Vec<&'static str>,
    /// Whether a key was not implemented, or the whole table is not.
    refused: bool,
}

// === impl TableReader ===

impl<'a> TableReader<'a> {
    pub(in crate::config) fn new(
        source: &'a Source<'a>,
        path: &'static str,
        line: usize,
        table: &'a DeTable<'a>,
    ) -> Self {
        let entries: BTreeMap<_, _> = table
            .iter()
            .map(|(key, node)| {
                let name = join(path, key.get_ref());
                let line = source.line(key.span().start);
                let value = Value::new(source, name, line, node.get_ref());
                (key.get_ref().as_ref(), value)
            })
            .collect();
        let refused = entries.values().any(Value::is_refused);
        Self {
            source,
            path,
            line,
            entries,
            known: not_implemented::keys(path).collect(),
            refused,
        }
    }

    /// A table that is not there: every key has its default.
    pub(in crate::config) fn absent(source: &'a Source<'a>, path: &'static str) -> Self {
        Self {
            source,
            path,
            line: 1,
            entries: BTreeMap::new(),
            known: Vec::new(),
            refused: false,
        }
    }

    pub(in crate::config) const fn is_refused(&self) -> bool {
        self.refused
    }

    pub(in crate::config) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Whether the key is absent or an empty list.
    pub(in crate::config) fn is_empty(&self, key: &str) -> bool {
        match self.entries.get(key).map(Value::node) {
            None => true,
            Some(DeValue::Array(items)) => items.is_empty(),
            Some(_) => false,
        }
    }

    /// The text of a key, which stays to be taken; `None` if it is absent or no text.
    pub(in crate::config) fn text(&self, key: &str) -> Option<&'a str> {
        self.entries.get(key)?.node().as_str()
    }

    /// Reports something about the table as a whole.
    pub(in crate::config) fn error(&self, message: String, suggestion: &str) {
        self.source.error(self.line, message, suggestion);
    }

    pub(in crate::config) fn take(&mut self, key: &'static str) -> Option<Value<'a>> {
        self.known.push(key);
        self.entries.remove(key)
    }

    /// Takes every key: the names are the file's own.
    pub(in crate::config) fn take_all(&mut self) -> impl Iterator<Item = (&'a str, Value<'a>)> {
        std::mem::take(&mut self.entries).into_iter()
    }

    pub(in crate::config) fn optional<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Value<'a>) -> Option<T>,
    ) -> Option<T> {
        self.take(key).and_then(|value| read(&value))
    }

    pub(in crate::config) fn or<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Value<'a>) -> Option<T>,
        default: T,
    ) -> T {
        self.optional(key, read).unwrap_or(default)
    }

    pub(in crate::config) fn required<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Value<'a>) -> Option<T>,
    ) -> Option<T> {
        match self.take(key) {
            Some(value) => read(&value),
            None => {
                let name = join(self.path, key);
                self.error(format!("missing key `{name}`"), "add it");
                None
            }
        }
    }

    /// Takes a table that may be left out.
    pub(in crate::config) fn section(
        &mut self,
        key: &'static str,
        path: &'static str,
    ) -> TableReader<'a> {
        self.optional(key, |value| value.table(path))
            .unwrap_or_else(|| TableReader::absent(self.source, path))
    }

    /// Takes a list of tables that may be left out.
    pub(in crate::config) fn tables(
        &mut self,
        key: &'static str,
        path: &'static str,
    ) -> Vec<TableReader<'a>> {
        let items = self.optional(key, Value::list).unwrap_or_default();
        items
            .into_iter()
            .filter_map(|item| item.table(path))
            .collect()
    }

    /// Reports the keys nobody took.
    pub(in crate::config) fn finish(self) {
        for (key, value) in &self.entries {
            if value.is_refused() {
                continue;
            }
            let suggestion = match nearest(key, self.known.iter().copied()) {
                Some(known) => format!("did you mean `{known}`?"),
                None => {
                    let known = nearest_first(key, self.known.clone());
                    format!("known keys, nearest first: `{}`", known.join("`, `"))
                }
            };
            let place = match self.path {
                "" => String::new(),
                path => format!(" in `{path}`"),
            };
            let message = format!("unknown key {}{place}", quoted(key));
            self.source.error(value.line(), message, &suggestion);
        }
    }
}

fn join(path: &str, key: &str) -> String {
    let key = shown(key);
    match path {
        "" => key,
        path => format!("{path}.{key}"),
    }
}
