//! One block, open for reading.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::RwLock;
use wf_model::{Labels, TimeRange};

use super::chunk_files::ChunkFiles;
use super::index_reader::{FormatVersion, IndexReader, Symbols};
use super::index_writer;
use super::meta::BlockMeta;
use super::postings::Postings;
use super::series_entry::SeriesEntry;
use super::tombstones::Tombstones;
use super::{BlockError, meta, tombstones};
use crate::chunk::Encoding;
use crate::disk::Disk;

/// A block on the disk. It stays readable after its directory was removed, except for chunk files never read before.
pub struct Block {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    index: IndexReader,
    chunks: ChunkFiles,
    small_files_bytes: u64,
    /// Both change together, rarely.
    state: RwLock<State>,
}

struct State {
    meta: Arc<BlockMeta>,
    tombstones: Arc<Tombstones>,
}

impl Block {
    /// Opens the block in `dir`: reads `meta.json` and `tombstones`, maps the index, lists the chunk files.
    /// # Errors
    /// When one of them cannot be read or is damaged as far as was looked; the rest is checked when it is read.
    pub fn open(disk: &Arc<dyn Disk>, dir: &Path) -> Result<Arc<Self>, BlockError> {
        let meta = BlockMeta::read(&**disk, dir)?;
        let version = if meta.version == 2 { FormatVersion::Second } else { FormatVersion::Stated };
        let index = IndexReader::open(&**disk, dir.join(index_writer::FILE_NAME), version)?;
        let chunks = ChunkFiles::open(disk, dir)?;
        let tombstones = Arc::new(Tombstones::read(&**disk, dir)?);
        let file_len = |name: &str| disk.info(&dir.join(name)).map_or(0, |info| info.len);
        Ok(Arc::new(Self {
            disk: Arc::clone(disk),
            dir: dir.to_owned(),
            index,
            chunks,
            small_files_bytes: file_len(meta::FILE_NAME) + file_len(tombstones::FILE_NAME),
            state: RwLock::new(State { meta: Arc::new(meta), tombstones }),
        }))
    }

    /// Returns what the block says about itself.
    pub fn meta(&self) -> Arc<BlockMeta> {
        Arc::clone(&self.state.read().meta)
    }

    /// Returns its directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Returns the time that its samples may have, both ends included.
    pub fn span(&self) -> TimeRange {
        let meta = self.meta();
        TimeRange { start_ms: meta.min_time, end_ms: meta.max_time.saturating_sub(1) }
    }

    /// Returns the bytes of its files, as of when it was opened.
    pub fn size_bytes(&self) -> u64 {
        self.index.size_bytes() + self.chunks.size_bytes() + self.small_files_bytes
    }

    /// Returns its label names and values.
    /// # Errors
    /// [`BlockError::Damaged`].
    pub fn symbols(&self) -> Result<Symbols<'_>, BlockError> {
        self.index.symbols()
    }

    /// Returns a cursor over all series, ascending by labels. Tombstones are the caller's to apply.
    /// # Errors
    /// [`BlockError::Damaged`].
    pub fn series(&self) -> Result<SeriesCursor<'_>, BlockError> {
        let ids = self.index.all_series()?;
        Ok(SeriesCursor {
            block: self,
            symbols: self.symbols()?,
            ids,
            next: 0,
            entry: SeriesEntry::default(),
        })
    }

    /// Returns the number of series in the index.
    /// # Errors
    /// [`BlockError::Damaged`].
    pub fn n_series(&self) -> Result<usize, BlockError> {
        Ok(self.index.all_series()?.len())
    }

    /// Reads one series into `entry`.
    /// # Errors
    /// [`BlockError::Damaged`].
    pub fn read_series(&self, series_ref: u64, entry: &mut SeriesEntry) -> Result<(), BlockError> {
        self.index.read_series(series_ref, entry)
    }

    /// Returns the labels of a series.
    /// # Errors
    /// [`BlockError::Damaged`].
    pub fn labels(&self, entry: &SeriesEntry) -> Result<Labels, BlockError> {
        let symbols = self.symbols()?;
        let mut pairs = Vec::with_capacity(entry.labels.len());
        for (name, value) in &entry.labels {
            pairs.push((symbols.get(*name)?, symbols.get(*value)?));
        }
        // A foreign writer may have kept a label without a value, or not have sorted.
        let is_clean =
            pairs.is_sorted_by(|a, b| a.0 < b.0) && pairs.iter().all(|(_, value)| !value.is_empty());
        Ok(if is_clean { Labels::from_sorted(pairs) } else { Labels::from_pairs(pairs) })
    }

    /// Returns how a chunk is encoded, and its bytes; the checksum is compared.
    /// # Errors
    /// [`BlockError::Damaged`], and those of mapping a file.
    pub fn chunk(&self, chunk_ref: u64) -> Result<(Encoding, &[u8]), BlockError> {
        let entry = self.chunks.chunk(chunk_ref)?;
        Ok((entry.encoding, entry.data))
    }

    /// Returns what was deleted.
    pub fn tombstones(&self) -> Arc<Tombstones> {
        Arc::clone(&self.state.read().tombstones)
    }

    /// Replaces what is deleted, on the disk first; `meta.json` follows with its count.
    /// # Errors
    /// Those of the operating system. What queries see changed only if the file did.
    pub fn write_tombstones(&self, tombstones: Tombstones) -> Result<(), BlockError> {
        let mut state = self.state.write();
        tombstones.write(&*self.disk, &self.dir)?;
        let mut meta = BlockMeta::clone(&state.meta);
        meta.stats.n_tombstones = tombstones.len() as u64;
        state.tombstones = Arc::new(tombstones);
        meta.write(&*self.disk, &self.dir)?;
        state.meta = Arc::new(meta);
        Ok(())
    }

    /// Changes what the block says about itself, on the disk first.
    /// # Errors
    /// Those of the operating system.
    pub fn update_meta(&self, change: impl FnOnce(&mut BlockMeta)) -> Result<(), BlockError> {
        let mut state = self.state.write();
        let mut meta = BlockMeta::clone(&state.meta);
        change(&mut meta);
        meta.write(&*self.disk, &self.dir)?;
        state.meta = Arc::new(meta);
        Ok(())
    }

    pub(crate) fn index(&self) -> &IndexReader {
        &self.index
    }

    pub(crate) fn chunk_files(&self) -> &ChunkFiles {
        &self.chunks
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Block").field("dir", &self.dir).finish_non_exhaustive()
    }
}

/// Goes over the series of a block in the order of their labels.
#[derive(Debug)]
pub struct SeriesCursor<'a> {
    block: &'a Block,
    symbols: Symbols<'a>,
    ids: Postings<'a>,
    next: usize,
    entry: SeriesEntry,
}

impl SeriesCursor<'_> {
    /// Returns the next series; `None` behind the last.
    /// # Errors
    /// [`BlockError::Damaged`]; the call after goes on with the series behind.
    #[expect(
        clippy::should_implement_trait,
        reason = "what it returns lives in the cursor, which `Iterator` cannot say"
    )]
    pub fn next(&mut self) -> Result<Option<&SeriesEntry>, BlockError> {
        let Some(id) = self.ids.get(self.next) else { return Ok(None) };
        self.next += 1;
        self.block.index.read_series_with(&self.symbols, u64::from(id), &mut self.entry)?;
        Ok(Some(&self.entry))
    }

    /// Returns how many series are left.
    pub fn remaining(&self) -> usize {
        self.ids.len() - self.next.min(self.ids.len())
    }
}
