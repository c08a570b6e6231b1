use std::fmt::{self, Write as _};

/// Writes a text as a JSON string, quotes included.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

// === impl Quoted ===

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        let mut rest = self.0;
        while let Some(at) = rest.find(|c: char| c < ' ' || c == '"' || c == '\\') {
            f.write_str(&rest[..at])?;
            match rest.as_bytes()[at] {
                b'\n' => f.write_str("\\n")?,
                control @ 0..0x20 => write!(f, "\\u{control:04x}")?,
                mark => write!(f, "\\{}", char::from(mark))?,
            }
            rest = &rest[at + 1..];
        }
        f.write_str(rest)?;
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_a_json_reader_reads_back() {
        for text in ["", "plain", "één \"quote\"", "a\\b\n\t\u{0}\u{1f}", "\""] {
            let json = Quoted(text).to_string();
            assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }
    }
}
