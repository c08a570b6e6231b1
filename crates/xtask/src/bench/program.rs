//! The programs of the benchmarks: built once, started on free ports, ended when dropped.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::process::{Outcome, cargo, locked, root, run};

/// A server that runs, and where it listens.
pub(super) struct Running {
    child: Child,
    pub(super) address: String,
}

/// Builds everything in the release profile.
pub(super) fn build() -> Outcome {
    run(cargo().args(["build", "--release"]).args(locked()).args([
        "-p",
        "claude-gateway",
        "-p",
        "tower-claude-benches",
    ]))
}

/// Where a built program is.
pub(super) fn path(name: &str) -> PathBuf {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    target.join("release").join(name)
}

// === impl Running ===

impl Running {
    /// Starts a program and reads from its first line where it listens.
    pub(super) fn start(
        name: &str,
        arguments: &[&str],
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let mut child = Command::new(path(name))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let stdout = child.stdout.take().ok_or("no stdout")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let json: serde_json::Value = serde_json::from_str(&line)
            .map_err(|error| format!("{name} said `{}`: {error}", line.trim()))?;
        let address = json["listen"].as_str().ok_or("no `listen`")?.to_owned();
        Ok(Self { child, address })
    }

    /// CPU time of all its threads so far, in nanoseconds.
    pub(super) fn cpu_nanos(&self) -> Result<u64, Box<dyn std::error::Error>> {
        let mut nanos = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let stat = fs::read_to_string(task?.path().join("schedstat"))?;
            let running = stat.split(' ').next().ok_or("an empty schedstat")?;
            nanos += running.parse::<u64>()?;
        }
        Ok(nanos)
    }

    /// Memory resident now and at its peak, in megabytes.
    pub(super) fn memory(&self) -> Result<(u64, u64), Box<dyn std::error::Error>> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let field = |name: &str| -> Option<u64> {
            let line = status.lines().find(|line| line.starts_with(name))?;
            line.split_whitespace().nth(1)?.parse().ok()
        };
        let megabytes = |name| Some(field(name)? / 1024);
        Ok((
            megabytes("VmRSS:").ok_or("no VmRSS")?,
            megabytes("VmHWM:").ok_or("no VmHWM")?,
        ))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
