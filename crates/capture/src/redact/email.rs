//! Addresses of electronic mail.

use std::ops::Range;

use memchr::memchr3_iter;

/// The sign between the parts of an address, as itself and as JSON and URLs escape it.
const SIGNS: [&str; 3] = ["@", "%40", "\\u0040"];

/// Finds addresses: a name, the sign, and a domain with a dot and no number at its end.
///
/// No sign is part of a name or a domain, so every byte is looked at a few times at most.
pub(super) fn find(text: &str, mut report: impl FnMut(Range<usize>)) {
    for at in memchr3_iter(b'@', b'%', b'\\', text.as_bytes()) {
        let (before, rest) = text.split_at(at);
        let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) else {
            continue;
        };
        let start = start_of_name(before);
        let domain = at + sign.len();
        if start < at
            && let Some(length) = length_of_domain(&text[domain..])
        {
            report(start..domain + length);
        }
    }
}

fn start_of_name(before: &str) -> usize {
    let is_of_name = |c: char| is_letter_or_digit(c) || "!#$&'*+-.?^_~".contains(c);
    let name = before.trim_end_matches(is_of_name).len();
    // Quotes and stops before a name are not its own.
    let is_own = |c: char| is_letter_or_digit(c) || c == '_';
    let own = before[name..].find(is_own);
    own.map_or(before.len(), |skipped| name + skipped)
}

fn length_of_domain(text: &str) -> Option<usize> {
    let is_of_domain = |c: char| is_letter_or_digit(c) || c == '-' || c == '.';
    let end = text.find(|c| !is_of_domain(c)).unwrap_or(text.len());
    let domain = text[..end].trim_end_matches(['.', '-']);
    let (rest, last) = domain.rsplit_once('.')?;
    let is_name = last.len() >= 2 && last.bytes().any(|byte| !byte.is_ascii_digit());
    (!rest.is_empty() && is_name).then_some(domain.len())
}

/// Of the scripts that part words with spaces: in others a whole sentence would be one name.
fn is_letter_or_digit(c: char) -> bool {
    c.is_ascii_alphanumeric() || (c < '\u{800}' && c.is_alphanumeric())
}
