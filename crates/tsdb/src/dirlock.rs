//! One process per data directory: an exclusive flock on the file `lock`, which holds the owner's process id, as
//! Prometheus keeps it. A file without a lock was left by a process that did not end in order.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::disk::{Disk, OsDisk};
use crate::tsdb::OpenError;

/// Second line of our lock files: Prometheus writes none.
const SIGNATURE: &str = "watchfire";

/// How often a lock file that vanishes under our hands is opened again.
const ATTEMPTS: usize = 100;

/// Held while the directory is ours.
#[derive(Debug)]
pub(crate) struct DirLock {
    path: PathBuf,
    _file: File,
    /// No file was left by an earlier process: it ended in order.
    pub(crate) was_clean: bool,
    /// The process that had the directory last was one of ours and did not end in order: nobody else wrote since.
    pub(crate) was_ours: bool,
}

impl DirLock {
    /// Creates `dir` if need be and locks it.
    /// # Errors
    /// [`OpenError::Locked`] names the process that has it, [`OpenError::Unwritable`] the directory.
    pub(crate) fn acquire(dir: &Path) -> Result<Self, OpenError> {
        let unwritable = |source: io::Error| OpenError::Unwritable { dir: dir.to_owned(), source };
        fs::create_dir_all(dir).map_err(unwritable)?;
        // The name of a directory that was created just now outlives a power cut.
        if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            // Best effort: it may not be ours to open, and then others created the directory long ago.
            let _ = OsDisk.sync_dir(parent);
        }
        let path = dir.join("lock");
        let (mut file, was_clean) = Self::lock_file(dir, &path)?;
        if !was_clean {
            tracing::info!(path = %path.display(), "the lock file of a process that did not end in order is replaced");
        }
        let write_pid = |file: &mut File| -> io::Result<()> {
            file.set_len(0)?;
            file.rewind()?;
            write!(file, "{}\n{SIGNATURE}\n", std::process::id())
        };
        let mut before = String::new();
        // What cannot be read was not written by us.
        let _ = file.read_to_string(&mut before);
        let was_ours = !was_clean && before.lines().nth(1) == Some(SIGNATURE);
        write_pid(&mut file).map_err(unwritable)?;
        warn_of_nfs(dir, &file);
        Ok(Self { path, _file: file, was_clean, was_ours })
    }

    /// Opens and locks the file; returns whether it was not there before.
    fn lock_file(dir: &Path, path: &Path) -> Result<(File, bool), OpenError> {
        let unwritable = |source: io::Error| OpenError::Unwritable { dir: dir.to_owned(), source };
        for _ in 0..ATTEMPTS {
            let was_clean = !path.exists();
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false);
            let mut file = options.open(path).map_err(unwritable)?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) if is_at(&file, path) => return Ok((file, was_clean)),
                // Its owner removed it between our open and our lock; the next one locks another file of this name.
                Ok(()) => {}
                Err(error) if error == rustix::io::Errno::WOULDBLOCK => {
                    let mut pid = String::new();
                    // A file that cannot be read names nobody; that is not the error to report.
                    let _ = file.read_to_string(&mut pid);
                    let pid = pid.lines().next().unwrap_or_default().trim();
                    let pid = if pid.is_empty() { "unknown".to_owned() } else { pid.to_owned() };
                    return Err(OpenError::Locked { dir: dir.to_owned(), pid });
                }
                Err(error) => return Err(unwritable(error.into())),
            }
        }
        Err(OpenError::Locked { dir: dir.to_owned(), pid: "unknown".to_owned() })
    }

    /// Removes the file, which tells the next process that this one ended in order.
    pub(crate) fn release(self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the lock file");
        }
    }
}

/// Whether `path` names this very file.
fn is_at(file: &File, path: &Path) -> bool {
    let inode = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    let (ours, named) = (file.metadata().map(inode), fs::metadata(path).map(inode));
    matches!((ours, named), (Ok(ours), Ok(named)) if ours == named)
}

/// Says so if the directory is on NFS, where locks and memory maps do not keep their promises.
fn warn_of_nfs(dir: &Path, file: &File) {
    #[cfg(target_os = "linux")]
    if rustix::fs::fstatfs(file).is_ok_and(|stat| stat.f_type == rustix::fs::NFS_SUPER_MAGIC) {
        tracing::warn!(dir = %dir.display(), "data directory is on NFS: a broken lock can corrupt it; use a local disk");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_process_is_told_who_has_the_directory() {
        let dir = tempfile::tempdir().unwrap();
        let lock = DirLock::acquire(dir.path()).unwrap();
        assert!(lock.was_clean);
        let error = DirLock::acquire(dir.path()).unwrap_err();
        let pid = std::process::id().to_string();
        assert!(matches!(&error, OpenError::Locked { pid: owner, .. } if *owner == pid), "{error}");
        drop(lock);
        let after_crash = DirLock::acquire(dir.path()).unwrap();
        assert!(!after_crash.was_clean && after_crash.was_ours);
        after_crash.release();
        assert!(DirLock::acquire(dir.path()).unwrap().was_clean);
    }

    #[test]
    fn a_lock_on_a_file_that_was_removed_is_no_lock() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let lock = DirLock::acquire(dir.path()).unwrap();
        // Another process opens the file, and comes to lock it only after the owner has removed it.
        let late = File::open(&path).unwrap();
        assert!(is_at(&late, &path));
        lock.release();
        flock(&late, FlockOperation::NonBlockingLockExclusive).unwrap();
        assert!(!is_at(&late, &path));
        let third = DirLock::acquire(dir.path()).unwrap();
        assert!(!is_at(&late, &path));
        third.release();
    }

    #[test]
    fn a_directory_that_cannot_be_written_is_named() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        let error = DirLock::acquire(&dir.path().join("file/data")).unwrap_err();
        assert!(matches!(error, OpenError::Unwritable { .. }), "{error}");
        assert!(error.to_string().contains("file/data"), "{error}");
    }
}
