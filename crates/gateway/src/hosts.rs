//! Whether the hosts of targets are known here: a look that never holds anybody up for long.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use crate::config::Config;

/// How long all look-ups together are waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Says which targets name a host that cannot be found.
///
/// Only a check asks: a start is not to depend on a name server, which may be back by the first
/// call. A look-up that takes too long is left to itself, so this has to be a process that ends.
pub(crate) fn unknown(path: &Path, config: &Config) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let found = failed(hosts(config).into_keys().collect(), PATIENCE, resolve);
    let said = found.into_iter().filter_map(|(host, why)| {
        let target = hosts(config).remove(&host)?;
        let line = line(&text, &host);
        let file = path.display();
        Some(format!(
            "{file}:{line}: warning: the host {host} of target {target} cannot be resolved: {why}; \
             check its name"
        ))
    });
    said.collect()
}

/// Every host to be looked up, and the first target that names it.
fn hosts(config: &Config) -> BTreeMap<String, &str> {
    let mut hosts = BTreeMap::new();
    for target in &config.targets {
        let host = target.base_url.host().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if bare != "localhost" && bare.parse::<IpAddr>().is_err() {
            hosts.entry(bare.to_owned()).or_insert(&*target.name);
        }
    }
    hosts
}

/// Looks all of them up at the same time; those that failed, and why.
fn failed(
    hosts: Vec<String>,
    patience: Duration,
    resolve: fn(&str) -> io::Result<()>,
) -> BTreeMap<String, String> {
    let (say, heard) = channel();
    for host in &hosts {
        let (say, host) = (say.clone(), host.clone());
        let looked_up = move || {
            let answer = resolve(&host);
            // Nobody listens any more to an answer that is late.
            let _ = say.send((host, answer));
        };
        drop(thread::Builder::new().spawn(looked_up));
    }
    drop(say);
    let mut open: BTreeMap<String, String> = hosts
        .into_iter()
        .map(|host| (host, "no answer in time".to_owned()))
        .collect();
    let deadline = tokio::time::Instant::now() + patience;
    loop {
        let left = deadline.saturating_duration_since(tokio::time::Instant::now());
        match heard.recv_timeout(left) {
            Ok((host, Ok(()))) => drop(open.remove(&host)),
            Ok((host, Err(error))) => drop(open.insert(host, error.to_string())),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return open,
        }
    }
}

fn resolve(host: &str) -> io::Result<()> {
    (host, 443).to_socket_addrs().map(drop)
}

/// Where the file names the host; one that it does not name is a default of its targets.
fn line(text: &str, host: &str) -> usize {
    let names = |line: &str| line.trim_start().starts_with("base_url") && line.contains(host);
    let table = |line: &str| line.trim_start().starts_with("[[targets]]");
    let mut lines = text.lines();
    let at = lines
        .position(names)
        .or_else(|| text.lines().position(table));
    1 + at.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(host: &str) -> io::Result<()> {
        match host {
            "good.test" => Ok(()),
            "silent.test" => loop {
                thread::park();
            },
            _ => Err(io::Error::other("no such name")),
        }
    }

    #[test]
    fn a_host_that_is_not_found_is_told_and_a_silent_one_holds_nobody_up() {
        let hosts = ["bad.test", "good.test", "silent.test"].map(str::to_owned);
        let patience = Duration::from_millis(100);
        let said: Vec<_> = failed(hosts.into(), patience, answer).into_iter().collect();
        let expected = [
            ("bad.test", "no such name"),
            ("silent.test", "no answer in time"),
        ];
        let expected = expected.map(|(host, why)| (host.to_owned(), why.to_owned()));
        assert_eq!(said, expected);
    }

    #[test]
    fn addresses_and_this_machine_are_not_looked_up() {
        let mut text = String::from("[plans.a]\n[[tenants]]\nid = \"a\"\nplan = \"a\"\n");
        for (name, url) in [
            ("a", "http://127.0.0.1:1"),
            ("b", "http://[::1]:1"),
            ("c", "http://localhost:1"),
            ("d", "https://claude.test/base"),
        ] {
            text.push_str(&format!(
                "[[targets]]\nname = \"{name}\"\nbase_url = \"{url}\"\ncredential = {{ env = \"K\" }}\n"
            ));
        }
        let surroundings =
            crate::config::Surroundings::default().variables(|_| Some("integration-key".into()));
        let loaded = Config::parse_in(&text, "gateway.toml", &surroundings).unwrap();
        let hosts: Vec<_> = hosts(&loaded.config).into_iter().collect();
        assert_eq!(hosts, [("claude.test".to_owned(), "d")]);
        assert_eq!(line(&text, "claude.test"), 19);
        assert_eq!(line(&text, "api.anthropic.com"), 5);
    }
}
