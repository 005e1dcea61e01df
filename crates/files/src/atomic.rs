//! Scratch files and folders that take their target's place once they are complete.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempDir};

use crate::{FileError, parent_folder};

/// How the names of scratch files and folders begin: what a killed process leaves behind is known by it.
pub const SCRATCH_PREFIX: &str = ".fastersam-writing-";

/// A file in every scratch folder, by which [`remove_leftovers`] knows it from a folder of somebody else's.
const MARK: &str = ".fastersam-scratch";

/// A file that appears under its name when it is committed, and never if it is dropped before.
///
/// Its permissions follow the user's mask, as those of any new file.
#[derive(Debug)]
pub struct AtomicFile {
    scratch: NamedTempFile,
    target: PathBuf,
}

impl AtomicFile {
    /// Starts a scratch file beside `target`, with the same ending: some writers go by it.
    ///
    /// # Errors
    /// The folder does not exist or can't be written to.
    pub fn create(target: &Path) -> Result<Self, FileError> {
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let mut builder = tempfile::Builder::new();
        builder.prefix(SCRATCH_PREFIX).suffix(ending(&name));
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        loop {
            let scratch =
                builder.tempfile_in(parent_folder(target)).map_err(|error| not_created(target, error))?;
            if holds(scratch.as_file(), scratch.path()) {
                return Ok(Self { scratch, target: target.to_owned() });
            }
        }
    }

    /// Where the scratch file lies, for a writer that takes a path.
    #[must_use]
    pub fn scratch_path(&self) -> &Path {
        self.scratch.path()
    }

    /// Brings the content to the disk and gives it its name, in place of a file that has it.
    ///
    /// # Errors
    /// The disk is full, or the target can't be replaced; the old file is untouched then.
    pub fn commit(self) -> Result<(), FileError> {
        let Self { scratch, target } = self;
        // By its path: a writer may have put another file there.
        File::open(scratch.path()).and_then(|file| file.sync_all()).map_err(FileError::at(&target))?;
        scratch.into_temp_path().persist(&target).map_err(|error| FileError::at(&target)(error.error))?;
        sync_folder(parent_folder(&target))
    }
}

/// Says what is missing, not which scratch file could not be made.
fn not_created(target: &Path, error: io::Error) -> FileError {
    let error = match error.kind() {
        io::ErrorKind::NotFound => {
            io::Error::new(io::ErrorKind::NotFound, "the folder that it would lie in does not exist")
        }
        _ => error,
    };
    FileError::at(target)(error)
}

/// What a name ends in, dot first. `.nii.gz` is one ending; a dot at the start of a name begins none.
fn ending(name: &str) -> &str {
    let last_dot = |name: &str| name.rfind('.').filter(|&dot| dot > 0);
    let Some(dot) = last_dot(name) else { return "" };
    let dot = if &name[dot..] == ".gz" { last_dot(&name[..dot]).unwrap_or(dot) } else { dot };
    &name[dot..]
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.scratch.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.scratch.flush()
    }
}

impl io::Seek for AtomicFile {
    fn seek(&mut self, position: io::SeekFrom) -> io::Result<u64> {
        self.scratch.seek(position)
    }
}

/// Replaces a file as a whole: readers see the old content or the new one.
///
/// # Errors
/// As [`AtomicFile::create`] and [`AtomicFile::commit`]; the old file is untouched then.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let mut file = AtomicFile::create(path)?;
    file.write_all(bytes).map_err(FileError::at(path))?;
    file.commit()
}

/// A folder that appears under its name with all that is in it, and never if it is dropped before.
#[derive(Debug)]
pub struct AtomicFolder {
    scratch: TempDir,
    /// Locked as long as the folder is being filled.
    mark: File,
    target: PathBuf,
}

impl AtomicFolder {
    /// Starts an empty scratch folder beside `target`.
    ///
    /// # Errors
    /// The parent folder does not exist or can't be written to.
    pub fn create(target: &Path) -> Result<Self, FileError> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(SCRATCH_PREFIX);
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
        let scratch = builder.tempdir_in(parent_folder(target)).map_err(|error| not_created(target, error))?;
        // Nobody takes the mark away from a folder before it is locked: one without a mark is not known as a leftover.
        let path = scratch.path().join(MARK);
        let mark = File::create_new(&path).map_err(FileError::at(target))?;
        if !holds(&mark, &path) {
            return Self::create(target);
        }
        Ok(Self { scratch, mark, target: target.to_owned() })
    }

    /// The scratch folder, to be filled.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.scratch.path()
    }

    /// Brings its files to the disk and gives it its name.
    ///
    /// # Errors
    /// A file can't be brought to the disk, or the target exists and is not an empty folder.
    pub fn commit(self) -> Result<(), FileError> {
        let Self { scratch, mark, target } = self;
        fs::remove_file(scratch.path().join(MARK)).map_err(FileError::at(&target))?;
        drop(mark);
        sync_tree(scratch.path())?;
        // Kept from here on: after the rename there is nothing left to remove under the old name.
        let scratch = scratch.keep();
        fs::rename(&scratch, &target).map_err(|cause| {
            let _ = fs::remove_dir_all(&scratch);
            FileError::at(&target)(cause)
        })?;
        sync_folder(parent_folder(&target))
    }
}

impl AtomicFolder {
    /// [`commit`](Self::commit) that takes the place of a folder of that name, at once where the system can exchange two
    /// folders. The old folder is removed with all that is in it: what is worth keeping was copied before.
    ///
    /// # Errors
    /// A file can't be brought to the disk or the folders can't be renamed; the old folder is in its place then.
    pub fn replace(self) -> Result<(), FileError> {
        let target = self.target.clone();
        if !target.exists() {
            return self.commit();
        }
        let at = FileError::at(&target);
        let Self { scratch, mark, .. } = self;
        fs::remove_file(scratch.path().join(MARK)).map_err(&at)?;
        drop(mark);
        sync_tree(scratch.path())?;
        // From here on the old folder is what a kill would leave: it gets the mark.
        let old_mark = target.join(MARK);
        let mark = File::create(&old_mark).map_err(&at)?;
        let _ = mark.try_lock();
        let exchanged = exchange(scratch.path(), &target);
        if exchanged.is_err() {
            let _ = fs::remove_file(&old_mark);
        }
        exchanged.map_err(&at)?;
        drop(scratch);
        sync_folder(parent_folder(&target))
    }
}

/// Gives two folders each other's names.
fn exchange(new: &Path, old: &Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        if renameat_with(CWD, new, CWD, old, RenameFlags::EXCHANGE).is_ok() {
            return Ok(());
        }
    }
    exchange_by_renaming(new, old)
}

fn exchange_by_renaming(new: &Path, old: &Path) -> io::Result<()> {
    let aside = tempfile::Builder::new().prefix(SCRATCH_PREFIX).tempdir_in(parent_folder(old))?.keep();
    fs::rename(old, &aside)?;
    if let Err(error) = fs::rename(new, old) {
        fs::rename(&aside, old)?;
        return Err(error);
    }
    fs::rename(&aside, new)
}

/// Locks a new scratch file; false where it was taken for a leftover and removed before that.
fn holds(file: &File, path: &Path) -> bool {
    // Where the file system has no locks, nobody removes leftovers. On Windows, a lock would keep writers out that open
    // the file by its path.
    cfg!(not(unix)) || file.try_lock().is_err() || path.exists()
}

/// Removes the scratch files and folders that killed processes left in `folder`: by their name and, in folders, their
/// mark, and because no living process holds them. What can't be removed does no harm.
pub fn remove_leftovers(folder: &Path) {
    if cfg!(not(unix)) {
        return;
    }
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (name, path) = (entry.file_name(), entry.path());
        let Ok(kind) = entry.file_type() else { continue };
        if !name.as_encoded_bytes().starts_with(SCRATCH_PREFIX.as_bytes()) || kind.is_symlink() {
            continue;
        }
        let held = if kind.is_dir() { path.join(MARK) } else { path.clone() };
        if !fs::symlink_metadata(&held).is_ok_and(|held| held.is_file()) {
            continue;
        }
        let Ok(file) = File::options().read(true).write(true).open(&held) else { continue };
        if file.try_lock().is_ok() {
            let _ = if kind.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        }
    }
}

/// Waits until the files of a folder, and those of its folders, are on the disk.
fn sync_tree(folder: &Path) -> Result<(), FileError> {
    for entry in fs::read_dir(folder).map_err(FileError::at(folder))? {
        let path = entry.map_err(FileError::at(folder))?.path();
        if path.is_dir() {
            sync_tree(&path)?;
        } else {
            File::open(&path).and_then(|file| file.sync_all()).map_err(FileError::at(&path))?;
        }
    }
    sync_folder(folder)
}

fn sync_folder(folder: &Path) -> Result<(), FileError> {
    // Folders can't be opened as files everywhere; the rename is atomic all the same.
    if cfg!(unix) {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(FileError::at(folder))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_when_it_is_committed_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scan.nii.gz");
        let mut file = AtomicFile::create(&path).unwrap();
        assert!(file.scratch_path().to_string_lossy().ends_with(".nii.gz"));
        file.write_all(b"new").unwrap();
        assert!(!path.exists());
        file.commit().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        drop(AtomicFile::create(&path).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn endings_are_what_writers_go_by() {
        for (name, expected) in [
            ("scan.nii.gz", ".nii.gz"),
            ("case.1.nii.gz", ".nii.gz"),
            ("case.1.nii", ".nii"),
            ("model.bpk", ".bpk"),
            ("x.gz", ".gz"),
            (".hidden", ""),
            (".hidden.gz", ".gz"),
            ("latest", ""),
            ("", ""),
        ] {
            assert_eq!(ending(name), expected, "{name}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn permissions_follow_the_mask() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let (plain, atomic) = (folder.path().join("plain"), folder.path().join("atomic"));
        fs::write(&plain, b"").unwrap();
        write_atomically(&atomic, b"").unwrap();
        assert_eq!(mode(&atomic), mode(&plain));
        let (plain, atomic) = (folder.path().join("plain-folder"), folder.path().join("atomic-folder"));
        fs::create_dir(&plain).unwrap();
        AtomicFolder::create(&atomic).unwrap().commit().unwrap();
        assert_eq!(mode(&atomic), mode(&plain));
    }

    #[test]
    fn a_folder_never_replaces_one_that_holds_something() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("step-1");
        fs::create_dir(&target).unwrap();
        fs::write(target.join("mine"), b"kept").unwrap();
        let scratch = AtomicFolder::create(&target).unwrap();
        fs::write(scratch.path().join("model"), b"new").unwrap();
        assert!(scratch.commit().is_err());
        assert_eq!(fs::read(target.join("mine")).unwrap(), b"kept");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_replaces_another_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("report");
        for content in [&b"old"[..], b"new"] {
            let scratch = AtomicFolder::create(&target).unwrap();
            fs::write(scratch.path().join("index.html"), content).unwrap();
            fs::write(scratch.path().join(String::from_utf8_lossy(content).as_ref()), b"").unwrap();
            scratch.replace().unwrap();
            assert_eq!(fs::read(target.join("index.html")).unwrap(), content);
            assert_eq!(fs::read_dir(&target).unwrap().count(), 2);
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        }
    }

    #[test]
    fn folders_change_places_where_the_system_has_no_exchange() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["new", "old"] {
            fs::create_dir(at(name)).unwrap();
            fs::write(at(name).join("file"), name).unwrap();
        }
        exchange_by_renaming(&at("new"), &at("old")).unwrap();
        assert_eq!(fs::read(at("old/file")).unwrap(), b"new");
        assert_eq!(fs::read(at("new/file")).unwrap(), b"old");
    }

    #[cfg(unix)]
    #[test]
    fn only_what_a_killed_process_of_this_program_left_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        // What is being written.
        let file = AtomicFile::create(&at("scan.nii.gz")).unwrap();
        let living = AtomicFolder::create(&at("step-1")).unwrap();
        // What was, when its process was killed.
        fs::write(at(".fastersam-writing-1.nii"), b"half").unwrap();
        fs::create_dir(at(".fastersam-writing-2")).unwrap();
        fs::write(at(".fastersam-writing-2").join(MARK), b"").unwrap();
        fs::write(at(".fastersam-writing-2/model.bpk"), b"half").unwrap();
        // What others made.
        fs::create_dir(at(".fastersam-writing-notes")).unwrap();
        fs::write(at(".fastersam-writing-notes/mine"), b"kept").unwrap();
        fs::write(at("notes"), b"kept").unwrap();
        std::os::unix::fs::symlink("notes", at(".fastersam-writing-link")).unwrap();
        remove_leftovers(folder.path());
        assert!(file.scratch_path().exists() && living.path().join(MARK).exists());
        file.commit().unwrap();
        living.commit().unwrap();
        let mut left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(
            left,
            [".fastersam-writing-link", ".fastersam-writing-notes", "notes", "scan.nii.gz", "step-1"]
        );
        assert_eq!(fs::read_dir(at("step-1")).unwrap().count(), 0);
    }

    #[test]
    fn an_error_names_the_target_and_the_cause_once() {
        let missing = Path::new("no/such/folder/file.json");
        let error = write_atomically(missing, b"").unwrap_err();
        let expected = "no/such/folder/file.json: the folder that it would lie in does not exist";
        assert_eq!(error.to_string(), expected);
        assert!(AtomicFolder::create(missing).unwrap_err().to_string() == expected);
        assert!(std::error::Error::source(&error).is_none());
    }
}
