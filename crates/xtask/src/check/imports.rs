//! Who may depend on whom.

use std::collections::BTreeMap;
use std::path::Path;

use super::Report;
use crate::metadata::{Dependency, Kind, Package};

/// The place of a package in the house; the folder decides it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Core,
    Pricing,
    Testkit,
    Layer,
    Platforms,
    Facade,
    Gateway,
    Xtask,
    /// Tests, benches and examples: users of the house.
    User,
}

/// Runtimes, hosts and back ends, with everything named `NAME-…`.
const HOSTS: &[&str] = &["tokio", "hyper", "axum", "tonic", "metrics", "redis"];

pub(super) fn check(packages: &[Package], report: &mut Report) {
    let roles: BTreeMap<&str, Role> = packages
        .iter()
        .filter_map(|package| Some((package.name.as_str(), Role::of(&package.folder)?)))
        .collect();
    for package in packages {
        let Some(&from) = roles.get(package.name.as_str()) else {
            report.errors.push(format!(
                "{}: no import rule knows {}; give it a role in xtask's check",
                package.name,
                package.folder.display()
            ));
            continue;
        };
        for dependency in &package.dependencies {
            let problem = if dependency.ours {
                // A package may name itself, to turn on a feature for its own tests.
                let itself = dependency.name == package.name;
                let allowed = roles
                    .get(dependency.name.as_str())
                    .is_some_and(|&to| itself || may_import(from, to, dependency));
                (!allowed).then(|| from.imports())
            } else {
                forbidden_host(from, dependency)
            };
            if let Some(rule) = problem {
                report.errors.push(format!(
                    "{}: {}{} is not allowed: {rule}",
                    package.name,
                    match dependency.kind {
                        Kind::Normal => "dependency ",
                        Kind::Build => "build-dependency ",
                        Kind::Dev => "dev-dependency ",
                    },
                    dependency.name,
                ));
            }
        }
    }
}

fn may_import(from: Role, to: Role, dependency: &Dependency) -> bool {
    use Role::{Core, Facade, Gateway, Layer, Platforms, Pricing, Testkit, User, Xtask};
    let dev = dependency.kind == Kind::Dev;
    match (from, to) {
        // Nobody looks into a binary.
        (_, Gateway | Xtask | User) => false,
        (User, _) => true,
        (Pricing | Testkit | Layer | Platforms | Facade | Gateway, Core) => true,
        (Layer | Facade, Pricing) | (Facade, Layer) => true,
        (Facade, Platforms) => dependency.optional || dev,
        (Gateway, Facade | Platforms | Testkit) => true,
        (Core | Layer | Platforms | Facade, Testkit) => dev,
        _ => false,
    }
}

fn forbidden_host(from: Role, dependency: &Dependency) -> Option<&'static str> {
    let host = HOSTS.iter().any(|host| {
        dependency
            .name
            .strip_prefix(host)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    });
    if !host || dependency.kind == Kind::Dev {
        return None;
    }
    match from {
        Role::Core | Role::Pricing => Some("core and pricing know no runtime, host or back end"),
        Role::Layer if dependency.name != "tokio" && !dependency.optional => {
            Some("a layer takes a host or a back end only behind a feature")
        }
        _ => None,
    }
}

// === impl Role ===

impl Role {
    fn of(folder: &Path) -> Option<Self> {
        let folder = folder.to_str()?;
        if folder == "tests" || folder == "benches" || folder.starts_with("examples/") {
            return Some(Self::User);
        }
        Some(match folder.strip_prefix("crates/")? {
            "core" => Self::Core,
            "pricing" => Self::Pricing,
            "testkit" => Self::Testkit,
            "batches" | "capture" | "continuation" | "failover" | "heartbeat" | "retry"
            | "tenant-auth" | "token-budget" | "usage-meter" => Self::Layer,
            "platforms" => Self::Platforms,
            "tower-claude" => Self::Facade,
            "gateway" => Self::Gateway,
            "xtask" => Self::Xtask,
            _ => return None,
        })
    }

    fn imports(self) -> &'static str {
        match self {
            Self::Core => "core imports nothing of ours (testkit in dev-dependencies)",
            Self::Pricing => "pricing imports only core",
            Self::Testkit => "testkit imports only core",
            Self::Layer => "a layer imports only core and pricing (testkit in dev-dependencies)",
            Self::Platforms => "platforms imports only core (testkit in dev-dependencies)",
            Self::Facade => {
                "the facade imports core, pricing, the layers, and platforms if optional"
            }
            Self::Gateway => "the gateway imports core, the facade, platforms and testkit",
            Self::Xtask => "xtask imports nothing of ours",
            Self::User => "nothing imports the gateway, xtask, tests, benches or examples",
        }
    }
}

#[cfg(test)]
mod tests;
