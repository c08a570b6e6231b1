//! Text: what may be written, and how it is shown.

use super::reader::Value;

const LONGEST: usize = 256;
const LONGEST_SHOWN: usize = 64;

/// Reads a name: not empty, not endless, no control characters.
pub(super) fn name(value: &Value<'_>) -> Option<String> {
    plain(value.string()?, value, &format!("`{}`", value.name()))
}

/// Checks a name the file chose as a key.
pub(super) fn key(key: &str, value: &Value<'_>) -> Option<String> {
    plain(key, value, &format!("the key {}", quoted(key)))
}

/// Reads an id of `[A-Za-z0-9_-]{1,64}`.
pub(super) fn id(value: &Value<'_>) -> Option<String> {
    let text = value.string()?;
    let word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if (1..=64).contains(&text.len()) && text.bytes().all(word) {
        return Some(text.to_owned());
    }
    let message = format!("`{}` {} is no id", value.name(), quoted(text));
    value.error(message, "use 1 to 64 of `[A-Za-z0-9_-]`")
}

/// Reads a name that travels in a header: visible ASCII, 64 at most.
pub(super) fn header_safe(value: &Value<'_>) -> Option<String> {
    let text = value.string()?;
    if (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Some(text.to_owned());
    }
    let message = format!("`{}` {} is not header-safe", value.name(), quoted(text));
    value.error(message, "use 1 to 64 visible ASCII characters, no spaces")
}

/// Shows what a file wrote on one line, whatever it is.
pub(super) fn shown(text: &str) -> String {
    let short: String = text.chars().take(LONGEST_SHOWN).collect();
    let more = if short.len() < text.len() { "…" } else { "" };
    format!("{}{more}", short.escape_debug())
}

/// As [`shown`], in back quotes.
pub(super) fn quoted(text: &str) -> String {
    format!("`{}`", shown(text))
}

fn plain(text: &str, value: &Value<'_>, what: &str) -> Option<String> {
    let problem = match text {
        "" => "is empty",
        text if text.len() > LONGEST => "is longer than 256 bytes",
        text if text.chars().any(char::is_control) => "holds a control character",
        text => return Some(text.to_owned()),
    };
    value.error(format!("{what} {problem}"), "choose a plain name")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_any_text_on_one_short_line() {
        assert_eq!(quoted("a\nb"), r"`a\nb`");
        assert_eq!(quoted(&"x".repeat(100)), format!("`{}…`", "x".repeat(64)));
    }
}
