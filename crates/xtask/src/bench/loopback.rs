//! The gateway over loopback, beside the floor, interleaved.

use super::gateway::{Gateway, Key};
use super::load::{Load, median};
use super::program::Running;
use super::table::Table;
use crate::process::Outcome;

const CASES: [(&str, Load); 5] = [
    ("plain, 1 KB", Load::full("1k", 40_000)),
    ("plain, 200 KB", Load::full("200k", 10_000)),
    ("stream, 200 deltas in a burst", Load::full("burst", 4_000)),
    ("stream, a delta each 10 ms", Load::full("paced", 64)),
    ("plain, 1 KB, 200 a second", Load::steady("1k", 600, 200)),
];

pub(super) fn run(quick: bool) -> Outcome {
    let upstream = Running::start("upstream", &[])?;
    let floor = Running::start("floor", &[&upstream.address])?;
    let key = Key::generate()?;
    let gateway = Gateway::start(&upstream.address, &key, "")?;
    let gateway = &gateway.running;
    let idle = (floor.memory()?.0, gateway.memory()?.0);
    let repeats = if quick { 3 } else { 5 };
    let mut table = Table::new(&[
        "load",
        "floor µs CPU",
        "gateway µs CPU",
        "×",
        "floor p50 µs",
        "gateway p50 µs",
    ]);
    for (name, load) in CASES {
        let [floor, gateway] = load.compare([&floor, gateway], &key.key, repeats)?;
        let cpu = [&floor, &gateway].map(|samples| median(samples, |sample| sample.cpu_micros));
        table.row([
            name.to_owned(),
            format!("{:.1}", cpu[0]),
            format!("{:.1}", cpu[1]),
            format!("{:.2}", cpu[1] / cpu[0]),
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
