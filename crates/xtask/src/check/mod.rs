//! `cargo xtask check`: the rules of the house that no compiler knows.

use crate::metadata;
use crate::process::Outcome;

mod imports;
mod manifests;
mod mentions;
mod sources;

/// What the checks found.
#[derive(Debug, Default)]
struct Report {
    errors: Vec<String>,
    notes: Vec<String>,
}

/// Runs every check, and fails if one of them found an error.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    if let Some(argument) = arguments.first() {
        return Err(format!("unknown argument `{argument}`").into());
    }
    let packages = metadata::packages()?;
    let mut report = Report::default();
    imports::check(&packages, &mut report);
    manifests::check(&packages, &mut report)?;
    sources::check(&packages, &mut report)?;
    mentions::check(&mut report)?;

    for note in &report.notes {
        println!("note: {note}");
    }
    for error in &report.errors {
        println!("error: {error}");
    }
    match report.errors.len() {
        0 => {
            println!("check: {} packages, no error", packages.len());
            Ok(())
        }
        1 => Err("1 error".into()),
        count => Err(format!("{count} errors").into()),
    }
}
