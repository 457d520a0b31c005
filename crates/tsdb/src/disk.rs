//! The file layer: what writers ask of the operating system, so that tests can make it fail.
//!
//! Only writing goes through here; files are read with `std::fs` and memory maps.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

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
    /// Those of fdatasync(2).
    fn sync(&self) -> io::Result<()>;
}

/// Creates and removes files.
pub trait Disk: Send + Sync + fmt::Debug {
    /// Creates a file that must not exist yet.
    /// # Errors
    /// Those of open(2).
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Opens an existing file for writing.
    /// # Errors
    /// Those of open(2).
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Forces the names in a directory to the disk.
    /// # Errors
    /// Those of fsync(2).
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Removes a file.
    /// # Errors
    /// Those of unlink(2).
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Renames a file or directory.
    /// # Errors
    /// Those of rename(2).
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
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

impl Disk for OsDisk {
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(OpenOptions::new().write(true).create_new(true).open(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(OpenOptions::new().write(true).open(path)?))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }
}

#[cfg(test)]
pub(crate) mod faulty;
