//! Phone numbers: international ones, and the national forms that look like nothing else.

use std::ops::Range;
use std::ops::RangeInclusive;

use super::boundary::{begins_word, ends_word};
use super::groups::{Gap, Group, runs};

/// How many digits E.164 gives a number with its country code; fewer than eight are rare.
const INTERNATIONAL: RangeInclusive<usize> = 8..=15;

/// How many digits a national number has with its trunk prefix.
const NATIONAL: RangeInclusive<usize> = 9..=12;

/// How many it has where it stands in one piece.
const IN_ONE_PIECE: RangeInclusive<usize> = 10..=11;

/// Finds phone numbers; what else consists of digits is left alone.
pub(super) fn find(text: &[u8], mut report: impl FnMut(Range<usize>)) {
    runs(text, |run| {
        let mut rest = run;
        while let Some((first, others)) = rest.split_first() {
            let found = length_of_number(text, rest);
            let Some(last) = found.checked_sub(1).and_then(|last| rest.get(last)) else {
                rest = others;
                continue;
            };
            report(start_with_signs(text, first.place.start)..last.place.end);
            rest = &rest[found..];
        }
    });
}

/// How many of these groups are a phone number together; 0 if the first begins none.
fn length_of_number(text: &[u8], groups: &[Group]) -> usize {
    let Some(first) = groups.first() else {
        return 0;
    };
    let digits = first.digits(text);
    let start = first.place.start;
    let longest = |lengths: &RangeInclusive<usize>, is_one: &dyn Fn(&[Group]) -> bool| {
        (1..=groups.len().min(8))
            .rev()
            .find(|count| {
                let groups = &groups[..*count];
                lengths.contains(&groups.iter().map(Group::len).sum()) && is_one(groups)
            })
            .unwrap_or(0)
    };
    let ends = |groups: &[Group]| {
        let end = groups.last().map_or(start, |group| group.place.end);
        ends_word(text, end)
    };
    if is_after_plus(text, start) && digits[0] != b'0' {
        return longest(&INTERNATIONAL, &ends);
    }
    if !is_free(text, start) {
        return 0;
    }
    if let [b'0', b'0', b'1'..=b'9', ..] = digits {
        let most = *INTERNATIONAL.start() + 2..=*INTERNATIONAL.end() + 2;
        return longest(&most, &|groups| {
            ends(groups) && (groups.len() > 1 || digits.len() > 12)
        });
    }
    let is_national = |groups: &[Group]| {
        let is_trunk = matches!(digits, [b'0', b'1'..=b'9', ..]);
        ends(groups)
            && match groups.len() {
                1 => is_trunk && IN_ONE_PIECE.contains(&digits.len()),
                _ if is_north_american(text, groups) => true,
                _ if has_area_in_parentheses(text, groups) => true,
                _ => is_trunk && (2..=5).contains(&digits.len()) && is_grouped_as_phone(groups),
            }
    };
    longest(&NATIONAL, &is_national)
}

/// Whether these are 3-3-4 digits as the North American plan has them, 1 before them or not.
fn is_north_american(text: &[u8], groups: &[Group]) -> bool {
    let groups = match groups {
        [country, rest @ ..] if rest.len() == 3 && country.digits(text) == b"1" => rest,
        groups => groups,
    };
    let [area, exchange, line] = groups else {
        return false;
    };
    let is_code = |group: &Group| group.len() == 3 && group.digits(text)[0] >= b'2';
    is_code(area) && is_code(exchange) && line.len() == 4
}

/// Whether the first of these groups stands in parentheses: `(11) 91234-5678`.
fn has_area_in_parentheses(text: &[u8], groups: &[Group]) -> bool {
    groups.first().is_some_and(|area| {
        (2..=5).contains(&area.len())
            && text[..area.place.start].ends_with(b"(")
            && text[area.place.end..].starts_with(b")")
    })
}

/// Whether these groups are neither a date nor an address of the internet.
fn is_grouped_as_phone(groups: &[Group]) -> bool {
    let Some((first, others)) = groups.split_first() else {
        return false;
    };
    let is_even = others.windows(2).all(|pair| pair[0].gap == pair[1].gap);
    let is_date = match (first.len(), others) {
        (2, [month, year, ..]) if month.len() == 2 => {
            year.len() == 4 || (year.len() == 2 && !is_even)
        }
        _ => false,
    };
    let is_dotted = |group: &Group| group.gap == Gap::Narrow(b'.') && group.len() <= 3;
    let is_address = first.len() <= 3 && groups.len() <= 4 && others.iter().all(is_dotted);
    others.iter().all(|group| group.len() >= 2) && !is_date && !is_address
}

fn is_after_plus(text: &[u8], start: usize) -> bool {
    let before = &text[..start];
    let before = before.strip_suffix(b"(").unwrap_or(before);
    let plus = before.strip_suffix(b"+").or(before.strip_suffix(b"%2B"));
    plus.is_some_and(|before| begins_word(text, before.len()))
}

/// Whether a number without a plus may begin here: not within a word, a date or a fraction.
fn is_free(text: &[u8], start: usize) -> bool {
    begins_word(text, start)
        && match &text[..start] {
            [.., byte, b'-' | b'_'] => !byte.is_ascii_hexdigit(),
            [.., byte, b'.' | b',' | b':' | b'/'] => !byte.is_ascii_digit(),
            _ => true,
        }
}

/// The plus and the parenthesis before a number belong to it.
fn start_with_signs(text: &[u8], start: usize) -> usize {
    let before = &text[..start];
    let before = before.strip_suffix(b"(").unwrap_or(before);
    let before = before.strip_suffix(b"+").unwrap_or(before);
    before.strip_suffix(b"%2B").unwrap_or(before).len()
}
