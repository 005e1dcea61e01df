//! What the targets share: bytes as a file where a reader expects it.

use std::fs;
use std::path::{Path, PathBuf};

use fastersam_datasets::{DataSet, Form, OpenOptions};

/// Calls `read` with the path of a file of these bytes, alone in a folder.
///
/// # Panics
/// Where the folder for scratch files can't be written.
pub fn with_file(name: &str, bytes: &[u8], read: impl FnOnce(&Path)) {
    let folder = tempfile::tempdir().expect("a folder for scratch files");
    let path: PathBuf = folder.path().join(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder for scratch files");
    fs::write(&path, bytes).expect("a scratch file");
    read(&path);
}

/// Opens a data set and reads all its cases; errors are as good as data.
pub fn read_all(path: &Path, form: Form) {
    if let Ok(set) = DataSet::open(path, &OpenOptions { form: Some(form), ..OpenOptions::default() }) {
        for case in 0..set.len() {
            let _ = set.read(case);
        }
    }
}
