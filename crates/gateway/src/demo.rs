//! `--demo`: an embedded fake Claude, two tenants, no key, no network.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use tower_claude::tenant_auth::KeyDigest;

use crate::config::{Config, Loaded, Problems, Surroundings};

/// The key of tenant `web`.
pub const WEB_KEY: &str = "demo-key-of-tenant-web";
/// The key of tenant `trial`, which has one request a minute.
pub const TRIAL_KEY: &str = "demo-key-of-tenant-trial";

/// The demo's settings, as a file that could be read with `--config`.
#[must_use]
pub fn config_text(fake_claude: &str) -> String {
    let digest = |key: &str| KeyDigest::of(key.as_bytes()).to_string();
    format!(
        r#"
[server]
listen = "127.0.0.1:8080"
admin_listen = "127.0.0.1:9090"

[usage]
ledger = "usage.jsonl"

[[targets]]
name = "fake-claude"
base_url = "{fake_claude}"
credential = {{ env = "DEMO_UPSTREAM_KEY" }}

[plans.standard]
limits = [
  {{ meter = "requests", limit = 300, per = "minute" }},
  {{ meter = "input_tokens", limit = 200_000, per = "minute" }},
  {{ meter = "output_tokens", limit = 50_000, per = "minute" }},
]

[plans.trial]
limits = [{{ meter = "requests", limit = 1, per = "minute" }}]

[[tenants]]
id = "web"
plan = "standard"
keys = [{{ digest = "{web}" }}]

[[tenants]]
id = "trial"
plan = "trial"
keys = [{{ digest = "{trial}" }}]
"#,
        web = digest(WEB_KEY),
        trial = digest(TRIAL_KEY),
    )
}

/// The demo's settings, read.
pub fn config(fake_claude: &str) -> Result<Loaded, Problems> {
    let surroundings = Surroundings::default().variables(|_| Some("demo-upstream-key".to_owned()));
    Config::parse_in(&config_text(fake_claude), "demo.toml", &surroundings)
}

/// Takes the port that is asked for, or a free one if it is taken.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    match TcpListener::bind(address) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        }
        other => other,
    }
}

/// What to try, printed once the demo runs.
#[must_use]
pub fn invitation(listen: SocketAddr, admin: Option<SocketAddr>, ledger: &str) -> String {
    let call = |key: &str, stream: &str| {
        format!(
            "curl -sS{n} http://{listen}/v1/messages -H 'x-api-key: {key}' \
             -H 'anthropic-version: 2023-06-01' -H 'content-type: application/json' \
             -H 'x-feature: demo' -d '{{\"model\":\"claude-sonnet-5-5\",\"max_tokens\":64{stream},\
             \"messages\":[{{\"role\":\"user\",\"content\":\"Hello, Claude\"}}]}}'",
            n = if stream.is_empty() { "" } else { "N" },
        )
    };
    let plain = call(WEB_KEY, "");
    let streamed = call(WEB_KEY, ",\"stream\":true");
    let refused = call(TRIAL_KEY, "");
    let usage = admin.map_or_else(String::new, |admin| {
        format!("The usage page:  http://{admin}/usage\n")
    });
    format!(
        "\nA plain call:\n  {plain}\n\nA streamed one:\n  {streamed}\n\n\
         One that is refused, the second time in a minute:\n  {refused}\n\n\
         The ledger:      {ledger}\n{usage}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_needs_no_excuse() {
        let loaded = config("http://127.0.0.1:1").unwrap();
        assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
        assert_eq!(loaded.config.tenants.len(), 2);
    }

    #[test]
    fn each_invitation_is_one_line() {
        let text = invitation(SocketAddr::from(([127, 0, 0, 1], 1)), None, "usage.jsonl");
        assert_eq!(text.lines().filter(|line| line.contains("curl")).count(), 3);
        assert!(!text.contains("  -H"), "{text}");
    }
}
