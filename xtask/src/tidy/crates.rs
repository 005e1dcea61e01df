//! What every crate has: shared lints, one test binary, safe code, what publishing asks for, a row in the architecture page.

use super::rust::{starts_with, tokens};
use super::tree::{Finding, Tree, line_of};
use crate::workspace::Package;

/// The page whose table lists the crates.
const PAGE: &str = "docs/architecture.md";
/// The one crate with unsafe code.
const UNSAFE: &str = "fastersam-kernels";
/// The one that denies it with an exception: it calls `gemm` to compare with it.
const UNSAFE_ONCE: &str = "fastersam-bench";

/// What the manifest of a published crate says about it.
const ASKED_FOR: [&str; 5] = ["description", "documentation", "keywords", "categories", "readme"];
/// What lies beside that manifest: its licences go with the package.
const LICENCES: [&str; 2] = ["LICENSE-MIT", "LICENSE-APACHE"];

/// Checks every crate, and the table.
pub fn check(tree: &Tree, packages: &[Package]) -> Vec<Finding> {
    let mut found: Vec<Finding> = packages.iter().flat_map(|package| check_crate(tree, package)).collect();
    found.extend(check_table(tree, packages));
    found
}

fn check_crate(tree: &Tree, package: &Package) -> Vec<Finding> {
    let mut found = Vec::new();
    let manifest = format!("{}/Cargo.toml", package.folder);
    let text = tree.text(&manifest).unwrap_or_default();
    if !text.contains("[lints]\nworkspace = true") {
        found.push(Finding::new(&manifest, 1, "it has lints of its own; write `[lints]` and `workspace = true`"));
    }
    let binaries: Vec<&str> =
        package.targets.iter().filter(|(kind, _)| kind == "test").map(|(_, name)| name.as_str()).collect();
    if binaries.len() > 1 {
        let text = format!(
            "{} test binaries ({}), and each links all dependencies again; make them modules of tests/it/main.rs",
            binaries.len(),
            binaries.join(", ")
        );
        found.push(Finding::new(&manifest, 1, text));
    }
    for root in ["lib.rs", "main.rs"].map(|root| format!("{}/src/{root}", package.folder)) {
        let Some(text) = tree.text(&root).filter(|_| package.name != UNSAFE) else { continue };
        let level = if package.name == UNSAFE_ONCE { "deny" } else { "forbid" };
        let tokens = tokens(text);
        let attribute = ["#", "!", "[", level, "(", "unsafe_code", ")", "]"];
        if !(0..tokens.len()).any(|at| starts_with(&tokens[at..], &attribute)) {
            let text = format!("it does not {level} unsafe code; write `#![{level}(unsafe_code)]`");
            found.push(Finding::new(&root, 1, text));
        }
    }
    if !tree.has(&format!("{}/README.md", package.folder)) && package.folder.starts_with("crates/") {
        found.push(Finding::new(&manifest, 1, "the crate has no README.md; say there what it is for"));
    }
    if !text.contains("\npublish = false") {
        let unsaid = ASKED_FOR.iter().filter(|key| !text.contains(&format!("\n{key} = "))).copied();
        let missing = LICENCES.iter().filter(|file| !tree.has(&format!("{}/{file}", package.folder))).copied();
        let lacking: Vec<&str> = unsaid.chain(missing).collect();
        if !lacking.is_empty() {
            let text = format!("to be published it lacks {}; add them, or `publish = false`", lacking.join(", "));
            found.push(Finding::new(&manifest, 1, text));
        }
    }
    found
}

/// Compares the rows of the page's first table with the folders of the crates.
fn check_table(tree: &Tree, packages: &[Package]) -> Vec<Finding> {
    let Some(page) = tree.text(PAGE) else {
        return vec![Finding::new(PAGE, 1, "the page is missing; it has to list the crates")];
    };
    let rows = rows_of_first_table(page);
    let mut found = Vec::new();
    let last = rows.last().map_or(1, |(line, _)| *line);
    let names: Vec<&str> = packages.iter().filter_map(|package| package.folder.rsplit('/').next()).collect();
    for name in &names {
        if !rows.iter().any(|(_, row)| row == name) {
            found.push(Finding::new(PAGE, last, format!("the table lacks the crate `{name}`; add its row")));
        }
    }
    for (line, row) in rows.iter().filter(|(_, row)| !names.contains(&row.as_str())) {
        found.push(Finding::new(PAGE, *line, format!("there is no crate `{row}`; remove its row")));
    }
    found
}

/// The names in backticks in the first column of the first table, with their lines.
fn rows_of_first_table(page: &str) -> Vec<(usize, String)> {
    let start = line_of(page, "|---") - 1;
    let rows = page.lines().enumerate().skip(start + 1).take_while(|(_, line)| line.starts_with('|'));
    let name = |line: &str| line.split('|').nth(1)?.split('`').nth(1).map(str::to_owned);
    rows.filter_map(|(at, line)| Some((at + 1, name(line)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tree::lines;
    use super::*;

    fn package(name: &str, targets: &[&str]) -> Package {
        Package {
            name: name.to_owned(),
            folder: format!("crates/{}", name.trim_start_matches("fastersam-")),
            targets: targets.iter().map(|name| ("test".to_owned(), (*name).to_owned())).collect(),
            ..Package::default()
        }
    }

    const MANIFEST: &str = "[package]\npublish = false\n[lints]\nworkspace = true\n";
    const PUBLISHED: &str = "[package]\ndescription = \"A\"\ndocumentation = \"https://x\"\nkeywords = [\"a\"]\n\
        categories = [\"science\"]\nreadme = \"README.md\"\n[lints]\nworkspace = true\n";

    #[test]
    fn a_crate_that_has_everything_passes() {
        let tree = Tree::of(&[
            (PAGE, "# Page\n\n| crate | what |\n|---|---|\n| `a` | x |\n| `kernels` | x |\n\n| `b` |\n"),
            ("crates/a/Cargo.toml", PUBLISHED),
            ("crates/a/LICENSE-MIT", ""),
            ("crates/a/LICENSE-APACHE", ""),
            ("crates/a/README.md", ""),
            ("crates/a/src/lib.rs", "//! A.\n#![forbid(unsafe_code)]\n"),
            ("crates/kernels/Cargo.toml", MANIFEST),
            ("crates/kernels/README.md", ""),
            ("crates/kernels/src/lib.rs", ""),
        ]);
        assert_eq!(lines(&check(&tree, &[package("a", &["it"]), package(UNSAFE, &[])])), [""; 0]);
    }

    #[test]
    fn what_is_missing_is_found() {
        let tree = Tree::of(&[
            (PAGE, "| crate |\n|---|\n| `b` |\n"),
            ("crates/a/Cargo.toml", "[package]\nkeywords = []\n"),
            ("crates/a/LICENSE-MIT", ""),
            ("crates/a/src/lib.rs", "// #![forbid(unsafe_code)]\n"),
        ]);
        let found = lines(&check(&tree, &[package("a", &["it", "more"])]));
        let starts = [
            "crates/a/Cargo.toml:1: it has lints of its own",
            "crates/a/Cargo.toml:1: 2 test binaries (it, more)",
            "crates/a/src/lib.rs:1: it does not forbid unsafe code",
            "crates/a/Cargo.toml:1: the crate has no README.md",
            "crates/a/Cargo.toml:1: to be published it lacks description, documentation, categories, readme, \
             LICENSE-APACHE; add",
            "docs/architecture.md:3: the table lacks the crate `a`",
            "docs/architecture.md:3: there is no crate `b`",
        ];
        assert_eq!(found.len(), starts.len(), "{found:?}");
        for (line, start) in found.iter().zip(starts) {
            assert!(line.starts_with(start), "{line}");
        }
    }
}
