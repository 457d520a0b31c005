//! A disk for tests: it fails at a chosen operation, or loses its power there.
//!
//! Operations are counted from 0 in the order they happen, so that a test runs a workload once to learn how many there
//! are, then once for each with a fault in its place. Files are real, below one directory; a journal beside them knows
//! what was synced, and [`FaultDisk::after_power_cut`] writes what would be on the disk to another directory.
//! Everything random comes from a seed.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use self::journal::{Journal, Node};
use super::{DirEntry, Disk, DiskFile, FileInfo, Mapped, OsDisk, Space};
use crate::mmap::FileMap;

mod journal;

/// How an operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Not enough space: nothing is done.
    NoSpace,
    /// An input/output error: nothing is done. A sync that fails so forgets what it should have written.
    Io,
    /// As `NoSpace`, but half of the bytes of a write are there.
    ShortWrite,
    /// The power is cut before the operation: it and all later ones fail.
    PowerCut,
}

/// What of the changes since the last sync is on the disk after a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survival {
    /// None of them.
    Nothing,
    /// All of them, as after a kill of the process.
    Everything,
    /// Of each file and directory the first few; the next one torn.
    Prefix,
    /// Any of them, any page of them: later ones may be there and earlier ones not.
    Any,
}

/// Which operations fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The first that does, counted from 0.
    pub at: u64,
    /// How many do.
    pub n_times: u64,
    /// How.
    pub fault: Fault,
}

/// See the module. Clones are the same disk.
#[derive(Clone, Debug)]
pub struct FaultDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    journal: Journal,
    plan: Option<Plan>,
    n_ops: u64,
    sync_points: Vec<u64>,
    injected: Vec<String>,
}

/// A generator of numbers that look random: splitmix64.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// Begins a sequence; equal seeds, equal sequences.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns the next number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number below `limit`, 0 when that is 0.
    pub fn below(&mut self, limit: usize) -> usize {
        let limit = limit.max(1) as u64;
        usize::try_from(self.next_u64() % limit).unwrap_or(0)
    }

    fn is_heads(&mut self) -> bool {
        self.next_u64() & 1 == 0
    }
}

impl FaultDisk {
    /// Returns a disk without faults for what is below `root`, which must exist. What is there counts as synced.
    /// # Errors
    /// When that cannot be read.
    pub fn new(root: &Path) -> io::Result<Self> {
        let journal = Journal::of(root)?;
        let state = State { journal, plan: None, n_ops: 0, sync_points: Vec::new(), injected: Vec::new() };
        Ok(Self { state: Arc::new(Mutex::new(state)) })
    }

    /// Returns the disk as [`Disk`] users want it.
    pub fn shared(&self) -> Arc<dyn Disk> {
        Arc::new(self.clone())
    }

    /// Sets what fails from now on; counting goes on.
    pub fn set_plan(&self, plan: Option<Plan>) {
        self.state.lock().plan = plan;
    }

    /// Returns how many operations there were.
    pub fn n_ops(&self) -> u64 {
        self.state.lock().n_ops
    }

    /// Returns which of them were syncs of files or directories.
    pub fn sync_points(&self) -> Vec<u64> {
        self.state.lock().sync_points.clone()
    }

    /// Returns the operations that failed on command, as text.
    pub fn injected(&self) -> Vec<String> {
        self.state.lock().injected.clone()
    }

    /// Writes to `target`, an empty directory, what a power cut now would leave.
    /// # Errors
    /// When that cannot be written.
    pub fn after_power_cut(&self, target: &Path, survival: Survival, seed: u64) -> io::Result<()> {
        self.state.lock().journal.save(target, survival, &mut Rng::new(seed))
    }

    fn begin(&self, what: &'static str, path: &Path) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state.lock();
        match state.count(what, path) {
            None => Ok(state),
            Some(fault) => Err(fault.error()),
        }
    }
}

impl Fault {
    fn error(self) -> io::Error {
        match self {
            Self::NoSpace | Self::ShortWrite => io::ErrorKind::StorageFull.into(),
            Self::Io => rustix::io::Errno::IO.into(),
            Self::PowerCut => io::Error::other("the power is off"),
        }
    }
}

impl State {
    /// Counts an operation and returns how it fails, if it does.
    fn count(&mut self, what: &'static str, path: &Path) -> Option<Fault> {
        let op = self.n_ops;
        self.n_ops += 1;
        if what.starts_with("sync") {
            self.sync_points.push(op);
        }
        let plan = self.plan?;
        let n_times = if plan.fault == Fault::PowerCut { u64::MAX } else { plan.n_times };
        let fails = op >= plan.at && op - plan.at < n_times;
        if fails && self.injected.len() < 100 {
            self.injected.push(format!("{op}: {what} {}", path.display()));
        }
        fails.then_some(plan.fault)
    }
}

/// A file of a [`FaultDisk`].
#[derive(Debug)]
struct FaultFile {
    disk: FaultDisk,
    path: PathBuf,
    file: Box<dyn DiskFile>,
    /// Its place in the journal; `None` outside of the root.
    idx: Option<usize>,
}

impl DiskFile for FaultFile {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.state.lock();
        let fault = state.count("write", &self.path);
        let n_bytes = match fault {
            None => bytes.len(),
            Some(Fault::ShortWrite) => bytes.len() / 2,
            Some(_) => 0,
        };
        let bytes = bytes.get(..n_bytes).unwrap_or_default();
        if n_bytes > 0 {
            self.file.write_all_at(bytes, offset)?;
            self.idx.inspect(|idx| state.journal.write(*idx, offset, bytes));
        }
        fault.map_or(Ok(()), |fault| Err(fault.error()))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.disk.begin("set length of", &self.path)?;
        self.file.set_len(len)?;
        self.idx.inspect(|idx| state.journal.set_len(*idx, len));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state.lock();
        // The real file needs no sync: only the journal survives a power cut of this disk.
        match (state.count("sync", &self.path), self.idx) {
            (None, idx) => idx.into_iter().for_each(|idx| state.journal.sync_file(idx)),
            (Some(fault), idx) => {
                idx.into_iter().filter(|_| fault == Fault::Io).for_each(|idx| state.journal.fail_sync(idx));
                return Err(fault.error());
            }
        }
        Ok(())
    }
}

impl Disk for FaultDisk {
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.begin("create", path)?;
        let file = OsDisk.create_new(path)?;
        let idx = state.journal.create_file(path);
        Ok(Box::new(FaultFile { disk: self.clone(), path: path.to_owned(), file, idx }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let state = self.begin("open", path)?;
        let file = OsDisk.open(path)?;
        let idx = match state.journal.find(path) {
            Some(Node::File(idx)) => Some(idx),
            _ => None,
        };
        Ok(Box::new(FaultFile { disk: self.clone(), path: path.to_owned(), file, idx }))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let _state = self.begin("read", path)?;
        OsDisk.read(path)
    }

    fn reader(&self, path: &Path) -> io::Result<Box<dyn io::Read + Send>> {
        let _state = self.begin("open", path)?;
        let (reader, disk, path) = (OsDisk.reader(path)?, self.clone(), path.to_owned());
        Ok(Box::new(FaultReader { disk, path, reader }))
    }

    fn map(&self, path: &Path) -> io::Result<Mapped> {
        let _state = self.begin("map", path)?;
        OsDisk.map(path)
    }

    fn map_growing(&self, path: &Path, len: usize) -> io::Result<FileMap> {
        let _state = self.begin("map", path)?;
        OsDisk.map_growing(path, len)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        let _state = self.begin("list", dir)?;
        OsDisk.list(dir)
    }

    fn info(&self, path: &Path) -> io::Result<FileInfo> {
        let _state = self.begin("stat", path)?;
        OsDisk.info(path)
    }

    fn space(&self, dir: &Path) -> io::Result<Space> {
        let _state = self.begin("statvfs", dir)?;
        OsDisk.space(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.begin("sync directory", dir)?;
        state.journal.sync_dir(dir);
        Ok(())
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.begin("create directory", dir)?;
        OsDisk.create_dir_all(dir)?;
        let mut above: Vec<&Path> = dir.ancestors().collect();
        above.reverse();
        above
            .into_iter()
            .filter(|dir| !dir.as_os_str().is_empty())
            .for_each(|dir| state.journal.create_dir(dir));
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut state = self.begin("remove", path)?;
        OsDisk.remove_file(path)?;
        state.journal.remove(path);
        Ok(())
    }

    fn remove_dir_all(&self, dir: &Path) -> io::Result<()> {
        // An operation per entry, so that a fault can strike half-way.
        for entry in self.list(dir)? {
            if entry.info.is_dir { self.remove_dir_all(&entry.path) } else { self.remove_file(&entry.path) }?;
        }
        let mut state = self.begin("remove directory", dir)?;
        OsDisk.remove_dir_all(dir)?;
        state.journal.remove(dir);
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.begin("rename", from)?;
        OsDisk.rename(from, to)?;
        state.journal.rename(from, to);
        Ok(())
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.begin("link", from)?;
        OsDisk.hard_link(from, to)?;
        state.journal.link(from, to);
        Ok(())
    }
}

/// Reads a file of a [`FaultDisk`]; each call counts.
struct FaultReader {
    disk: FaultDisk,
    path: PathBuf,
    reader: Box<dyn io::Read + Send>,
}

impl io::Read for FaultReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let _state = self.disk.begin("read", &self.path)?;
        self.reader.read(out)
    }
}

/// Flips one bit of a file, somewhere in `from..`; a file that ends before stays as it is. Returns where.
/// # Errors
/// Those of reading and writing it.
pub fn flip_bit(path: &Path, from: u64, rng: &mut Rng) -> io::Result<Option<u64>> {
    let mut bytes = OsDisk.read(path)?;
    let from = usize::try_from(from).unwrap_or(usize::MAX);
    let Some(n_bytes) = bytes.len().checked_sub(from).filter(|n_bytes| *n_bytes > 0) else { return Ok(None) };
    let at = from + rng.below(n_bytes);
    let bit = rng.below(8);
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << bit;
        OsDisk.open(path)?.write_all_at(&[*byte], at as u64)?;
    }
    Ok(Some(at as u64))
}

#[cfg(test)]
mod tests;
