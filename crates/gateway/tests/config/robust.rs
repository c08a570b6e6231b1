//! Any bytes are a file: good or bad, but never a panic.

use std::fs;
use std::path::PathBuf;
use std::process;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const SNIPPETS: [&str; 24] = [
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "=",
    ",",
    ".",
    "\"",
    "'''",
    "\n",
    "\r",
    "#",
    "-",
    "0",
    "1e999",
    "inf",
    "nan",
    "1979-05-27",
    "true",
    "\u{0}",
    "é",
    "99999999999999999999",
];

/// A problem is printed on one line; whoever reads `FILE:LINE:` relies on it.
fn check(text: &str) {
    if let Err(problems) = parse(text) {
        assert!(problems.has_errors());
        assert_eq!(problems.to_string().lines().count(), problems.len());
        let lines = text.bytes().filter(|byte| *byte == b'\n').count() + 1;
        assert!(
            problems
                .iter()
                .all(|problem| (1..=lines).contains(&problem.line))
        );
        assert!(problems.iter().is_sorted_by_key(|problem| problem.line));
    }
}

/// Moves an offset to the beginning of a character.
fn boundary(text: &str, offset: usize) -> usize {
    let offset = offset % (text.len() + 1);
    (0..=offset)
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_refused(text in ".{0,200}") {
        check(&text);
    }

    #[test]
    fn any_toml_like_text_is_read_or_refused(text in "([a-z_]{1,8}|[\\[\\]{}=,.\"\n# 0-9:TZ-]){0,80}") {
        check(&text);
    }

    #[test]
    fn a_damaged_file_is_read_or_refused(
        changes in vec((any::<usize>(), 0_usize..12, 0..SNIPPETS.len()), 1..6),
    ) {
        let mut text = FULL.to_owned();
        for (offset, length, snippet) in changes {
            let start = boundary(&text, offset);
            let end = boundary(&text, (start + length).min(text.len())).max(start);
            text.replace_range(start..end, SNIPPETS[snippet]);
        }
        check(&text);
    }

    #[test]
    fn a_file_with_values_in_wrong_places_is_read_or_refused(
        swaps in vec((any::<usize>(), any::<usize>()), 1..6),
    ) {
        let mut lines: Vec<_> = FULL.lines().map(str::to_owned).collect();
        for (from, to) in swaps {
            let from = lines[from % lines.len()].clone();
            let to = to % lines.len();
            if let (Some((key, _)), Some((_, value))) =
                (lines[to].split_once('='), from.split_once('='))
            {
                lines[to] = format!("{key}={value}");
            }
        }
        check(&lines.join("\n"));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..200)) {
        let name = format!("robust-{}.toml", process::id());
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::write(&path, bytes).unwrap();
        let loaded = Config::load(&path);
        fs::remove_file(&path).unwrap();
        prop_assert!(loaded.is_err());
    }
}

#[test]
fn deep_nesting_is_refused_without_running_out_of_stack() {
    for deep in [
        "a.".repeat(200_000),
        "[".repeat(200_000),
        "a=[".repeat(200_000),
    ] {
        check(&format!("{deep}a = 1\n"));
        check(&format!("[{deep}a]\n"));
        check(&format!("x = {deep}"));
        check(&format!("x = {{ {deep}a = 1 }}"));
    }
}
