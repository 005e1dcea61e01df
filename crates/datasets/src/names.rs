//! Names of files, and what is in a folder.

use std::path::{Path, PathBuf};

use fastersam_files::{AtomicFolder, FileError};

use crate::error::DatasetError;

/// The names of a folder's files and folders, sorted. Hidden ones are passed over: `._` files of archives from a Mac,
/// leftovers of killed processes.
pub(crate) fn names_in(folder: &Path) -> Result<Vec<String>, FileError> {
    let entries = std::fs::read_dir(folder).map_err(FileError::at(folder))?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| !name.starts_with('.')).collect();
    names.sort();
    Ok(names)
}

/// The name of a NIfTI file without its ending, whose letters may be capital ones.
pub(crate) fn without_ending(name: &str) -> Option<&str> {
    let stem = |ending: &str| {
        let (stem, found) = name.split_at_checked(name.len().checked_sub(ending.len())?)?;
        found.eq_ignore_ascii_case(ending).then_some(stem)
    };
    stem(".nii.gz").or_else(|| stem(".nii"))
}

/// A NIfTI file by its name without ending: `.nii.gz`, unless only `.nii` is there.
pub(crate) fn with_ending(folder: &Path, stem: &str) -> PathBuf {
    let plain = folder.join(format!("{stem}.nii"));
    let zipped = folder.join(format!("{stem}.nii.gz"));
    if plain.is_file() && !zipped.exists() { plain } else { zipped }
}

/// The name that the same scan has when it is packed, or unpacked.
pub(crate) fn other_packing(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let other = match name.strip_suffix(".nii.gz") {
        Some(stem) => format!("{stem}.nii"),
        None => format!("{}.nii.gz", name.strip_suffix(".nii")?),
    };
    Some(path.with_file_name(other))
}

/// A folder that takes a name once it is complete. There may be an empty one of that name, and nothing else.
pub(crate) fn new_folder(folder: &Path) -> Result<AtomicFolder, DatasetError> {
    let is_occupied = match std::fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_some(),
        Err(_) => folder.exists(),
    };
    if is_occupied {
        return Err(DatasetError::Request(format!("{} is not empty: give a new folder", folder.display())));
    }
    let parent = fastersam_files::parent_folder(folder);
    std::fs::create_dir_all(parent).map_err(FileError::at(parent))?;
    fastersam_files::remove_leftovers(parent);
    Ok(AtomicFolder::create(folder)?)
}

/// A file below a folder; the folders on the way are made.
pub(crate) fn new_file(folder: &Path, parts: &[&str]) -> Result<PathBuf, FileError> {
    let path = parts.iter().fold(folder.to_owned(), |path, part| path.join(part));
    let parent = fastersam_files::parent_folder(&path);
    std::fs::create_dir_all(parent).map_err(FileError::at(parent))?;
    Ok(path)
}
