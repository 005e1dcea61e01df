//! Text from files that are not trusted.

use std::io::Read;
use std::path::Path;

use fastersam_files::FileError;
use fastersam_volume::VolumeError;

use crate::error::DatasetError;

/// A text file of bounded size.
pub(crate) fn read_text(path: &Path, max_bytes: u64) -> Result<String, DatasetError> {
    VolumeError::require_file(path)?;
    Ok(fastersam_files::read_text(path, max_bytes)?)
}

/// A text file of bounded size in ASCII with comments that may be in any encoding, with or without a byte order mark.
pub(crate) fn read_ascii(path: &Path, max_bytes: u64) -> Result<String, DatasetError> {
    VolumeError::require_file(path)?;
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(FileError::at(path))?;
    file.take(max_bytes + 1).read_to_end(&mut bytes).map_err(FileError::at(path))?;
    if bytes.len() as u64 > max_bytes {
        return Err(DatasetError::malformed(
            path,
            format!("it has more than {max_bytes} bytes, the most for such a file"),
        ));
    }
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned())
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
