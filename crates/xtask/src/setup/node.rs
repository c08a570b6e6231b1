//! The official TypeScript SDK, for Node.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{Variable, fresh_folder, is_stamped, read_pins, stamp};
use crate::process::{self, Outcome};

const PINS: [&str; 2] = ["package.json", "package-lock.json"];

pub(super) fn prepare(tools: &Path) -> Outcome<Vec<Variable>> {
    let node = process::find("node").ok_or("node is missing: install Node.js 20 or newer")?;
    let folder = tools.join("node");
    let modules = folder.join("node_modules");
    let pins = PINS
        .map(read_pins)
        .into_iter()
        .collect::<Outcome<Vec<_>>>()?;
    let all = pins.join("\n");
    if !(is_stamped(&folder, &all) && modules.is_dir()) {
        install(&folder, &pins)?;
        stamp(&folder, &all)?;
    }
    Ok(vec![
        Variable {
            name: "TOWER_CLAUDE_NODE",
            value: node,
        },
        Variable {
            name: "TOWER_CLAUDE_NODE_MODULES",
            value: modules.clone(),
        },
        Variable {
            name: "NODE_PATH",
            value: modules,
        },
    ])
}

fn install(folder: &Path, pins: &[String]) -> Outcome {
    let npm = process::find("npm").ok_or("npm is missing: install Node.js 20 or newer with npm")?;
    fresh_folder(folder)?;
    for (name, text) in PINS.iter().zip(pins) {
        fs::write(folder.join(name), text)?;
    }
    super::install(
        Command::new(npm)
            .args([
                "ci",
                "--loglevel=error",
                "--no-audit",
                "--no-fund",
                "--ignore-scripts",
                "--prefix",
            ])
            .arg(folder)
            .current_dir(folder),
    )
    .map_err(|error| format!("the TypeScript SDK is missing: {error}").into())
}
