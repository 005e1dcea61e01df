//! SHA-256 in hexadecimal.

use std::io::{self, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::FileError;
use crate::text::open_file;

/// SHA-256 of what is written to it.
#[derive(Clone, Debug, Default)]
pub struct Sha256Hasher(Sha256);

impl Sha256Hasher {
    /// Takes more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash of all bytes so far, 64 hexadecimal digits.
    #[must_use]
    pub fn finish(self) -> String {
        hex::encode(self.0.finalize())
    }
}

impl Write for Sha256Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// SHA-256 over pieces, one after the other.
pub fn sha256(pieces: impl IntoIterator<Item: AsRef<[u8]>>) -> String {
    let mut hasher = Sha256Hasher::default();
    pieces.into_iter().for_each(|piece| hasher.update(piece.as_ref()));
    hasher.finish()
}

/// SHA-256 of a file.
///
/// # Errors
/// The file can't be read.
pub fn sha256_of_file(path: &Path) -> Result<String, FileError> {
    let mut hasher = Sha256Hasher::default();
    io::copy(&mut open_file(path)?, &mut hasher).map_err(FileError::at(path))?;
    Ok(hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn what_never_ends_is_refused() {
        assert!(sha256_of_file(Path::new("/dev/zero")).unwrap_err().to_string().contains("no file"));
    }

    #[test]
    fn equals_the_standard() {
        assert_eq!(sha256(["a", "bc"]), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
