//! What `cargo metadata` knows about the packages of the workspace.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::process::{self, Outcome};

/// One package of the workspace.
#[derive(Debug, Clone, Default)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// Relative to the workspace, such as `crates/core`.
    pub(crate) folder: PathBuf,
    pub(crate) description: Option<String>,
    pub(crate) license: Option<String>,
    /// Without `default`.
    pub(crate) features: Vec<String>,
    pub(crate) has_defaults: bool,
    pub(crate) dependencies: Vec<Dependency>,
}

/// One line of a package's dependencies.
#[derive(Debug, Clone)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) optional: bool,
    /// Another package of this workspace.
    pub(crate) ours: bool,
}

/// The table a dependency stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Normal,
    Build,
    Dev,
}

/// Asks cargo for the packages of the workspace, sorted by name.
pub(crate) fn packages() -> Outcome<Vec<Package>> {
    let text = process::capture(
        process::cargo()
            .args(["metadata", "--format-version", "1", "--no-deps"])
            .args(process::locked()),
    )?;
    let mut packages = parse(&text, process::root())?;
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(packages)
}

fn parse(text: &str, root: &Path) -> Outcome<Vec<Package>> {
    let document: Value = serde_json::from_str(text)?;
    let values = list(&document, "packages");
    let names: BTreeSet<&str> = values
        .iter()
        .filter_map(|value| string(value, "name"))
        .collect();
    values
        .iter()
        .map(|value| package(value, root, &names))
        .collect()
}

fn package(value: &Value, root: &Path, names: &BTreeSet<&str>) -> Outcome<Package> {
    let name = string(value, "name").ok_or("a package without a name")?;
    let manifest = Path::new(string(value, "manifest_path").ok_or("a package without a manifest")?);
    let folder = manifest.parent().unwrap_or(manifest);
    let features = value.get("features").and_then(Value::as_object);
    let features = features.into_iter().flat_map(|table| table.iter());
    Ok(Package {
        name: name.to_owned(),
        folder: folder.strip_prefix(root).unwrap_or(folder).to_owned(),
        description: string(value, "description").map(str::to_owned),
        license: string(value, "license").map(str::to_owned),
        has_defaults: features
            .clone()
            .any(|(feature, parts)| feature == "default" && parts != &Value::Array(Vec::new())),
        features: features
            .map(|(feature, _)| feature.clone())
            .filter(|feature| feature != "default")
            .collect(),
        dependencies: list(value, "dependencies")
            .iter()
            .map(|dependency| parse_dependency(dependency, names))
            .collect::<Outcome<_>>()?,
    })
}

fn parse_dependency(value: &Value, names: &BTreeSet<&str>) -> Outcome<Dependency> {
    let name = string(value, "name").ok_or("a dependency without a name")?;
    Ok(Dependency {
        name: name.to_owned(),
        kind: match string(value, "kind") {
            Some("dev") => Kind::Dev,
            Some("build") => Kind::Build,
            _ => Kind::Normal,
        },
        optional: value.get("optional").and_then(Value::as_bool) == Some(true),
        ours: names.contains(name) && string(value, "path").is_some(),
    })
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value
        .get(key)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn string<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_cargo_writes() {
        let text = r#"{"packages":[
            {"name":"a","manifest_path":"/w/crates/a/Cargo.toml","description":"A.","license":"MIT",
             "features":{"default":["x"],"x":[],"y":["dep:serde"]},
             "dependencies":[
                {"name":"b","kind":null,"optional":false,"path":"/w/crates/b","source":null},
                {"name":"b","kind":"dev","optional":false,"path":"/w/crates/b","source":null},
                {"name":"serde","kind":null,"optional":true,"source":"registry"}]},
            {"name":"b","manifest_path":"/w/crates/b/Cargo.toml","description":null,"license":null,
             "features":{"default":[]},"dependencies":[]}]}"#;
        let packages = parse(text, Path::new("/w")).unwrap();
        let [a, b] = packages.as_slice() else {
            panic!("two packages");
        };
        assert_eq!(a.folder, Path::new("crates/a"));
        assert_eq!(a.features, ["x", "y"]);
        assert!(a.has_defaults && !b.has_defaults);
        let seen: Vec<_> = a
            .dependencies
            .iter()
            .map(|dependency| (dependency.kind, dependency.optional, dependency.ours))
            .collect();
        assert_eq!(
            seen,
            [
                (Kind::Normal, false, true),
                (Kind::Dev, false, true),
                (Kind::Normal, true, false),
            ]
        );
        assert_eq!(b.description, None);
    }
}
