//! What is taken out of a text, and what is left alone.

#![allow(
    clippy::unwrap_used,
    reason = "a test stops at what is not as it should be"
)]

use proptest::prelude::*;
use tower_claude_capture::Redactor;

#[track_caller]
fn redacts(table: &[(&str, &str)]) {
    let redactor = Redactor::standard();
    let mut wrong = Vec::new();
    for (text, expected) in table {
        let redacted = redactor.redact(text);
        if redacted != *expected {
            wrong.push(format!("{text:?} gave {redacted:?}, not {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[track_caller]
fn leaves(table: &[&str]) {
    let table: Vec<_> = table.iter().map(|text| (*text, *text)).collect();
    redacts(&table);
}

#[test]
fn addresses_of_mail_are_taken_out() {
    redacts(&[
        ("ann@example.org", "[email]"),
        (
            "Write to ann.lee+tag@mail.example.co.uk.",
            "Write to [email].",
        ),
        (
            "<ann@example.org>, 'bo@example.org'",
            "<[email]>, '[email]'",
        ),
        ("{\"to\":\"ann@example.org\"}", "{\"to\":\"[email]\"}"),
        (
            "mailto:ann@example.org?cc=bo%40example.org",
            "mailto:[email]?cc=[email]",
        ),
        ("a\\nann@example.org", "a\\[email]"),
        ("ann\\u0040example.org", "[email]"),
        ("josé@exämple.org", "[email]"),
        ("请写信给ann@example.org谢谢", "请写信给[email]谢谢"),
        ("a@b@example.org", "a@[email]"),
    ]);
    leaves(&[
        "@ann",
        "ann@",
        "a @ b.c",
        "left-pad@1.2.3",
        "user@localhost",
        "@media print.x",
    ]);
}

#[test]
fn card_numbers_are_taken_out_however_they_are_written() {
    redacts(&[
        ("4111111111111111", "[card]"),
        ("Pay with 4111 1111 1111 1111.", "Pay with [card]."),
        ("4111-1111-1111-1111 exp 12/27", "[card] exp 12/27"),
        ("4111\u{a0}1111\u{a0}1111\u{a0}1111", "[card]"),
        ("4111 - 1111 - 1111 - 1111", "[card]"),
        ("4111+1111+1111+1111", "[card]"),
        ("4111%201111%201111%201111", "[card]"),
        ("4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "[card]"),
        ("41 11 11 11 11 11 11 11", "[card]"),
        ("3782 822463 10005", "[card]"),
        ("378282246310005", "[card]"),
        ("3056 930902 5904", "[card]"),
        ("5555555555554444, 6011 1111 1111 1117", "[card], [card]"),
        ("4111 1111 1111 1111 123", "[card] 123"),
        ("12 4111 1111 1111 1111", "12 [card]"),
        ("card4111111111111111x", "card[card]x"),
        ("\\n4111111111111111\\n", "\\n[card]\\n"),
        ("94111111111111111", "[card]"),
        ("{\"card\":4111111111111111}", "{\"card\":[card]}"),
        ("6304 0000 0000 0000 000", "[card]"),
        ("no.378282246310005,", "no.[card],"),
    ]);
    leaves(&[
        "4111111111111112",
        "4111 1111 1111 1112",
        "1234567890123",
        "378282246310006",
    ]);
}

#[test]
fn account_numbers_are_taken_out_of_every_country() {
    redacts(&[
        ("DE89370400440532013000", "[iban]"),
        ("IBAN: DE89 3704 0044 0532 0130 00.", "IBAN: [iban]."),
        ("de89-3704-0044-0532-0130-00", "[iban]"),
        ("GB29 NWBK 6016 1331 9268 19 and so on", "[iban] and so on"),
        ("FR14 2004 1010 0505 0001 3M02 606", "[iban]"),
        ("NO93 8601 1117 947", "[iban]"),
        ("MT84MALT011000012345MTLCAST001S", "[iban]"),
        ("\\nNL91ABNA0417164300", "\\n[iban]"),
    ]);
    leaves(&[
        "DE89370400440532013001",
        "XX89370400440532013000",
        "ADE89370400440532013000",
        "DE8937040044053201300",
        "NO93 8601 1117 94",
    ]);
}

#[test]
fn phone_numbers_are_taken_out_in_common_forms() {
    redacts(&[
        ("+49 30 123456", "[phone]"),
        ("+4930123456", "[phone]"),
        ("+49 (0)30 123456-78", "[phone]"),
        ("(+44) 20 7946 0958", "([phone]"),
        ("+1 (555) 123-4567!", "[phone]!"),
        ("+1.555.123.4567", "[phone]"),
        ("tel%3A%2B33612345678", "tel%3A[phone]"),
        ("0049 30 123456", "[phone]"),
        ("00493012345678", "[phone]"),
        ("(555) 223-4567", "[phone]"),
        ("555-223-4567", "[phone]"),
        ("1-555-223-4567", "[phone]"),
        ("555.223.4567", "[phone]"),
        ("020 7946 0958", "[phone]"),
        ("07700 900123", "[phone]"),
        ("0171/1234567", "[phone]"),
        ("(030) 123456", "[phone]"),
        ("06 12 34 56 78", "[phone]"),
        ("06.12.34.56.78", "[phone]"),
        ("0612345678", "[phone]"),
        ("06-12345678", "[phone]"),
        ("03-1234-5678", "[phone]"),
        ("(11) 91234-5678", "[phone]"),
        ("Tel.:0171 1234567", "Tel.:[phone]"),
        ("tel:0171 1234567", "tel:[phone]"),
        ("call\\n0171 1234567\\nnow", "call\\n[phone]\\nnow"),
        ("on 01.02.2026 0171 1234567", "on 01.02.2026 [phone]"),
        ("030 123456, 030 654321", "[phone], [phone]"),
    ]);
}

#[test]
fn keys_and_tokens_are_taken_out() {
    let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl";
    redacts(&[
        ("sk-ant-api03-Ab12_cd34-ef56", "[key]"),
        ("OPENAI_API_KEY=sk-proj-Ab12cd34ef56gh78", "OPENAI_[key]"),
        ("key\\nsk-Ab12cd34ef56gh78ij90", "key[key]"),
        ("AKIAIOSFODNN7EXAMPLE", "[key]"),
        ("ghp_16C7e42F292c6912E7710c838347Ae178B4a", "[key]"),
        ("github_pat_11ABCDEFG0abcdefghijkl_mnop", "[key]"),
        ("xoxb-123456789012-abcdef", "[key]"),
        ("AIzaSyA1234567890abcdefghijklmnopqrstuvw", "[key]"),
        (&format!("token={jwt};"), "token=[key];"),
        (
            "Authorization: Bearer abcDEF123456_-.~+/x",
            "Authorization: [key]",
        ),
        (
            "authorization%3A%20bearer%20abcDEF1234567890",
            "authorization%3A%20[key]",
        ),
        ("x-api-key: 0123456789abcdef", "x-[key]"),
        ("{\"api_key\": \"a-secret-of-ours\"}", "{\"[key]\"}"),
        ("cg_web_0123456789ABCDEFGHIJKLMNOPQRSTUVWabcdef", "[key]"),
        ("sk_live_0123456789abcdef", "[key]"),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nMIIE+/=\nAAAA\n-----END RSA PRIVATE KEY-----\nend",
            "[private_key]\nend",
        ),
        (
            "-----BEGIN PRIVATE KEY-----\\nMIIE\\n-----END PRIVATE KEY-----",
            "[private_key]",
        ),
        (
            "k: -----BEGIN EC PRIVATE KEY-----\nMHcCAQEE",
            "k: [private_key]",
        ),
    ]);
    leaves(&[
        "task-management-of-something-long",
        "scikit sk-learn",
        "the bearer of good news",
        "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----",
        "cg_web_short",
    ]);
}

#[test]
fn numbers_that_are_nothing_of_the_kind_are_left_alone() {
    leaves(&[
        "2026-11-20",
        "2026-11-20T10:15:01Z",
        "2026-11-20T10:15:01.123456789+01:00",
        "2026-11-20 08:15:30",
        "20.11.2026 08:15",
        "01.02.2026 10:15",
        "05/06/2026 07.30",
        "01-02-2026 03-04-2026",
        "550e8400-e29b-41d4-a716-446655440000",
        "c3a1b2d4-0612-4345-8678-901234567890",
        "01890a5d-ac96-774b-bcce-b302099a8057",
        "00000000-0000-0000-0000-000000000000",
        "1.2.3",
        "v0.12.345-rc.1+build.678",
        "192.168.100.200:8080",
        "255.255.255.255",
        "010.020.030.040",
        "$1,299.99",
        "1.299,00 EUR",
        "12 345 678,90",
        "0.0000001234",
        "3.14159265",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "d41d8cd98f00b204e9800998ecf8427e",
        "src/main.rs:1042:17",
        "   1042 | let x = 1;\n   1043 | let y = 2;",
        "0001 0002 0003 0004",
        "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20",
        "2019 2020 2021 2022 2023 2024",
        "1795169701",
        "1795169701250",
        "1800000000002",
        "abc378282246310005def",
        "port 65535, pid 123456",
        "0x7fff5fbff8a0",
        "[1024, 2048, 4096, 8192, 16384]",
        "1000000000000",
        "RFC 2119, ISO 8601",
        "10,000,000 of 2^64 = 18446744073709551616",
        "977-3-16-148410-0",
    ]);
}

#[test]
fn what_overlaps_goes_as_one_and_nothing_of_it_stays() {
    let redactor = Redactor::standard()
        .pattern("order", r"ORD-\d{4}[\d-]*")
        .unwrap()
        .pattern("ten", r"\d{10}")
        .unwrap();
    for (text, expected) in [
        ("sk-ant-01234567@example.org", "[email]"),
        ("ORD-4111-1111-1111-1111", "[order]"),
        ("+4111111111111111", "+[card]"),
        ("0612345678", "[ten]"),
        ("Bearer sk-ant-api03-0123456789", "[key]"),
        ("4111111111111111@example.org", "[email]"),
    ] {
        let redacted = redactor.redact(text);
        assert!(
            !redacted.contains(|c: char| c.is_ascii_digit()),
            "{redacted}"
        );
        assert_eq!(redacted, expected, "of {text}");
    }
}

#[test]
fn what_is_redacted_stays_as_it_is_when_redacted_again() {
    let redactor = Redactor::standard();
    let text = "ann@example.org 4111111111111111 +49 30 123456 sk-ant-0123456789";
    let once = redactor.redact(text).into_owned();
    assert_eq!(redactor.redact(&once), once);
}

#[test]
fn a_pattern_that_cannot_be_meant_is_an_error_that_names_it() {
    let error = |name: &str, expression: &str| {
        Redactor::standard()
            .pattern(name, expression)
            .unwrap_err()
            .to_string()
    };
    assert!(error("Staff Number", "x").contains("\"Staff Number\""));
    assert!(error("", "x").contains("1 to 32"));
    assert_eq!(
        error("open", "a(b"),
        "pattern open cannot be read: unclosed group"
    );
    assert!(error("vast", r"\w{200}{200}").starts_with("pattern vast is larger than"));
    assert!(error("all", "x*").starts_with("pattern all fits the empty text"));
    let border = Redactor::standard().pattern("border", r"\b").unwrap();
    assert_eq!(border.redact("left alone"), "left alone");
}

/// The card number of these 15 digits: with the check digit behind them.
fn card(digits: &[u8]) -> String {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let digit = u32::from(*digit) * if place % 2 == 0 { 2 } else { 1 };
            digit / 10 + digit % 10
        })
        .sum();
    let mut text: String = digits
        .iter()
        .map(|digit| char::from(digit + b'0'))
        .collect();
    text.push_str(&((10 - sum % 10) % 10).to_string());
    text
}

/// Digits, separators, what else is found, and anything at all.
fn around() -> impl Strategy<Value = String> {
    prop_oneof![
        ".{0,40}",
        "[0-9 .-]{0,40}",
        "[0-9a-f-]{0,40}",
        "(\\\\n|%3A|\"|:|\\+|@|sk-ant-|Bearer |[a-z]{3}|[0-9]{4}| ){0,12}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_card_number_survives_whatever_stands_around_it(
        first in 4_u8..=6,
        rest in prop::collection::vec(0_u8..=9, 14),
        before in around(),
        after in around(),
    ) {
        let card = card(&[&[first], &*rest].concat());
        let text = format!("{before}{card}{after}");
        let redacted = Redactor::standard().redact(&text).into_owned();
        prop_assert!(!redacted.contains(&card), "{text:?} gave {redacted:?}");
    }

    #[test]
    fn sixteen_digits_that_fit_never_survive_between_other_characters(
        digits in prop::collection::vec(0_u8..=9, 15),
        before in "([^0-9]|[^0-9]{0,20}[^0-9])?",
        after in "([^0-9]|[^0-9][^0-9]{0,20})?",
    ) {
        let card = card(&digits);
        let redacted = Redactor::standard().redact(&format!("{before}{card}{after}")).into_owned();
        prop_assert!(!redacted.contains(&card), "{redacted:?}");
    }

    #[test]
    fn a_card_number_in_groups_of_four_does_not_survive(
        first in 4_u8..=6,
        rest in prop::collection::vec(0_u8..=9, 14),
        separator in "[ .-]",
        before in "[^0-9]{0,20}",
        after in "[^0-9]{0,20}",
    ) {
        let card = card(&[&[first], &*rest].concat());
        let groups: Vec<&str> = (0..4).map(|group| &card[4 * group..4 * group + 4]).collect();
        let card = groups.join(&separator);
        let redacted = Redactor::standard().redact(&format!("{before}{card}{after}")).into_owned();
        prop_assert!(!redacted.contains(&card), "{redacted:?}");
    }

    #[test]
    fn any_text_is_redacted_without_a_panic_and_then_holds_nothing_more(
        text in prop_oneof![".{0,200}", "(@|\\.|-|\\+|\\(|\\)|é|[0-9]|[a-z]|%40|\\\\u0040){0,200}"],
    ) {
        let redactor = Redactor::standard();
        let once = redactor.redact(&text).into_owned();
        prop_assert!(once.len() <= text.len() + 16 * text.len());
        drop(redactor.redact(&once));
    }
}
