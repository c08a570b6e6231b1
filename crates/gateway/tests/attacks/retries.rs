//! What is tried again, how often, and what a caller reads when nothing helps.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http_body_util::BodyExt;
use tower_claude::tenant_auth::KeyDigest;
use tower_claude_testkit::{Answer, Asked, FakeClaude};

use crate::evidence::{LIMITS, only_line, usage_json, used};
use crate::raw_upstream::{COMPLETE, gateway};
use crate::support::{self, Pair, client, get, message, request, send};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_retried_is_what_the_contract_lists() {
    // The first answer, the status at the end, how often upstream was asked, the flag.
    let cases: Vec<(&str, Answer, u16, u64, Option<&str>)> = vec![
        (
            "408",
            Answer::error(408, "timeout_error", "x"),
            200,
            2,
            None,
        ),
        (
            "409",
            Answer::error(409, "conflict_error", "x"),
            200,
            2,
            None,
        ),
        ("429 soon", Answer::rate_limited(1), 200, 2, None),
        ("429 late", Answer::rate_limited(3_000), 429, 1, None),
        ("503", Answer::error(503, "api_error", "x"), 200, 2, None),
        ("529", Answer::overloaded(), 200, 2, None),
        ("reset after sending", Answer::reset(), 502, 1, None),
        ("500", Answer::error(500, "api_error", "x"), 500, 1, None),
        (
            "504",
            Answer::error(504, "timeout_error", "x"),
            504,
            1,
            None,
        ),
        (
            "400",
            Answer::error(400, "invalid_request_error", "x"),
            400,
            1,
            None,
        ),
        (
            "404",
            Answer::error(404, "not_found_error", "x"),
            404,
            1,
            None,
        ),
        (
            "413",
            Answer::error(413, "request_too_large", "x"),
            413,
            1,
            None,
        ),
        (
            "401",
            Answer::error(401, "authentication_error", "x"),
            502,
            1,
            Some("false"),
        ),
        (
            "403",
            Answer::error(403, "permission_error", "x"),
            502,
            1,
            Some("false"),
        ),
        ("spend cap", Answer::spend_cap(), 429, 1, None),
        ("spend limit", Answer::spend_limit(), 400, 1, None),
        (
            "500 that wants it",
            Answer::error(500, "api_error", "x").header("x-should-retry", "true"),
            200,
            2,
            None,
        ),
        (
            "529 that does not",
            Answer::overloaded().header("x-should-retry", "false"),
            529,
            1,
            Some("false"),
        ),
        (
            "529 later",
            Answer::overloaded().header("retry-after", "3000"),
            529,
            1,
            None,
        ),
    ];
    let mut wrong = Vec::new();
    for (name, first, status, times, flag) in cases {
        let fake = FakeClaude::sequence([first, Answer::json(200, COMPLETE)]);
        let pair = Pair::start(fake, "[retry]\nbase = \"1ms\"\n");
        let url = format!("{}/v1/messages", pair.gateway.url());
        let response = send(request(&url, message("Hi", false))).await;
        let said = (response.status().as_u16(), pair.fake.calls());
        if said != (status, times) {
            wrong.push(format!("{name}: {said:?}, not {:?}", (status, times)));
        }
        let should = response
            .headers()
            .get("x-should-retry")
            .map(|v| v.to_str().unwrap());
        if should != flag && !name.starts_with("spend") {
            wrong.push(format!("{name}: x-should-retry {should:?}, not {flag:?}"));
        }
        if name == "401" || name == "403" {
            let text = String::from_utf8_lossy(response.body()).into_owned();
            assert!(text.contains("target fake"), "{text}");
            let ready = get(&pair.gateway.admin, "/readyz").await;
            let ready = String::from_utf8_lossy(ready.body()).into_owned();
            assert!(ready.contains("fake"), "{ready}");
        }
        let line = only_line(&pair.gateway).await;
        if line["attempts"] != times || line["status"] != status {
            wrong.push(format!("{name}: {line}"));
        }
    }
    // Upstream's own answer passes unchanged, and says that we have tried.
    let fake = FakeClaude::new(|_: &Asked| Answer::overloaded());
    let pair = Pair::start(fake, "[retry]\nbase = \"1ms\"\n");
    let url = format!("{}/v1/messages", pair.gateway.url());
    let response = send(request(&url, message("Hi", false))).await;
    assert_eq!(response.status(), 529);
    assert_eq!(response.headers()["x-should-retry"], "false");
    assert_eq!(response.headers()["x-claude-attempts"], "3");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_tenants_header_does_not_end_the_retries_of_another() {
    // The quota of retries is everybody's: if `x-stainless-retry-count` were counted against it,
    // one caller could empty it alone.
    let other = "integration-key-of-other";
    let more = format!(
        "[retry]\nbase = \"1ms\"\n[[tenants]]\nid = \"other\"\nplan = \"standard\"\nkeys = [{{ digest = \"{}\" }}]\n",
        KeyDigest::of(other)
    );
    let first = Arc::new(AtomicUsize::new(0));
    let fake = FakeClaude::new(move |asked: &Asked| {
        let is_other = asked.last_user_text().as_deref() == Some("flaky");
        if is_other && first.fetch_add(1, Ordering::SeqCst) == 0 {
            Answer::overloaded()
        } else {
            Answer::json(200, COMPLETE)
        }
    });
    let pair = Pair::start(fake, &more);
    let url = format!("{}/v1/messages", pair.gateway.url());
    let client = client();
    for _ in 0..250 {
        let mut asked = request(&url, message("Hi", false));
        asked
            .headers_mut()
            .insert("x-stainless-retry-count", "1".parse().unwrap());
        let response = client.request(asked).await.unwrap();
        response.into_body().collect().await.unwrap();
    }
    let mut asked = request(&url, message("flaky", false));
    asked
        .headers_mut()
        .insert("x-api-key", other.parse().unwrap());
    assert_eq!(send(asked).await.status(), 200, "it was worth a retry");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_upstream_at_all_is_502_then_529_with_a_time() {
    let more = "[retry]\nattempts = 1\n[failover]\nbreaker = { failures = 2, open = \"30s\" }\n";
    let gateway = gateway("http://127.0.0.1:1", LIMITS, more);
    let url = format!("{}/v1/messages", gateway.url());
    for _ in 0..2 {
        let response = send(request(&url, message("Hi", false))).await;
        assert_eq!(response.status(), 502);
        assert_eq!(support::json(&response)["error"]["type"], "api_error");
    }
    // No call waits as long as that.
    let response = send(request(&url, message("Hi", true))).await;
    assert_eq!(response.status(), 529);
    assert_eq!(
        support::json(&response)["error"]["type"],
        "overloaded_error"
    );
    let wait: u64 = response.headers()["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((6..=30).contains(&wait), "{wait}");
    let ready = get(&gateway.admin, "/readyz").await;
    assert_eq!(ready.status(), 200, "calls of other classes pass");
    let ledger = gateway.ledger_of(3).await;
    for line in &ledger {
        assert_eq!(line["cost_usd"], "0", "{line}");
    }
    let usage = usage_json(&gateway).await;
    assert_eq!(
        used(&usage, "output_tokens"),
        0,
        "nothing reached anybody: {usage}"
    );
    assert_eq!(
        used(&usage, "input_tokens"),
        0,
        "nothing reached anybody: {usage}"
    );
}
