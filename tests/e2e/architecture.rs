//! The one rule of the house: what may depend on what.

use std::collections::BTreeSet;

/// Crates under `schemas/`: everything may depend on them, and they only on each other.
const GROUND: [&str; 3] = ["schemas", "runtime", "dataset"];

/// The crates of this workspace that each may depend on, besides the ground.
const MAY_DEPEND_ON: [(&str, &[&str]); 11] = [
    ("schemas", &[]),
    ("runtime", &[]),
    ("dataset", &[]),
    ("learn", &[]),
    ("dispatch", &[]),
    ("producer", &["dispatch"]),
    ("predictor", &["learn"]),
    ("worker", &["learn", "predictor"]),
    ("gateway", &["dispatch", "predictor"]),
    ("tests", &["learn", "producer", "worker", "gateway"]),
    ("bench", &["tests"]),
];

/// Libraries that only one crate names (tests may name all).
const ONLY_IN: [(&str, &str); 6] = [
    ("async-nats", "runtime"),
    ("redis", "runtime"),
    ("parquet", "dataset"),
    ("arrow-array", "dataset"),
    ("tokio-postgres", "dataset"),
    ("linfa-linalg", "learn"),
];

fn packages() -> Vec<(String, BTreeSet<String>)> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let asked = std::process::Command::new(cargo)
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(tests::program::root())
        .output()
        .expect("cargo metadata runs");
    assert!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&asked.stdout).expect("JSON");
    let text = |value: &serde_json::Value| value.as_str().expect("a name").to_owned();
    let packages = metadata["packages"].as_array().expect("packages");
    packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().expect("dependencies");
            (text(&package["name"]), dependencies.iter().map(|d| text(&d["name"])).collect())
        })
        .collect()
}

#[test]
fn dependencies_point_one_way() {
    let packages = packages();
    let own: BTreeSet<&str> = packages.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(own, MAY_DEPEND_ON.iter().map(|(name, _)| *name).collect());
    for (name, dependencies) in &packages {
        let (_, allowed) = MAY_DEPEND_ON.iter().find(|(known, _)| known == name).expect("listed");
        for dependency in dependencies.iter().filter(|d| own.contains(d.as_str())) {
            let fine = allowed.contains(&dependency.as_str()) || GROUND.contains(&dependency.as_str());
            assert!(fine, "{name} must not depend on {dependency}");
        }
    }
    let of = |name: &str| &packages.iter().find(|(known, _)| known == name).expect("a package").1;
    assert!(GROUND.iter().all(|ground| !of("schemas").contains(*ground)), "schemas builds alone");
    assert!(!of("runtime").contains("dataset"), "runtime does not decode data");
    for (library, home) in ONLY_IN {
        for (name, dependencies) in
            packages.iter().filter(|(name, _)| name != home && !["tests", "bench"].contains(&name.as_str()))
        {
            assert!(!dependencies.contains(library), "{name} must leave {library} to {home}");
        }
    }
    for pure in ["tokio", "tracing", "futures"] {
        assert!(
            !of("schemas").contains(pure) && !of("learn").contains(pure),
            "schemas and learn are pure: no {pure}"
        );
    }
}
