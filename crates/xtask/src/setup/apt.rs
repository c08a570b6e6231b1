//! Installing a Debian package, where we are allowed to.

use std::process::Command;

use crate::process::{self, Outcome};

/// Installs the package, or says who has to install it.
pub(super) fn install(package: &str) -> Outcome {
    let by_hand = format!("install the Debian package `{package}` (or your system's equivalent)");
    if process::find("apt-get").is_none() {
        return Err(by_hand.into());
    }
    let user = process::capture(Command::new("id").arg("-u"))?;
    if user.trim() != "0" {
        return Err(format!("{by_hand}, as root: apt-get install {package}").into());
    }
    super::install(&mut apt_get(&["update"]))?;
    super::install(&mut apt_get(&[
        "install",
        "--yes",
        "--no-install-recommends",
        package,
    ]))
}

fn apt_get(arguments: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    command
        .args(["-qq", "-o", "Acquire::Retries=3", "-o", "Dpkg::Use-Pty=0"])
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive");
    command
}
