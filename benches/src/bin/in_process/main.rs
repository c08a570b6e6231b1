//! What the layers cost around a service in process.
//!
//! `in_process` prints times and allocations, with `--only PART` of the cases that have it in
//! their name, and of the bare ones; `--list` names the cases; `--case NAME --calls N` runs one
//! quietly, for a profiler or an instruction counter.

mod cases;
mod measure;

use cases::Case;
use measure::measure;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] => print(""),
        ["--only", part] => print(part),
        ["--list"] => {
            for case in cases::all() {
                println!("{}", case.name);
            }
        }
        ["--case", name, "--calls", calls] => {
            let mut case = cases::all()
                .into_iter()
                .find(|case| case.name == name)
                .unwrap_or_else(|| panic!("no case `{name}`; see --list"));
            for _ in 0..calls.parse::<u64>().expect("a number of calls") {
                (case.run)();
            }
        }
        _ => panic!("in_process [--only PART | --list | --case NAME --calls N]"),
    }
}

#[expect(clippy::cast_precision_loss, reason = "figures to be read")]
fn print(part: &str) {
    println!(
        "  {:<28} {:>10} {:>8} {:>10}   beyond the bare service",
        "", "ns", "allocs", "bytes"
    );
    let mut bare = None;
    for Case {
        name,
        bytes,
        mut run,
    } in cases::all()
    {
        if !name.starts_with("bare") && !name.contains(part) {
            continue;
        }
        let whole = measure(&mut run);
        if name.starts_with("bare") {
            bare = Some(whole);
        }
        if let Some(bytes) = bytes {
            let rate = bytes as f64 / whole.nanos;
            println!(
                "  {name:<28} {:>10.0} {:>8} {:>10}   {rate:.2} GB/s",
                whole.nanos, whole.allocations, whole.bytes
            );
            continue;
        }
        let beyond = bare.map_or_else(String::new, |bare| {
            format!(
                "{:>8.0} ns {:>3} allocs {:>7} bytes",
                whole.nanos - bare.nanos,
                whole.allocations.saturating_sub(bare.allocations),
                whole.bytes.saturating_sub(bare.bytes),
            )
        });
        println!(
            "  {name:<28} {:>10.0} {:>8} {:>10}   {beyond}",
            whole.nanos, whole.allocations, whole.bytes
        );
    }
}
