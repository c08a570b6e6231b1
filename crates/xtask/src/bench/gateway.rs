//! The gateway as the benchmarks run it.

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use super::program::{Running, path};
use crate::process::root;

/// A gateway that runs in a folder of its own.
pub(super) struct Gateway {
    pub(super) running: Running,
    folder: PathBuf,
}

/// What gateways are called with.
pub(super) struct Key {
    pub(super) key: String,
    /// As it stands in a file.
    digest: String,
}

/// How many have been started.
static STARTED: AtomicU32 = AtomicU32::new(0);

// === impl Key ===

impl Key {
    pub(super) fn generate() -> Result<Self, Box<dyn Error>> {
        let keygen = Command::new(path("claude-gateway"))
            .args(["keygen", "--tenant", "bench"])
            .output()?;
        let output = String::from_utf8(keygen.stdout)?;
        let (key, digest) = output.split_once('\n').ok_or("keygen said too little")?;
        Ok(Self {
            key: key.to_owned(),
            digest: digest.trim().to_owned(),
        })
    }
}

// === impl Gateway ===

impl Gateway {
    /// Starts it with all five layers on, limits that nobody reaches, and more for `[usage]`.
    pub(super) fn start(upstream: &str, key: &Key, usage: &str) -> Result<Self, Box<dyn Error>> {
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let folder = format!("tower-claude-bench-{}-{number}", std::process::id());
        let folder = root().join("target").join(folder);
        fs::create_dir_all(&folder)?;
        let secret = folder.join("upstream-key");
        fs::write(&secret, "bench-upstream-key")?;
        let config = folder.join("gateway.toml");
        fs::write(
            &config,
            format!(
                r#"
[server]
listen = "127.0.0.1:0"
admin_listen = "127.0.0.1:1"
[usage]
ledger = "usage.jsonl"
{usage}
[[targets]]
name = "upstream"
base_url = "http://{upstream}"
credential = {{ file = "upstream-key" }}
[plans.bench]
limits = [
  {{ meter = "requests", limit = 1_000_000_000, per = "minute" }},
  {{ meter = "input_tokens", limit = 1_000_000_000_000, per = "minute" }},
  {{ meter = "output_tokens", limit = 1_000_000_000_000, per = "minute" }},
]
[[tenants]]
id = "bench"
plan = "bench"
keys = [{digest}]
models = ["*", "burst", "paced"]
"#,
                digest = key.digest,
            ),
        )?;
        let config = config.to_str().ok_or("an odd temporary folder")?;
        let arguments = ["--config", config, "--admin-listen", "127.0.0.1:0"];
        Ok(Self {
            running: Running::start("claude-gateway", &arguments)?,
            folder,
        })
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}
