//! What the contract promises and this build does not implement yet: one case for each row of the table.

use super::*;

const LIMIT: &str = "meter = \"tokens\", limit = 1";

/// The only problem of a small file that goes on so is that this is not implemented.
fn assert_refused(more: &str, what: &str) {
    let printed = printed_after_small(more);
    let expected = format!("error: {what} is not implemented in this build; ");
    assert!(printed.contains(&expected), "{what}: {printed}");
    assert_eq!(printed.lines().count(), 1, "{printed}");
}

#[test]
fn keys_of_sections() {
    for (section, key, value) in [
        ("server", "public_url", "\"http://127.0.0.1:8080\""),
        ("auth", "jwt", "{ issuer = \"i\", audience = \"a\" }"),
        ("auth", "trusted_peers", "[\"127.0.0.0/8\"]"),
        ("auth", "pepper", "{ env = \"UNSET\" }"),
        ("budget", "store_timeout", "\"60ms\""),
        ("usage", "capture_file", "\"capture.jsonl\""),
    ] {
        let more = format!("[{section}]\n{key} = {value}\n");
        assert_refused(&more, &format!("`{section}.{key}`"));
    }
}

#[test]
fn values_of_sections() {
    for (section, key, value) in [
        ("auth", "mode", "\"jwt\""),
        ("auth", "mode", "\"trusted-header\""),
        ("budget", "when_store_is_down", "\"lease\""),
        ("budget", "when_store_is_down", "\"allow\""),
        ("retry", "hold_head", "false"),
        ("usage", "durable", "true"),
        ("usage", "capture", "\"redacted\""),
    ] {
        let more = format!("[{section}]\n{key} = {value}\n");
        assert_refused(&more, &format!("`{section}.{key} = {value}`"));
    }
}

#[test]
fn shared_budgets() {
    for url in ["redis://127.0.0.1:6379", "rediss://:pass@example.com"] {
        let more = format!("[budget]\nstore = \"{url}\"\n");
        assert_refused(&more, "`budget.store = \"redis…\"`");
    }
    let cluster = "[budget]\nstore = [\"redis://a\", \"redis://b\"]\n";
    assert_refused(cluster, "a list in `budget.store`");
    assert_refused("[budget]\nreplicas = 2\n", "`budget.replicas` above 1");
}

#[test]
fn draining_after_a_disconnect() {
    let drain = "[usage]\non_disconnect = { drain_tokens = 2000, drain_time = \"30s\" }\n";
    assert_refused(drain, "a table in `usage.on_disconnect`");
}

#[test]
fn tenants_in_a_file_of_their_own() {
    let (targets, _) = SMALL.split_once("[[tenants]]").unwrap();
    let printed = printed(&format!("tenants_file = \"tenants.toml\"\n{targets}"));
    assert_eq!(
        printed,
        "gateway.toml:1: error: `tenants_file` is not implemented in this build; \
         write [[tenants]] in this file"
    );
}

#[test]
fn other_platforms_and_their_keys() {
    let target = "[[targets]]\nname = \"other\"\n";
    let credential = "credential = { env = \"ANTHROPIC_API_KEY\" }\n";
    for platform in ["bedrock", "vertex", "foundry"] {
        let more = format!("{target}{credential}platform = \"{platform}\"\n");
        assert_refused(&more, &format!("`targets.platform = \"{platform}\"`"));
    }
    for key in ["region", "project", "location"] {
        let more = format!("{target}{credential}{key} = \"x\"\n");
        assert_refused(&more, &format!("`targets.{key}`"));
    }
    for key in ["aws", "google"] {
        let more = format!("{target}credential = {{ {key} = \"default\" }}\n");
        assert_refused(&more, &format!("`targets.credential.{key}`"));
    }
}

#[test]
fn optimistic_reservations() {
    let more = "[plans.other]\nreserve_output = \"optimistic\"\n";
    assert_refused(more, "`plans.reserve_output = \"optimistic\"`");
}

#[test]
fn other_meters() {
    for amount in ["50", "0.1", "\"5.00\""] {
        let limit = format!("{{ meter = \"usd\", limit = {amount}, per = \"minute\" }}");
        let more = format!("[plans.other]\nlimits = [{limit}]\n");
        assert_refused(&more, "`plans.limits.meter = \"usd\"`");
    }
    let more = "[plans.other]\nlimits = [{ meter = \"concurrency\", limit = 20 }]\n";
    assert_refused(more, "`plans.limits.meter = \"concurrency\"`");
}

#[test]
fn other_kinds_of_limits() {
    for (key, value) in [
        ("per", "second"),
        ("per", "hour"),
        ("per", "day"),
        ("per", "month"),
        ("algorithm", "bucket"),
        ("scope", "user"),
        ("scope", "feature"),
        ("scope", "model"),
        ("scope", "account"),
        ("mode", "warn"),
    ] {
        let per = if key == "per" {
            ""
        } else {
            ", per = \"minute\""
        };
        let limit = format!("{{ {LIMIT}{per}, {key} = \"{value}\" }}");
        let more = format!("[plans.other]\nlimits = [{limit}]\n");
        assert_refused(&more, &format!("`plans.limits.{key} = \"{value}\"`"));
    }
}

#[test]
fn bursts() {
    let limit = format!("{{ {LIMIT}, per = \"minute\", burst = 2 }}");
    let more = format!("[plans.other]\nlimits = [{limit}]\n");
    assert_refused(&more, "`plans.limits.burst`");
}

#[test]
fn batches_and_files() {
    for endpoint in ["batches", "files"] {
        let more = format!("endpoints = [\"messages\", \"{endpoint}\"]\n");
        assert_refused(&more, &format!("`tenants.endpoints = \"{endpoint}\"`"));
    }
}

#[test]
fn what_is_refused_is_still_compared_with_the_rest() {
    let more = "[plans.other]\nlimits = [\n\
        { meter = \"requests\", limit = 10, per = \"minute\" },\n\
        { meter = \"requests\", limit = 1000, per = \"hour\" },\n]\n";
    let printed = printed_after_small(more);
    let hidden = "gateway.toml:13: error: 1000 requests/hour is never reached: \
        10 requests/minute is always spent first; remove it, or the other on line 12";
    assert!(printed.contains(hidden), "{printed}");
    let refused = "gateway.toml:13: error: `plans.limits.per = \"hour\"` is not implemented";
    assert!(printed.contains(refused), "{printed}");
}

#[test]
fn a_typing_error_of_a_refused_name_is_still_a_typing_error() {
    assert_eq!(
        printed_after_small("[auth]\nmode = \"kesy\"\npeper = 1\n"),
        "gateway.toml:11: error: unknown value `kesy` of `auth.mode`; did you mean \"keys\"?\n\
         gateway.toml:12: error: unknown key `peper` in `auth`; did you mean `pepper`?"
    );
}
