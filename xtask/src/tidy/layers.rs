//! Who uses whom: the manifests against `xtask/layers.toml`.

use anyhow::{Context, Result};
use toml::{Table, Value};

use super::tree::{Finding, Tree, line_of};
use crate::workspace::{Kind, Package};

const FILE: &str = "xtask/layers.toml";
/// Tests of every crate may use it.
const FOR_TESTS: &str = "fastersam-golden";

/// The rules.
struct Layers {
    crates: Vec<Crate>,
    outside: Vec<Outside>,
    unreachable: Vec<Outside>,
}

/// What a crate of the workspace may use of the others.
struct Crate {
    name: String,
    uses: Vec<String>,
    why: String,
}

/// Crates of others, and those of ours that may name them, or must not need them.
struct Outside {
    crates: Vec<String>,
    ours: Vec<String>,
    why: String,
}

/// Checks every manifest. `needs` gives all crates that one of ours needs to run.
pub fn check(
    tree: &Tree,
    packages: &[Package],
    needs: impl Fn(&str) -> Result<Vec<String>>,
) -> Result<Vec<Finding>> {
    let text = tree.text(FILE).with_context(|| format!("{FILE} is missing"))?;
    let layers = Layers::read(text).with_context(|| format!("in {FILE}"))?;
    let mut found = layers.contradictions(text);
    for package in packages {
        let manifest = format!("{}/Cargo.toml", package.folder);
        let lines = tree.text(&manifest).unwrap_or_default();
        let finding = |name: &str, text: String| Finding::new(&manifest, dependency_line(lines, name), text);
        let Some(ours) = layers.crates.iter().find(|ours| ours.name == package.name) else {
            let text = format!("{} has no entry in {FILE}; say there what it may use, and why", package.name);
            found.push(finding("name", text));
            continue;
        };
        // Tests may name their own crate, to have it with more features.
        let others =
            package.dependencies.iter().filter(|(name, kind)| *kind != Kind::Dev || *name != package.name);
        for (name, kind) in others {
            if let Some(why) = layers.forbids(ours, name, *kind) {
                found.push(finding(
                    name,
                    format!("{} must not use {name}: {why}; remove the dependency", ours.name),
                ));
            }
        }
        let rules: Vec<&Outside> =
            layers.unreachable.iter().filter(|rule| rule.ours.contains(&ours.name)).collect();
        let needed = if rules.is_empty() { Vec::new() } else { needs(&ours.name)? };
        for rule in rules {
            for name in rule.crates.iter().filter(|name| needed.contains(name)) {
                let how = format!("`cargo tree -p {} -e normal -i {name}` says how it gets there", ours.name);
                found.push(finding(name, format!("{} needs {name}: {}; {how}", ours.name, rule.why)));
            }
        }
    }
    for ours in &layers.crates {
        if !packages.iter().any(|package| package.name == ours.name) {
            let line = line_of(text, &format!("name = \"{}\"", ours.name));
            found.push(Finding::new(FILE, line, format!("there is no crate {}; remove its entry", ours.name)));
        }
    }
    Ok(found)
}

/// The line of a manifest that names a dependency.
fn dependency_line(manifest: &str, name: &str) -> usize {
    let names_it = |line: &str| {
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['.', ' ', '=']))
            || line.trim_end().ends_with(&format!("dependencies.{name}]"))
    };
    manifest.lines().position(names_it).map_or(1, |at| at + 1)
}

impl Layers {
    fn read(text: &str) -> Result<Self> {
        let file: Table = text.parse()?;
        let entries = |key: &str| -> Result<Vec<Table>> {
            let entries = file.get(key).and_then(Value::as_array).with_context(|| format!("no [[{key}]]"))?;
            entries
                .iter()
                .map(|entry| entry.as_table().cloned().with_context(|| format!("{key} is no table")))
                .collect()
        };
        let crates = entries("crate")?.into_iter().map(|entry| {
            Ok(Crate {
                name: string(&entry, "name")?,
                uses: strings(&entry, "uses")?,
                why: string(&entry, "why")?,
            })
        });
        let rules = |key: &str, ours: &str| -> Result<Vec<Outside>> {
            let rule = |entry: &Table| {
                let (crates, ours) = (strings(entry, "crates")?, strings(entry, ours)?);
                Ok(Outside { crates, ours, why: string(entry, "why")? })
            };
            entries(key)?.iter().map(rule).collect()
        };
        Ok(Self {
            crates: crates.collect::<Result<_>>()?,
            outside: rules("outside", "only_in")?,
            unreachable: rules("unreachable", "from")?,
        })
    }

    /// Entries that name what does not stand above them: with none, there is no way up.
    fn contradictions(&self, text: &str) -> Vec<Finding> {
        let mut found = Vec::new();
        for (at, ours) in self.crates.iter().enumerate() {
            for name in &ours.uses {
                if !self.crates[..at].iter().any(|above| above.name == *name) {
                    let line = line_of(text, &format!("name = \"{}\"", ours.name));
                    let text =
                        format!("{} uses {name}, which does not stand above it; arrows go down only", ours.name);
                    found.push(Finding::new(FILE, line, text));
                }
            }
        }
        found
    }

    /// Why a crate must not name a dependency, if so.
    fn forbids(&self, ours: &Crate, name: &str, kind: Kind) -> Option<String> {
        let is_test = kind == Kind::Dev;
        let place = |name: &str| self.crates.iter().position(|other| other.name == name);
        if let Some(other) = place(name) {
            let is_above = Some(other) < place(&ours.name);
            let is_fine = ours.uses.iter().any(|used| used == name) || is_test && (is_above || name == FOR_TESTS);
            return (!is_fine).then(|| ours.why.clone());
        }
        let rule = self.outside.iter().find(|rule| rule.crates.iter().any(|other| other == name))?;
        let is_fine = is_test || rule.ours.contains(&ours.name);
        (!is_fine).then(|| rule.why.clone())
    }
}

fn string(entry: &Table, key: &str) -> Result<String> {
    let value = entry.get(key).and_then(Value::as_str);
    Ok(value.with_context(|| format!("no text `{key}` in {entry}"))?.to_owned())
}

fn strings(entry: &Table, key: &str) -> Result<Vec<String>> {
    let values =
        entry.get(key).and_then(Value::as_array).with_context(|| format!("no list `{key}` in {entry}"))?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    values.iter().map(text).collect::<Option<_>>().with_context(|| format!("`{key}` holds more than texts"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::tree::lines;
    use super::*;

    const RULES: &str = r#"
        [[crate]]
        name = "low"
        uses = []
        why = "it is low"
        [[crate]]
        name = "high"
        uses = ["low"]
        why = "it is high"
        [[outside]]
        crates = ["clap"]
        only_in = ["high"]
        why = "the terminal is the program's"
        [[unreachable]]
        crates = ["burn"]
        from = ["low"]
        why = "it knows no tensors"
    "#;

    fn package(name: &str, dependencies: &[(&str, Kind)]) -> Package {
        Package {
            name: name.to_owned(),
            folder: format!("crates/{name}"),
            dependencies: dependencies.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect(),
            ..Package::default()
        }
    }

    fn found(rules: &str, packages: &[Package], needed: &[&str]) -> Vec<String> {
        let manifest = "[dependencies]\nlow.workspace = true\nhigh = {}\nclap = \"4\"\n";
        let files = [(FILE, rules), ("crates/low/Cargo.toml", manifest), ("crates/high/Cargo.toml", manifest)];
        let needs = |package: &str| {
            assert_eq!(package, "low", "no rule asks for the others");
            Ok(needed.iter().map(|name| (*name).to_owned()).collect())
        };
        lines(&check(&Tree::of(&files), packages, needs).unwrap())
    }

    #[test]
    fn what_the_rules_allow_passes() {
        let low = package(
            "low",
            &[("serde", Kind::Normal), ("clap", Kind::Dev), ("low", Kind::Dev), (FOR_TESTS, Kind::Dev)],
        );
        let high = package("high", &[("low", Kind::Dev), ("low", Kind::Normal), ("clap", Kind::Normal)]);
        let rules = RULES.to_owned() + "[[crate]]\nname = \"fastersam-golden\"\nuses = []\nwhy = \"tests\"\n";
        assert_eq!(found(&rules, &[low, high, package(FOR_TESTS, &[])], &["serde"]), [""; 0]);
    }

    #[test]
    fn every_forbidden_arrow_is_found_in_its_manifest() {
        let low = package("low", &[("high", Kind::Dev), ("clap", Kind::Normal)]);
        assert_eq!(
            found(RULES, &[low, package("high", &[]), package("other", &[])], &["clap", "burn"]),
            [
                "crates/low/Cargo.toml:3: low must not use high: it is low; remove the dependency",
                "crates/low/Cargo.toml:4: low must not use clap: the terminal is the program's; remove the dependency",
                "crates/low/Cargo.toml:1: low needs burn: it knows no tensors; `cargo tree -p low -e normal -i burn` says \
             how it gets there",
                "crates/other/Cargo.toml:1: other has no entry in xtask/layers.toml; say there what it may use, and why",
            ]
        );
    }

    #[test]
    fn rules_must_lead_down_and_name_crates_that_exist() {
        let upward = RULES.replace("uses = []", "uses = [\"high\"]");
        assert_eq!(
            found(&upward, &[package("low", &[])], &[]),
            [
                "xtask/layers.toml:3: low uses high, which does not stand above it; arrows go down only",
                "xtask/layers.toml:7: there is no crate high; remove its entry",
            ]
        );
    }
}
