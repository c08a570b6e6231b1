//! What is no record is in no sum, and is counted and named.

use std::io::{self, Read};

use tower_claude_usage_meter::{Column, Report};

use super::{line, record, rows, these, with};

#[test]
fn lines_that_are_no_records_are_counted_and_named() {
    let good = line(&record("web", "1"));
    let twice = |field: &str| good.replacen('{', &format!("{{{field},"), 1);
    let without = |field: &str| good.replace(field, "");
    for bad in [
        "some words\n".to_owned(),
        "{}\n".to_owned(),
        "null\n".to_owned(),
        " \n".to_owned(),
        "\0\0\0\0\n".to_owned(),
        format!("\u{feff}{good}"),
        format!("{}\n", &good[..good.len() / 2]),
        format!("{}{good}", &good[..good.len() / 2]),
        format!("{}{good}", good.trim()),
        format!("[{}]\n", good.trim()),
        twice(r#""tenant":"web""#),
        twice(r#""\u0074enant":null"#),
        twice(r#""request_id":"x""#),
        without(r#""tenant":"web","#),
        without(r#""cost_usd":"1","#),
        with("tenant", "7"),
        with("timestamp", "\"yesterday\""),
        with("timestamp", "\"2026-02-30T00:00:00Z\""),
        with("timestamp", "null"),
        with("outcome", "\"finished\""),
        with("status", "65536"),
        with("status", "\"200\""),
        with("input_tokens", ""),
        with("input_tokens", "-1"),
        with("input_tokens", "-0"),
        with("input_tokens", "1.0"),
        with("input_tokens", "1e3"),
        with("input_tokens", "01"),
        with("input_tokens", "18446744073709551616"),
        with("input_tokens", "\"1\""),
        with("input_tokens", "true"),
        with("cost_usd", "1"),
        with("cost_usd", "\"-1\""),
        with("cost_usd", "\"1e3\""),
        with("cost_usd", "\"0.0000000000001\""),
        with("cost_usd", "\"$1\""),
        with("attempts", "}"),
        format!("{{\"a\":{}\n", "[".repeat(500_000)),
    ] {
        let mut report = Report::by([Column::Tenant]);
        let unread = report
            .read([&*good, "\n", &bad, &good].concat().as_bytes())
            .unwrap();
        assert_eq!((unread.lines, unread.first), (1, Some(3)), "{bad:.300}");
        assert_eq!(rows(&report), these([("web", "2")]), "{bad:.300}");
    }
}

#[test]
fn bytes_that_are_no_text_spoil_their_line_only() {
    let good = line(&record("web", "1"));
    let mut bad = good.clone().into_bytes();
    let place = good.find("\"web\"").unwrap() + 1;
    bad[place] = 0xFF;
    let mut report = Report::by([Column::Tenant]);
    let unread = report.read(&*[&bad, good.as_bytes()].concat()).unwrap();
    assert_eq!(
        (unread.lines, unread.first, unread.too_long),
        (1, Some(1), 0)
    );
    assert_eq!(rows(&report), these([("web", "1")]));
}

#[test]
fn a_line_of_more_than_a_mebibyte_is_left_out_and_counted() {
    let good = line(&record("web", "1"));
    let long = |length: usize| {
        let mut record = record("web", "1");
        record.user = Some("u".repeat(length).into());
        line(&record)
    };
    let longest = long((1 << 20) - line(&record("web", "1")).len() + 1 + "null".len() - 2);
    assert_eq!(longest.len(), (1 << 20) + 1, "with its line break");
    let mut report = Report::by([Column::Tenant]);
    let text = [&*longest, &long(1 << 20), &good].concat();
    let unread = report.read(text.as_bytes()).unwrap();
    assert_eq!(
        (unread.lines, unread.too_long, unread.first),
        (1, 1, Some(2))
    );
    assert_eq!(rows(&report), these([("web", "2")]));
}

#[test]
fn sources_are_summed_together_and_their_lines_are_counted_apart() {
    let good = line(&record("web", "1"));
    let mut report = Report::by([Column::Tenant]);
    let first = report.read([&good, "x\n"].concat().as_bytes()).unwrap();
    let second = report.read(["y\nz\n", &good].concat().as_bytes()).unwrap();
    assert_eq!((first.lines, first.first), (1, Some(2)));
    assert_eq!((second.lines, second.first), (2, Some(1)));
    assert_eq!(rows(&report), these([("web", "2")]));
}

#[test]
fn a_source_that_breaks_off_is_an_error() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("gone"))
        }
    }
    let good = line(&record("web", "1"));
    let mut report = Report::by([Column::Tenant]);
    let error = report.read(good.as_bytes().chain(Broken)).unwrap_err();
    assert_eq!(error.to_string(), "gone");
    assert_eq!(rows(&report), these([("web", "1")]));
}
