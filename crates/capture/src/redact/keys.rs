//! What opens doors: keys of services, tokens, private keys.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

/// Keys that can be told by how they begin.
///
/// A key may be cut at its end, so each pattern asks for less than a whole one.
const KEYS: &str = r#"(?x)
      sk-ant-[A-Za-z0-9_-]{8,}
    | (?:(?-u:\b)|_|\\[nrt]) sk-[A-Za-z0-9_-]{16,}
    | (?:sk|rk)_(?:live|test)_[A-Za-z0-9]{10,}
    | (?:(?-u:\b)|_|\\[nrt]) cg_[A-Za-z0-9-]{1,20}_[A-Za-z0-9]{16,}
    | (?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{12,}
    | gh[opsur]_[A-Za-z0-9]{16,}
    | github_pat_[A-Za-z0-9_]{16,}
    | glpat-[A-Za-z0-9_-]{16,}
    | xox[a-z]-[A-Za-z0-9-]{8,}
    | xapp-[A-Za-z0-9-]{8,}
    | AIza[A-Za-z0-9_-]{24,}
    | eyJ[A-Za-z0-9_-]{6,}\.eyJ[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]*)?
    | (?i:bearer)(?:\s|%20|\+)+[A-Za-z0-9._~+/=%-]{16,}
    | (?i:api[-_]?key)["'\\]{0,2}\s*[:=]\s*["'\\]{0,2}[!\#-&(-\[\]-~]{16,}
"#;

/// Private keys in PEM: all of it, or what is there of one that is cut.
const PRIVATE_KEYS: &str = r"(?x)
    -----BEGIN\ [A-Z0-9\ ]{0,32}PRIVATE\ KEY(?:\ BLOCK)?-----
    (?: [A-Za-z0-9+/=\s\\:,.()-]*? -----END\ [A-Z0-9\ ]{0,32}PRIVATE\ KEY(?:\ BLOCK)?-----
      | [A-Za-z0-9+/=\s\\:,-]* )
";

/// Finds keys and tokens.
pub(super) fn find(text: &str, report: impl FnMut(Range<usize>)) {
    static PATTERN: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(KEYS).ok());
    find_all(PATTERN.as_ref(), text, report);
}

/// Finds private keys.
pub(super) fn find_private(text: &str, report: impl FnMut(Range<usize>)) {
    static PATTERN: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(PRIVATE_KEYS).ok());
    find_all(PATTERN.as_ref(), text, report);
}

fn find_all(pattern: Option<&Regex>, text: &str, report: impl FnMut(Range<usize>)) {
    let matches = pattern.map(|pattern| pattern.find_iter(text));
    matches
        .into_iter()
        .flatten()
        .map(|found| found.range())
        .for_each(report);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_patterns_are_patterns() {
        assert!(Regex::new(KEYS).is_ok(), "{:?}", Regex::new(KEYS));
        assert!(Regex::new(PRIVATE_KEYS).is_ok());
    }
}
