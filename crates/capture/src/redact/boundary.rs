//! Where a word may begin and end, in text that is often itself quoted or escaped.

/// Whether what begins at `at` is not the rest of a word.
///
/// Text holds JSON and URLs: the `n` of `\n` and the `3A` of `%3A` are no part of the word after
/// them.
pub(super) fn begins_word(text: &[u8], at: usize) -> bool {
    let before = &text[..at];
    match before.last() {
        None => true,
        Some(byte) if byte.is_ascii_alphanumeric() => is_escape(before),
        // A byte of a letter outside ASCII, or of punctuation there: taken for the latter.
        Some(_) => true,
    }
}

/// Whether what ends at `at` does not go on as a word.
pub(super) fn ends_word(text: &[u8], at: usize) -> bool {
    !text.get(at).is_some_and(u8::is_ascii_alphanumeric)
}

/// Whether this ends in an escape of JSON or of a URL.
fn is_escape(before: &[u8]) -> bool {
    let is_hex = |digits: &[u8]| digits.iter().all(u8::is_ascii_hexdigit);
    match before {
        [.., b'\\', letter] if b"nrtbf".contains(letter) => true,
        [.., b'%', high, low] if is_hex(&[*high, *low]) => true,
        [.., b'\\', b'u', a, b, c, d] => is_hex(&[*a, *b, *c, *d]),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_no_part_of_the_word_after_them() {
        for before in [
            "", " ", "\\n", "a\\t", "%3A", "x%2f", "\\u000a", "a\\u00A0", "é",
        ] {
            assert!(begins_word(before.as_bytes(), before.len()), "{before}");
        }
        for before in ["n", "a1", "\\x", "%3", "u000a", "\\u00g0", "3A"] {
            assert!(!begins_word(before.as_bytes(), before.len()), "{before}");
        }
    }

    #[test]
    fn a_word_ends_where_no_letter_or_digit_follows() {
        assert!(ends_word(b"ab", 2) && ends_word(b"a.", 1));
        assert!(!ends_word(b"ab", 1));
    }
}
