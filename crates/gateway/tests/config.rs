//! What the configuration module promises to whoever writes a file.

#[path = "config/failover.rs"]
mod failover;
#[path = "config/problems.rs"]
mod problems;
#[path = "config/refused.rs"]
mod refused;
#[path = "config/robust.rs"]
mod robust;
#[path = "config/values.rs"]
mod values;

use std::time::{Duration, UNIX_EPOCH};

use claude_gateway::config::{Config, Loaded, Problems, Surroundings};

/// Every key of this build, each away from its default.
const FULL: &str = include_str!("config/full.toml");

/// The file the documentation points to.
const EXAMPLE: &str = include_str!("../gateway.example.toml");

/// As little as can be used; 9 lines, so that what a test appends starts on line 10.
const SMALL: &str = r#"[[targets]]
name = "anthropic"
credential = { env = "ANTHROPIC_API_KEY" }

[plans.standard]

[[tenants]]
id = "web"
plan = "standard"
"#;

/// The environment and the clock of every test: 2026-01-01.
fn surroundings() -> Surroundings {
    Surroundings::default()
        .variables(|name| match name {
            "ANTHROPIC_API_KEY" => Some("sk-ant-hidden".to_owned()),
            "MULTILINE" => Some("sk-pasted\nline".to_owned()),
            _ => None,
        })
        .now(UNIX_EPOCH + Duration::from_secs(1_767_225_600))
}

fn parse(text: &str) -> Result<Loaded, Problems> {
    Config::parse_in(text, "gateway.toml", &surroundings())
}

fn loaded(text: &str) -> Loaded {
    parse(text).unwrap_or_else(|problems| panic!("{problems}"))
}

fn config(text: &str) -> Config {
    loaded(text).config
}

/// What is wrong with a file, as it is printed.
fn printed(text: &str) -> String {
    parse(text).expect_err("the text is bad").to_string()
}

/// What is wrong with a small file that goes on with this from line 10.
fn printed_after_small(more: &str) -> String {
    printed(&format!("{SMALL}{more}"))
}
