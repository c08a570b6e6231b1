use std::error::Error;
use std::process::Command;

use super::program::{Running, path};

/// A kind of load, and how much of it.
#[derive(Clone, Copy)]
pub(super) struct Load {
    /// What is asked: a case of the program `load`.
    pub(super) case: &'static str,
    pub(super) connections: u32,
    pub(super) calls: u32,
    pub(super) per_second: Option<u32>,
}

/// What one run against one proxy came to.
pub(super) struct Sample {
    /// CPU of the proxy, for each call.
    pub(super) cpu_micros: f64,
    pub(super) p50_micros: f64,
    pub(super) p99_micros: f64,
}

// === impl Load ===

impl Load {
    /// As fast as it goes over 32 connections.
    pub(super) const fn full(case: &'static str, calls: u32) -> Self {
        Self {
            case,
            connections: 32,
            calls,
            per_second: None,
        }
    }

    /// At a steady rate over 8 connections.
    pub(super) const fn steady(case: &'static str, calls: u32, per_second: u32) -> Self {
        Self {
            case,
            connections: 8,
            calls,
            per_second: Some(per_second),
        }
    }

    /// Runs it against each of two proxies in turn, so often, after warming both up.
    pub(super) fn compare(
        &self,
        proxies: [&Running; 2],
        key: &str,
        repeats: usize,
    ) -> Result<[Vec<Sample>; 2], Box<dyn Error>> {
        let warm = Self {
            calls: self.calls / 10 + self.connections,
            per_second: None,
            ..*self
        };
        for proxy in proxies {
            warm.run(proxy, key)?;
        }
        let mut samples = [Vec::new(), Vec::new()];
        for repeat in 0..repeats {
            // Who goes first changes, so that no one always meets a warmer machine.
            for turn in 0..2 {
                let which = (repeat + turn) % 2;
                samples[which].push(self.run(proxies[which], key)?);
            }
        }
        Ok(samples)
    }

    fn run(&self, proxy: &Running, key: &str) -> Result<Sample, Box<dyn Error>> {
        let before = proxy.cpu_nanos()?;
        let mut load = Command::new(path("load"));
        load.args([&*proxy.address, self.case])
            .args([self.connections.to_string(), self.calls.to_string()])
            .args(self.per_second.map(|rate| rate.to_string()))
            .env("BENCH_KEY", key);
        let output = load.output()?;
        let seen: serde_json::Value = serde_json::from_slice(&output.stdout)
            .map_err(|_| String::from_utf8_lossy(&output.stderr).into_owned())?;
        if seen["errors"] != 0 || seen["calls"] != self.calls {
            return Err(format!("{}: {seen}", self.case).into());
        }
        let nanos = proxy.cpu_nanos()?.saturating_sub(before);
        #[expect(clippy::cast_precision_loss, reason = "a figure to be read")]
        let cpu_micros = nanos as f64 / 1e3 / f64::from(self.calls);
        Ok(Sample {
            cpu_micros,
            p50_micros: seen["p50_us"].as_f64().ok_or("no p50")?,
            p99_micros: seen["p99_us"].as_f64().ok_or("no p99")?,
        })
    }
}

/// The median of a figure of the samples.
pub(super) fn median(samples: &[Sample], figure: impl Fn(&Sample) -> f64) -> f64 {
    let mut figures: Vec<f64> = samples.iter().map(figure).collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
