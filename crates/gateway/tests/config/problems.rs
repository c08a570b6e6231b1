//! What is said about a bad file.

use std::fs;
use std::path::PathBuf;

use super::*;

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_nearest_known_key() {
    assert_eq!(
        printed_after_small("[server]\nlisen = \"127.0.0.1:1\"\n"),
        "gateway.toml:11: error: unknown key `lisen` in `server`; did you mean `listen`?"
    );
    assert_eq!(
        printed_after_small("[sever]\n"),
        "gateway.toml:10: error: unknown key `sever`; did you mean `server`?"
    );
    assert_eq!(
        printed_after_small("[failover]\nbreaker.opened = \"1s\"\n"),
        "gateway.toml:11: error: unknown key `opened` in `failover.breaker`; \
         did you mean `open`?"
    );
}

#[test]
fn an_unknown_key_that_is_near_to_none_gets_the_list() {
    assert_eq!(
        printed_after_small("[prices.m]\ninput = 1\noutput = 2\ndiscount = 3\n"),
        "gateway.toml:13: error: unknown key `discount` in `prices`; \
         known keys, nearest first: `input`, `output`"
    );
}

#[test]
fn all_problems_come_in_one_run_in_line_order() {
    let text = r#"[[tenants]]
id = "web app"
plan = "standart"
keys = [{ digest = "sha256:00" }]
colour = "red"

[plans.standard]
limits = [
  { meter = "requests", limit = 0, per = "minute" },
  { meter = "tokens", limit = "many", per = "minute" },
]

[retry]
base = "500"
attempts = 0

[[targets]]
base_url = "ftp://example.com"
credential = { env = "UNSET" }

[server]
body_limit = "32MB"
"#;
    let expected = "\
gateway.toml:2: error: `tenants.id` `web app` is no id; use 1 to 64 of `[A-Za-z0-9_-]`
gateway.toml:3: error: unknown plan `standart`; did you mean `standard`?
gateway.toml:4: error: `tenants.keys.digest` is not a digest; write \"sha256:\" and 64 lower-case hex digits, as `keygen` prints them
gateway.toml:5: error: unknown key `colour` in `tenants`; known keys, nearest first: `models`, `plan`, `id`, `keys`, `endpoints`, `residency`
gateway.toml:9: error: `plans.limits.limit` is zero; write 1 or more
gateway.toml:10: error: `plans.limits.limit` must be an integer, not of type string; write it without quotes or a decimal point
gateway.toml:14: error: `retry.base` `500` is not a duration; write a whole number and ms, s, m or h, such as \"30s\"
gateway.toml:15: error: `retry.attempts` is zero; write 1 or more
gateway.toml:17: error: missing key `targets.name`; add it
gateway.toml:18: error: `targets.base_url` is not an http or https URL; write it such as \"https://api.anthropic.com\"
gateway.toml:19: error: the environment variable `UNSET` is not set; set it, or use { file = \"path\" }
gateway.toml:22: error: `server.body_limit` `32MB` is not a size; write a whole number and KiB, MiB or GiB, such as \"32MiB\"";
    assert_eq!(printed(text), expected);
}

#[test]
fn every_syntax_error_has_its_line() {
    let printed = printed("[server]\nlisten = \n\n[auth]\nmode = 1\nmode = 2\n[plans\n");
    let places: Vec<_> = printed.lines().map(|line| &line[..21]).collect();
    let expected = [2, 6, 7].map(|line| format!("gateway.toml:{line}: error"));
    assert_eq!(places, expected, "{printed}");
}

#[test]
fn a_file_without_targets_and_tenants_serves_nobody() {
    assert_eq!(
        printed(""),
        "gateway.toml:1: error: no tenants; add a [[tenants]] table\n\
         gateway.toml:1: error: no targets; add a [[targets]] table"
    );
}

#[test]
fn duplicates_point_at_the_first() {
    let digest = format!("{{ digest = \"sha256:{}\" }}", "ab".repeat(32));
    let more = format!(
        "keys = [{digest}, {digest}]\n[[tenants]]\nid = \"web\"\nplan = \"standard\"\n\
         [[targets]]\nname = \"anthropic\"\ncredential = {{ env = \"ANTHROPIC_API_KEY\" }}\n"
    );
    assert_eq!(
        printed_after_small(&more),
        "gateway.toml:10: error: duplicate key digest; the first is on line 10\n\
         gateway.toml:12: error: duplicate tenant id `web`; the first is on line 8\n\
         gateway.toml:15: error: duplicate target name `anthropic`; the first is on line 2"
    );
}

#[test]
fn a_secret_is_never_part_of_a_message() {
    for credential in [
        "\"sk-ant-pasted\"",
        "{ env = \"sk-ant-pasted\" }",
        "{ env = \"MULTILINE\" }",
        "{ file = \"/nowhere/at/all\" }",
        "{ env = \"UNSET\", file = \"x\" }",
        "{}",
        "[\"sk-ant-pasted\"]",
    ] {
        let text = SMALL.replace("{ env = \"ANTHROPIC_API_KEY\" }", credential);
        let printed = printed(&text);
        assert!(printed.starts_with("gateway.toml:3: error: "), "{printed}");
        assert!(!printed.contains("pasted"), "{printed}");
        assert_eq!(printed.lines().count(), 1, "{printed}");
    }
    for (key, value) in [("digest", "sk-pasted"), ("not_after", "sk-pasted")] {
        let printed = printed_after_small(&format!("keys = [{{ {key} = \"{value}\" }}]\n"));
        assert!(!printed.contains("pasted"), "{printed}");
    }
}

#[test]
fn a_base_url_is_plain_http_or_https() {
    for (url, problem) in [
        ("example.com", "is not an http or https URL"),
        ("/v1", "is not an http or https URL"),
        (
            "https://user:pass@example.com",
            "holds a user name or password",
        ),
        ("https://example.com/?key=1", "holds a query or a fragment"),
        ("http://example.com:99999", "has an impossible port"),
        ("https://", "is not a URL"),
        ("not a url", "is not a URL"),
    ] {
        let text = SMALL.replace("name =", &format!("base_url = \"{url}\"\nname ="));
        let printed = printed(&text);
        let expected = format!("gateway.toml:2: error: `targets.base_url` {problem}; ");
        assert!(printed.starts_with(&expected), "{printed}");
        assert!(!printed.contains("pass@"), "{printed}");
    }
}

#[test]
fn a_target_name_travels_in_a_header() {
    for name in ["", "two words", "line\\nbreak", "naïve"] {
        let printed = printed(&SMALL.replace("\"anthropic\"", &format!("\"{name}\"")));
        assert!(printed.contains("is not header-safe"), "{printed}");
        assert_eq!(printed.lines().count(), 1, "{printed}");
    }
}

#[test]
fn a_limit_behind_a_stricter_one_is_too_many() {
    let limits = "[plans.tight]\nlimits = [\n\
        { meter = \"requests\", limit = 20, per = \"minute\" },\n\
        { meter = \"requests\", limit = 10, per = \"minute\" },\n\
        { meter = \"tokens\", limit = 10, per = \"minute\" },\n]\n";
    assert_eq!(
        printed_after_small(limits),
        "gateway.toml:12: error: 20 requests/min is never reached: 10 requests/min is \
         always spent first; remove it, or the other on line 13"
    );
}

#[test]
fn a_key_that_ends_before_it_begins_is_an_error_and_an_expired_one_a_warning() {
    let digest = format!("digest = \"sha256:{}\"", "ab".repeat(32));
    let never = "not_before = \"2025-01-02T00:00:00Z\", not_after = \"2025-01-01T00:00:00Z\"";
    let printed = printed_after_small(&format!("keys = [{{ {digest}, {never} }}]\n"));
    assert!(printed.starts_with("gateway.toml:10: error: `not_after` is before `not_before`"));
    let expired = "not_after = \"2025-12-31T23:59:59Z\"";
    let loaded = loaded(&format!("{SMALL}keys = [{{ {digest}, {expired} }}]\n"));
    assert_eq!(
        loaded.warnings.to_string(),
        "gateway.toml:10: warning: expired key: `not_after` is past; remove the key"
    );
    assert_eq!(loaded.config.tenants[0].keys.len(), 1);
}

#[test]
fn names_are_shown_on_one_line_whatever_they_are() {
    let printed = printed_after_small("\"a\\nb\\u001b[31m\" = 1\n");
    assert_eq!(printed.lines().count(), 1, "{printed}");
    assert!(!printed.contains('\u{1b}'), "{printed}");
}

#[test]
fn an_unreadable_file_is_a_problem_like_any_other() {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let missing = directory.join("missing.toml");
    let printed = Config::load(&missing).unwrap_err().to_string();
    let expected = format!("{}:1: error: cannot read the file: ", missing.display());
    assert!(printed.starts_with(&expected), "{printed}");
    let path = directory.join("latin1.toml");
    fs::write(&path, b"[server]\n# \xe9\n").unwrap();
    let printed = Config::load(&path).unwrap_err().to_string();
    let expected = format!("{}:2: error: invalid UTF-8; ", path.display());
    assert!(printed.starts_with(&expected), "{printed}");
}

#[test]
fn a_day_behind_a_stricter_minute_is_too_many_in_dollars_too() {
    let more = "[plans.other]\nlimits = [\n\
        { meter = \"usd\", limit = \"0.01\", per = \"minute\" },\n\
        { meter = \"usd\", limit = 100, per = \"day\" },\n]\n";
    let printed = printed_after_small(more);
    let hidden = "error: $100/day is never reached: $0.01/min is always spent first";
    assert!(printed.contains(hidden), "{printed}");
}

#[test]
fn limits_that_cannot_work_are_errors() {
    for (limit, error) in [
        (
            "{ meter = \"usd\", limit = \"0.0000000001\", per = \"day\" }",
            "is not a countable amount",
        ),
        (
            "{ meter = \"tokens\", limit = 9007199254740992, per = \"day\" }",
            "is larger than can be counted exactly",
        ),
        (
            "{ meter = \"tokens\", limit = 1, per = \"day\", algorithm = \"bucket\" }",
            "is a bucket, which needs a period of a second, minute or hour",
        ),
        (
            "{ meter = \"tokens\", limit = 1, per = \"minute\", algorithm = \"bucket\", burst = 1000 }",
            "takes more than half a day to refill",
        ),
        ("{ meter = \"usd\", limit = 0, per = \"day\" }", "is zero"),
    ] {
        let printed = printed_after_small(&format!("[plans.other]\nlimits = [{limit}]\n"));
        assert!(printed.contains(error), "{limit}: {printed}");
    }
}

#[test]
fn a_model_without_a_price_does_not_go_with_a_limit_in_dollars() {
    let plan = "[plans.paid]\nlimits = [{ meter = \"usd\", limit = 5, per = \"day\" }]\n";
    let tenant = "[[tenants]]\nid = \"paid\"\nplan = \"paid\"\nmodels = [\"claude-*\", \"mine\"]\n";
    let printed = printed_after_small(&format!("{plan}{tenant}"));
    assert!(
        printed.contains("error: model `mine` has no price, and plan `paid` limits dollars"),
        "{printed}"
    );
    let price = "[prices.mine]\ninput = 1\noutput = 2\n";
    config(&format!("{SMALL}{plan}{tenant}{price}"));
}

#[test]
fn patterns_of_what_is_not_kept_are_checked_where_they_stand() {
    let patterns = |patterns: &str| {
        let table = format!("[usage.capture_patterns]\nstaff = '\\bE-[0-9]+\\b'\n{patterns}\n");
        printed_after_small(&table)
    };
    assert_eq!(
        patterns("room = 'R-[0-9+'"),
        "gateway.toml:12: error: pattern room cannot be read: unclosed character class; \
         write a regular expression in '…'"
    );
    assert_eq!(
        patterns("any = '.*'"),
        "gateway.toml:12: error: pattern any fits the empty text, and so everywhere; \
         write a regular expression in '…'"
    );
}

#[test]
fn texts_and_records_do_not_go_into_one_file() {
    assert_eq!(
        printed_after_small("[usage]\ncapture = \"redacted\"\ncapture_file = \"usage.jsonl\"\n"),
        "gateway.toml:10: error: `usage.capture_file` is the same as `usage.ledger`; \
         choose another file"
    );
}
