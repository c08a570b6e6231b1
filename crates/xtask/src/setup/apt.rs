//! Installing a Debian package, where we are allowed to; or unpacking it, where nobody asks.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::fresh_folder;
use crate::process::{self, Outcome};

/// Installs the package, or says who has to install it.
pub(super) fn install(package: &str) -> Outcome {
    let by_hand = by_hand(package);
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

/// Unpacks the package into a folder of ours: no root, no dependencies, nothing is started.
pub(super) fn unpack(package: &str, folder: &Path) -> Outcome {
    if process::find("apt-get").is_none() || process::find("dpkg-deb").is_none() {
        return Err(by_hand(package).into());
    }
    fresh_folder(folder)?;
    let downloads = folder.join("downloads");
    fs::create_dir_all(&downloads)?;
    download(package, &downloads).map_err(|error| format!("{}; {error}", by_hand(package)))?;
    let archive = fs::read_dir(&downloads)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .ok_or_else(|| format!("apt-get downloaded no package `{package}`"))?;
    let mut unpack = Command::new("dpkg-deb");
    super::install(unpack.arg("--extract").arg(archive).arg(folder))
}

/// With the system's lists, and if they are missing or too old, with lists of our own.
fn download(package: &str, downloads: &Path) -> Outcome {
    let arguments = ["download", package];
    if super::install(apt_get(&arguments).current_dir(downloads)).is_ok() {
        return Ok(());
    }
    let (lists, cache) = (downloads.join("lists"), downloads.join("cache"));
    fs::create_dir_all(lists.join("partial"))?;
    fs::create_dir_all(cache.join("archives/partial"))?;
    let own = |arguments: &[&str]| {
        let mut command = apt_get(arguments);
        command
            .arg("-o")
            .arg(format!("Dir::State::Lists={}", lists.display()))
            .arg("-o")
            .arg(format!("Dir::Cache={}", cache.display()))
            .current_dir(downloads);
        command
    };
    super::install(&mut own(&["update"]))?;
    super::install(&mut own(&arguments))
}

fn by_hand(package: &str) -> String {
    format!("install the Debian package `{package}` (or your system's equivalent)")
}

fn apt_get(arguments: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    command
        .args(["-qq", "-o", "Acquire::Retries=3", "-o", "Dpkg::Use-Pty=0"])
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive");
    command
}
