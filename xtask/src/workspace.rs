//! Where the workspace is, cargo in it, and what cargo knows of it.

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
        bail!("{} failed: {}", shown(command), String::from_utf8_lossy(&output.stderr).trim());
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
    /// The crates it needs to run, those that these need, and so on; features as in a build of the whole workspace.
    pub reaches: Vec<String>,
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
    command.args(["metadata", "--format-version", "1", "--locked"]);
    let metadata = serde_json::from_str(&output(&mut command)?).context("cargo metadata prints no JSON")?;
    packages_in(&metadata).context("cargo metadata has not the form that is known here")
}

fn packages_in(metadata: &Value) -> Option<Vec<Package>> {
    let text = |value: &Value, key: &str| value[key].as_str().map(str::to_owned);
    let list = |value: &Value, key: &str| value[key].as_array().cloned();
    let all = list(metadata, "packages")?;
    let name_of =
        |id: &str| all.iter().find(|package| package["id"] == id).and_then(|package| text(package, "name"));
    let nodes = list(&metadata["resolve"], "nodes")?;
    let root = text(metadata, "workspace_root")?.replace('\\', "/");
    let mut packages = Vec::new();
    for member in list(metadata, "workspace_members")? {
        let package = all.iter().find(|package| package["id"] == member)?;
        let manifest = text(package, "manifest_path")?.replace('\\', "/");
        let folder =
            manifest.strip_prefix(&root)?.trim_start_matches('/').trim_end_matches("/Cargo.toml").to_owned();
        let dependencies = list(package, "dependencies")?.into_iter().map(|dependency| {
            let kind = if dependency["kind"] == "dev" { Kind::Dev } else { Kind::Normal };
            Some((text(&dependency, "name")?, kind))
        });
        let targets = list(package, "targets")?
            .iter()
            .map(|target| Some((target["kind"][0].as_str()?.to_owned(), text(target, "name")?)))
            .collect::<Option<_>>()?;
        packages.push(Package {
            name: text(package, "name")?,
            folder,
            dependencies: dependencies.collect::<Option<_>>()?,
            targets,
            features: package["features"].as_object()?.keys().cloned().collect(),
            reaches: reached(member.as_str()?, &nodes).into_iter().filter_map(|id| name_of(&id)).collect(),
        });
    }
    Some(packages)
}

/// Ids of all packages that one needs to run.
fn reached(id: &str, nodes: &[Value]) -> Vec<String> {
    let mut found = Vec::new();
    let mut next = vec![id.to_owned()];
    while let Some(id) = next.pop() {
        let Some(node) = nodes.iter().find(|node| node["id"] == id.as_str()) else { continue };
        for dependency in node["deps"].as_array().into_iter().flatten() {
            let is_normal =
                dependency["dep_kinds"].as_array().is_some_and(|kinds| kinds.iter().any(|k| k["kind"].is_null()));
            let Some(id) = dependency["pkg"].as_str().filter(|_| is_normal) else { continue };
            if !found.iter().any(|found| found == id) {
                found.push(id.to_owned());
                next.push(id.to_owned());
            }
        }
    }
    found
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_a_crate_reaches_leaves_out_what_only_tests_need() {
        let metadata = serde_json::json!({
            "workspace_root": "/w",
            "workspace_members": ["a"],
            "packages": [
                {"id": "a", "name": "a", "manifest_path": "/w/crates/a/Cargo.toml", "features": {"flex": []},
                 "targets": [{"kind": ["lib"], "name": "a"}, {"kind": ["test"], "name": "it"}],
                 "dependencies": [{"name": "b", "kind": null}, {"name": "t", "kind": "dev"}]},
                {"id": "b", "name": "b"}, {"id": "c", "name": "c"}, {"id": "t", "name": "t"},
            ],
            "resolve": {"nodes": [
                {"id": "a", "deps": [
                    {"pkg": "b", "dep_kinds": [{"kind": null}]}, {"pkg": "t", "dep_kinds": [{"kind": "dev"}]}]},
                {"id": "b", "deps": [{"pkg": "c", "dep_kinds": [{"kind": "build"}, {"kind": null}]}]},
                {"id": "c", "deps": []},
            ]},
        });
        let packages = packages_in(&metadata).unwrap();
        let [package] = packages.as_slice() else { panic!("{packages:?}") };
        assert_eq!(package.folder, "crates/a");
        assert_eq!(package.dependencies, [("b".to_owned(), Kind::Normal), ("t".to_owned(), Kind::Dev)]);
        assert_eq!(package.targets[1], ("test".to_owned(), "it".to_owned()));
        assert_eq!(package.features, ["flex"]);
        assert_eq!(package.reaches, ["b", "c"]);
    }
}
