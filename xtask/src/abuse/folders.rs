//! What is in a folder, to be compared and put back.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// The content of every file below a folder, by its path there.
pub type Snapshot = BTreeMap<String, Vec<u8>>;

/// Reads all files of a folder; pipes and devices are passed over.
pub fn snapshot(folder: &Path) -> Result<Snapshot> {
    let mut files = Snapshot::new();
    collect(folder, "", &mut files)?;
    Ok(files)
}

fn collect(folder: &Path, inside: &str, files: &mut Snapshot) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = if inside.is_empty() { name.into_owned() } else { format!("{inside}/{name}") };
        if path.is_dir() {
            collect(&path, &name, files)?;
        } else if path.is_file() {
            let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
            files.insert(name, bytes);
        }
    }
    Ok(())
}

/// Copies a folder with all that is in it.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    for (name, bytes) in snapshot(from)? {
        let path = to.join(name);
        fs::create_dir_all(path.parent().unwrap_or(to))?;
        fs::write(&path, bytes).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

/// Files of `before` that are gone or have other content in `after`.
pub fn lost(before: &Snapshot, after: &Snapshot) -> Vec<String> {
    before.iter().filter(|(name, bytes)| after.get(*name) != Some(bytes)).map(|(name, _)| name.clone()).collect()
}

/// What killed processes leave behind and the next start has to remove.
pub fn leftovers(files: &Snapshot) -> Vec<&str> {
    files.keys().map(String::as_str).filter(|name| name.contains(".fastersam-writing-")).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_or_went_is_named() {
        let files = |pairs: &[(&str, &str)]| -> Snapshot {
            pairs.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect()
        };
        let before = files(&[("a", "1"), ("b/c", "2"), ("d", "3")]);
        let after = files(&[("a", "1"), ("b/c", "x"), ("new", "4"), (".fastersam-writing-1/model", "")]);
        assert_eq!(lost(&before, &after), ["b/c", "d"]);
        assert_eq!(leftovers(&after), [".fastersam-writing-1/model"]);
    }
}
