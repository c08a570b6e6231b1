//! The fuzz targets, each for a bounded time.

use std::ffi::OsStr;
use std::fs;
use std::process::Command;

use crate::process::{self, Outcome};

/// How long each target runs, in seconds.
const SECONDS: u32 = 120;

/// The largest input that is made up, in bytes: what is read is decided in the first few.
const LARGEST: u32 = 4_096;

/// Runs every target that has a corpus, or says what is missing.
pub(super) fn run() -> Outcome {
    if process::find("cargo-fuzz").is_none() {
        return missing("cargo-fuzz is not installed: `cargo install cargo-fuzz`");
    }
    // The fuzzer is built with options that only this toolchain has.
    let mut version = toolchain();
    if process::capture(version.arg("--version")).is_err() {
        return missing("no nightly toolchain is installed: `rustup toolchain install nightly`");
    }
    let corpus = process::root().join("fuzz/corpus");
    let mut names = Vec::new();
    for entry in fs::read_dir(&corpus)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            names.push(entry.file_name());
        }
    }
    names.sort();
    for name in &names {
        one(name)?;
    }
    Ok(())
}

fn one(name: &OsStr) -> Outcome {
    // What is found goes to the first folder: the seeds stay as they are.
    let found = process::root().join("target/fuzz/found").join(name);
    fs::create_dir_all(&found)?;
    let mut target = toolchain();
    target
        .args(["fuzz", "run", "--target-dir"])
        .arg(process::root().join("target/fuzz/build"))
        .arg(name)
        .arg(found)
        .arg(process::root().join("fuzz/corpus").join(name))
        .arg("--")
        .arg(format!("-max_total_time={SECONDS}"))
        .arg(format!("-max_len={LARGEST}"))
        .args(["-timeout=10", "-print_final_stats=1"]);
    process::run(&mut target)
}

/// The cargo of the toolchain that can build fuzzers.
fn toolchain() -> Command {
    let mut command = Command::new("rustup");
    command
        .args(["run", "nightly", "cargo"])
        // That of the toolchain which runs us.
        .env_remove("CARGO")
        .current_dir(process::root());
    command
}

/// Nobody needs a fuzzer to build or test, but a soak without one has left something out.
fn missing(what: &str) -> Outcome {
    if process::in_ci() {
        return Err(what.into());
    }
    eprintln!("note: {what}; the fuzz targets were not run, `test` replays their corpora");
    Ok(())
}
