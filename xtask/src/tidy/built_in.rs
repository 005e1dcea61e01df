//! Files that are built into the program: copies, in a crate's own folder, of those that users read and edit.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::tree::Finding;

/// Folder with the files, and the crate's folder with their copies: a published package holds its own files only.
const COPIES: [(&str, &str); 3] = [
    ("configs/published", "crates/report/assets/published"),
    ("configs/suites", "crates/experiments/assets/suites"),
    ("configs/experiments", "crates/experiments/assets/experiments"),
];

/// Copies that differ from their originals; `write` makes them anew.
pub fn check(root: &Path, write: bool) -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    for (from, to) in COPIES {
        let (originals, copies) = (names(&root.join(from))?, names(&root.join(to))?);
        for name in originals.union(&copies) {
            let (original, copy) = (root.join(from).join(name), root.join(to).join(name));
            if fs::read(&original).ok() == fs::read(&copy).ok() {
                continue;
            }
            let path = format!("{to}/{name}");
            match (write, originals.contains(name)) {
                (true, true) => drop(fs::copy(original, copy).context(path)?),
                (true, false) => fs::remove_file(copy).context(path)?,
                (false, _) => found.push(Finding::new(
                    &path,
                    1,
                    format!("it is not the same as {from}/{name}; run `cargo xtask tidy --write`"),
                )),
            }
        }
    }
    Ok(found)
}

/// The names of a folder's files.
fn names(folder: &Path) -> Result<BTreeSet<String>> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}
