//! Where the workspace is, cargo in it, and what cargo knows of it.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// The root of the workspace.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// Cargo at the root of the workspace.
pub fn cargo_command() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into()));
    command.current_dir(root());
    command
}

/// Runs cargo at the root of the workspace.
pub fn cargo(arguments: &[&str], more: &[String]) -> Result<()> {
    run(cargo_command().args(arguments).args(more))
}

/// Runs a command; an error names it.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("{} can't be started", shown(command)))?;
    if !status.success() {
        bail!("{} failed ({status})", shown(command));
    }
    Ok(())
}

/// What a command prints.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{} can't be started", shown(command)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{} failed ({}): {}", shown(command), output.status, said.trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("{} prints no text", shown(command)))
}

fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy();
    let arguments = command.get_args().map(|argument| argument.to_string_lossy());
    std::iter::once(program).chain(arguments).collect::<Vec<_>>().join(" ")
}

/// A crate of the workspace, or one that it uses.
#[derive(Debug, Default)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// The folder of a crate of the workspace, relative to its root.
    pub folder: String,
    /// What its manifest names: the crate, and whether it is there for tests only.
    pub dependencies: Vec<(String, Kind)>,
    /// Its targets: kind and name.
    pub targets: Vec<(String, String)>,
    /// Names of its features.
    pub features: Vec<String>,
}

/// What a dependency is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The crate itself, or its build script.
    Normal,
    /// Tests, examples, benches.
    Dev,
}

/// The crates of the workspace, by `cargo metadata`.
pub fn packages() -> Result<Vec<Package>> {
    let mut command = cargo_command();
    command.args(["metadata", "--format-version", "1", "--locked", "--no-deps"]);
    let metadata = serde_json::from_str(&output(&mut command)?).context("cargo metadata prints no JSON")?;
    packages_in(&metadata).context("cargo metadata has not the form that is known here")
}

fn packages_in(metadata: &Value) -> Option<Vec<Package>> {
    let text = |value: &Value, key: &str| value[key].as_str().map(str::to_owned);
    let list = |value: &Value, key: &str| value[key].as_array().cloned();
    let root = text(metadata, "workspace_root")?.replace('\\', "/");
    let mut packages = Vec::new();
    for package in list(metadata, "packages")? {
        let manifest = text(&package, "manifest_path")?.replace('\\', "/");
        let folder = manifest.strip_prefix(&root)?.trim_start_matches('/').trim_end_matches("/Cargo.toml");
        let dependencies = list(&package, "dependencies")?.into_iter().map(|dependency| {
            let kind = if dependency["kind"] == "dev" { Kind::Dev } else { Kind::Normal };
            Some((text(&dependency, "name")?, kind))
        });
        let targets = list(&package, "targets")?
            .iter()
            .map(|target| Some((target["kind"][0].as_str()?.to_owned(), text(target, "name")?)))
            .collect::<Option<_>>()?;
        packages.push(Package {
            name: text(&package, "name")?,
            folder: folder.to_owned(),
            dependencies: dependencies.collect::<Option<_>>()?,
            targets,
            features: package["features"].as_object()?.keys().cloned().collect(),
        });
    }
    Some(packages)
}

/// Names of all crates that one needs to run on any system, with its default features.
pub fn needs(package: &str) -> Result<Vec<String>> {
    let mut command = cargo_command();
    command.args(["tree", "--locked", "--edges", "normal", "--target", "all", "--prefix", "none"]);
    let tree = output(command.args(["--format", "{p}", "--package", package]))?;
    Ok(names_in_tree(&tree))
}

fn names_in_tree(tree: &str) -> Vec<String> {
    let names: BTreeSet<&str> = tree.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
    names.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn crates_are_read_from_cargo_metadata() {
        let metadata = serde_json::json!({
            "workspace_root": "/w",
            "packages": [{
                "name": "a", "manifest_path": "/w/crates/a/Cargo.toml", "features": {"flex": []},
                "targets": [{"kind": ["lib"], "name": "a"}, {"kind": ["test"], "name": "it"}],
                "dependencies": [{"name": "b", "kind": null}, {"name": "t", "kind": "dev"}],
            }],
        });
        let packages = packages_in(&metadata).unwrap();
        let [package] = packages.as_slice() else { panic!("{packages:?}") };
        assert_eq!(package.folder, "crates/a");
        assert_eq!(package.dependencies, [("b".to_owned(), Kind::Normal), ("t".to_owned(), Kind::Dev)]);
        assert_eq!(package.targets[1], ("test".to_owned(), "it".to_owned()));
        assert_eq!(package.features, ["flex"]);
        assert!(packages_in(&serde_json::json!({})).is_none());
    }

    #[test]
    fn a_tree_gives_each_name_once_and_not_the_root() {
        let tree = "a v0.1.0 (/w/crates/a)\nserde v1.0.1\nb v0.1.0 (/w/crates/b)\nserde v1.0.1 (*)\n";
        assert_eq!(names_in_tree(tree), ["b", "serde"]);
    }
}
