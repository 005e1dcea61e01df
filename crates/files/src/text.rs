//! Opening files, and reading small texts.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::FileError;

/// Opens a file to be read. Pipes and devices, which reading could wait for for ever, are refused, and so are folders.
///
/// # Errors
/// It is none, or can't be opened.
pub fn open_file(path: &Path) -> Result<File, FileError> {
    let at = FileError::at(path);
    // Before it is opened: opening a pipe waits for its other end.
    if !std::fs::metadata(path).map_err(&at)?.is_file() {
        return Err(at(io::Error::other("it is no file")));
    }
    File::open(path).map_err(at)
}

/// Reads a text file that has at most `max_bytes`.
///
/// # Errors
/// It can't be read, is no file (reading a pipe could wait for ever), is larger, or is no UTF-8.
pub fn read_text(path: &Path, max_bytes: u64) -> Result<String, FileError> {
    let at = FileError::at(path);
    let mut text = String::new();
    // One more than may be there, whatever its length was a moment ago.
    let n = open_file(path)?.take(max_bytes + 1).read_to_string(&mut text).map_err(&at)?;
    if n as u64 > max_bytes {
        return Err(at(io::Error::other(format!(
            "it has more than {max_bytes} bytes, the most that are read here"
        ))));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_is_small_text_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("latest");
        std::fs::write(&path, "step-1").unwrap();
        assert_eq!(read_text(&path, 6).unwrap(), "step-1");
        assert!(read_text(&path, 5).unwrap_err().to_string().contains("more than 5 bytes"));
        assert!(read_text(folder.path(), 5).unwrap_err().to_string().contains("no file"));
        std::fs::write(&path, [0xff]).unwrap();
        assert!(read_text(&path, 5).unwrap_err().to_string().contains("UTF-8"));
        assert!(read_text(&folder.path().join("none"), 5).is_err());
    }
}
