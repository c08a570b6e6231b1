//! How long a file is, and how a service is handed into its future.

use std::fs;
use std::path::{Path, PathBuf};

use super::Report;
use crate::metadata::Package;
use crate::process::{self, Outcome};

/// Above this many lines a file is listed, so that somebody thinks about splitting it.
const LONG: usize = 300;
/// Above this many lines a file is an error.
const TOO_LONG: usize = 400;

pub(super) fn check(packages: &[Package], report: &mut Report) -> Outcome {
    for package in packages {
        if !package.folder.starts_with("crates") {
            continue;
        }
        let mut files = Vec::new();
        rust_files(
            &process::root().join(&package.folder).join("src"),
            &mut files,
        )?;
        files.sort();
        for file in files {
            let text = fs::read_to_string(&file)
                .map_err(|error| format!("reading {}: {error}", file.display()))?;
            let name = file
                .strip_prefix(process::root())
                .unwrap_or(&file)
                .display();
            let lines = text.lines().count();
            if lines > TOO_LONG {
                report
                    .errors
                    .push(format!("{name} has {lines} lines, more than {TOO_LONG}"));
            } else if lines > LONG {
                report.notes.push(format!("{name} has {lines} lines"));
            }
            // This package's tests spell the habit out.
            if package.name == "xtask" {
                continue;
            }
            for line in fresh_clones(&text) {
                report.errors.push(format!(
                    "{name}:{line}: `call` uses a fresh clone of the inner service, which nobody polled ready; \
                     take the ready one with `mem::replace`"
                ));
            }
        }
    }
    Ok(())
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) -> Outcome {
    let entries =
        fs::read_dir(folder).map_err(|error| format!("listing {}: {error}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            rust_files(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// The lines where a clone of the inner service takes a call instead of the ready service.
///
/// A clone is fine in `impl Clone`, and as what `mem::replace` leaves behind: then the replacing
/// stands right after it.
fn fresh_clones(text: &str) -> Vec<usize> {
    let mut found = Vec::new();
    let mut call_ends_at = None;
    let lines: Vec<&str> = text.lines().collect();
    for (index, line) in lines.iter().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let code = line.split("//").next().unwrap_or_default().trim();
        // Formatted source: a function ends with a brace at the indent it began with.
        if code.starts_with("fn call(") {
            call_ends_at = Some(indent);
        } else if call_ends_at == Some(indent) && code == "}" {
            call_ends_at = None;
        }
        let suspicious = call_ends_at.is_some() || code.starts_with("let ");
        let replaced = lines
            .iter()
            .skip(index + 1)
            .take(2)
            .any(|next| next.contains("mem::replace("));
        if code.contains("self.inner.clone()") && suspicious && !replaced {
            found.push(index + 1);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_clone_that_takes_the_call() {
        let text = "\
    fn call(&mut self, request: Request) -> Self::Future {
        let mut inner = self.inner.clone();
        ResponseFuture::new(inner.call(request))
    }
";
        assert_eq!(fresh_clones(text), [2]);
    }

    #[test]
    fn finds_the_clone_inside_an_expression_of_call() {
        let text = "\
    fn call(&mut self, request: Request) -> Self::Future {
        ResponseFuture {
            inner: self.inner.clone(),
        }
    }
";
        assert_eq!(fresh_clones(text), [3]);
    }

    #[test]
    fn lets_the_clone_pass_that_is_left_behind() {
        let text = "\
    fn call(&mut self, request: Request) -> Self::Future {
        let clone = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, clone);
        ResponseFuture::new(inner, request)
    }
";
        assert!(fresh_clones(text).is_empty());
    }

    #[test]
    fn lets_impl_clone_pass() {
        let text = "\
    fn call(&mut self, request: Request) -> Self::Future {
        self.inner.call(request)
    }
}

impl<S: Clone> Clone for Retry<S> {
    fn clone(&self) -> Self {
        Self {
            // Not `let inner = self.inner.clone();`, readiness stays behind.
            inner: self.inner.clone(),
        }
    }
}
";
        assert!(fresh_clones(text).is_empty());
    }
}
