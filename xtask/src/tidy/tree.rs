//! The files that a check looks at, and what it finds in them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::workspace;

/// The files of the repository by path, with `/` on every system.
pub struct Tree {
    /// The text files.
    texts: BTreeMap<String, String>,
    /// Every file and every folder above one.
    places: BTreeSet<String>,
}

/// Files that are no text, or that no one reads as one.
const NO_TEXT: [&str; 10] =
    [".png", ".svg", ".gz", ".nii", ".h5", ".npz", ".safetensors", ".lock", ".csv", ".pth"];

impl Tree {
    /// The files that git knows, and new ones that it does not ignore.
    pub fn of_the_repository() -> Result<Self> {
        let mut git = std::process::Command::new("git");
        git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
        let listed = git.current_dir(workspace::root()).output().context("git can't be started")?;
        if !listed.status.success() {
            bail!("git ls-files failed: {}", String::from_utf8_lossy(&listed.stderr).trim());
        }
        let mut tree = Self { texts: BTreeMap::new(), places: BTreeSet::new() };
        for path in String::from_utf8(listed.stdout)?.split_terminator('\0') {
            let file = workspace::root().join(path);
            // A deleted file stays in git's list until the deletion is staged.
            if !file.exists() {
                continue;
            }
            tree.add_place(path);
            if !NO_TEXT.iter().any(|ending| path.ends_with(ending))
                && let Ok(text) = std::fs::read_to_string(&file)
            {
                tree.texts.insert(path.to_owned(), text);
            }
        }
        Ok(tree)
    }

    /// A tree made up for a test.
    #[cfg(test)]
    pub fn of(files: &[(&str, &str)]) -> Self {
        let mut tree = Self { texts: BTreeMap::new(), places: BTreeSet::new() };
        for (path, text) in files {
            tree.add_place(path);
            tree.texts.insert((*path).to_owned(), (*text).to_owned());
        }
        tree
    }

    fn add_place(&mut self, path: &str) {
        for above in Path::new(path).ancestors() {
            self.places.insert(above.to_string_lossy().into_owned());
        }
    }

    /// The text files with paths that start and end like this.
    pub fn texts(&self, start: &str, end: &str) -> impl Iterator<Item = (&str, &str)> {
        let (start, end) = (start.to_owned(), end.to_owned());
        let all = self.texts.iter().map(|(path, text)| (path.as_str(), text.as_str()));
        all.filter(move |(path, _)| path.starts_with(&start) && path.ends_with(&end))
    }

    /// A text file.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.texts.get(path).map(String::as_str)
    }

    /// Whether a file or folder is there. `path` may hold `.` and `..`.
    pub fn has(&self, path: &str) -> bool {
        normal(path).is_some_and(|path| self.places.contains(&path))
    }

    /// Whether any file is called so, whatever its folder.
    pub fn has_file_named(&self, name: &str) -> bool {
        self.places.iter().any(|path| path.rsplit('/').next() == Some(name))
    }
}

/// The path without `.` and `..`; none if it leads out of the repository.
fn normal(path: &str) -> Option<String> {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// A fault: where it is, what it is, and what to do about it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file.
    file: String,
    /// The line, from 1.
    line: usize,
    /// What is wrong, and after a semicolon what to do.
    text: String,
}

impl Finding {
    /// A fault in a line of a file.
    pub fn new(file: &str, line: usize, text: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, text: text.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.text)
    }
}

/// The findings as text, for tests.
#[cfg(test)]
pub fn lines(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(ToString::to_string).collect()
}

/// The line, from 1, of the first line that holds a text.
pub fn line_of(text: &str, part: &str) -> usize {
    text.lines().position(|line| line.contains(part)).map_or(1, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_folders_are_found_by_path() {
        let tree = Tree::of(&[("docs/a.md", ""), ("crates/x/src/lib.rs", "")]);
        for there in ["docs", "docs/a.md", "docs/../crates/x/", "./crates/x/src/lib.rs"] {
            assert!(tree.has(there), "{there}");
        }
        for missing in ["docs/b.md", "../docs/a.md", "crates/x/src/lib"] {
            assert!(!tree.has(missing), "{missing}");
        }
        assert!(tree.has_file_named("a.md") && !tree.has_file_named("b.md"));
    }
}
