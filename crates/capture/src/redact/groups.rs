use std::ops::Range;

/// Digits that stand together, and what parts them from the group before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    /// Where the digits are, in bytes.
    pub(super) place: Range<usize>,
    pub(super) gap: Gap,
}

/// What stands between two groups of digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gap {
    /// Nothing that joins: the group begins a run.
    Apart,
    /// One separator, or a dash between spaces.
    Narrow(u8),
    /// Several separators, such as the `) ` behind an area code.
    Wide,
}

/// The most bytes of separators that still join two groups.
const WIDEST: usize = 9;

// === impl Group ===

impl Group {
    pub(super) fn len(&self) -> usize {
        self.place.len()
    }

    pub(super) fn digits<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        &text[self.place.clone()]
    }
}

/// Gives every run of groups that separators join, in order.
pub(super) fn runs(text: &[u8], mut take: impl FnMut(&[Group])) {
    let mut run: Vec<Group> = Vec::new();
    let mut at = 0;
    while let Some(start) = text[at..].iter().position(u8::is_ascii_digit) {
        let mut start = at + start;
        // The digits of an escaped space between two groups are none of theirs.
        let is_behind_group = |end: usize| run.last().is_some_and(|last| last.place.end == end);
        if text[..start].ends_with(b"%") && is_behind_group(start - 1) {
            let escape = text[start..].strip_prefix(b"20");
            let escape = escape.filter(|rest| rest.first().is_some_and(u8::is_ascii_digit));
            start += if escape.is_some() { 2 } else { 0 };
        }
        let length = text[start..]
            .iter()
            .position(|byte| !byte.is_ascii_digit())
            .unwrap_or(text.len() - start);
        let gap = match run.last() {
            Some(last) => gap(&text[last.place.end..start]),
            None => Gap::Apart,
        };
        if gap == Gap::Apart && !run.is_empty() {
            take(&run);
            run.clear();
        }
        at = start + length;
        run.push(Group {
            place: start..at,
            gap,
        });
    }
    if !run.is_empty() {
        take(&run);
    }
}

/// What the bytes between two groups make of them.
fn gap(mut between: &[u8]) -> Gap {
    if between.len() > WIDEST {
        return Gap::Apart;
    }
    let (mut count, mut narrow, mut dashes) = (0_u32, b' ', 0_u32);
    while let Some((separator, length)) = separator(between) {
        count += 1;
        dashes += u32::from(separator == b'-');
        narrow = separator;
        between = &between[length..];
    }
    match count {
        _ if !between.is_empty() => Gap::Apart,
        1 => Gap::Narrow(narrow),
        3 if dashes == 1 && narrow == b' ' => Gap::Narrow(b'-'),
        2 | 3 => Gap::Wide,
        _ => Gap::Apart,
    }
}

/// The separator that this begins with, as its nearest in ASCII, and its length in bytes.
fn separator(text: &[u8]) -> Option<(u8, usize)> {
    match text {
        [byte @ (b' ' | b'-' | b'.' | b'/' | b'_' | b'(' | b')'), ..] => Some((*byte, 1)),
        // In a URL, both stand for a space.
        [b'+', ..] => Some((b' ', 1)),
        [b'%', b'2', b'0', ..] => Some((b' ', 3)),
        // U+00A0, the space that does not break, and U+00B7, a dot.
        [0xC2, 0xA0, ..] => Some((b' ', 2)),
        [0xC2, 0xB7, ..] => Some((b'.', 2)),
        // U+2000 to U+200B, U+202F: spaces; U+2010 to U+2015, U+2212: dashes.
        [0xE2, 0x80, 0x80..=0x8B | 0xAF, ..] => Some((b' ', 3)),
        [0xE2, 0x80, 0x90..=0x95, ..] | [0xE2, 0x88, 0x92, ..] => Some((b'-', 3)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(text: &str) -> Vec<Vec<String>> {
        let mut seen = Vec::new();
        runs(text.as_bytes(), |run| {
            let digits = |group: &Group| text[group.place.clone()].to_owned();
            seen.push(run.iter().map(digits).collect());
        });
        seen
    }

    #[test]
    fn separators_join_and_everything_else_parts() {
        assert_eq!(seen("12-34 56.78"), [["12", "34", "56", "78"]]);
        assert_eq!(seen("1\u{a0}2\u{2011}3%204+5"), [["1", "2", "3", "4", "5"]]);
        assert_eq!(
            seen("1 - 2 x 3,4\n5"),
            [vec!["1", "2"], vec!["3"], vec!["4"], vec!["5"]]
        );
        assert_eq!(seen("1    2"), [["1"], ["2"]], "far apart");
        assert!(seen("none").is_empty());
    }
}
