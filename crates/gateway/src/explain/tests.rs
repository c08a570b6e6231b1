use super::*;
use crate::config::Surroundings;

const FILE: &str = r#"
[[targets]]
name = "a"
credential = { env = "K" }
models = { "claude-sonnet-5-5" = "mine", "claude-opus-5-5" = "theirs" }
[plans.calls]
limits = [{ meter = "requests", limit = 3, per = "minute" }]
[plans.dollars]
limits = [{ meter = "usd", limit = 3, per = "day" }]
[[tenants]]
id = "web"
plan = "calls"
[[tenants]]
id = "app"
plan = "dollars"
[[tenants]]
id = "few"
plan = "calls"
models = ["claude-haiku-*", "gpt-*"]
[prices.mine]
input = 1.5
output = 7
"#;

fn said(tenant: &str, model: &str) -> Result<String, String> {
    said_by(FILE, tenant, model)
}

fn said_by(file: &str, tenant: &str, model: &str) -> Result<String, String> {
    let surroundings = Surroundings::default().variables(|_| Some("integration-key".to_owned()));
    let config = Config::parse_in(file, "gateway.toml", &surroundings).unwrap();
    explain(&config.config, tenant, model).map_err(|error| error.to_string())
}

fn prices(model: &str) -> String {
    let said = said("web", model).unwrap();
    said[said.find("prices, ").unwrap()..].to_owned()
}

#[test]
fn shows_the_row_of_long_prompts() {
    let expected = "prices, in dollars for a million tokens
  input: $0.1
  output: $0.5
  cache write, 5 minutes: $0.125
  cache write, 1 hour: $0.2
  cache read: $0.01
  prompts of more than 100000 tokens
    input: $0.5
    output: $2.5
    cache write, 5 minutes: $0.625
    cache write, 1 hour: $1
    cache read: $0.05
  batches: × 0.5
  inference_geo us: × 1.1
  web search: $0.01 each
";
    assert_eq!(prices("claude-haiku-5-5"), expected);
}

#[test]
fn shows_the_row_of_fast_mode_and_no_row_that_is_not_there() {
    let opus = prices("claude-opus-5-5");
    let expected = "  fast mode
    input: $8
    output: $40
    cache write, 5 minutes: $10
    cache write, 1 hour: $16
    cache read: $0.4
  batches: × 0.5
";
    assert!(opus.contains(expected), "{opus}");
    assert!(!opus.contains("prompts of more"), "{opus}");
    let old = prices("claude-3-haiku");
    assert!(!old.contains("fast") && !old.contains("geo"), "{old}");
}

#[test]
fn shows_the_price_of_a_name_at_a_target_if_the_file_has_one() {
    let sonnet = prices("claude-sonnet-5-5");
    assert!(sonnet.contains("\nprices where it is mine\n  input: $1.5\n"));
    assert!(!prices("claude-opus-5-5").contains("where it is"));
}

#[test]
fn shows_what_a_target_offers_who_stands_in_and_how_urgent_it_is() {
    let more = r#"
[[targets]]
name = "b"
priority = 1
credential = { env = "K" }
with = ["inference_geo"]
without = ["web_search", "files"]
context_window = 200_000
betas = []
[failover.fallbacks]
"claude-opus-*" = ["claude-sonnet-5-5", "claude-haiku-5-5"]
[plans.later]
urgency = 6
[[tenants]]
id = "night"
plan = "later"
models = ["claude-opus-*", "claude-haiku-*"]
"#;
    let said = said_by(&format!("{FILE}{more}"), "night", "claude-opus-5-5").unwrap();
    for expected in [
        "\nplan later\n  output is set aside: balanced\n  urgency: 6, of 0 (first) to 7 (last)",
        "  a: priority 0, weight 1, no residency, as theirs\n  b: priority 1, weight 1, no residency\n\
         \x20   with inference_geo\n    without web_search, files\n\
         \x20   at most 200000 tokens of input and output\n    no betas\n",
        "\nmodels that stand in when none of them takes the call\n\
         \x20 claude-sonnet-5-5: passed over, the tenant may not use it\n  claude-haiku-5-5\n",
    ] {
        assert!(said.contains(expected), "{said}");
    }
    let other = said_by(&format!("{FILE}{more}"), "web", "claude-sonnet-5-5").unwrap();
    assert!(!other.contains("stand in"), "{other}");
    assert!(other.contains("  urgency: 3, "), "{other}");
}

#[test]
fn says_what_to_do_where_nothing_would_pass() {
    for (tenant, model, error) in [
        (
            "nope",
            "claude-opus-5-5",
            "there is no tenant nope; there are app, few, web",
        ),
        (
            "web",
            "gpt-6",
            "tenant web may not use model gpt-6: it has no price; add [prices.\"gpt-6\"], \
             or name it in `models` without a wildcard",
        ),
        (
            "app",
            "gpt-6",
            "tenant app may not use model gpt-6: it has no price; add [prices.\"gpt-6\"]",
        ),
        (
            "few",
            "claude-opus-5-5",
            "tenant few may not use model claude-opus-5-5; add it to the tenant's `models`",
        ),
        (
            "few",
            "other",
            "tenant few may not use model other; add it to the tenant's `models`, \
             and it has no price: add [prices.\"other\"]",
        ),
    ] {
        assert_eq!(said(tenant, model), Err(error.to_owned()));
    }
}
