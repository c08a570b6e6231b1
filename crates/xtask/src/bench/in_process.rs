//! The layers around a service in process: times, allocations, instructions.

use std::error::Error;
use std::process::Command;

use super::program::path;
use super::table::Table;
use crate::process::Outcome;

pub(super) fn times() -> Outcome {
    println!("\nIn process: the least of 15 rounds, beyond the bare inner service");
    run("in_process")
}

pub(super) fn budgets() -> Outcome {
    println!("\nThe books of budgets: medians of 7 rounds");
    run("books")
}

pub(super) fn report() -> Outcome {
    println!("\nThe report of a ledger, on one core: medians of 7 rounds");
    run("report")
}

/// Runs a program, which prints what it has measured.
fn run(program: &str) -> Outcome {
    let status = Command::new(path(program)).status()?;
    match status.success() {
        true => Ok(()),
        false => Err(format!("the benchmark `{program}` failed").into()),
    }
}

/// Instructions of one call: the difference of two runs that differ in the number of calls,
/// so that starting and stopping cancel out.
pub(super) fn instructions() -> Outcome {
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("\nno instruction counts: valgrind is not installed (apt-get install valgrind)");
        return Ok(());
    }
    let cases = Command::new(path("in_process")).arg("--list").output()?;
    let cases = String::from_utf8(cases.stdout)?;
    let mut table = Table::new(&["in process", "instructions", "beyond the inner service"]);
    let mut bare = 0;
    for case in cases.lines() {
        const FEW: u64 = 200;
        const MANY: u64 = 1_200;
        let each = (callgrind(case, MANY)?.saturating_sub(callgrind(case, FEW)?)) / (MANY - FEW);
        if case.starts_with("bare") {
            bare = each;
        }
        table.row([
            case.to_owned(),
            each.to_string(),
            each.saturating_sub(bare).to_string(),
        ]);
    }
    println!("\nInstructions a call, by callgrind");
    print!("{table}");
    Ok(())
}

fn callgrind(case: &str, calls: u64) -> Result<u64, Box<dyn Error>> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(path("in_process"))
        .args(["--case", case, "--calls", &calls.to_string()])
        .output()?;
    let text = String::from_utf8(output.stderr)?;
    let line = text
        .lines()
        .find_map(|line| line.split_once("Collected : "))
        .ok_or_else(|| format!("valgrind did not count `{case}`:\n{text}"))?;
    Ok(line.1.trim().parse()?)
}
