//! `cargo xtask soak`: the long forms of tests that are short in `test`, in the release profile,
//! and the fuzz targets.

use crate::process::{self, Outcome};
use crate::setup;

mod fuzz;

/// What tests read to be long.
const SOAK: &str = "TOWER_CLAUDE_SOAK";

/// Runs them for half an hour or so; with `fuzz`, only the fuzz targets.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    match arguments {
        [] => {}
        [part] if part == "fuzz" => return fuzz::run(),
        [first, ..] => return Err(format!("unknown argument `{first}`").into()),
    }
    let variables = setup::all()?;
    let mut tests = process::cargo();
    tests
        .args(["test", "--release", "-p", "tower-claude-token-budget"])
        .args(["--all-features", "--test", "model", "--test", "exploration"])
        .args(process::locked())
        .env(SOAK, "1")
        .envs(
            variables
                .iter()
                .map(|variable| (variable.name, &variable.value)),
        );
    process::run(tests.args(["--", "--nocapture"]))?;
    fuzz::run()
}
