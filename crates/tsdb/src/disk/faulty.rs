//! A disk that fails on command.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::{DirEntry, Disk, DiskFile, FileInfo, Mapped, OsDisk, Space};
use crate::mmap::FileMap;

/// Real files, until room runs out or a sync shall fail. Clones share their faults.
#[derive(Clone, Debug)]
pub(crate) struct FaultyDisk {
    /// Bytes that can still be written; a write beyond writes what fits, then fails.
    pub(crate) room: Arc<AtomicU64>,
    /// How many of the next syncs fail.
    pub(crate) fail_syncs: Arc<AtomicU64>,
    /// How many of the next removals of files fail.
    pub(crate) fail_removals: Arc<AtomicU64>,
    /// Writes and syncs wait while somebody holds this.
    pub(crate) hang: Arc<Mutex<()>>,
}

impl Default for FaultyDisk {
    fn default() -> Self {
        Self {
            room: Arc::new(AtomicU64::new(u64::MAX)),
            fail_syncs: Arc::default(),
            fail_removals: Arc::default(),
            hang: Arc::default(),
        }
    }
}

#[derive(Debug)]
struct FaultyFile {
    file: Box<dyn DiskFile>,
    disk: FaultyDisk,
}

/// Whether a count of failures is not used up; counts down.
fn is_failing(n_left: &AtomicU64) -> bool {
    n_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok()
}

impl DiskFile for FaultyFile {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        drop(self.disk.hang.lock());
        let room = self.disk.room.load(Ordering::SeqCst);
        let n_fit = bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        self.file.write_all_at(&bytes[..n_fit], offset)?;
        if room != u64::MAX {
            self.disk.room.fetch_sub(n_fit as u64, Ordering::SeqCst);
        }
        if n_fit < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        drop(self.disk.hang.lock());
        if is_failing(&self.disk.fail_syncs) { Err(io::Error::other("injected")) } else { self.file.sync() }
    }
}

impl Disk for FaultyDisk {
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = OsDisk.create_new(path)?;
        Ok(Box::new(FaultyFile { file, disk: self.clone() }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = OsDisk.open(path)?;
        Ok(Box::new(FaultyFile { file, disk: self.clone() }))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        OsDisk.read(path)
    }

    fn reader(&self, path: &Path) -> io::Result<Box<dyn io::Read + Send>> {
        OsDisk.reader(path)
    }

    fn map(&self, path: &Path) -> io::Result<Mapped> {
        OsDisk.map(path)
    }

    fn map_growing(&self, path: &Path, len: usize) -> io::Result<FileMap> {
        OsDisk.map_growing(path, len)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        OsDisk.list(dir)
    }

    fn info(&self, path: &Path) -> io::Result<FileInfo> {
        OsDisk.info(path)
    }

    fn space(&self, dir: &Path) -> io::Result<Space> {
        OsDisk.space(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        OsDisk.sync_dir(dir)
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        OsDisk.create_dir_all(dir)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        if is_failing(&self.fail_removals) {
            return Err(io::Error::other("injected"));
        }
        OsDisk.remove_file(path)
    }

    fn remove_dir_all(&self, dir: &Path) -> io::Result<()> {
        OsDisk.remove_dir_all(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        OsDisk.rename(from, to)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        OsDisk.hard_link(from, to)
    }
}
