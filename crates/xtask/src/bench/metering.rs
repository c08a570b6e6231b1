//! What metering adds to forwarding: the floor with the meter around it, beside the floor.

use super::load::{Load, median};
use super::program::Running;
use super::table::Table;
use crate::process::Outcome;

const CASES: [(&str, Load); 2] = [
    ("plain, 1 KB", Load::full("1k", 20_000)),
    ("stream, 200 deltas in a burst", Load::full("burst", 4_000)),
];

pub(super) fn run(quick: bool) -> Outcome {
    let upstream = Running::start("upstream", &[])?;
    let floor = Running::start("floor", &[&upstream.address])?;
    let metered = Running::start("floor", &[&upstream.address, "--metered"])?;
    let repeats = if quick { 5 } else { 15 };
    let mut table = Table::new(&["load", "floor µs CPU", "metered µs CPU", "adds"]);
    for (name, load) in CASES {
        let samples = load.compare([&floor, &metered], "nobody", repeats)?;
        let cpu = samples.map(|samples| median(&samples, |sample| sample.cpu_micros));
        table.row([
            name.to_owned(),
            format!("{:.1}", cpu[0]),
            format!("{:.1}", cpu[1]),
            format!("{:+.1} %", (cpu[1] / cpu[0] - 1.0) * 100.0),
        ]);
    }
    println!("\nThe meter around a plain proxy: CPU a call, medians of {repeats} interleaved runs");
    print!("{table}");
    Ok(())
}
