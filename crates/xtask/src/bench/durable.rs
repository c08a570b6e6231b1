//! What it costs a caller that the record is on the disk before the end of the answer.

use super::gateway::{Gateway, Key};
use super::load::{Load, median};
use super::program::Running;
use super::table::Table;
use crate::process::Outcome;

/// Calls a second, and for how many calls.
const RATES: [(u32, u32); 3] = [(1, 16), (100, 1_000), (1_000, 5_000)];

pub(super) fn run(quick: bool) -> Outcome {
    let repeats = if quick { 1 } else { 3 };
    let upstream = Running::start("upstream", &[])?;
    let key = Key::generate()?;
    let plain = Gateway::start(&upstream.address, &key, "durable = false")?;
    let durable = Gateway::start(&upstream.address, &key, "durable = true")?;
    let mut table = Table::new(&[
        "calls a second",
        "p50 µs",
        "durable p50 µs",
        "added",
        "p99 µs",
        "durable p99 µs",
        "added",
    ]);
    for (rate, calls) in RATES {
        let load = Load::steady("1k", calls, rate);
        let proxies = [&plain.running, &durable.running];
        let samples = load.compare(proxies, &key.key, repeats)?;
        let p50 = samples
            .each_ref()
            .map(|samples| median(samples, |sample| sample.p50_micros));
        let p99 = samples
            .each_ref()
            .map(|samples| median(samples, |sample| sample.p99_micros));
        table.row(
            [rate.to_string()].into_iter().chain(
                [p50, p99].into_iter().flat_map(|of| {
                    [of[0], of[1], of[1] - of[0]].map(|micros| format!("{micros:.0}"))
                }),
            ),
        );
    }
    println!("\nA durable ledger: how long a plain call of 1 KB takes, medians of {repeats} runs");
    print!("{table}");
    Ok(())
}
