//! The escapes of JSON, resolved in a text that may be any part of a JSON value.

/// The text with its escapes resolved, and where its first `kept` bytes end in that.
///
/// What is no escape stays as it is: nothing is lost, so nothing is missed.
pub(crate) fn unescape(text: &str, kept: usize) -> (String, usize) {
    let mut resolved = String::with_capacity(text.len());
    let mut end = None;
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let plain = &rest[..rest.find('\\').unwrap_or(rest.len())];
        if (at..at + plain.len()).contains(&kept) {
            end = Some(resolved.len() + kept - at);
        }
        resolved.push_str(plain);
        at += plain.len();
        if at < text.len() {
            let (character, length) = escape(&text[at..]).unwrap_or(('\\', 1));
            // One that is cut is not kept.
            if (at..at + length).contains(&kept) {
                end = Some(resolved.len());
            }
            resolved.push(character);
            at += length;
        }
    }
    let end = end.unwrap_or(resolved.len());
    (resolved, end)
}

/// The character that an escape at the beginning stands for, and the escape's length.
fn escape(text: &str) -> Option<(char, usize)> {
    let character = match text.as_bytes().get(1)? {
        b'n' => '\n',
        b't' => '\t',
        b'r' => '\r',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'"' => '"',
        b'/' => '/',
        b'\\' => '\\',
        b'u' => return unicode_escape(text),
        _ => return None,
    };
    Some((character, 2))
}

fn unicode_escape(text: &str) -> Option<(char, usize)> {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    let first = unit(0)?;
    let units = std::iter::once(first).chain(unit(6));
    match char::decode_utf16(units).next()? {
        Ok(character) => Some((character, 6 * character.len_utf16())),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_become_what_they_stand_for_and_all_else_stays() {
        let resolve = |text| unescape(text, text.len()).0;
        assert_eq!(
            resolve(r#"{"a":"\n\u0040\"é\ud83d\ude00"}"#),
            "{\"a\":\"\n@\"é😀\"}"
        );
        for text in ["", "\\", "\\u", "\\u00", "\\ud83d", "\\x", "a\\"] {
            assert_eq!(resolve(text), text);
        }
        assert_eq!(resolve("\\\\n"), "\\n");
    }

    #[test]
    fn the_end_of_what_is_kept_is_found_again() {
        let text = r"ab\u0040cd\née";
        for kept in (0..=text.len()).filter(|kept| text.is_char_boundary(*kept)) {
            let (resolved, end) = unescape(text, kept);
            assert_eq!(resolved, "ab@cd\née");
            assert!(resolved.is_char_boundary(end) && end <= kept, "{kept}");
        }
        assert_eq!(unescape("abcd", 2), ("abcd".to_owned(), 2));
        assert_eq!(unescape("a\\nb", 3).1, 2);
    }
}
