//! What every manifest must say.

use std::fs;

use super::Report;
use crate::metadata::Package;
use crate::process::{self, Outcome};

pub(super) fn check(packages: &[Package], report: &mut Report) -> Outcome {
    for package in packages {
        let path = process::root().join(&package.folder).join("Cargo.toml");
        let manifest = fs::read_to_string(&path)
            .map_err(|error| format!("reading {}: {error}", path.display()))?;
        for missing in missing(package, &manifest) {
            report
                .errors
                .push(format!("{}: the manifest has no {missing}", package.name));
        }
    }
    Ok(())
}

fn missing(package: &Package, manifest: &str) -> Vec<&'static str> {
    let absent = |field: &Option<String>| field.as_ref().is_none_or(|text| text.trim().is_empty());
    let mut missing = Vec::new();
    // The members for tests, benches and examples are no crates anybody looks up.
    if package.folder.starts_with("crates") && absent(&package.description) {
        missing.push("description");
    }
    if absent(&package.license) {
        missing.push("license");
    }
    if !inherits_lints(manifest) {
        missing.push("`[lints] workspace = true`");
    }
    missing
}

/// `cargo metadata` does not tell, so the text has to.
fn inherits_lints(manifest: &str) -> bool {
    let mut table = "";
    manifest.lines().any(|line| {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.starts_with('[') {
            table = line;
        }
        let setting: String = line.split_whitespace().collect();
        match table {
            "[lints]" => setting == "workspace=true",
            "" => setting == "lints.workspace=true",
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(description: &str, license: &str) -> Package {
        Package {
            description: Some(description.to_owned()),
            license: Some(license.to_owned()),
            ..crate_package()
        }
    }

    fn crate_package() -> Package {
        Package {
            folder: "crates/a".into(),
            ..Package::default()
        }
    }

    #[test]
    fn a_whole_manifest_passes() {
        let manifest = "[package]\nname = \"a\"\n\n[lints]\nworkspace = true\n";
        assert!(missing(&described("A.", "MIT"), manifest).is_empty());
        assert!(inherits_lints("lints.workspace = true\n[package]\n"));
    }

    #[test]
    fn names_each_missing_part() {
        assert_eq!(missing(&crate_package(), "[package]\n").len(), 3);
        assert_eq!(
            missing(&described(" ", "MIT"), "[lints]\nworkspace = true"),
            ["description"]
        );
    }

    #[test]
    fn tests_and_benches_need_no_description() {
        let package = Package {
            folder: "tests".into(),
            ..Package::default()
        };
        let manifest = "[lints]\nworkspace = true";
        assert_eq!(missing(&package, manifest), ["license"]);
    }

    #[test]
    fn lints_of_ones_own_do_not_count() {
        assert!(!inherits_lints("[lints.rust]\nunsafe_code = \"allow\"\n"));
        assert!(!inherits_lints("[lints]\n# workspace = true\n"));
        assert!(!inherits_lints("[lints]\n[package]\nworkspace = true\n"));
    }
}
