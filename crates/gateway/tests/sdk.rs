//! The official SDKs, unmodified, through the gateway to a fake Claude.
//!
//! `cargo xtask test` installs them and says where they are. Without that they are missing,
//! which is a failure under CI and said aloud elsewhere.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod support;

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use support::{Pair, WEB_KEY};
use tower_claude::tenant_auth::KeyDigest;
use tower_claude_testkit::FakeClaude;

/// An official SDK as a client, and how it names what it raises.
struct Sdk {
    name: &'static str,
    program: String,
    script: &'static str,
    credential_header: &'static str,
    in_band_error: &'static str,
    too_large: &'static str,
    timeout: &'static str,
    spend_cap: &'static str,
    overloaded: &'static str,
    /// What the script's own deadline or a broken stream raises.
    stream_error: &'static str,
}

const TIGHT_KEY: &str = "integration-key-of-tight";
const TINY_KEY: &str = "integration-key-of-tiny";

fn sdks() -> Option<Vec<Sdk>> {
    let find = |name: &str| std::env::var(name).ok().filter(|path| !path.is_empty());
    let programs = (
        find("TOWER_CLAUDE_PYTHON_NEW"),
        find("TOWER_CLAUDE_PYTHON_OLD"),
        find("TOWER_CLAUDE_NODE"),
    );
    let (Some(new), Some(old), Some(node)) = programs else {
        let message = "the official SDKs are not set up: run `cargo xtask test`";
        assert!(std::env::var("CI").is_err(), "{message}");
        println!("NOT RUN: {message}");
        return None;
    };
    Some(vec![
        Sdk {
            name: "Python, 2.x",
            program: new,
            script: "client.py",
            credential_header: "authorization",
            in_band_error: "APIStatusError",
            too_large: "ContentTooLargeError",
            timeout: "GatewayTimeoutError",
            spend_cap: "EnforcedSpendLimitReachedError",
            overloaded: "OverloadedError",
            stream_error: "APIStatusError",
        },
        Sdk {
            name: "Python, 0.x",
            program: old,
            script: "client.py",
            credential_header: "x-api-key",
            in_band_error: "APIStatusError",
            too_large: "RequestTooLargeError",
            timeout: "InternalServerError",
            spend_cap: "RateLimitError",
            overloaded: "OverloadedError",
            stream_error: "APIStatusError",
        },
        Sdk {
            name: "TypeScript",
            program: node,
            script: "client.mjs",
            credential_header: "authorization",
            in_band_error: "APIError",
            too_large: "ContentTooLargeError",
            timeout: "GatewayTimeoutError",
            spend_cap: "EnforcedSpendLimitReachedError",
            overloaded: "OverloadedError",
            stream_error: "APIError",
        },
    ])
}

impl Sdk {
    /// Runs scenarios with a key; a line each.
    fn run(&self, url: &str, key: &str, scenarios: &[&str]) -> Vec<Value> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/sdk");
        let output = Command::new(&self.program)
            .arg(folder.join(self.script))
            .args([url, key])
            .args(scenarios)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let results: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert_eq!(results.len(), scenarios.len(), "{}: {complaint}", self.name);
        results
    }

    /// Runs scenarios that raise: each with its exception, status and `error.type`.
    fn expect(&self, url: &str, cases: &[(&str, &str, u16, &str)]) {
        let scenarios: Vec<&str> = cases.iter().map(|case| case.0).collect();
        let results = self.run(url, WEB_KEY, &scenarios);
        for ((scenario, exception, status, error_type), result) in cases.iter().zip(results) {
            let scenario = &scenario[..scenario.len().min(30)];
            let name = self.name;
            assert_eq!(
                result["exception"], *exception,
                "{name}, {scenario}: {result}"
            );
            assert_eq!(result["status"], *status, "{name}, {scenario}");
            assert_eq!(result["error_type"], *error_type, "{name}, {scenario}");
            assert!(result["request_id"].is_string(), "{name}, {scenario}");
        }
    }
}

/// A tenant of one request a minute, one for which nothing fits, and hasty timeouts.
fn configuration() -> String {
    format!(
        r#"
[server]
body_limit = "64KiB"
stream_idle_timeout = "1s"
request_timeout = "20s"

[retry]
attempts = 2
base = "1ms"

[failover]
breaker = {{ failures = 1_000_000 }}

[[tenants]]
id = "tight"
plan = "tight"
keys = [{{ digest = "{}" }}]

[plans.tight]
limits = [{{ meter = "requests", limit = 1, per = "minute" }}]

[[tenants]]
id = "tiny"
plan = "tiny"
keys = [{{ digest = "{}" }}]

[plans.tiny]
reserve_output = "strict"
limits = [{{ meter = "output_tokens", limit = 10, per = "minute" }}]
"#,
        KeyDigest::of(TIGHT_KEY),
        KeyDigest::of(TINY_KEY),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_go_well() {
    let Some(sdks) = sdks() else { return };
    for sdk in &sdks {
        // Its own fake: `flaky` fails once for each request it has not met.
        let pair = Pair::start(FakeClaude::scenarios(), &configuration());
        let scenarios = [
            "plain",
            "stream",
            "thinking-tool-use",
            "count-tokens",
            "models",
            "model",
            "stream:long",
            "stream:slow",
            "plain:flaky",
            "stream:refusal",
        ];
        for result in sdk.run(&pair.gateway.url(), WEB_KEY, &scenarios) {
            let scenario = &result["scenario"];
            assert_eq!(result["ok"], true, "{}: {result}", sdk.name);
            assert_eq!(result["credential_header"], sdk.credential_header);
            let headers = &result["headers"];
            assert!(headers["x-claude-request-id"].is_string(), "{result}");
            assert_eq!(headers["x-claude-target"], "fake", "{scenario}");
            assert!(headers["anthropic-organization-id"].is_null(), "{scenario}");
            match scenario.as_str().unwrap() {
                "thinking-tool-use" => {
                    assert_eq!(result["saw_thinking"], true);
                    assert!(!result["tool_calls"].as_array().unwrap().is_empty());
                    assert_eq!(result["stop_reason"], "tool_use");
                }
                "count-tokens" => assert!(result["input_tokens"].as_u64().unwrap() > 0),
                "models" => assert!(!result["models"].as_array().unwrap().is_empty()),
                "plain:flaky" => assert_eq!(headers["x-claude-attempts"], "2", "retried by us"),
                "stream:refusal" => assert_eq!(result["stop_reason"], "refusal"),
                "stream" | "stream:long" | "stream:slow" => {
                    assert_eq!(result["saw_message_stop"], true);
                    assert!(result["output_tokens"].as_u64().unwrap() > 0);
                }
                _ => {}
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_refusal_is_the_sdks_own_exception() {
    let Some(sdks) = sdks() else { return };
    for sdk in &sdks {
        // Its own gateway, for its own minute of the tight tenant's.
        let pair = Pair::start(FakeClaude::scenarios(), &configuration());
        let url = pair.gateway.url();
        let large = "x".repeat(70_000);
        let large = format!("plain:{large}");
        let ours = [
            (
                "bad-key",
                "AuthenticationError",
                401,
                "authentication_error",
            ),
            (
                "forbidden-model@gpt-6",
                "PermissionDeniedError",
                403,
                "permission_error",
            ),
            ("unknown-path", "NotFoundError", 404, "not_found_error"),
            (
                "no-max-tokens",
                "BadRequestError",
                400,
                "invalid_request_error",
            ),
            (&large, sdk.too_large, 413, "request_too_large"),
        ];
        let upstreams = [
            (
                "plain:bad-request",
                "BadRequestError",
                400,
                "invalid_request_error",
            ),
            ("plain:not-found", "NotFoundError", 404, "not_found_error"),
            ("plain:too-large", sdk.too_large, 413, "request_too_large"),
            (
                "plain:server-error",
                "InternalServerError",
                500,
                "api_error",
            ),
            ("plain:timeout", sdk.timeout, 504, "timeout_error"),
            ("plain:overloaded", sdk.overloaded, 529, "overloaded_error"),
            ("stream:overloaded", sdk.overloaded, 529, "overloaded_error"),
            ("plain:reset", "InternalServerError", 502, "api_error"),
        ];
        sdk.expect(&url, &ours);
        sdk.expect(&url, &upstreams);
        // Each of these takes the only target out of use for a while.
        for case in [
            (
                "plain:rate-limited",
                "RateLimitError",
                429,
                "rate_limit_error",
            ),
            ("plain:spend-cap", sdk.spend_cap, 429, "rate_limit_error"),
            (
                "plain:spend-limit",
                "BadRequestError",
                400,
                "invalid_request_error",
            ),
            // Our credential is not the caller's fault.
            (
                "plain:authentication",
                "InternalServerError",
                502,
                "api_error",
            ),
            ("plain:permission", "InternalServerError", 502, "api_error"),
        ] {
            let pair = Pair::start(FakeClaude::scenarios(), &configuration());
            sdk.expect(&pair.gateway.url(), &[case]);
        }

        let tight = sdk.run(&url, TIGHT_KEY, &["plain", "plain"]);
        assert_eq!(tight[0]["ok"], true, "{}", tight[0]);
        assert_eq!(tight[1]["exception"], "RateLimitError", "{}", tight[1]);
        assert_eq!(
            tight[1]["error_message"],
            "tenant tight exhausted (1 requests/min)"
        );
        let wait: u64 = tight[1]["retry_after"].as_str().unwrap().parse().unwrap();
        assert!((1..=60).contains(&wait));

        let tiny = &sdk.run(&url, TINY_KEY, &["plain"])[0];
        assert_eq!(tiny["exception"], "BadRequestError", "{tiny}");
        assert!(
            tiny["error_message"]
                .as_str()
                .unwrap()
                .contains("never fits")
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_that_end_badly_are_errors_and_not_short_answers() {
    let Some(sdks) = sdks() else { return };
    let pair = Pair::start(FakeClaude::scenarios(), &configuration());
    for sdk in &sdks {
        let scenarios = [
            "stream:in-band-error-midway",
            "stream:in-band-error-before-content",
            "stream:truncated",
            "stream:stalled",
        ];
        let results = sdk.run(&pair.gateway.url(), WEB_KEY, &scenarios);
        let name = sdk.name;
        for result in &results {
            assert_eq!(result["ok"], false, "{name}: {result}");
            assert_ne!(result["saw_message_stop"], true, "{name}: {result}");
        }
        assert_eq!(
            results[0]["exception"], sdk.in_band_error,
            "{name}: {}",
            results[0]
        );
        assert_eq!(results[0]["error_type"], "overloaded_error");
        assert_eq!(
            results[1]["error_type"], "overloaded_error",
            "{}",
            results[1]
        );
        assert_eq!(
            results[2]["exception"], sdk.stream_error,
            "{name}: {}",
            results[2]
        );
        assert_eq!(results[2]["error_type"], "api_error");
        assert_eq!(
            results[3]["error_type"], "timeout_error",
            "{name}: {}",
            results[3]
        );
    }
    let ledger = pair.gateway.ledger_of(4 * sdks.len()).await;
    let outcomes: Vec<&str> = ledger[..4]
        .iter()
        .map(|line| line["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(outcomes, ["errored", "errored", "truncated", "truncated"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_midway_is_recorded_as_gone() {
    let Some(sdks) = sdks() else { return };
    let pair = Pair::start(FakeClaude::scenarios(), &configuration());
    for (number, sdk) in sdks.iter().enumerate() {
        let results = sdk.run(&pair.gateway.url(), WEB_KEY, &["disconnect", "plain"]);
        assert_eq!(
            results[1]["ok"], true,
            "the gateway goes on: {}",
            results[1]
        );
        let ledger = pair.gateway.ledger_of(2 * number + 2).await;
        let dropped: Vec<&Value> = ledger
            .iter()
            .filter(|line| line["outcome"] == "dropped")
            .collect();
        assert_eq!(dropped.len(), number + 1, "{}", sdk.name);
        let line = dropped[number];
        // The rest was read on without the client.
        assert_eq!(line["usage_source"], "exact", "{line}");
        assert!(line["input_tokens"].as_u64().unwrap() > 0, "{line}");
        assert!(line["output_tokens"].as_u64().unwrap() > 0, "{line}");
    }
}
