use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use http::Response;
use tower_claude_testkit::ScriptedBody;
use tower_claude_usage_meter::{SeenResults, UsageSource};

use crate::fetching::{SAMPLE, answered, cut, data, fetch, line, line_of, metered, path};
use crate::support::{cost, take};

#[tokio::test]
async fn lines_that_are_none_pass_and_are_counted() {
    let deep = "[".repeat(1_000_000);
    let broken = [
        "{",
        "null",
        "[]",
        "\"\"",
        "\u{feff}",
        "<html>",
        r#"{"custom_id":"x"}"#,
        r#"{"result":{"type":"succeeded","message":{}}}"#,
        r#"{"custom_id":7,"result":{"type":"succeeded","message":{}}}"#,
        r#"{"custom_id":"x","result":{"type":"succeeded","message":[]}}"#,
        r#"{"custom_id":"x","result":{"type":"dreamt","message":{}}}"#,
        r#"{"custom_id":"x","custom_id":"y","result":{"type":"expired"}}"#,
        &line("x")[1..],
        &line("x")[..100],
        &(line("x") + "x"),
        &deep,
        &format!(r#"{{"custom_id":"x","result":{deep}}}"#),
    ];
    for broken in broken {
        let (records, counts, layer) = metered(SeenResults::default());
        let text = [&line("a"), broken, "", &line("b")].join("\n");
        let body = fetch(&layer, cut(&text, 10_000)).await;
        assert_eq!(take(body).await, text.as_bytes());
        let begin = &broken[..broken.len().min(90)];
        assert_eq!(records.ids(), ["a", "b"], "{begin}");
        assert_eq!(counts.unreadable(), 1, "{begin}");
        assert_eq!(records.of_fetch().cost, None, "something is missing");
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_pass_and_are_counted() {
    let (records, counts, layer) = metered(SeenResults::default());
    let odd = b"{\"custom_id\":\"\xff\",\"result\":{\"type\":\"expired\"}}\n\0\n\xfe\xff\n";
    let text = [odd, line("a").as_bytes()].concat();
    let body = fetch(&layer, vec![data(text.clone())]).await;
    assert_eq!(take(body).await, text);
    assert_eq!((counts.unreadable(), counts.metered()), (3, 1));
    assert_eq!(records.ids(), ["a"]);
}

#[tokio::test]
async fn counts_that_cannot_be_are_unknown_and_never_nothing() {
    for (usage, unpriced) in [
        (r#"{"input_tokens":2.0,"output_tokens":1}"#, "unknown_usage"),
        (r#"{"input_tokens":-1,"output_tokens":1}"#, "unknown_usage"),
        (
            r#"{"input_tokens":18446744073709551616,"output_tokens":1}"#,
            "unknown_usage",
        ),
        (r#"{"input_tokens":"7","output_tokens":1}"#, "unknown_usage"),
        (
            r#"{"input_tokens":1,"output_tokens":1,"dream_tokens":1}"#,
            "unknown_usage",
        ),
        (
            r#"{"input_tokens":1,"output_tokens":1,"service_tier":"flex"}"#,
            "unknown_service_tier",
        ),
        (
            r#"{"input_tokens":1,"output_tokens":1,"speed":"fast"}"#,
            "fast_in_batch",
        ),
        ("null", "usage_missing"),
        ("[]", "usage_missing"),
        ("{}", "usage_missing"),
    ] {
        let (records, counts, layer) = metered(SeenResults::default());
        let text = [line_of("a", usage), line("b")].join("\n");
        take(fetch(&layer, vec![data(text)]).await).await;
        assert_eq!(records.ids(), ["a", "b"], "{usage}");
        let results = records.of_results();
        assert_eq!(results[0].cost, None, "{usage}");
        let reason = results[0].unpriced.as_ref().unwrap().reason();
        assert_eq!(reason, unpriced, "{usage}");
        // 1,000 × 2 + 10 × 10 millionths, half of what Opus costs.
        assert_eq!(cost(&results[1]).as_deref(), Some("0.0021"));
        assert_eq!(counts.metered(), 2, "{usage}");
    }
}

#[tokio::test]
async fn a_tier_that_is_not_told_is_that_of_batches() {
    for tier in [
        "",
        r#","service_tier":"standard""#,
        r#","service_tier":"batch""#,
    ] {
        let (records, _, layer) = metered(SeenResults::default());
        let usage = format!(r#"{{"input_tokens":1000,"output_tokens":10{tier}}}"#);
        take(fetch(&layer, vec![data(line_of("a", &usage))]).await).await;
        let results = records.of_results();
        assert_eq!(cost(&results[0]).as_deref(), Some("0.0021"), "{tier}");
        assert_eq!(results[0].service_tier.as_ref().unwrap().as_str(), "batch");
        assert_eq!(results[0].usage_source, UsageSource::Exact);
    }
}

#[tokio::test]
async fn a_line_of_20_mebibytes_passes_and_is_counted() {
    let text = "x".repeat(20 * 1024 * 1024);
    let long = line("x").replace("[]", &format!(r#"["{text}"]"#));
    let almost = line("y").replace(
        "[]",
        &format!(r#"["{}"]"#, &text[..16 * 1024 * 1024 - 1_000]),
    );
    let text = [line("a"), long, almost, line("b")].join("\n");
    for size in [100_000, text.len()] {
        let (records, counts, layer) = metered(SeenResults::default());
        let body = fetch(&layer, cut(&text, size)).await;
        assert!(take(body).await == text.as_bytes(), "as it came");
        assert_eq!(records.ids(), ["a", "b", "y"]);
        assert_eq!((counts.too_long(), counts.unreadable()), (1, 0));
        assert_eq!(records.of_fetch().cost, None, "something is missing");
    }
}

#[tokio::test]
async fn results_that_come_compressed_pass_and_are_counted() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(SAMPLE.as_bytes()).unwrap();
    let bytes = encoder.finish().unwrap();
    let (records, counts, layer) = metered(SeenResults::default());
    let mut response = Response::new(ScriptedBody::new([data(bytes.clone())]));
    let gzip = http::HeaderValue::from_static("gzip");
    response.headers_mut().insert("content-encoding", gzip);
    assert_eq!(take(answered(&layer, &path(), response).await).await, bytes);
    assert_eq!((counts.metered(), counts.unreadable()), (0, 1));
    assert_eq!(records.of_fetch().cost, None, "nobody knows");
}
