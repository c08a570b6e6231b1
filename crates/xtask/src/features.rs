//! `cargo xtask features`: each crate must build alone, and with each feature alone.
//!
//! A build of the whole workspace hides a missing feature, because another member turns it on.

use std::process::Command;
use std::time::Duration;

use crate::metadata::{self, Package};
use crate::process::{self, Outcome};

/// Checks the named packages, or all of them; reports every failure in one run.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let packages = metadata::packages()?;
    if let Some(unknown) = arguments
        .iter()
        .find(|name| packages.iter().all(|package| package.name != **name))
    {
        return Err(format!("no package is called `{unknown}`").into());
    }
    let mut failures = Vec::new();
    let mut runs: usize = 0;
    for package in packages {
        if !arguments.is_empty() && !arguments.contains(&package.name) {
            continue;
        }
        for flags in variants(&package) {
            let (success, time) = check(&package.name, &flags)?;
            let line = format!("{} {}", package.name, flags.join(" "));
            let word = if success { "ok" } else { "FAILED" };
            println!(
                "{word:<6} {:>6.1} s  {}",
                time.as_secs_f64(),
                line.trim_end()
            );
            runs += 1;
            if !success {
                failures.push(line.trim_end().to_owned());
            }
        }
    }
    if failures.is_empty() {
        println!("features: {runs} builds, no error");
        Ok(())
    } else {
        Err(format!("these do not build alone:\n  {}", failures.join("\n  ")).into())
    }
}

/// The flags of each build a package must pass.
fn variants(package: &Package) -> Vec<Vec<String>> {
    let mut variants = vec![Vec::new()];
    if package.has_defaults {
        variants.push(vec!["--no-default-features".to_owned()]);
    }
    for feature in &package.features {
        variants.push(vec![
            "--no-default-features".to_owned(),
            "--features".to_owned(),
            feature.clone(),
        ]);
    }
    variants
}

/// Builds once; warnings count, but `-D warnings` in RUSTFLAGS would rebuild every dependency.
fn check(package: &str, flags: &[String]) -> Outcome<(bool, Duration)> {
    #[expect(
        clippy::disallowed_methods,
        reason = "a developer's stopwatch, no clock to pause"
    )]
    let start = std::time::Instant::now();
    let mut command: Command = process::cargo();
    let output = command
        .args(["check", "--color", "never", "-p", package])
        .args(process::locked())
        .args(flags)
        .output()
        .map_err(|error| format!("starting cargo: {error}"))?;
    let messages = String::from_utf8_lossy(&output.stderr);
    let success = output.status.success() && !has_warnings(&messages);
    if !success {
        eprintln!("{messages}");
    }
    Ok((success, start.elapsed()))
}

/// Looks for cargo's summary line, which names only packages of ours.
fn has_warnings(messages: &str) -> bool {
    messages
        .lines()
        .any(|line| line.starts_with("warning: `") && line.contains(" generated "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_the_defaults_and_each_feature_alone() {
        let package = Package {
            features: vec!["a".to_owned(), "b".to_owned()],
            has_defaults: true,
            ..Package::default()
        };
        let lines: Vec<String> = variants(&package)
            .iter()
            .map(|flags| flags.join(" "))
            .collect();
        assert_eq!(
            lines,
            [
                "",
                "--no-default-features",
                "--no-default-features --features a",
                "--no-default-features --features b",
            ]
        );
        assert_eq!(variants(&Package::default()).len(), 1);
    }

    #[test]
    fn a_warning_of_ours_fails_the_build() {
        assert!(has_warnings("warning: `a` (lib) generated 1 warning\n"));
        assert!(!has_warnings("warning: something else\n"));
    }
}
