//! `cargo xtask setup`: what the tests need and cargo does not bring.
//!
//! Everything goes into `.tools/`, pinned by the files in `tests/sdk`. A finished part leaves a
//! stamp with the text of its pins, so a second run only compares.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{self, Outcome};

mod apt;
mod node;
mod promtool;
mod python;
mod redis;

/// An environment variable that tells the tests where a part is.
#[derive(Debug)]
pub(crate) struct Variable {
    pub(crate) name: &'static str,
    pub(crate) value: PathBuf,
}

/// Sets everything up and prints the variables a shell would need.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    if let Some(argument) = arguments.first() {
        return Err(format!("unknown argument `{argument}`").into());
    }
    for variable in all()? {
        println!("export {}='{}'", variable.name, variable.value.display());
    }
    Ok(())
}

/// Sets everything up. A part that is missing is a note, and in CI a failure.
pub(crate) fn all() -> Outcome<Vec<Variable>> {
    let tools = process::root().join(".tools");
    fs::create_dir_all(&tools)?;
    // Two runs side by side would install into each other's folders.
    let lock = File::create(tools.join("lock"))?;
    lock.lock()?;

    let mut variables = Vec::new();
    let mut missing = Vec::new();
    for part in [
        redis::prepare(),
        promtool::prepare(&tools),
        python::prepare(&tools, &python::NEW),
        python::prepare(&tools, &python::OLD),
        node::prepare(&tools),
    ] {
        match part {
            Ok(found) => variables.extend(found),
            Err(error) => missing.push(error.to_string()),
        }
    }
    if process::in_ci() && !missing.is_empty() {
        return Err(missing.join("\n").into());
    }
    for error in missing {
        eprintln!("note: tests that need it cannot run: {error}");
    }
    Ok(variables)
}

/// Runs an installer; what it says goes to stderr, for stdout belongs to the variables.
fn install(command: &mut Command) -> Outcome {
    process::run(command.stdout(std::io::stderr()))
}

/// Whether the folder holds exactly what the pins say.
fn is_stamped(folder: &Path, pins: &str) -> bool {
    fs::read_to_string(folder.join(".stamp")).is_ok_and(|stamp| stamp == pins)
}

/// The last step of a part: from now on the folder counts as finished.
fn stamp(folder: &Path, pins: &str) -> Outcome {
    Ok(fs::write(folder.join(".stamp"), pins)?)
}

/// An empty folder, whatever an interrupted run left there.
fn fresh_folder(folder: &Path) -> Outcome {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    Ok(fs::create_dir_all(folder)?)
}

fn read_pins(name: &str) -> Outcome<String> {
    let path = process::root().join("tests/sdk").join(name);
    fs::read_to_string(&path).map_err(|error| format!("reading {}: {error}", path.display()).into())
}
