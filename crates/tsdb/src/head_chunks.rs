//! Head-chunk files: full chunks leave memory for `chunks_head/` and are read back through memory maps.
//!
//! ```text
//! file  = magic 0130BC91 | version 1 | 3 zero bytes | entry* | zeros        numbered from 1, at most 128 MiB
//! entry = series u64 | mint i64 | maxt i64 | encoding u8 | uvarint len | data | crc32c over all before
//! ```
//! [`HeadChunks::append`] hands out a [`ChunkRef`] at once; entries are written in batches, and read from the batch
//! until then. What has not been forced to the disk yet is in the write-ahead log as well; later the log may forget it,
//! as there are no blocks yet. So damage costs the damaged entries only, where Prometheus deletes the file and all
//! later ones.
//!
//! # Invariants
//! - An entry never changes; files are appended to, then only removed. After a start a new file is begun.
//! - A failed write is tried again at the same offset, from the same bytes.
//! # Reading order: `entry`, `scan`, `mend`, then this file.
//! # Not here: which chunks belong to a series (the head).
//! Source: `spec/prometheus-core.md` §7.7.

mod entry;
mod mend;
mod scan;

use std::collections::BTreeMap;
use std::io;
use std::ops::{Deref, Range};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::{RwLock, RwLockUpgradableReadGuard};

use crate::chunk::Encoding;
use crate::disk::{Disk, DiskFile, create_dir_synced};
use crate::mmap::FileMap;

pub use entry::ChunkMeta;
pub(crate) use mend::mend;
pub(crate) use scan::scan;

/// Bytes of the header of a file.
const FILE_HEADER: [u8; 8] = [0x01, 0x30, 0xBC, 0x91, 1, 0, 0, 0];

/// Entries are written when this many bytes have come together.
const BATCH_BYTES: usize = 64 << 10;

/// Unwritten bytes that are kept while the disk fails; above, no chunk is taken.
const UNWRITTEN_BYTES_MAX: usize = 4 << 20;

/// Names a chunk: number of the file in the high, offset of the entry in the low 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkRef(pub u64);

impl ChunkRef {
    fn new(file: u32, offset: u32) -> Self {
        Self(u64::from(file) << 32 | u64::from(offset))
    }

    /// Returns the number of the file.
    pub fn file(self) -> u32 {
        u32::try_from(self.0 >> 32).unwrap_or(u32::MAX)
    }

    /// Returns the offset of the entry in its file, bytes.
    pub fn offset(self) -> usize {
        usize::try_from(self.0 & u64::from(u32::MAX)).unwrap_or(usize::MAX)
    }
}

/// The beginning of a file, and the series and times of its first entry, which tell it from others of its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) file: u32,
    /// Offset of the first byte that is not meant.
    pub(crate) end: u32,
    pub(crate) series: u64,
    pub(crate) min_time_ms: i64,
    pub(crate) max_time_ms: i64,
}

/// Where the newest chunk ends. Files go oldest first, so whoever knew of an end finds it, or a later one, unless files were
/// lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FilesEnd {
    pub(crate) file: u32,
    /// Bytes of that file.
    pub(crate) len: u64,
}

/// Why a chunk could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum HeadChunksError {
    /// The operating system says so.
    #[error("{action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// No file holds this chunk (any more).
    #[error("head chunk {file:06}:{offset} does not exist: its file was truncated away")]
    NotFound {
        /// Number of the file.
        file: u32,
        /// Offset of the entry.
        offset: usize,
    },
    /// The entry is damaged.
    #[error("head chunk {file:06}:{offset} is damaged: {reason}")]
    Corrupt {
        /// Number of the file.
        file: u32,
        /// Offset of the entry.
        offset: usize,
        /// What is wrong.
        reason: &'static str,
    },
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> HeadChunksError {
    let path = path.to_owned();
    move |source| HeadChunksError::Io { action, path, source }
}

/// What was found when the files were opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenReport {
    /// Chunks reported to the visitor.
    pub n_chunks: u64,
    /// Damage that was found.
    pub corruption: Option<Corruption>,
}

/// Damage: these bytes cannot be read. All other chunks can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corruption {
    /// The first damaged file.
    pub file: u32,
    /// Where damage was found first.
    pub offset: usize,
    /// What is wrong there.
    pub reason: &'static str,
    /// Damaged places in all files.
    pub n_places: usize,
    /// Files without a readable header; renamed to `NNNNNN.damaged`.
    pub n_files_removed: usize,
    /// Bytes in all files that cannot be read.
    pub bytes_removed: u64,
}

/// The encoded samples of a chunk; keeps its file mapped.
#[derive(Clone, Debug)]
pub struct ChunkBytes {
    /// How to read them.
    pub encoding: Encoding,
    source: Source,
    range: Range<usize>,
}

#[derive(Clone, Debug)]
enum Source {
    Mapped(Arc<MappedFile>),
    Copied(Arc<[u8]>),
}

impl Deref for ChunkBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.source {
            Source::Mapped(file) => file.bytes(self.range.clone()),
            Source::Copied(bytes) => bytes.get(self.range.clone()),
        }
        .unwrap_or_default()
    }
}

/// One file, for reading.
#[derive(Debug)]
struct MappedFile {
    map: FileMap,
    /// Bytes that are written and final.
    len: AtomicUsize,
}

impl MappedFile {
    fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }

    fn bytes(&self, range: Range<usize>) -> Option<&[u8]> {
        self.map.bytes(range, self.len())
    }
}

/// All head-chunk files of a data directory. Shared between threads by reference.
#[derive(Debug)]
pub struct HeadChunks {
    dir: PathBuf,
    disk: Arc<dyn Disk>,
    file_bytes_max: usize,
    files: RwLock<Files>,
}

/// Held by the one who writes: others may read, also while the disk works; each change of [`Files`] is short.
type Writing<'a> = RwLockUpgradableReadGuard<'a, Files>;

#[derive(Debug, Default)]
struct Files {
    /// Mapped files and the newest time in each, ms; the one that is written to included.
    mapped: BTreeMap<u32, (Arc<MappedFile>, i64)>,
    current: Option<CurrentFile>,
    newest_number: u32,
    write_errors: u64,
}

#[derive(Debug)]
struct CurrentFile {
    number: u32,
    path: PathBuf,
    file: Box<dyn DiskFile>,
    mapped: Arc<MappedFile>,
    /// Entries that follow the written ones.
    unwritten: Vec<u8>,
    /// An fsync failed: the kernel has marked clean what it could not write.
    is_doubtful: bool,
}

impl HeadChunks {
    /// Largest file, bytes.
    pub const FILE_BYTES_MAX: usize = 128 << 20;

    /// Opens the files in `dir`, creating it if need be, and calls `visit` for each chunk, in the order they were
    /// written. Every checksum is verified: damaged chunks are reported together at the end, not visited.
    /// # Errors
    /// When a file cannot be read.
    pub fn open(dir: &Path, visit: &mut dyn FnMut(ChunkMeta)) -> Result<(Self, OpenReport), HeadChunksError> {
        Self::open_on(Arc::new(crate::disk::OsDisk), dir, Self::FILE_BYTES_MAX, visit)
    }

    /// As [`HeadChunks::open`], on another file layer and with files of at most `file_bytes_max` bytes.
    /// # Errors
    /// As [`HeadChunks::open`].
    pub fn open_on(
        disk: Arc<dyn Disk>,
        dir: &Path,
        file_bytes_max: usize,
        visit: &mut dyn FnMut(ChunkMeta),
    ) -> Result<(Self, OpenReport), HeadChunksError> {
        create_dir_synced(&*disk, dir).map_err(io_error("create directory", dir))?;
        let chunks = Self { dir: dir.to_owned(), disk, file_bytes_max, files: RwLock::default() };
        let report = scan::open_files(&chunks, visit)?;
        Ok((chunks, report))
    }

    /// Stores a chunk of `series` and returns where. It is written with the next batch, see [`HeadChunks::flush`]. A
    /// failed write is counted and tried again later, with the chunk in memory.
    /// # Errors
    /// When no file can be opened for it, or too much is waiting for a disk that fails: the chunk was not taken.
    pub fn append(
        &self,
        series: u64,
        min_time_ms: i64,
        max_time_ms: i64,
        encoding: Encoding,
        data: &[u8],
    ) -> Result<ChunkRef, HeadChunksError> {
        self.append_entry(series, (min_time_ms, max_time_ms), encoding, false, data)
    }

    /// As [`HeadChunks::append`], for a chunk of out-of-order samples.
    /// # Errors
    /// As [`HeadChunks::append`].
    pub fn append_late(
        &self,
        series: u64,
        min_time_ms: i64,
        max_time_ms: i64,
        encoding: Encoding,
        data: &[u8],
    ) -> Result<ChunkRef, HeadChunksError> {
        self.append_entry(series, (min_time_ms, max_time_ms), encoding, true, data)
    }

    fn append_entry(
        &self,
        series: u64,
        (min_time_ms, max_time_ms): (i64, i64),
        encoding: Encoding,
        is_out_of_order: bool,
        data: &[u8],
    ) -> Result<ChunkRef, HeadChunksError> {
        let mut files = self.files.upgradable_read();
        let n_bytes = entry::encoded_len(data.len());
        let is_full = |current: &CurrentFile| {
            current.mapped.len() + current.unwritten.len() + n_bytes > self.file_bytes_max
        };
        if files.current.as_ref().is_some_and(is_full) {
            self.finish_file(&mut files)?;
        }
        if files.current.as_ref().is_some_and(|current| current.unwritten.len() >= UNWRITTEN_BYTES_MAX) {
            self.write_batch(&mut files)?;
        }
        if files.current.is_none() {
            self.begin_file(&mut files)?;
        }
        let taken = files.with_upgraded(|files| {
            let current = files.current.as_mut()?;
            let offset = current.mapped.len() + current.unwritten.len();
            let out = &mut current.unwritten;
            entry::push(out, series, min_time_ms, max_time_ms, encoding, is_out_of_order, data);
            if let Some((_, newest_ms)) = files.mapped.get_mut(&current.number) {
                *newest_ms = (*newest_ms).max(max_time_ms);
            }
            let chunk = ChunkRef::new(current.number, u32::try_from(offset).unwrap_or(u32::MAX));
            Some((chunk, current.unwritten.len()))
        });
        let Some((chunk, n_unwritten)) = taken else {
            return Err(io_error("write to", &self.dir)(io::Error::other("no file is open")));
        };
        if n_unwritten >= BATCH_BYTES {
            // It is counted, and will be reported once memory for it runs out.
            let _ = self.write_batch(&mut files);
        }
        Ok(chunk)
    }

    /// Writes what is waiting to its file.
    /// # Errors
    /// When that fails; nothing is lost, call it again.
    pub fn flush(&self) -> Result<(), HeadChunksError> {
        self.write_batch(&mut self.files.upgradable_read())
    }

    /// Writes what is waiting and forces it to the disk; the current file goes on.
    /// # Errors
    /// When that fails: what was not synced before is written again by the next attempt.
    pub fn sync(&self) -> Result<(), HeadChunksError> {
        self.sync_current(&mut self.files.upgradable_read(), false)
    }

    pub(crate) fn disk(&self) -> &dyn Disk {
        &*self.disk
    }

    /// Writes what is waiting, cuts the current file to its data and forces it to the disk. The next chunk begins a
    /// new file.
    /// # Errors
    /// When that fails.
    pub fn close(&self) -> Result<(), HeadChunksError> {
        self.finish_file(&mut self.files.upgradable_read())
    }

    /// Returns a chunk, its checksum verified.
    /// # Errors
    /// [`HeadChunksError::NotFound`], [`HeadChunksError::Corrupt`].
    pub fn chunk(&self, chunk: ChunkRef) -> Result<ChunkBytes, HeadChunksError> {
        let (file, offset) = (chunk.file(), chunk.offset());
        let not_found = || HeadChunksError::NotFound { file, offset };
        let files = self.files.read();
        let (mapped, _) = files.mapped.get(&file).ok_or_else(not_found)?;
        let mapped = Arc::clone(mapped);
        let len = mapped.len();
        if offset >= len {
            let current = files.current.as_ref().filter(|current| current.number == file);
            let unwritten = current.and_then(|current| current.unwritten.get(offset - len..));
            let entry = entry::read(unwritten.ok_or_else(not_found)?, offset, file)?;
            let copied: Arc<[u8]> = entry.data.into();
            let range = 0..copied.len();
            return Ok(ChunkBytes { encoding: entry.encoding, source: Source::Copied(copied), range });
        }
        drop(files);
        let bytes = mapped.bytes(offset..len).unwrap_or_default();
        let entry = entry::read(bytes, offset, file)?;
        let (encoding, start) = (entry.encoding, offset + entry.data_at);
        let range = start..start + entry.data.len();
        Ok(ChunkBytes { encoding, source: Source::Mapped(mapped), range })
    }

    /// Returns what the files hold up to and including the chunk at `last`, ascending. A file whose first entry cannot
    /// be read, or is not written yet, is left out.
    pub(crate) fn extents_through(&self, last: ChunkRef) -> Vec<Extent> {
        let files = self.files.read();
        let extents = files.mapped.range(..=last.file()).filter_map(|(&file, (mapped, _))| {
            let first = entry::read_checked(mapped.bytes(FILE_HEADER.len()..mapped.len())?).ok()?;
            let is_last = file == last.file();
            let end = if is_last { u32::try_from(last.offset()).ok()?.saturating_add(1) } else { u32::MAX };
            let entry::Entry { series, min_time_ms, max_time_ms, .. } = first;
            Some(Extent { file, end, series, min_time_ms, max_time_ms })
        });
        extents.collect()
    }

    /// Removes the files whose chunks all end before `min_time_ms`, oldest first, up to the first that has to stay.
    /// Files from `keep_from` on stay whatever they hold. Chunks that readers hold stay readable. Returns how many files
    /// went.
    /// # Errors
    /// When a file cannot be removed.
    pub fn truncate_before(&self, min_time_ms: i64, keep_from: u32) -> Result<usize, HeadChunksError> {
        let mut files = self.files.upgradable_read();
        let mut n_removed = 0;
        while let Some((&number, (_, newest_ms))) = files.mapped.first_key_value() {
            if *newest_ms >= min_time_ms || number >= keep_from {
                break;
            }
            let path = file_path(&self.dir, number);
            self.disk.remove_file(&path).map_err(io_error("remove", &path))?;
            files.with_upgraded(|files| {
                files.current.take_if(|current| current.number == number);
                files.mapped.remove(&number);
            });
            n_removed += 1;
        }
        Ok(n_removed)
    }

    /// Returns the bytes of chunks in all files, those waiting to be written included.
    pub fn bytes(&self) -> u64 {
        let files = self.files.read();
        let written: usize = files.mapped.values().map(|(mapped, _)| mapped.len()).sum();
        let unwritten = files.current.as_ref().map_or(0, |current| current.unwritten.len());
        (written + unwritten) as u64
    }

    /// Returns where the newest chunk ends, those waiting to be written included; `None` without files.
    pub(crate) fn end(&self) -> Option<FilesEnd> {
        let files = self.files.read();
        let (&file, (mapped, _)) = files.mapped.last_key_value()?;
        let current = files.current.as_ref().filter(|current| current.number == file);
        let n_unwritten = current.map_or(0, |current| current.unwritten.len());
        Some(FilesEnd { file, len: (mapped.len() + n_unwritten) as u64 })
    }

    /// Returns how many writes failed since the start.
    pub fn write_errors(&self) -> u64 {
        self.files.read().write_errors
    }

    fn write_batch(&self, files: &mut Writing<'_>) -> Result<(), HeadChunksError> {
        let Some(current) = files.current.as_ref().filter(|current| !current.unwritten.is_empty()) else {
            return Ok(());
        };
        let offset = current.mapped.len();
        let written = current.file.write_all_at(&current.unwritten, offset as u64);
        let result = written.map_err(io_error("write to", &current.path));
        files.with_upgraded(|files| match &mut files.current {
            Some(current) if result.is_ok() => {
                current.mapped.len.store(offset + current.unwritten.len(), Ordering::Release);
                current.unwritten.clear();
                current.unwritten.shrink_to(2 * BATCH_BYTES);
            }
            _ => files.write_errors += 1,
        });
        result
    }

    fn begin_file(&self, files: &mut Writing<'_>) -> Result<(), HeadChunksError> {
        let number = files.newest_number + 1;
        let path = file_path(&self.dir, number);
        let begun = self.create_file(&path).map_err(io_error("create", &path));
        files.with_upgraded(|files| {
            let (file, map) = begun.inspect_err(|_| files.write_errors += 1)?;
            let mapped = Arc::new(MappedFile { map, len: AtomicUsize::new(FILE_HEADER.len()) });
            files.newest_number = number;
            files.mapped.insert(number, (Arc::clone(&mapped), i64::MIN));
            files.current =
                Some(CurrentFile { number, path, file, mapped, unwritten: Vec::new(), is_doubtful: false });
            Ok(())
        })
    }

    fn create_file(&self, path: &Path) -> io::Result<(Box<dyn DiskFile>, FileMap)> {
        let file = match self.disk.create_new(path) {
            // An earlier attempt came only as far as creating it: no chunk was taken for it.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => self.disk.open(path)?,
            other => other?,
        };
        // A sparse file of full length can be mapped once and for all.
        file.set_len(self.file_bytes_max as u64)?;
        file.write_all_at(&FILE_HEADER, 0)?;
        self.disk.sync_dir(&self.dir)?;
        let map = self.disk.map_growing(path, self.file_bytes_max)?;
        Ok((file, map))
    }

    fn finish_file(&self, files: &mut Writing<'_>) -> Result<(), HeadChunksError> {
        self.sync_current(files, true)?;
        files.with_upgraded(|files| files.current = None);
        Ok(())
    }

    /// Writes what is waiting and forces the current file to the disk; one that `is_last` written to is cut to its data.
    fn sync_current(&self, files: &mut Writing<'_>, is_last: bool) -> Result<(), HeadChunksError> {
        self.write_batch(files)?;
        let Some(current) = &files.current else { return Ok(()) };
        let len = current.mapped.len();
        let again = if current.is_doubtful { current.mapped.bytes(0..len).unwrap_or_default() } else { &[] };
        let written = current.file.write_all_at(again, 0);
        let cut = written.and_then(|()| if is_last { current.file.set_len(len as u64) } else { Ok(()) });
        let result = cut.and_then(|()| current.file.sync()).map_err(io_error("sync", &current.path));
        files.with_upgraded(|files| {
            if let Some(current) = &mut files.current {
                current.is_doubtful = result.is_err();
            }
        });
        result
    }
}

fn file_path(dir: &Path, number: u32) -> PathBuf {
    dir.join(format!("{number:06}"))
}

#[cfg(test)]
mod tests;
