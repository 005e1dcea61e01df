//! Files that a documentation page names: links, paths in backticks, paths in commands.

use super::page::Page;
use super::tree::{Finding, Tree};

/// Folders that a run writes, a data set has, or a page makes up: they are not in the repository.
const NOT_HERE: [&str; 17] = [
    "runs",
    "target",
    "records",
    "report",
    "tables",
    "plots",
    "pictures",
    "checkpoints",
    "cases",
    "images",
    "labels",
    "img",
    "label",
    "train",
    "valid",
    "train_npz",
    "weights",
];
/// The same, below a folder that is here.
const NOT_HERE_BELOW: [&str; 2] = ["fuzz/corpus", "fuzz/target"];

/// Endings of files that a page may only name if the repository has them, whatever their folder.
const OURS: [&str; 3] = [".rs", ".py", ".md"];

/// Checks a page. `file` is its path.
pub fn check(tree: &Tree, file: &str, page: &Page) -> Vec<Finding> {
    let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut found = Vec::new();
    for (line, target) in &page.links {
        if let Some(what) = broken_link(tree, folder, page, target) {
            found.push(Finding::new(file, *line, format!("the link ({target}) {what}; mend or remove it")));
        }
    }
    let mut check_path = |line: usize, path: &str| {
        if !exists(tree, folder, path) {
            let text = format!("it names `{path}`, which does not exist; name what there is");
            found.push(Finding::new(file, line, text));
        }
    };
    for (line, span) in &page.spans {
        let is_one_path = !span.contains(char::is_whitespace) && (span.contains('/') || is_ours(span));
        if is_one_path && is_concrete(span) {
            check_path(*line, span);
        } else {
            words(span).filter(|word| is_rooted(tree, word)).for_each(|word| check_path(*line, word));
        }
    }
    for block in &page.blocks {
        for (at, code) in block.lines.iter().enumerate() {
            words(code).filter(|word| is_rooted(tree, word)).for_each(|word| check_path(block.line + at, word));
        }
    }
    found
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    let words = code.split(|c: char| c.is_whitespace() || "\"'(),;=".contains(c));
    words.map(|word| word.trim_end_matches(['.', ':'])).filter(|word| word.contains('/'))
}

/// What is wrong with a link, if anything.
fn broken_link(tree: &Tree, folder: &str, page: &Page, target: &str) -> Option<&'static str> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, heading) = target.split_once('#').unwrap_or((target, ""));
    let place = format!("{folder}/{path}");
    if !path.is_empty() && !tree.has(&place) {
        return Some("leads nowhere");
    }
    let has_heading = |page: &Page| page.anchors.iter().any(|(_, anchor)| anchor == heading);
    let other =
        (!path.is_empty()).then(|| Page::read(tree.text(place.trim_start_matches('/')).unwrap_or_default()));
    (!heading.is_empty() && !has_heading(other.as_ref().unwrap_or(page)))
        .then_some("leads to no heading of that page")
}

/// Whether a path means one certain file of the repository, and not a pattern or something that a run makes.
fn is_concrete(path: &str) -> bool {
    // A name such as `and/or` is no path: a path has a folder at its end or a dot.
    is_plain(path) && (path.ends_with('/') || path.rsplit('/').next().is_some_and(|name| name.contains('.')))
}

fn is_plain(path: &str) -> bool {
    let has_letters_of_paths_only = path.chars().all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c));
    // NNN, ID, FOLDER: what the reader fills in.
    let has_placeholder = path.split(['/', '.', '-', '_']).any(|part| {
        let capitals = part.chars().filter(char::is_ascii_uppercase).count();
        capitals >= 2 && !matches!(part, "README" | "LICENSE")
    });
    let path = path.trim_start_matches("../").trim_start_matches("./");
    let is_elsewhere = NOT_HERE.contains(&path.split('/').next().unwrap_or_default())
        || NOT_HERE_BELOW.iter().any(|folder| path.starts_with(folder))
        || path.starts_with('/');
    has_letters_of_paths_only && !has_placeholder && !is_elsewhere
}

fn is_ours(name: &str) -> bool {
    OURS.iter().any(|ending| name.len() > ending.len() && name.ends_with(ending))
}

/// Whether a path starts with a folder at the root of the repository.
fn is_rooted(tree: &Tree, path: &str) -> bool {
    let first = path.split('/').next().unwrap_or_default();
    is_plain(path) && !matches!(first, "" | "." | "..") && tree.has(first)
}

/// Whether a path leads to something from the page's folder, the root, the folder of the crates, or the page's crate; a bare
/// name may lie anywhere.
fn exists(tree: &Tree, folder: &str, path: &str) -> bool {
    let from = |base: &str| tree.has(&format!("{base}/{path}"));
    let of_crate = folder.split('/').take(2).collect::<Vec<_>>().join("/");
    let source = format!("{of_crate}/src");
    from(folder)
        || from("")
        || from("crates")
        || from(&of_crate)
        || from(&source)
        || (!path.contains('/') && tree.has_file_named(path))
}

#[cfg(test)]
mod tests {
    use super::super::tree::lines;
    use super::*;

    fn found(page: &str) -> Vec<String> {
        let tree = Tree::of(&[
            ("docs/a.md", page),
            ("docs/b.md", "# Some heading\n"),
            ("crates/x/src/lib.rs", ""),
            ("configs/x.toml", ""),
        ]);
        lines(&check(&tree, "docs/a.md", &Page::read(page)))
    }

    #[test]
    fn what_exists_passes() {
        let page = "# Here\n[b](b.md) [x](../crates/x) [web](https://x.org/y) [h](b.md#some-heading) [i](#here)\n\
            `crates/x/src/lib.rs` `lib.rs` `configs/x.toml` `docs/` `runs/ID/a.json` `and/or` `imgNNNN/x.nii` `a::b`\n\n    \
            fastersam train -c configs/x.toml --output runs/y.json\n    cp NEW/FILE.toml DIR/crates/y\n";
        assert_eq!(found(page), [""; 0]);
    }

    #[test]
    fn what_does_not_exist_is_found() {
        let page = "[c](c.md) and [n](b.md#no-heading)\n`crates/y/src/lib.rs` `other.rs`\n`tests/z.json`\n\n    \
            cat configs/y.toml\n";
        assert_eq!(
            found(page),
            [
                "docs/a.md:1: the link (c.md) leads nowhere; mend or remove it",
                "docs/a.md:1: the link (b.md#no-heading) leads to no heading of that page; mend or remove it",
                "docs/a.md:2: it names `crates/y/src/lib.rs`, which does not exist; name what there is",
                "docs/a.md:2: it names `other.rs`, which does not exist; name what there is",
                "docs/a.md:3: it names `tests/z.json`, which does not exist; name what there is",
                "docs/a.md:5: it names `configs/y.toml`, which does not exist; name what there is",
            ]
        );
    }
}
