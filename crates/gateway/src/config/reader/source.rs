use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};

use super::super::problem::{Problem, Severity};
use super::super::problems::Problems;
use super::super::surroundings::Surroundings;
use super::lines::Lines;

/// One file being read: its name, its lines and what was found wrong so far.
#[derive(Debug)]
pub(in crate::config) struct Source<'a> {
    file: &'a str,
    lines: Lines,
    surroundings: &'a Surroundings,
    problems: RefCell<Vec<Problem>>,
    /// What may stand only once, with the line it stands on.
    seen: RefCell<BTreeMap<(&'static str, String), usize>>,
}

// === impl Source ===

impl<'a> Source<'a> {
    pub(in crate::config) fn new(
        file: &'a str,
        text: &[u8],
        surroundings: &'a Surroundings,
    ) -> Self {
        Self {
            file,
            lines: Lines::new(text),
            surroundings,
            problems: RefCell::default(),
            seen: RefCell::default(),
        }
    }

    pub(in crate::config) const fn surroundings(&self) -> &'a Surroundings {
        self.surroundings
    }

    pub(in crate::config) fn line(&self, offset: usize) -> usize {
        self.lines.line(offset)
    }

    /// Makes a path of the file relative to the file.
    pub(in crate::config) fn path(&self, path: &str) -> PathBuf {
        match Path::new(self.file).parent() {
            Some(directory) => directory.join(path),
            None => PathBuf::from(path),
        }
    }

    pub(in crate::config) fn error(&self, line: usize, message: String, suggestion: &str) {
        self.push(Severity::Error, line, message, suggestion);
    }

    pub(in crate::config) fn warning(&self, line: usize, message: String, suggestion: &str) {
        self.push(Severity::Warning, line, message, suggestion);
    }

    /// Notes that something stands on a line; answers with the line it stood on already.
    pub(in crate::config) fn seen(
        &self,
        kind: &'static str,
        name: String,
        line: usize,
    ) -> Option<usize> {
        match self.seen.borrow_mut().entry((kind, name)) {
            Entry::Occupied(first) => Some(*first.get()),
            Entry::Vacant(vacant) => {
                vacant.insert(line);
                None
            }
        }
    }

    pub(in crate::config) fn into_problems(self) -> Problems {
        Problems::new(self.problems.into_inner())
    }

    fn push(&self, severity: Severity, line: usize, message: String, suggestion: &str) {
        self.problems.borrow_mut().push(Problem {
            file: self.file.to_owned(),
            line,
            severity,
            message,
            suggestion: (!suggestion.is_empty()).then(|| suggestion.to_owned()),
        });
    }
}
