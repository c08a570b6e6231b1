//! The gateway over loopback, beside the floor, interleaved.

use std::error::Error;
use std::fs;
use std::process::Command;

use super::program::{Running, path};
use super::table::Table;
use crate::process::Outcome;

/// A kind of load, and how much of it.
struct Case {
    name: &'static str,
    load: &'static str,
    connections: u32,
    calls: u32,
    per_second: Option<u32>,
}

/// What one run of one proxy came to.
struct Sample {
    cpu_micros: f64,
    p50_micros: f64,
}

const CASES: [Case; 5] = [
    Case::full("plain, 1 KB", "1k", 40_000),
    Case::full("plain, 200 KB", "200k", 10_000),
    Case::full("stream, 200 deltas in a burst", "burst", 4_000),
    Case::full("stream, a delta each 10 ms", "paced", 64),
    Case {
        name: "plain, 1 KB, 200 a second",
        load: "1k",
        connections: 8,
        calls: 600,
        per_second: Some(200),
    },
];

// === impl Case ===

impl Case {
    const fn full(name: &'static str, load: &'static str, calls: u32) -> Self {
        Self {
            name,
            load,
            connections: 32,
            calls,
            per_second: None,
        }
    }
}

pub(super) fn run(quick: bool) -> Outcome {
    let upstream = Running::start("upstream", &[])?;
    let floor = Running::start("floor", &[&upstream.address])?;
    let (gateway, key) = start_gateway(&upstream.address)?;
    let idle = (floor.memory()?.0, gateway.memory()?.0);
    let proxies = [&floor, &gateway];
    let repeats = if quick { 3 } else { 5 };
    let mut table = Table::new(&[
        "load",
        "floor µs CPU",
        "gateway µs CPU",
        "×",
        "floor p50 µs",
        "gateway p50 µs",
    ]);
    for case in &CASES {
        for proxy in proxies {
            measure(proxy, case, case.calls / 10 + 32, &key)?;
        }
        let mut samples = [Vec::new(), Vec::new()];
        for repeat in 0..repeats {
            // Who goes first changes, so that no one always meets a warmer machine.
            for turn in 0..2 {
                let which = (repeat + turn) % 2;
                samples[which].push(measure(proxies[which], case, case.calls, &key)?);
            }
        }
        let [floor, gateway] = samples;
        let (floor_cpu, gateway_cpu) = (
            median(&floor, |sample| sample.cpu_micros),
            median(&gateway, |sample| sample.cpu_micros),
        );
        table.row([
            case.name.to_owned(),
            format!("{floor_cpu:.1}"),
            format!("{gateway_cpu:.1}"),
            format!("{:.2}", gateway_cpu / floor_cpu),
            format!("{:.0}", median(&floor, |sample| sample.p50_micros)),
            format!("{:.0}", median(&gateway, |sample| sample.p50_micros)),
        ]);
    }
    println!("\nOver loopback: CPU of the proxy a call, medians of {repeats} interleaved runs");
    print!("{table}");
    println!(
        "memory, MB idle / peak: floor {} / {}, gateway {} / {}",
        idle.0,
        floor.memory()?.1,
        idle.1,
        gateway.memory()?.1
    );
    Ok(())
}

/// All five layers on, with limits that nobody reaches.
fn start_gateway(upstream: &str) -> Result<(Running, String), Box<dyn Error>> {
    let keygen = Command::new(path("claude-gateway"))
        .args(["keygen", "--tenant", "bench"])
        .output()?;
    let output = String::from_utf8(keygen.stdout)?;
    let (key, digest) = output.split_once('\n').ok_or("keygen said too little")?;
    let folder = std::env::temp_dir().join(format!("tower-claude-bench-{}", std::process::id()));
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
            digest = digest.trim()
        ),
    )?;
    let config = config.to_str().ok_or("an odd temporary folder")?;
    let arguments = ["--config", config, "--admin-listen", "127.0.0.1:0"];
    Ok((
        Running::start("claude-gateway", &arguments)?,
        key.to_owned(),
    ))
}

fn measure(proxy: &Running, case: &Case, calls: u32, key: &str) -> Result<Sample, Box<dyn Error>> {
    let before = proxy.cpu_nanos()?;
    let mut load = Command::new(path("load"));
    load.args([&*proxy.address, case.load])
        .args([case.connections.to_string(), calls.to_string()])
        .args(case.per_second.map(|rate| rate.to_string()))
        .env("BENCH_KEY", key);
    let output = load.output()?;
    let seen: serde_json::Value = serde_json::from_slice(&output.stdout)
        .map_err(|_| String::from_utf8_lossy(&output.stderr).into_owned())?;
    if seen["errors"] != 0 || seen["calls"] != calls {
        return Err(format!("{}: {seen}", case.name).into());
    }
    let nanos = proxy.cpu_nanos()?.saturating_sub(before);
    #[expect(clippy::cast_precision_loss, reason = "a figure to be read")]
    let cpu_micros = nanos as f64 / 1e3 / f64::from(calls);
    Ok(Sample {
        cpu_micros,
        p50_micros: seen["p50_us"].as_f64().ok_or("no p50")?,
    })
}

fn median(samples: &[Sample], figure: impl Fn(&Sample) -> f64) -> f64 {
    let mut figures: Vec<f64> = samples.iter().map(figure).collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
