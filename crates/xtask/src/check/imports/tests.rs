use super::*;

fn package(name: &str, folder: &str, dependencies: Vec<Dependency>) -> Package {
    Package {
        name: name.to_owned(),
        folder: folder.into(),
        dependencies,
        ..Package::default()
    }
}

fn ours(name: &str, kind: Kind) -> Dependency {
    Dependency {
        name: name.to_owned(),
        kind,
        optional: false,
        ours: true,
    }
}

fn foreign(name: &str, kind: Kind) -> Dependency {
    Dependency {
        ours: false,
        ..ours(name, kind)
    }
}

fn optional(dependency: Dependency) -> Dependency {
    Dependency {
        optional: true,
        ..dependency
    }
}

const HOUSE: &[(&str, &str)] = &[
    ("core", "crates/core"),
    ("pricing", "crates/pricing"),
    ("testkit", "crates/testkit"),
    ("retry", "crates/retry"),
    ("failover", "crates/failover"),
    ("platforms", "crates/platforms"),
    ("facade", "crates/tower-claude"),
    ("gateway", "crates/gateway"),
    ("xtask", "crates/xtask"),
    ("tests", "tests"),
    ("benches", "benches"),
    ("example", "examples/axum"),
];

/// The errors when one package of the house has one dependency.
fn errors(name: &str, dependency: Dependency) -> Vec<String> {
    let mut dependency = Some(dependency);
    let packages: Vec<Package> = HOUSE
        .iter()
        .map(|&(member, folder)| {
            let dependencies = (member == name).then(|| dependency.take()).flatten();
            package(member, folder, dependencies.into_iter().collect())
        })
        .collect();
    assert!(dependency.is_none(), "{name} is a member of the house");
    let mut report = Report::default();
    check(&packages, &mut report);
    report.errors
}

fn allowed(name: &str, dependency: Dependency) -> bool {
    errors(name, dependency).is_empty()
}

#[test]
fn a_normal_dependency_passes_exactly_where_the_table_says_so() {
    let table: &[(&str, &[&str])] = &[
        ("core", &[]),
        ("pricing", &["core"]),
        ("testkit", &["core"]),
        ("retry", &["core", "pricing"]),
        ("failover", &["core", "pricing"]),
        ("platforms", &["core"]),
        ("facade", &["core", "pricing", "retry", "failover"]),
        ("gateway", &["core", "testkit", "platforms", "facade"]),
        ("xtask", &[]),
        (
            "tests",
            &[
                "core",
                "pricing",
                "testkit",
                "retry",
                "failover",
                "platforms",
                "facade",
            ],
        ),
    ];
    for (from, expected) in table {
        let passing: Vec<&str> = HOUSE
            .iter()
            .map(|&(to, _)| to)
            .filter(|to| to != from && allowed(from, ours(to, Kind::Normal)))
            .collect();
        assert_eq!(passing, *expected, "dependencies of {from}");
    }
}

#[test]
fn the_testkit_is_for_dev_dependencies() {
    for name in ["core", "retry", "platforms", "facade"] {
        assert!(!allowed(name, ours("testkit", Kind::Normal)), "{name}");
        assert!(!allowed(name, ours("testkit", Kind::Build)), "{name}");
        assert!(allowed(name, ours("testkit", Kind::Dev)), "{name}");
    }
    assert!(!allowed("pricing", ours("testkit", Kind::Dev)));
}

#[test]
fn a_layer_never_imports_a_layer_not_even_for_tests() {
    let found = errors("retry", ours("failover", Kind::Dev));
    let [error] = found.as_slice() else {
        panic!("one error: {found:?}");
    };
    assert!(error.starts_with("retry: dev-dependency failover is not allowed"));
    assert!(!allowed("retry", optional(ours("failover", Kind::Normal))));
    assert!(!allowed("retry", ours("platforms", Kind::Dev)));
}

#[test]
fn nobody_imports_the_binaries_or_the_facade_from_below() {
    for name in ["tests", "benches", "example"] {
        assert!(allowed(name, ours("facade", Kind::Normal)), "{name}");
        assert!(!allowed(name, ours("gateway", Kind::Dev)), "{name}");
        assert!(!allowed(name, ours("xtask", Kind::Dev)), "{name}");
    }
    for name in ["core", "pricing", "testkit", "retry", "platforms", "xtask"] {
        assert!(!allowed(name, ours("facade", Kind::Dev)), "{name}");
    }
}

#[test]
fn the_facade_takes_platforms_only_behind_a_feature() {
    assert!(!allowed("facade", ours("platforms", Kind::Normal)));
    assert!(allowed("facade", optional(ours("platforms", Kind::Normal))));
}

#[test]
fn core_and_pricing_know_no_host_even_behind_a_feature() {
    for name in ["core", "pricing"] {
        for host in [
            "tokio",
            "tokio-util",
            "hyper-util",
            "axum",
            "tonic",
            "metrics",
            "redis",
        ] {
            assert!(
                !allowed(name, optional(foreign(host, Kind::Normal))),
                "{host}"
            );
            assert!(allowed(name, foreign(host, Kind::Dev)), "{host}");
        }
        assert!(allowed(name, foreign("tokyo-tower", Kind::Normal)));
        assert!(allowed(name, foreign("hyperloop", Kind::Normal)));
    }
}

#[test]
fn a_layer_takes_tokio_freely_and_the_rest_behind_features() {
    assert!(allowed("retry", foreign("tokio", Kind::Normal)));
    for host in ["tokio-stream", "hyper", "axum", "tonic", "metrics", "redis"] {
        assert!(!allowed("retry", foreign(host, Kind::Normal)), "{host}");
        assert!(
            allowed("retry", optional(foreign(host, Kind::Normal))),
            "{host}"
        );
    }
    assert!(allowed("gateway", foreign("axum", Kind::Normal)));
}

#[test]
fn a_package_may_turn_on_its_own_features_for_its_tests() {
    assert!(allowed("testkit", ours("testkit", Kind::Dev)));
}

#[test]
fn a_package_without_a_role_is_an_error() {
    let mut report = Report::default();
    check(&[package("new", "crates/new", Vec::new())], &mut report);
    assert_eq!(report.errors.len(), 1);
}
