//! `bench`: what the layers cost in process, and what the gateway costs over loopback beside
//! a plain hyper proxy of the same build.

mod in_process;
mod loopback;
mod program;
mod table;

use crate::process::Outcome;

pub(crate) fn run(arguments: &[String]) -> Outcome {
    let mut quick = false;
    let mut parts = Vec::new();
    for argument in arguments {
        match &**argument {
            "--quick" => quick = true,
            part @ ("budgets" | "in-process" | "instructions" | "loopback") => parts.push(part),
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
    if wants("loopback") {
        loopback::run(quick)?;
    }
    Ok(())
}
