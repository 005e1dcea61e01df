//! Entries of the forms whose files are named by case and slice.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::dataset::Entry;
use crate::error::DatasetError;

/// The files of slices: for each case by its name, by number of slice.
pub(super) type Slices = BTreeMap<String, BTreeMap<u32, PathBuf>>;

/// A case of these files.
pub(super) fn entry(id: String, key: String, files: Vec<PathBuf>) -> Entry {
    Entry { id, key, files, organs: Vec::new(), recorded: None }
}

/// The named folders in a folder that are there; the folder itself where none is: people move files.
pub(super) fn parts(folder: &Path, names: &[&str]) -> Vec<PathBuf> {
    let there: Vec<PathBuf> = names.iter().map(|name| folder.join(name)).filter(|part| part.is_dir()).collect();
    if there.is_empty() { vec![folder.to_owned()] } else { there }
}

/// Cases of slices, whose numbers must follow each other.
pub(super) fn in_order(cases: Slices) -> Result<Vec<Entry>, DatasetError> {
    let mut entries = Vec::new();
    for (id, slices) in cases {
        let numbers: Vec<u32> = slices.keys().copied().collect();
        if let Some(gap) = numbers.windows(2).find(|pair| pair[1] != pair[0] + 1) {
            let path = slices[&gap[1]].clone();
            return Err(DatasetError::malformed(
                &path,
                format!("it follows slice {} of {id}: the slices between are missing", gap[0]),
            ));
        }
        if let Some((first, path)) = slices.iter().next().filter(|(first, _)| **first > 1) {
            return Err(DatasetError::malformed(
                path,
                format!("{id} begins with slice {first}: the first are missing"),
            ));
        }
        let key = id.split('_').next().unwrap_or_default().to_owned();
        entries.push(entry(id, key, slices.into_values().collect()));
    }
    Ok(entries)
}

/// Sorted by name; one name twice is refused.
pub(super) fn sorted(folder: &Path, mut entries: Vec<Entry>) -> Result<Vec<Entry>, DatasetError> {
    entries.sort_by(|a, b| a.id.cmp(&b.id));
    match entries.windows(2).find(|pair| pair[0].id == pair[1].id) {
        Some(pair) => Err(DatasetError::malformed(folder, format!("it holds {} twice", pair[0].id))),
        None => Ok(entries),
    }
}
