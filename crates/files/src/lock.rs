//! One process at a time in a folder.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use crate::FileError;

/// The lock's name in its folder.
const LOCK: &str = ".fastersam-lock";
/// More than a host's name and a number have.
const MAX_HOLDER_BYTES: u64 = 1024;

/// A folder can't be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Another process is at work in it.
    #[error("{} is in use by {holder}", folder.display())]
    Busy {
        /// The folder.
        folder: PathBuf,
        /// Process and host, as the lock says.
        holder: String,
    },
    /// The lock can't be made.
    #[error(transparent)]
    File(#[from] FileError),
}

/// The right to change a folder, until it is dropped or the process ends, however it ends.
///
/// The system's own file locks carry it, so that a killed process holds nothing. Where a file system has none, the
/// host and process that the lock file names decide; of another host's process nobody here can tell whether it lives.
#[derive(Debug)]
pub struct FolderLock {
    path: PathBuf,
    /// The folder, where it was made for the lock: if nothing is put into it, it goes again.
    made: Option<PathBuf>,
    /// Held, not read: the lock goes with it.
    _file: File,
}

impl FolderLock {
    /// Takes a folder, which is made if it is missing.
    ///
    /// # Errors
    /// Another process has it, or its lock file can't be written.
    pub fn acquire(folder: &Path) -> Result<Self, LockError> {
        let made = (!folder.exists()).then(|| folder.to_owned());
        let path = folder.join(LOCK);
        let at = FileError::at(&path);
        loop {
            fs::create_dir_all(folder).map_err(FileError::at(folder))?;
            if fs::symlink_metadata(&path).is_ok_and(|found| !found.is_file()) {
                return Err(at(io::Error::other("it is no file")).into());
            }
            let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
            let mut file = match opened {
                // The process before took its folder with it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                opened => opened.map_err(&at)?,
            };
            let is_ours = match file.try_lock() {
                Ok(()) => true,
                Err(TryLockError::WouldBlock) => false,
                Err(TryLockError::Error(_)) => is_stale(&holder(&file)),
            };
            if !is_ours {
                return Err(LockError::Busy { folder: folder.to_owned(), holder: holder(&file) });
            }
            // The process before may have removed the file between opening and locking.
            if !is_at(&file, &path) {
                continue;
            }
            file.set_len(0).and_then(|()| file.rewind()).map_err(&at)?;
            write!(file, "process {} on {}", std::process::id(), host()).map_err(&at)?;
            return Ok(Self { path: path.clone(), made, _file: file });
        }
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // While it is still locked: nobody else has the file then.
        let _ = fs::remove_file(&self.path);
        if let Some(folder) = &self.made {
            // Refused by the system where something is in it.
            let _ = fs::remove_dir(folder);
        }
    }
}

fn host() -> String {
    gethostname::gethostname().to_string_lossy().into_owned()
}

/// What the lock file says of its holder.
fn holder(mut file: &File) -> String {
    let mut text = String::new();
    let read = file.rewind().and_then(|()| file.take(MAX_HOLDER_BYTES).read_to_string(&mut text));
    if read.is_err() || text.is_empty() { "another process".to_owned() } else { text }
}

/// Whether the holder was a process of this host that is no more.
fn is_stale(holder: &str) -> bool {
    let Some((process, host_name)) = holder.strip_prefix("process ").and_then(|rest| rest.split_once(" on "))
    else {
        // A lock file that nobody finished writing.
        return holder == "another process";
    };
    cfg!(target_os = "linux") && host_name == host() && !Path::new("/proc").join(process).exists()
}

/// Whether the file that is open is still the one of that name.
fn is_at(file: &File, path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        match (file.metadata(), fs::metadata(path)) {
            (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
            _ => false,
        }
    }
    #[cfg(not(unix))]
    {
        let _ = (file, path);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_had_by_one_at_a_time_and_free_again_after() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run");
        let lock = FolderLock::acquire(&run).unwrap();
        let error = FolderLock::acquire(&run).unwrap_err().to_string();
        assert!(error.contains(&format!("in use by process {} on ", std::process::id())), "{error}");
        drop(lock);
        assert!(!run.exists(), "a folder that was made for the lock alone");
        let lock = FolderLock::acquire(&run).unwrap();
        fs::write(run.join("model"), b"").unwrap();
        drop(lock);
        assert_eq!(fs::read_dir(&run).unwrap().count(), 1);
    }

    #[test]
    fn what_a_killed_process_left_is_no_lock() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(LOCK), "process 1 on elsewhere").unwrap();
        FolderLock::acquire(folder.path()).unwrap();
    }

    #[test]
    fn without_locks_of_the_system_host_and_process_decide() {
        let me = std::process::id();
        assert!(!is_stale(&format!("process {me} on {}", host())));
        assert!(!is_stale("process 1 on elsewhere"));
        #[cfg(target_os = "linux")]
        assert!(is_stale(&format!("process 4194305 on {}", host())), "beyond the largest process number");
    }

    #[test]
    fn many_at_once_never_share() {
        let folder = tempfile::tempdir().unwrap();
        let inside = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let Ok(_lock) = FolderLock::acquire(folder.path()) else { continue };
                        assert_eq!(inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0);
                        std::thread::yield_now();
                        inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                    }
                });
            }
        });
    }
}
