//! Where results may be written: never onto an input, and onto what exists only where that was asked for.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::{AtomicFile, FileError, parent_folder, remove_leftovers};

/// A place that a result can't be written to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutputError {
    /// The output is one of the files that are read.
    #[error("{} would be overwritten by its own result: it is the same file as the input {}", path.display(), input.display())]
    IsInput {
        /// The output.
        path: PathBuf,
        /// The input, perhaps under another name.
        input: PathBuf,
    },
    /// There is something already, and nobody asked to replace it.
    #[error("{} exists already, and nothing is overwritten unasked", path.display())]
    Exists {
        /// The output.
        path: PathBuf,
    },
    /// There is a folder, a pipe or a device in its place.
    #[error("{} can't be written: it exists, and is {kind}", path.display())]
    NoFile {
        /// The output.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// Its folder does not exist or can't be written to.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Makes sure that `output` may be written, before the work that it is the result of: it is none of the `inputs` (under
/// no name: device and inode are compared), nothing is there unless `overwrite`, and its folder takes files.
///
/// What killed processes left in that folder is removed.
///
/// # Errors
/// As [`OutputError`] tells; nothing was changed then.
pub fn claim_output(output: &Path, inputs: &[&Path], overwrite: bool) -> Result<(), OutputError> {
    if let Some(input) = inputs.iter().find(|input| same_file(output, input)) {
        return Err(OutputError::IsInput { path: output.to_owned(), input: (*input).to_owned() });
    }
    match fs::symlink_metadata(output) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(FileError::at(output)(error).into()),
        Ok(found) => {
            let kind = fs::metadata(output).map_or(found.file_type(), |target| target.file_type());
            if kind.is_dir() {
                return Err(OutputError::NoFile { path: output.to_owned(), kind: "a folder" });
            }
            // A link that leads nowhere is replaced like a file.
            if !kind.is_file() && !kind.is_symlink() {
                return Err(OutputError::NoFile { path: output.to_owned(), kind: "a pipe or a device" });
            }
            if !overwrite {
                return Err(OutputError::Exists { path: output.to_owned() });
            }
        }
    }
    remove_leftovers(parent_folder(output));
    // Started, and dropped again.
    AtomicFile::create(output)?;
    Ok(())
}

/// Whether two paths lead to one file: through links, other spellings, or as hard links.
#[must_use]
pub fn same_file(a: &Path, b: &Path) -> bool {
    #[cfg(unix)]
    let identity = |path: &Path| {
        use std::os::unix::fs::MetadataExt;
        fs::metadata(path).map(|found| (found.dev(), found.ino())).ok()
    };
    #[cfg(not(unix))]
    let identity = |path: &Path| fs::canonicalize(path).ok();
    identity(a).is_some_and(|a| Some(a) == identity(b))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn an_input_is_never_an_output() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("scan.nii"), b"voxels").unwrap();
        fs::hard_link(at("scan.nii"), at("hard.nii")).unwrap();
        symlink("scan.nii", at("soft.nii")).unwrap();
        fs::create_dir(at("sub")).unwrap();
        let input = at("scan.nii");
        for spelling in ["scan.nii", "./scan.nii", "sub/../scan.nii", "hard.nii", "soft.nii"] {
            for overwrite in [false, true] {
                let found = claim_output(&at(spelling), &[&input], overwrite);
                assert!(matches!(found, Err(OutputError::IsInput { .. })), "{spelling}: {found:?}");
            }
        }
        assert_eq!(fs::read(input).unwrap(), b"voxels");
    }

    #[test]
    fn what_exists_is_replaced_only_where_that_was_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("old.nii"), b"old").unwrap();
        fs::create_dir(at("folder")).unwrap();
        symlink("nowhere", at("dangling.nii")).unwrap();
        for name in ["old.nii", "dangling.nii"] {
            assert!(matches!(claim_output(&at(name), &[], false), Err(OutputError::Exists { .. })), "{name}");
            claim_output(&at(name), &[], true).unwrap();
        }
        claim_output(&at("new.nii"), &[], false).unwrap();
        for (path, overwrite) in [(at("folder"), true), (PathBuf::from("/dev/null"), true)] {
            assert!(matches!(claim_output(&path, &[], overwrite), Err(OutputError::NoFile { .. })));
        }
        assert!(matches!(claim_output(&at("no/such/folder.nii"), &[], false), Err(OutputError::File(_))));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }
}
