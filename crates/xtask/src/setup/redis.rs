//! A `redis-server` that tests start on ports of their own.

use std::path::PathBuf;

use super::{Variable, apt};
use crate::process::{self, Outcome};

const NAME: &str = "REDIS_SERVER";

pub(super) fn prepare() -> Outcome<Vec<Variable>> {
    let value = match std::env::var_os(NAME).map(PathBuf::from) {
        Some(chosen) if chosen.is_file() => chosen,
        Some(chosen) => return Err(format!("{NAME} names no file: {}", chosen.display()).into()),
        None => installed()?,
    };
    Ok(vec![Variable { name: NAME, value }])
}

fn installed() -> Outcome<PathBuf> {
    if let Some(found) = process::find("redis-server") {
        return Ok(found);
    }
    apt::install("redis-server").map_err(|error| format!("redis-server is missing: {error}"))?;
    process::find("redis-server").ok_or_else(|| "redis-server is installed, but not on PATH".into())
}
