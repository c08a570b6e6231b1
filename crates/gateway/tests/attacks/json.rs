//! Bodies that are odd JSON, or none, and names in them that are more than names.

use serde_json::json;
use tower_claude::tenant_auth::KeyDigest;
use tower_claude_testkit::FakeClaude;

use crate::evidence::{LIMITS, assert_no_keys};
use crate::support::{self, Pair, WEB_KEY, get, request, send};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_json_is_refused_or_passes_as_it_is() {
    let pair = Pair::limited(FakeClaude::default(), LIMITS, "");
    let url = format!("{}/v1/messages", pair.gateway.url());
    let ok = r#""messages":[{"role":"user","content":"hi"}]"#;
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    let deep_objects = format!("{}1{}", r#"{"a":"#.repeat(200_000), "}".repeat(200_000));
    let m = r#""model":"claude-sonnet-5-5""#;
    let with = |fields: &str| format!("{{{fields}}}").into_bytes();
    let mut in_ignored = format!(r#"{{{m},"max_tokens":9,{ok},"x":""#).into_bytes();
    in_ignored.extend(b"\xff\xfe\"}");
    let mut in_used = br#"{"model":"claude-"#.to_vec();
    in_used.extend(b"\xff\",\"max_tokens\":9,\"messages\":[]}");
    let cases: Vec<(&str, Vec<u8>, &[u16])> = vec![
        ("empty", vec![], &[400]),
        (
            "BOM",
            [
                b"\xef\xbb\xbf",
                &*with(&format!(r#"{m},"max_tokens":9,{ok}"#)),
            ]
            .concat(),
            &[400],
        ),
        (
            "UTF-16",
            "{\"a\":1}"
                .encode_utf16()
                .flat_map(u16::to_le_bytes)
                .collect(),
            &[400],
        ),
        (
            "deep messages",
            with(&format!(r#"{m},"max_tokens":9,"messages":{deep}"#)),
            &[200, 400],
        ),
        (
            "deep content",
            with(&format!(
                r#"{m},"max_tokens":9,"messages":[{{"role":"user","content":{deep}}}]"#
            )),
            &[200, 400],
        ),
        (
            "deep system",
            with(&format!(
                r#"{m},"max_tokens":9,{ok},"system":{deep_objects}"#
            )),
            &[200],
        ),
        (
            "deep metadata",
            with(&format!(
                r#"{m},"max_tokens":9,{ok},"metadata":{deep_objects}"#
            )),
            &[200],
        ),
        (
            "deep user",
            with(&format!(
                r#"{m},"max_tokens":9,{ok},"metadata":{{"user_id":{deep}}}"#
            )),
            &[200],
        ),
        (
            "deep tools",
            with(&format!(r#"{m},"max_tokens":9,{ok},"tools":{deep}"#)),
            &[200],
        ),
        (
            "deep model",
            with(&format!(r#""model":{deep},"max_tokens":9,{ok}"#)),
            &[400],
        ),
        (
            "deep unknown, unclosed",
            format!(r#"{{{m},"x":{}"#, "[".repeat(200_000)).into_bytes(),
            &[400],
        ),
        (
            "lone surrogate, ignored",
            with(&format!(r#"{m},"max_tokens":9,{ok},"x":"\ud800""#)),
            &[200],
        ),
        (
            "lone surrogate in messages",
            with(&format!(
                r#"{m},"max_tokens":9,"messages":[{{"role":"user","content":"\ud800"}}]"#
            )),
            &[200, 400],
        ),
        (
            "lone surrogate in model",
            with(&format!(r#""model":"claude-\ud800","max_tokens":9,{ok}"#)),
            &[400, 403],
        ),
        (
            "lone surrogate in user",
            with(&format!(
                r#"{m},"max_tokens":9,{ok},"metadata":{{"user_id":"\udfff"}}"#
            )),
            &[200],
        ),
        ("bad UTF-8, ignored", in_ignored, &[200, 400]),
        ("bad UTF-8 in model", in_used, &[400]),
        (
            "NUL in a string",
            with(&format!(r#"{m},"max_tokens":9,{ok},"x":"\u0000""#)),
            &[200],
        ),
        (
            "NUL in model",
            with(&format!(r#""model":"claude-\u0000","max_tokens":9,{ok}"#)),
            &[403],
        ),
        (
            "raw NUL",
            with(&format!("{m},\"max_tokens\":9,{ok},\"x\":\"\0\"")),
            &[400],
        ),
        (
            "1e3",
            with(&format!(r#"{m},"max_tokens":1e3,{ok}"#)),
            &[400],
        ),
        (
            "2.0",
            with(&format!(r#"{m},"max_tokens":2.0,{ok}"#)),
            &[400],
        ),
        (
            "2^64",
            with(&format!(r#"{m},"max_tokens":18446744073709551616,{ok}"#)),
            &[400],
        ),
        (
            "2^64-1",
            with(&format!(r#"{m},"max_tokens":18446744073709551615,{ok}"#)),
            &[200, 400],
        ),
        ("-1", with(&format!(r#"{m},"max_tokens":-1,{ok}"#)), &[400]),
        (
            "null",
            with(&format!(r#"{m},"max_tokens":null,{ok}"#)),
            &[400],
        ),
        (
            "true",
            with(&format!(r#"{m},"max_tokens":true,{ok}"#)),
            &[400],
        ),
        ("zero", with(&format!(r#"{m},"max_tokens":0,{ok}"#)), &[200]),
        (
            "model twice",
            with(&format!(
                r#"{m},"mod\u0065l":"claude-opus-5-5","max_tokens":9,{ok}"#
            )),
            &[400],
        ),
        (
            "max_tokens twice",
            with(&format!(
                r#"{m},"max_tokens":9,"max\u005ftokens":90000,{ok}"#
            )),
            &[400],
        ),
        (
            "stream twice",
            with(&format!(
                r#"{m},"stream":false,"max_tokens":9,"\u0073tream":true,{ok}"#
            )),
            &[400],
        ),
        (
            "model in another case too",
            with(&format!(
                r#"{m},"Model":"claude-opus-5-5","MODEL":1,"max_tokens":9,{ok}"#
            )),
            &[200],
        ),
        (
            "only in another case",
            with(&format!(
                r#""Model":"claude-sonnet-5-5","max_tokens":9,{ok}"#
            )),
            &[400],
        ),
        (
            "stream as text",
            with(&format!(r#"{m},"stream":"true","max_tokens":9,{ok}"#)),
            &[400],
        ),
        (
            "stream null",
            with(&format!(r#"{m},"stream":null,"max_tokens":9,{ok}"#)),
            &[200],
        ),
        (
            "ten megabytes of system",
            with(&format!(
                r#"{m},"max_tokens":9,{ok},"system":"{}""#,
                "word ".repeat(2 << 20)
            )),
            &[200],
        ),
        (
            "two documents",
            with(&format!(r#"{m},"max_tokens":9,{ok}}}{{"#)),
            &[400],
        ),
        ("an array", br#"["claude-sonnet-5-5",9]"#.to_vec(), &[400]),
        (
            "many keys",
            with(&format!(
                r#"{m},"max_tokens":9,{ok}{}"#,
                (0..50_000)
                    .map(|i| format!(",\"k{i}\":0"))
                    .collect::<String>()
            )),
            &[200],
        ),
    ];
    let mut count = 0;
    for (name, body, expected) in cases {
        let response = send(request(&url, body)).await;
        let status = response.status().as_u16();
        let text: String = String::from_utf8_lossy(response.body())
            .chars()
            .take(300)
            .collect();
        println!("{name}: {status} {text}");
        assert!(expected.contains(&status), "{name}: {status} {text}");
        if status >= 400 {
            assert_eq!(support::json(&response)["type"], "error", "{name}: {text}");
        }
        count += 1;
        assert_eq!(pair.gateway.ledger_of(count).await.len(), count, "{name}");
    }
    assert_no_keys(&pair.gateway).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_from_callers_stay_values() {
    let more = format!(
        "[[tenants]]\nid = \"all\"\nplan = \"standard\"\nkeys = [{{ digest = \"{}\" }}]\nmodels = [\"*\"]\n",
        KeyDigest::of("integration-key-of-all")
    );
    let pair = Pair::start(FakeClaude::default(), &more);
    let url = format!("{}/v1/messages", pair.gateway.url());
    let names = [
        "gpt\r\nx-evil: 1\r\n\r\n<script>",
        "a\"} 1\nclaude_requests_total{tenant=\"web",
        "a\u{2028}\u{0}\u{1b}[31m",
        &"m".repeat(1 << 20),
    ];
    for name in names {
        let body = json!({"model": name, "max_tokens": 9, "messages": []}).to_string();
        for key in [WEB_KEY, "integration-key-of-all"] {
            let mut asked = request(&url, body.clone());
            asked
                .headers_mut()
                .insert("x-api-key", key.parse().unwrap());
            asked
                .headers_mut()
                .insert("x-feature", "claude-sonnet-5-5".parse().unwrap());
            let response = send(asked).await;
            assert_eq!(response.status(), 403);
            assert_eq!(response.headers().get("x-evil"), None);
            assert!(
                response.body().len() < 2_000,
                "{} bytes",
                response.body().len()
            );
            let said = support::json(&response);
            assert_eq!(said["error"]["type"], "permission_error");
            let model: String = name.chars().take(20).collect();
            assert!(said["error"]["message"].as_str().unwrap().contains(&model));
        }
    }
    let ledger = pair.gateway.ledger_of(2 * names.len()).await;
    assert_eq!(
        ledger.len(),
        2 * names.len(),
        "one line each, whatever is in a name"
    );
    let text = std::fs::read_to_string(pair.gateway.folder.join("usage.jsonl")).unwrap();
    assert!(text.len() < 20_000, "{} bytes", text.len());
    let metrics = get(&pair.gateway.admin, "/metrics").await;
    let metrics = std::str::from_utf8(metrics.body()).unwrap();
    for line in metrics
        .lines()
        .filter(|line| line.starts_with("claude_requests_total"))
    {
        assert!(line.contains("model=\"other\""), "{line}");
        assert!(
            line.contains("feature=\"other\"") || line.contains("feature=\"unknown\""),
            "{line}"
        );
    }
    assert_no_keys(&pair.gateway).await;
}
