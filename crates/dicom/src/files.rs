//! The files that a series may lie in: one file, a folder with all below it, or a zip archive.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use fastersam_files::{FileError, open_file};
use zip::ZipArchive;

use crate::error::DicomError;
use crate::limits::{MAX_ARCHIVE_BYTES, MAX_FILE_BYTES, MAX_FILES, MAX_FOLDER_DEPTH};

/// Where the mark of a DICOM file stands.
pub const MARK_AT: usize = 128;
/// The mark.
pub const MARK: &[u8] = b"DICM";

/// Files, by index.
pub struct Files {
    /// What was asked for.
    pub path: PathBuf,
    archive: Option<ZipArchive<BufReader<File>>>,
    /// Path or index in the archive, and number of bytes, of each.
    files: Vec<(Place, u64)>,
}

enum Place {
    Path(PathBuf),
    Member(usize, String),
}

impl Files {
    /// Lists the files, in the order of their names. Links to folders are not followed, hidden files are passed over.
    pub fn list(path: &Path) -> Result<Self, DicomError> {
        if !path.exists() {
            return Err(DicomError::Missing { path: path.to_owned() });
        }
        let mut files = Vec::new();
        let mut archive = None;
        if path.is_dir() {
            walk(path, path, 0, &mut files)?;
            files.sort_by_key(|(place, _)| place.name());
        } else if is_zip(path)? {
            let mut opened = ZipArchive::new(BufReader::new(open_file(path)?))
                .map_err(|error| DicomError::malformed(path, format!("it is a damaged zip archive ({error})")))?;
            files = members(path, &mut opened)?;
            archive = Some(opened);
        } else {
            let n_bytes = open_file(path)?.metadata().map_err(FileError::at(path))?.len();
            files.push((Place::Path(path.to_owned()), n_bytes));
        }
        Ok(Self { path: path.to_owned(), archive, files })
    }

    /// Number of files.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// How messages name a file.
    pub fn name(&self, index: usize) -> PathBuf {
        match &self.files[index].0 {
            Place::Path(path) => path.clone(),
            Place::Member(_, name) => self.path.join(name),
        }
    }

    /// The length that a file has or claims to have.
    pub fn n_bytes(&self, index: usize) -> u64 {
        self.files[index].1
    }

    /// The first `most` bytes of a file, or all if it has fewer.
    pub fn read(&mut self, index: usize, most: u64) -> Result<Vec<u8>, DicomError> {
        let name = self.name(index);
        let (place, n_bytes) = &self.files[index];
        if *n_bytes > MAX_FILE_BYTES && most > MAX_FILE_BYTES {
            let reason = format!("it has {n_bytes} bytes; {MAX_FILE_BYTES} are the most that are read");
            return Err(DicomError::malformed(&name, reason));
        }
        let most = most.min(*n_bytes);
        // Grows with what arrives, not with what is claimed.
        let mut bytes = Vec::new();
        match (place, &mut self.archive) {
            (Place::Path(path), _) => {
                open_file(path)?.take(most).read_to_end(&mut bytes).map_err(FileError::at(path))?;
            }
            (Place::Member(at, _), Some(archive)) => {
                let damaged = |error: String| DicomError::malformed(&name, format!("it can't be unpacked ({error})"));
                let member = archive.by_index(*at).map_err(|error| damaged(error.to_string()))?;
                member.take(most).read_to_end(&mut bytes).map_err(|error| damaged(error.to_string()))?;
            }
            (Place::Member(..), None) => return Err(DicomError::malformed(&name, "it lies in no archive")),
        }
        Ok(bytes)
    }
}

impl Place {
    fn name(&self) -> std::ffi::OsString {
        match self {
            Self::Path(path) => path.clone().into(),
            Self::Member(_, name) => name.into(),
        }
    }
}

fn is_zip(path: &Path) -> Result<bool, DicomError> {
    let mut head = Vec::new();
    open_file(path)?.take(4).read_to_end(&mut head).map_err(FileError::at(path))?;
    Ok(head == b"PK\x03\x04" || head == b"PK\x05\x06")
}

fn walk(root: &Path, folder: &Path, depth: usize, files: &mut Vec<(Place, u64)>) -> Result<(), DicomError> {
    if depth > MAX_FOLDER_DEPTH {
        let reason = format!("folders lie in it more than {MAX_FOLDER_DEPTH} deep; name one further down");
        return Err(DicomError::malformed(root, reason));
    }
    for entry in std::fs::read_dir(folder).map_err(FileError::at(folder))? {
        let entry = entry.map_err(FileError::at(folder))?;
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        // Of a link, not of what it leads to: circles end here.
        if entry.file_type().map_err(FileError::at(&path))?.is_dir() {
            walk(root, &path, depth + 1, files)?;
        } else if let Ok(about) = std::fs::metadata(&path)
            && about.is_file()
        {
            files.push((Place::Path(path), about.len()));
        }
        if files.len() > MAX_FILES {
            let reason = format!("more than {MAX_FILES} files lie in it; name a folder further down");
            return Err(DicomError::malformed(root, reason));
        }
    }
    Ok(())
}

/// The files of an archive. Nothing is unpacked to the disk, so their names lead nowhere; those that point outside are refused
/// all the same, because no honest program writes them.
fn members(path: &Path, archive: &mut ZipArchive<BufReader<File>>) -> Result<Vec<(Place, u64)>, DicomError> {
    let malformed = |reason: String| DicomError::malformed(path, reason);
    if archive.len() > MAX_FILES {
        return Err(malformed(format!("it has {} files; {MAX_FILES} are the most", archive.len())));
    }
    let mut files = Vec::new();
    let mut claimed = 0_u64;
    for index in 0..archive.len() {
        let member = archive
            .by_index_raw(index)
            .map_err(|error| malformed(format!("its table of contents is damaged ({error})")))?;
        let Some(inside) = member.enclosed_name() else {
            return Err(malformed("a file in it has a name that leads out of it".to_owned()));
        };
        claimed = claimed.saturating_add(member.size());
        if claimed > MAX_ARCHIVE_BYTES {
            return Err(malformed(format!("its files claim more than {MAX_ARCHIVE_BYTES} bytes, the most that are read")));
        }
        let is_hidden = inside.components().any(|part| part.as_os_str().to_string_lossy().starts_with('.'));
        if member.is_file() && !is_hidden {
            files.push((Place::Member(index, inside.to_string_lossy().into_owned()), member.size()));
        }
    }
    files.sort_by_key(|(place, _)| place.name());
    Ok(files)
}
