//! `cargo xtask test`: set up, then every test and every doctest.

use std::process::Command;

use crate::process::{self, Outcome};
use crate::setup;

/// Runs the tests; arguments after `--` go to the runner, and then only it runs.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let arguments = match arguments.split_first() {
        None => &[],
        Some((first, rest)) if first == "--" => rest,
        Some((first, _)) => {
            return Err(format!("unknown argument `{first}`; runner arguments follow `--`").into());
        }
    };
    let variables = setup::all()?;
    let finish = |command: &mut Command| {
        command
            .args(["--workspace", "--all-features"])
            .args(process::locked())
            .envs(
                variables
                    .iter()
                    .map(|variable| (variable.name, &variable.value)),
            );
    };

    let mut tests = process::cargo();
    if process::find("cargo-nextest").is_some() {
        tests.args(["nextest", "run"]);
        if process::in_ci() {
            tests.args(["--profile", "ci"]);
        }
        finish(&mut tests);
    } else {
        eprintln!("note: cargo-nextest is not installed, so `cargo test` runs the tests");
        tests.arg("test");
        finish(&mut tests);
        tests.args(["--lib", "--bins", "--tests", "--examples"]);
    }
    process::run(tests.args(arguments))?;

    if !arguments.is_empty() {
        eprintln!("note: doctests run only without runner arguments");
        return Ok(());
    }
    let mut doctests = process::cargo();
    doctests.args(["test", "--doc"]);
    finish(&mut doctests);
    process::run(&mut doctests)
}
