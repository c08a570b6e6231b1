//! `bench`: what the layers cost in process, and over loopback the meter and the gateway beside
//! a plain hyper proxy of the same build.

mod durable;
mod gateway;
mod in_process;
mod load;
mod loopback;
mod metering;
mod program;
mod table;

use crate::process::Outcome;

pub(crate) fn run(arguments: &[String]) -> Outcome {
    let mut quick = false;
    let mut parts = Vec::new();
    for argument in arguments {
        match &**argument {
            "--quick" => quick = true,
            part @ ("budgets" | "durable" | "in-process" | "instructions" | "loopback"
            | "metering" | "report") => parts.push(part),
            other => return Err(format!("unknown part `{other}`").into()),
        }
    }
    let wants = |part| parts.is_empty() || parts.contains(&part);
    program::build()?;
    if wants("in-process") {
        in_process::times()?;
    }
    if wants("budgets") {
        in_process::budgets()?;
    }
    if wants("instructions") {
        in_process::instructions()?;
    }
    if wants("report") {
        in_process::report()?;
    }
    if wants("metering") {
        metering::run(quick)?;
    }
    if wants("loopback") {
        loopback::run(quick)?;
    }
    if wants("durable") {
        durable::run(quick)?;
    }
    Ok(())
}
