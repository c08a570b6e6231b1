//! What no file of the project may mention.

use std::fs;

use super::Report;
use crate::process::{self, Outcome};

/// In pieces, so that this file does not mention it either.
const OUTSIDE: &str = concat!("../", "shared");

pub(super) fn check(report: &mut Report) -> Outcome {
    let names = process::capture(
        std::process::Command::new("git")
            .args([
                "ls-files",
                "-z",
                "--cached",
                "--others",
                "--exclude-standard",
            ])
            .current_dir(process::root()),
    )?;
    for name in names.split('\0').filter(|name| !name.is_empty()) {
        // A file may be gone from the disk and not yet from the index; binary files have no lines.
        let Ok(text) = fs::read_to_string(process::root().join(name)) else {
            continue;
        };
        for (line, problem) in problems(name, &text) {
            report.errors.push(format!("{name}:{line}: {problem}"));
        }
    }
    Ok(())
}

fn problems(name: &str, text: &str) -> Vec<(usize, &'static str)> {
    let lock = name.ends_with("package-lock.json");
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.contains(OUTSIDE) {
            found.push((index + 1, "mentions a folder outside of the project"));
        }
        if lock && line.trim_start().starts_with("\"resolved\"") {
            found.push((
                index + 1,
                "pins a download address; the registry is the user's choice",
            ));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_line_that_looks_outside() {
        let text = format!("one\nsee {OUTSIDE}/NOTES.md\n");
        assert_eq!(problems("a.md", &text).len(), 1);
        assert_eq!(problems("a.md", &text)[0].0, 2);
        assert!(problems("a.md", "a shared folder\n").is_empty());
    }

    #[test]
    fn finds_a_download_address_in_a_lock_file_only() {
        let line = "      \"resolved\": \"somewhere\",\n";
        assert_eq!(problems("tests/sdk/package-lock.json", line).len(), 1);
        assert!(problems("crates/a/src/lib.rs", line).is_empty());
    }
}
