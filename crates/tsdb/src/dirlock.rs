//! One process per data directory: an exclusive flock on the file `lock`, which holds the owner's process id.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::tsdb::OpenError;

/// Held while the directory is ours.
#[derive(Debug)]
pub(crate) struct DirLock {
    path: PathBuf,
    _file: File,
    /// No file was left by an earlier process: it ended in order.
    pub(crate) was_clean: bool,
}

impl DirLock {
    /// Creates `dir` if need be and locks it.
    /// # Errors
    /// [`OpenError::Locked`] names the process that has it, [`OpenError::Unwritable`] the directory.
    pub(crate) fn acquire(dir: &Path) -> Result<Self, OpenError> {
        let unwritable = |source: io::Error| OpenError::Unwritable { dir: dir.to_owned(), source };
        fs::create_dir_all(dir).map_err(unwritable)?;
        let path = dir.join("lock");
        let was_clean = !path.exists();
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(unwritable)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(error) if error == rustix::io::Errno::WOULDBLOCK => {
                let mut pid = String::new();
                // A file that cannot be read names nobody; that is not the error to report.
                let _ = file.read_to_string(&mut pid);
                let pid = pid.trim();
                let pid = if pid.is_empty() { "unknown".to_owned() } else { pid.to_owned() };
                return Err(OpenError::Locked { dir: dir.to_owned(), pid });
            }
            Err(error) => return Err(unwritable(error.into())),
        }
        let write_pid = |file: &mut File| -> io::Result<()> {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", std::process::id())
        };
        write_pid(&mut file).map_err(unwritable)?;
        warn_of_nfs(dir, &file);
        Ok(Self { path, _file: file, was_clean })
    }

    /// Removes the file, which tells the next process that this one ended in order.
    pub(crate) fn release(self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the lock file");
        }
    }
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
        assert!(!after_crash.was_clean);
        after_crash.release();
        assert!(DirLock::acquire(dir.path()).unwrap().was_clean);
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
