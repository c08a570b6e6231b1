//! The official Python SDK, in two generations that send the key differently.

use std::path::Path;
use std::process::Command;

use super::{Variable, apt, fresh_folder, install, is_stamped, read_pins, stamp};
use crate::process::{self, Outcome};

/// One pinned generation of the SDK.
pub(super) struct Generation {
    folder: &'static str,
    requirements: &'static str,
    variable: &'static str,
}

/// Sends the key as `authorization: Bearer`.
pub(super) const NEW: Generation = Generation {
    folder: "py-new",
    requirements: "requirements-new.txt",
    variable: "TOWER_CLAUDE_PYTHON_NEW",
};

/// Sends the key as `x-api-key`.
pub(super) const OLD: Generation = Generation {
    folder: "py-old",
    requirements: "requirements-old.txt",
    variable: "TOWER_CLAUDE_PYTHON_OLD",
};

pub(super) fn prepare(tools: &Path, generation: &Generation) -> Outcome<Vec<Variable>> {
    let folder = tools.join(generation.folder);
    let python = folder.join("bin/python");
    let pins = read_pins(generation.requirements)?;
    // The interpreter is a link to the system's, which may have gone.
    if !(is_stamped(&folder, &pins) && python.exists()) {
        create(&folder)?;
        install(
            Command::new(&python)
                .args(["-m", "pip", "install", "--quiet", "--no-input"])
                .args([
                    "--disable-pip-version-check",
                    "--only-binary=:all:",
                    "--requirement",
                ])
                .arg(
                    process::root()
                        .join("tests/sdk")
                        .join(generation.requirements),
                ),
        )
        .map_err(|error| format!("the Python SDK is missing: {error}"))?;
        process::capture(Command::new(&python).args(["-c", "import anthropic"]))?;
        stamp(&folder, &pins)?;
    }
    Ok(vec![Variable {
        name: generation.variable,
        value: python,
    }])
}

/// Makes the virtual environment; Debian has that part of Python in a package of its own.
fn create(folder: &Path) -> Outcome {
    let first = venv(folder);
    if first.is_ok() {
        return first;
    }
    apt::install("python3-venv")
        .and_then(|()| venv(folder))
        .map_err(|error| format!("python3 with its venv module is missing: {error}").into())
}

fn venv(folder: &Path) -> Outcome {
    fresh_folder(folder)?;
    process::capture(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
    Ok(())
}
