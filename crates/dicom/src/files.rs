//! The files that a series may lie in: one file, a folder with all below it, or a zip archive.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use fastersam_files::{FileError, open_file};
use zip::ZipArchive;

use crate::error::DicomError;
use crate::limits::{MAX_ARCHIVE_BYTES, MAX_FILE_BYTES, MAX_FILES, MAX_FOLDER_DEPTH};
use fastersam_volume::MAX_DEFLATE_RATIO;

/// Where the mark of a DICOM file stands.
pub const MARK_AT: usize = 128;
/// The mark.
pub const MARK: &[u8] = b"DICM";

/// Whether bytes are the beginning of a DICOM file.
pub fn has_mark(head: &[u8]) -> bool {
    head.get(MARK_AT..MARK_AT + MARK.len()) == Some(MARK)
}

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
        } else if is_zip(&head(path)?) {
            let mut opened = ZipArchive::new(BufReader::new(open_file(path)?))
                .map_err(|error| DicomError::malformed(path, format!("it is a damaged zip archive ({error})")))?;
            let n_bytes = std::fs::metadata(path).map_err(FileError::at(path))?.len();
            let most = MAX_ARCHIVE_BYTES.min(n_bytes.saturating_mul(MAX_DEFLATE_RATIO));
            files = members(path, &mut opened, most)?;
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
                let damaged =
                    |error: String| DicomError::malformed(&name, format!("it can't be unpacked ({error})"));
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

/// The first bytes of a file, the mark of DICOM among them.
fn head(path: &Path) -> Result<Vec<u8>, DicomError> {
    let mut head = Vec::new();
    let most = (MARK_AT + MARK.len()) as u64;
    open_file(path)?.take(most).read_to_end(&mut head).map_err(FileError::at(path))?;
    Ok(head)
}

fn is_zip(head: &[u8]) -> bool {
    head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06")
}

/// Whether a path is to be read as DICOM: a folder with a DICOM file in it, at any depth; a file with the mark of DICOM; a
/// zip archive.
#[must_use]
pub fn is_dicom(path: &Path) -> bool {
    if path.is_dir() {
        let Ok(mut files) = Files::list(path) else { return false };
        return (0..files.len())
            .any(|index| files.read(index, (MARK_AT + MARK.len()) as u64).is_ok_and(|head| has_mark(&head)));
    }
    head(path).is_ok_and(|head| is_zip(&head) || has_mark(&head))
}

/// The files that a series may be read from: those of a folder, or the path itself.
///
/// # Errors
/// A folder can't be read, or holds too many files.
pub fn files_of(path: &Path) -> Result<Vec<PathBuf>, DicomError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let files = Files::list(path)?;
    Ok((0..files.len()).map(|index| files.name(index)).collect())
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
fn members(
    path: &Path,
    archive: &mut ZipArchive<BufReader<File>>,
    most: u64,
) -> Result<Vec<(Place, u64)>, DicomError> {
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
        if claimed > most {
            let reason = format!("its files claim more than {most} bytes: it is damaged, or too large to be read");
            return Err(malformed(reason));
        }
        let is_hidden = inside.components().any(|part| part.as_os_str().to_string_lossy().starts_with('.'));
        if member.is_file() && !is_hidden {
            files.push((Place::Member(index, inside.to_string_lossy().into_owned()), member.size()));
        }
    }
    files.sort_by_key(|(place, _)| place.name());
    Ok(files)
}
