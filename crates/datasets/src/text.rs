//! Text from files that are not trusted.

use std::path::Path;

use fastersam_files::FileError;
use fastersam_volume::VolumeError;

use crate::error::DatasetError;

/// A text file of bounded size.
pub(crate) fn read_text(path: &Path, max_bytes: u64) -> Result<String, DatasetError> {
    VolumeError::require_file(path)?;
    let len = std::fs::metadata(path).map_err(FileError::at(path))?.len();
    if len > max_bytes {
        return Err(DatasetError::malformed(path, format!("it has {len} bytes; {max_bytes} are the most")));
    }
    Ok(std::fs::read_to_string(path).map_err(FileError::at(path))?)
}

/// Refuses the name of a case, found in the file `path`, that is not a file's name and nothing else.
pub(crate) fn check_name(path: &Path, name: &str) -> Result<(), DatasetError> {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    if !name.is_empty() && name.len() <= 200 && !name.starts_with('.') && name.chars().all(plain) {
        return Ok(());
    }
    let reason = format!("it names a case {name:?}; letters, digits, `_`, `-` and `.` make a name");
    Err(DatasetError::malformed(path, reason))
}
