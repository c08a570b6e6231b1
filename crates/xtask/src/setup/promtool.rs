//! `promtool`, which checks the rules in `ops/` and runs their tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Variable, apt, fresh_folder, is_stamped, stamp};
use crate::process::{self, Outcome};

const NAME: &str = "PROMTOOL";
/// There is nothing to pin: the rules keep to what every release in use understands.
const PINS: &str = "promtool of the Debian package prometheus\n";

pub(super) fn prepare(tools: &Path) -> Outcome<Vec<Variable>> {
    let value = match std::env::var_os(NAME).map(PathBuf::from) {
        Some(chosen) if chosen.is_file() => chosen,
        Some(chosen) => return Err(format!("{NAME} names no file: {}", chosen.display()).into()),
        None => match process::find("promtool") {
            Some(found) => found,
            None => unpacked(tools).map_err(|error| format!("promtool is missing: {error}"))?,
        },
    };
    Ok(vec![Variable { name: NAME, value }])
}

/// The one program out of the package: installing all of it would start a server as well.
fn unpacked(tools: &Path) -> Outcome<PathBuf> {
    let folder = tools.join("promtool");
    let program = folder.join("promtool");
    if !(is_stamped(&folder, PINS) && program.is_file()) {
        fresh_folder(&folder)?;
        let package = folder.join("package");
        apt::unpack("prometheus", &package)?;
        fs::rename(package.join("usr/bin/promtool"), &program)
            .map_err(|error| format!("the package has no usr/bin/promtool: {error}"))?;
        fs::remove_dir_all(&package)?;
        process::capture(Command::new(&program).arg("--version"))?;
        stamp(&folder, PINS)?;
    }
    Ok(program)
}
