//! The file layer: everything the crate asks of the file system, so that tests can make it fail.
//!
//! [`OsDisk`] is the operating system. `fault` (hidden) is a disk that fails, forgets and lies on command: tests run the
//! whole database on it. Only the lock file is not reached through here: a lock is a promise of the kernel, not data.
//!
//! # Invariants that callers keep
//! - What has to survive a power cut is synced ([`DiskFile::sync`]), and so is the directory that names it
//!   ([`Disk::sync_dir`]), before anything relies on it.
//! - A file that others may see under its final name is complete: see [`write_synced`] and [`replace`].

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::mmap::FileMap;

#[doc(hidden)]
pub mod fault;
#[cfg(test)]
pub(crate) mod faulty;

pub use crate::mmap::Mapped;

/// A file open for writing.
pub trait DiskFile: Send + Sync + fmt::Debug {
    /// Writes all of `bytes` at `offset`. After an error any prefix of them may have been written.
    /// # Errors
    /// Those of write(2).
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Cuts or extends (with zeros, sparsely) the file.
    /// # Errors
    /// Those of ftruncate(2).
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Forces data and length to the disk.
    /// # Errors
    /// Those of fdatasync(2). The kernel may have dropped what it could not write: a second sync that succeeds proves
    /// nothing about it.
    fn sync(&self) -> io::Result<()>;
}

/// What the file system knows about a file or directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileInfo {
    /// Whether it is a directory.
    pub is_dir: bool,
    /// Its length, bytes.
    pub len: u64,
    /// When it was last written.
    pub modified: SystemTime,
}

/// An entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirEntry {
    /// Its name; entries whose names are not UTF-8 are not listed, none of ours is.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// What is known about it.
    pub info: FileInfo,
}

/// Size of a file system, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// All of it.
    pub total_bytes: u64,
    /// What an ordinary user may still write.
    pub available_bytes: u64,
}

/// Reads, writes, names and removes files.
pub trait Disk: Send + Sync + fmt::Debug {
    /// Creates a file that must not exist yet, for writing.
    /// # Errors
    /// Those of open(2).
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Opens an existing file for writing.
    /// # Errors
    /// Those of open(2).
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Reads a whole file. For small ones; see [`Disk::map`].
    /// # Errors
    /// Those of open(2) and read(2).
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Opens a file for reading from its start.
    /// # Errors
    /// Those of open(2).
    fn reader(&self, path: &Path) -> io::Result<Box<dyn io::Read + Send>>;

    /// Maps the whole of a file that does not change any more. An empty file is an empty map.
    /// # Errors
    /// Those of open(2) and mmap(2).
    fn map(&self, path: &Path) -> io::Result<Mapped>;

    /// Maps the first `len` ≥ 1 bytes of a file that is appended to and has as many already.
    /// # Errors
    /// Those of open(2) and mmap(2).
    fn map_growing(&self, path: &Path, len: usize) -> io::Result<FileMap>;

    /// Lists a directory, by name.
    /// # Errors
    /// Those of opendir(3); `NotFound` when it is absent.
    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>>;

    /// Tells about a file or directory; follows links.
    /// # Errors
    /// Those of stat(2); `NotFound` when it is absent.
    fn info(&self, path: &Path) -> io::Result<FileInfo>;

    /// Returns the size of the file system that holds `dir`.
    /// # Errors
    /// Those of statvfs(3).
    fn space(&self, dir: &Path) -> io::Result<Space>;

    /// Forces the names in a directory to the disk.
    /// # Errors
    /// Those of fsync(2).
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Creates a directory and those above it, as far as they are missing.
    /// # Errors
    /// Those of mkdir(2).
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;

    /// Removes a file.
    /// # Errors
    /// Those of unlink(2).
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Removes a directory and all in it. An interruption leaves any part.
    /// # Errors
    /// Those of unlink(2) and rmdir(2); `NotFound` when it is absent.
    fn remove_dir_all(&self, dir: &Path) -> io::Result<()>;

    /// Renames a file or directory.
    /// # Errors
    /// Those of rename(2).
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Gives a file a second name.
    /// # Errors
    /// Those of link(2).
    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()>;
}

/// Returns the operating system's disk, ready to be shared.
pub fn os_disk() -> Arc<dyn Disk> {
    Arc::new(OsDisk)
}

/// Lists a directory; an absent one is empty.
/// # Errors
/// Those of [`Disk::list`].
pub fn list_if_present(disk: &dyn Disk, dir: &Path) -> io::Result<Vec<DirEntry>> {
    match disk.list(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        listed => listed,
    }
}

/// Creates a directory if need be, and forces its name to the disk: what is synced inside is found after a power cut.
/// # Errors
/// Those of [`Disk::create_dir_all`] and [`Disk::sync_dir`].
pub fn create_dir_synced(disk: &dyn Disk, dir: &Path) -> io::Result<()> {
    disk.create_dir_all(dir)?;
    dir.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .map_or(Ok(()), |parent| disk.sync_dir(parent))
}

/// Removes a directory and all in it; an absent one is fine.
/// # Errors
/// Those of [`Disk::remove_dir_all`].
pub fn remove_dir_if_present(disk: &dyn Disk, dir: &Path) -> io::Result<()> {
    match disk.remove_dir_all(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Writes a new file as a whole and forces it to the disk; its name is the caller's to sync.
/// # Errors
/// When it exists already or a step fails; what was written of it is removed then, if that succeeds.
pub fn write_synced(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = disk.create_new(path)?;
    let written = file.write_all_at(bytes, 0).and_then(|()| file.sync());
    written.inspect_err(|_| {
        // The first error is the one to tell.
        let _ = disk.remove_file(path);
    })
}

/// Replaces a file, or creates it, so that a crash leaves the old or the new one, whole.
/// # Errors
/// When a step fails; the old file is in place then, or the new one whole.
pub fn replace(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut tmp = path.as_os_str().to_owned();
    tmp.push(".tmp");
    let tmp = Path::new(&tmp);
    match disk.remove_file(tmp) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    write_synced(disk, tmp, bytes)?;
    disk.rename(tmp, path)?;
    path.parent().map_or(Ok(()), |dir| disk.sync_dir(dir))
}

/// The operating system's files.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsDisk;

impl DiskFile for File {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        FileExt::write_all_at(self, bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        File::set_len(self, len)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}

impl FileInfo {
    fn of(metadata: &fs::Metadata) -> io::Result<Self> {
        Ok(Self { is_dir: metadata.is_dir(), len: metadata.len(), modified: metadata.modified()? })
    }
}

impl Disk for OsDisk {
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(OpenOptions::new().write(true).create_new(true).open(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(OpenOptions::new().write(true).open(path)?))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn reader(&self, path: &Path) -> io::Result<Box<dyn io::Read + Send>> {
        Ok(Box::new(File::open(path)?))
    }

    fn map(&self, path: &Path) -> io::Result<Mapped> {
        let file = File::open(path)?;
        let len = usize::try_from(file.metadata()?.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
        if len == 0 { Ok(Mapped::default()) } else { Ok(Mapped::whole(FileMap::new(&file, len)?)) }
    }

    fn map_growing(&self, path: &Path, len: usize) -> io::Result<FileMap> {
        FileMap::new(&File::open(path)?, len)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            // What was removed since it was listed is not there; a link to nowhere neither.
            let Ok(metadata) = fs::metadata(entry.path()) else { continue };
            entries.push(DirEntry { name, path: entry.path(), info: FileInfo::of(&metadata)? });
        }
        entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn info(&self, path: &Path) -> io::Result<FileInfo> {
        FileInfo::of(&fs::metadata(path)?)
    }

    fn space(&self, dir: &Path) -> io::Result<Space> {
        let stat = rustix::fs::statvfs(dir)?;
        let bytes = |n_blocks: u64| n_blocks.saturating_mul(stat.f_frsize);
        Ok(Space { total_bytes: bytes(stat.f_blocks), available_bytes: bytes(stat.f_bavail) })
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir_all(&self, dir: &Path) -> io::Result<()> {
        fs::remove_dir_all(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_file_is_the_new_one_and_leaves_nothing_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hint");
        replace(&OsDisk, &path, b"old").unwrap();
        // A crash left this behind.
        fs::write(dir.path().join("hint.tmp"), "half").unwrap();
        replace(&OsDisk, &path, b"newer").unwrap();
        assert_eq!(&*OsDisk.map(&path).unwrap(), b"newer");
        let listed = OsDisk.list(dir.path()).unwrap();
        assert_eq!(listed.len(), 1);
        assert_eq!((listed[0].name.as_str(), listed[0].info.len, listed[0].info.is_dir), ("hint", 5, false));
    }

    #[test]
    fn an_empty_file_maps_to_no_bytes() {
        let dir = tempfile::tempdir().unwrap();
        write_synced(&OsDisk, &dir.path().join("a"), b"").unwrap();
        assert!(OsDisk.map(&dir.path().join("a")).unwrap().is_empty());
        assert!(OsDisk.map(&dir.path().join("b")).is_err());
        assert!(list_if_present(&OsDisk, &dir.path().join("c")).unwrap().is_empty());
        assert!(OsDisk.space(dir.path()).unwrap().total_bytes > 0);
    }
}
