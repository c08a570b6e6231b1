use std::fmt;
use std::num::NonZeroI128;
use std::path::PathBuf;

use toml::de::DeValue;

use super::super::nearest::nearest;
use super::super::not_implemented;
use super::super::text::quoted;
use super::source::Source;
use super::table::TableReader;

/// One value of a file: what it is called, its line, and how to complain about it.
#[derive(Clone)]
pub(in crate::config) struct Value<'a> {
    source: &'a Source<'a>,
    /// The keys that lead here, as messages name it.
    name: String,
    line: usize,
    node: &'a DeValue<'a>,
    /// Already reported as not implemented, so nothing more is said about it.
    refused: bool,
}

// === impl Value ===

impl<'a> Value<'a> {
    pub(in crate::config) fn new(
        source: &'a Source<'a>,
        name: String,
        line: usize,
        node: &'a DeValue<'a>,
    ) -> Self {
        let row = not_implemented::refuses(&name, node);
        if let Some(row) = row {
            let message = format!("{} is not implemented in this build", row.what());
            source.error(line, message, row.instead);
        }
        Self {
            source,
            name,
            line,
            node,
            refused: row.is_some(),
        }
    }

    pub(in crate::config) const fn source(&self) -> &'a Source<'a> {
        self.source
    }

    pub(in crate::config) const fn node(&self) -> &'a DeValue<'a> {
        self.node
    }

    pub(in crate::config) const fn line(&self) -> usize {
        self.line
    }

    pub(in crate::config) fn name(&self) -> &str {
        &self.name
    }

    pub(in crate::config) const fn is_refused(&self) -> bool {
        self.refused
    }

    /// Reports the value; `None` lets a reader end with it.
    pub(in crate::config) fn error<T>(&self, message: String, suggestion: &str) -> Option<T> {
        if !self.refused {
            self.source.error(self.line, message, suggestion);
        }
        None
    }

    /// Reports something odd about the value, which is used all the same.
    pub(in crate::config) fn warning(&self, message: String, suggestion: &str) {
        if !self.refused {
            self.source.warning(self.line, message, suggestion);
        }
    }

    /// Reports a value of the wrong type, without showing it: it may be a secret in the wrong place.
    pub(in crate::config) fn expected<T>(&self, what: &str, suggestion: &str) -> Option<T> {
        let (name, found) = (&self.name, self.node.type_str());
        self.error(
            format!("`{name}` must be {what}, not of type {found}"),
            suggestion,
        )
    }

    /// Reports the value if the same of this kind stood in the file before.
    pub(in crate::config) fn once(&self, kind: &'static str, id: String) {
        let shown = quoted(&id);
        self.once_unnamed(kind, id, &format!("{kind} {shown}"));
    }

    /// As [`once`](Self::once), for what a message must not show.
    pub(in crate::config) fn once_unnamed(&self, kind: &'static str, id: String, shown: &str) {
        if let Some(first) = self.source.seen(kind, id, self.line) {
            let suggestion = format!("the first is on line {first}");
            self.error::<()>(format!("duplicate {shown}"), &suggestion);
        }
    }

    pub(in crate::config) fn string(&self) -> Option<&'a str> {
        match self.node {
            DeValue::String(text) => Some(text),
            _ => self.expected("a string", "put it in quotes"),
        }
    }

    /// Reads a path, relative to the file.
    pub(in crate::config) fn path(&self) -> Option<PathBuf> {
        match self.string()? {
            "" => self.error(format!("`{}` is empty", self.name), "name a file"),
            path => Some(self.source.path(path)),
        }
    }

    pub(in crate::config) fn boolean(&self) -> Option<bool> {
        match self.node {
            DeValue::Boolean(value) => Some(*value),
            _ => self.expected("true or false", ""),
        }
    }

    /// Reads an integer that fits the type.
    pub(in crate::config) fn integer<T>(&self) -> Option<T>
    where
        T: TryFrom<i128>,
    {
        let DeValue::Integer(integer) = self.node else {
            return self.expected("an integer", "write it without quotes or a decimal point");
        };
        let value = i128::from_str_radix(integer.as_str(), integer.radix()).ok();
        match value.and_then(|value| T::try_from(value).ok()) {
            Some(value) => Some(value),
            None => self.error(format!("`{}` is out of range", self.name), ""),
        }
    }

    /// Reads an integer above zero that fits the type.
    pub(in crate::config) fn positive<T>(&self) -> Option<T>
    where
        T: TryFrom<NonZeroI128>,
    {
        let name = &self.name;
        let Some(value) = NonZeroI128::new(self.integer()?) else {
            return self.error(format!("`{name}` is zero"), "write 1 or more");
        };
        match T::try_from(value) {
            Ok(value) => Some(value),
            Err(_) => self.error(format!("`{name}` is out of range"), ""),
        }
    }

    /// Reads one of a few names.
    pub(in crate::config) fn choice<T>(&self, names: &[(&'static str, T)]) -> Option<T>
    where
        T: Copy,
    {
        let DeValue::String(text) = self.node else {
            return self.expected("a string", &self.list_names(names));
        };
        if let Some((_, choice)) = names.iter().find(|(name, _)| name == text) {
            return Some(*choice);
        }
        let known = names.iter().map(|(name, _)| *name);
        let suggestion = match nearest(text, known.chain(not_implemented::names(&self.name))) {
            Some(known) => format!("did you mean \"{known}\"?"),
            None => self.list_names(names),
        };
        let message = format!("unknown value {} of `{}`", quoted(text), self.name);
        self.error(message, &suggestion)
    }

    fn list_names<T>(&self, names: &[(&'static str, T)]) -> String {
        let names: Vec<_> = names
            .iter()
            .filter(|(name, _)| !not_implemented::refuses_name(&self.name, name))
            .map(|(name, _)| format!("\"{name}\""))
            .collect();
        format!("write {}", names.join(" or "))
    }

    /// Reads the items of a list, each of which goes by the list's name.
    pub(in crate::config) fn list(&self) -> Option<Vec<Value<'a>>> {
        let DeValue::Array(items) = self.node else {
            return self.expected("a list", "");
        };
        let read = |item: &'a toml::Spanned<DeValue<'a>>| {
            let line = self.source.line(item.span().start);
            Value::new(self.source, self.name.clone(), line, item.get_ref())
        };
        Some(items.iter().map(read).collect())
    }

    /// Reads a list that says something: left out it allows all, so empty is a mistake.
    pub(in crate::config) fn filled_list(&self) -> Option<Vec<Value<'a>>> {
        if matches!(self.node, DeValue::Array(items) if items.is_empty()) {
            let message = format!("`{}` is empty, so nothing is allowed", self.name);
            return self.error(message, "remove it to allow the default");
        }
        self.list()
    }

    pub(in crate::config) fn table(&self, path: &'static str) -> Option<TableReader<'a>> {
        match self.node {
            DeValue::Table(table) => Some(TableReader::new(self.source, path, self.line, table)),
            _ => self.expected("a table", ""),
        }
    }
}

/// Without the value, which may be a secret.
impl fmt::Debug for Value<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Value")
            .field("name", &self.name)
            .field("line", &self.line)
            .finish_non_exhaustive()
    }
}
