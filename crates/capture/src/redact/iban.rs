//! International bank account numbers, by the registry's lengths and their check digits.

use std::ops::Range;

use super::boundary::{begins_word, ends_word};

/// The countries of each length.
const COUNTRIES: [(usize, &str); 18] = [
    (15, "NO"),
    (16, "BE"),
    (18, "DK FI FK FO GL NL SD"),
    (19, "MK SI"),
    (20, "AT BA EE KZ LT LU MN XK"),
    (21, "CH HR LI LV"),
    (22, "BG BH CR DE GB GE IE ME RS VA"),
    (23, "AE GI IL IQ OM SO TL"),
    (24, "AD CZ ES MD PK RO SA SE SK TN VG"),
    (25, "AO CV GW LY MZ PT ST"),
    (26, "BF CD DZ IR IS TR"),
    (27, "BI CF CG CM DJ FR GA GQ GR IT KM MC MG MR SM TD"),
    (
        28,
        "AL AZ BJ BY CI CY DO GT HN HU LB MA ML NE NI PL SN SV TG",
    ),
    (29, "BR EG PS QA UA"),
    (30, "JO KW MU YE"),
    (31, "MT SC"),
    (32, "LC"),
    (33, "RU"),
];

/// Finds account numbers, in one piece or in groups parted by a space or a dash.
pub(super) fn find(text: &[u8], mut report: impl FnMut(Range<usize>)) {
    let mut at = 0;
    while let Some(found) = text[at..].iter().position(u8::is_ascii_digit) {
        let digit = at + found;
        at = digit + 1;
        let Some(start) = digit.checked_sub(2) else {
            continue;
        };
        if text[start..digit].iter().all(u8::is_ascii_alphabetic)
            && begins_word(text, start)
            && let Some(length) = length_of_account(&text[start..])
            && ends_word(text, start + length)
        {
            report(start..start + length);
        }
    }
}

/// How many bytes the account number takes that this begins with.
fn length_of_account(text: &[u8]) -> Option<usize> {
    let country = [*text.first()?, *text.get(1)?].map(|byte| byte.to_ascii_uppercase());
    let wanted = length_in(country)?;
    let mut characters = [0_u8; 34];
    let (mut count, mut at) = (0, 0);
    while count < wanted {
        let byte = *text.get(at)?;
        at += 1;
        if byte.is_ascii_alphanumeric() {
            *characters.get_mut(count)? = byte.to_ascii_uppercase();
            count += 1;
        } else if !(matches!(byte, b' ' | b'-') && text[at - 2].is_ascii_alphanumeric()) {
            return None;
        }
    }
    is_checked(characters.get(..wanted)?).then_some(at)
}

fn length_in(country: [u8; 2]) -> Option<usize> {
    let is_in = |list: &str| list.split(' ').any(|code| code.as_bytes() == country);
    let found = COUNTRIES.iter().find(|(_, list)| is_in(list));
    found.map(|(length, _)| *length)
}

/// ISO 7064, MOD 97-10: the first four last, letters as 10 to 35, and the rest is 1.
fn is_checked(characters: &[u8]) -> bool {
    let Some((head, account)) = characters.split_at_checked(4) else {
        return false;
    };
    let rest = account.iter().chain(head).fold(0_u32, |rest, byte| {
        let value = char::from(*byte).to_digit(36).unwrap_or(0);
        let shifted = if value > 9 { rest * 100 } else { rest * 10 };
        (shifted + value) % 97
    });
    rest == 1 && head[2..].iter().all(u8::is_ascii_digit)
}
