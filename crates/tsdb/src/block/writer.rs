//! Makes a block: symbols, then series in label order; it becomes visible as a whole.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::chunk_files::{self, ChunkFilesWriter, OutChunk, n_samples};
use super::index_writer::{self, IndexWriter};
use super::meta::{self, BlockMeta, BlockStats, MetaDraft};
use super::series_entry::ChunkMeta;
use super::tombstones::{self, Tombstones};
use super::{BlockError, CREATION_SUFFIX, Ulid};
use crate::chunk::Encoding;
use crate::disk::{Disk, write_synced};

/// Writes `<ULID>.tmp-for-creation`; [`BlockWriter::finish`] gives it its final name. Dropped before, it is removed.
#[derive(Debug)]
pub struct BlockWriter {
    disk: Arc<dyn Disk>,
    parent: PathBuf,
    ulid: Ulid,
    dir: UnfinishedDir,
    /// `None` once finished.
    parts: Option<(IndexWriter, ChunkFilesWriter)>,
    metas: Vec<ChunkMeta>,
    stats: BlockStats,
}

/// A directory that goes unless it is kept.
#[derive(Debug)]
struct UnfinishedDir {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    is_kept: bool,
}

impl Drop for UnfinishedDir {
    fn drop(&mut self) {
        if !self.is_kept {
            // Whatever stays is removed by its suffix when the database is opened next.
            let _ = self.disk.remove_dir_all(&self.path);
        }
    }
}

impl BlockWriter {
    /// Begins block `ulid` in directory `parent`, which exists. `symbols` are all names and values of the labels to come,
    /// strictly ascending; there may be more than are used.
    /// # Errors
    /// Those of the operating system; [`BlockError::Invalid`] when symbols are not ascending or exceed 4 GiB.
    pub fn create(
        disk: &Arc<dyn Disk>,
        parent: &Path,
        ulid: Ulid,
        symbols: impl Iterator<Item = impl AsRef<str>>,
    ) -> Result<Self, BlockError> {
        Self::create_with(disk, parent, ulid, symbols, chunk_files::FILE_BYTES_MAX)
    }

    /// As [`BlockWriter::create`], with chunk files of another length.
    pub(crate) fn create_with(
        disk: &Arc<dyn Disk>,
        parent: &Path,
        ulid: Ulid,
        symbols: impl Iterator<Item = impl AsRef<str>>,
        chunk_file_bytes_max: u64,
    ) -> Result<Self, BlockError> {
        let path = parent.join(format!("{ulid}{CREATION_SUFFIX}"));
        let chunks_dir = path.join(chunk_files::DIR_NAME);
        let dir = UnfinishedDir { disk: Arc::clone(disk), path, is_kept: false };
        disk.create_dir_all(&chunks_dir).map_err(BlockError::io("create", &chunks_dir))?;
        let index = IndexWriter::create(disk, dir.path.join(index_writer::FILE_NAME), symbols)?;
        let chunks = ChunkFilesWriter::new(disk, chunks_dir, chunk_file_bytes_max);
        Ok(Self {
            disk: Arc::clone(disk),
            parent: parent.to_owned(),
            ulid,
            dir,
            parts: Some((index, chunks)),
            metas: Vec::new(),
            stats: BlockStats::default(),
        })
    }

    /// Adds a series: its labels as ordinals of the symbols, by name; its chunks ascending in time, without overlap.
    /// Series come ascending by their labels. Chunks without samples, and series without chunks, are left out.
    /// # Errors
    /// Those of the operating system; [`BlockError::Invalid`] when the order is broken or a limit of the format is hit.
    pub fn add_series(&mut self, labels: &[(u32, u32)], chunks: &[OutChunk<'_>]) -> Result<(), BlockError> {
        let Some((index, files)) = &mut self.parts else { return Ok(()) };
        self.metas.clear();
        for chunk in chunks {
            let n = u64::from(n_samples(chunk.encoding, chunk.data));
            if n == 0 {
                continue;
            }
            let is_behind = self.metas.last().is_none_or(|before| before.max_time < chunk.min_time);
            if !is_behind || chunk.max_time < chunk.min_time {
                let reason = "chunks of a series must be ascending in time, without overlap".to_owned();
                return Err(BlockError::Invalid { path: self.dir.path.clone(), reason });
            }
            let chunk_ref = files.push(chunk.encoding, chunk.data)?;
            self.metas.push(ChunkMeta { min_time: chunk.min_time, max_time: chunk.max_time, chunk_ref });
            self.stats.n_samples += n;
            match chunk.encoding {
                Encoding::Xor | Encoding::Xor2 => self.stats.n_float_samples += n,
                Encoding::Histogram
                | Encoding::FloatHistogram
                | Encoding::HistogramSt
                | Encoding::FloatHistogramSt => self.stats.n_histogram_samples += n,
            }
        }
        if self.metas.is_empty() {
            return Ok(());
        }
        index.add_series(labels, &self.metas)?;
        self.stats.n_series += 1;
        self.stats.n_chunks += self.metas.len() as u64;
        Ok(())
    }

    /// Returns what was added so far.
    pub fn stats(&self) -> BlockStats {
        self.stats
    }

    /// Completes the block, forces it to the disk and gives it its final name. Without any sample there is no block:
    /// nothing stays on the disk and the answer is `None`.
    /// # Errors
    /// Those of the operating system; nothing stays under the final name then, unless only the last sync failed.
    pub fn finish(mut self, draft: MetaDraft) -> Result<Option<BlockMeta>, BlockError> {
        let Some((index, chunks)) = self.parts.take().filter(|_| self.stats.n_samples > 0) else {
            return Ok(None);
        };
        index.finish()?;
        chunks.finish()?;
        let meta = BlockMeta::from_draft(self.ulid, draft, self.stats);
        self.write_file(tombstones::FILE_NAME, &Tombstones::default().encode())?;
        self.write_file(meta::FILE_NAME, meta.to_json().as_bytes())?;
        self.disk.sync_dir(&self.dir.path).map_err(BlockError::io("sync", &self.dir.path))?;
        let to = meta.dir_in(&self.parent);
        self.disk.rename(&self.dir.path, &to).map_err(BlockError::io("rename", &self.dir.path))?;
        self.dir.is_kept = true;
        self.disk.sync_dir(&self.parent).map_err(BlockError::io("sync", &self.parent))?;
        Ok(Some(meta))
    }

    fn write_file(&self, name: &str, bytes: &[u8]) -> Result<(), BlockError> {
        let path = self.dir.path.join(name);
        write_synced(&*self.disk, &path, bytes).map_err(BlockError::io("write", &path))
    }
}
