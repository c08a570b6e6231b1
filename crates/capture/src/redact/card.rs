//! Numbers of payment cards: 13 to 19 digits with a check digit.

use std::ops::{Range, RangeInclusive};

use super::boundary::{begins_word, ends_word};
use super::groups::{Gap, Group, runs};

/// How many digits a card number has.
const LENGTHS: RangeInclusive<usize> = 13..=19;

/// What nearly all have.
const USUAL: usize = 16;

/// Finds card numbers, whatever stands around them.
///
/// 16 digits that stand together need only the check digit. Others, and those glued to more
/// digits or written in groups, also have to begin as cards do: one number in ten has a check
/// digit that fits by chance. Fewer than 16 within a word are none.
pub(super) fn find(text: &[u8], mut report: impl FnMut(Range<usize>)) {
    runs(text, |run| {
        for (index, group) in run.iter().enumerate() {
            let is_within_word =
                !begins_word(text, group.place.start) && !ends_word(text, group.place.end);
            if group.len() < USUAL && is_within_word {
                // Hashes are full of these, and of what fits by chance.
                continue;
            }
            if is_card_alone(group.digits(text)) {
                report(group.place.clone());
            } else {
                find_grouped(text, &run[index..], index == 0, &mut report);
            }
        }
    });
}

/// Whether digits without a separator are a card number, or hold one.
fn is_card_alone(digits: &[u8]) -> bool {
    let begins_as_card = |digits: &[u8]| begins_as_card(digits);
    match digits.len() {
        USUAL => fits_check_digit(digits.iter()),
        length if LENGTHS.contains(&length) && begins_as_card(digits) => {
            fits_check_digit(digits.iter()) || holds_card(digits)
        }
        length if length > USUAL => holds_card(digits),
        _ => false,
    }
}

/// Whether a card number of the usual length is somewhere in these digits.
fn holds_card(digits: &[u8]) -> bool {
    digits
        .windows(USUAL)
        .any(|window| begins_as_card(window) && fits_check_digit(window.iter()))
}

/// Finds the card numbers that begin with the first of these groups.
fn find_grouped(
    text: &[u8],
    groups: &[Group],
    is_whole_run: bool,
    report: &mut impl FnMut(Range<usize>),
) {
    let Some(first) = groups.first() else {
        return;
    };
    let mut digits = [0_u8; 19];
    let mut length = 0;
    for (index, group) in groups.iter().enumerate() {
        let is_joined = index == 0 || matches!(group.gap, Gap::Narrow(_));
        let Some(room) = digits.get_mut(length..length + group.len()) else {
            return;
        };
        if !is_joined {
            return;
        }
        room.copy_from_slice(group.digits(text));
        length += group.len();
        let digits = &digits[..length];
        if index > 0
            && LENGTHS.contains(&length)
            && is_grouped_as_card(&groups[..=index], is_whole_run && index + 1 == groups.len())
            && begins_as_card(digits)
            && fits_check_digit(digits.iter())
        {
            report(first.place.start..group.place.end);
        }
    }
}

/// Whether somebody would write a card number so: fours, 4-6-5, 4-6-4 and the like; or digits
/// one by one or in pairs, if there are no others beside them.
fn is_grouped_as_card(groups: &[Group], is_whole_run: bool) -> bool {
    let Some((last, others)) = groups.split_last() else {
        return false;
    };
    let are_all = |length| groups.iter().all(|group| group.len() == length);
    (others.iter().all(|group| group.len() >= 4) && last.len() <= 12)
        || (is_whole_run && (are_all(1) || are_all(2)))
}

/// Whether an issuer's numbers begin so; the first digits are shared out by ISO/IEC 7812.
fn begins_as_card(digits: &[u8]) -> bool {
    match digits {
        [b'4'..=b'6', ..]
        | [b'3', b'0' | b'4'..=b'9', ..]
        | [b'2', b'2'..=b'7', ..]
        | [b'8', b'1' | b'2', ..] => true,
        // Of 15 digits only: times in milliseconds begin so as well.
        digits if digits.len() == 15 => digits.starts_with(b"2131") || digits.starts_with(b"1800"),
        digits => digits.starts_with(b"9792"),
    }
}

/// Luhn's check, of ASCII digits.
fn fits_check_digit<'a>(digits: impl DoubleEndedIterator<Item = &'a u8>) -> bool {
    let sum: u32 = digits
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let digit = u32::from(digit.wrapping_sub(b'0'));
            match place % 2 {
                0 => digit,
                _ if digit > 4 => 2 * digit - 9,
                _ => 2 * digit,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}
