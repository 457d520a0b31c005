//! The database as its owner sees it: a directory, opened and locked, with a head and blocks in it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use wf_model::{Labels, Matcher, Metadata, TimeRange};
use wf_series::{
    Acknowledge, AppendError, AppendOutcome, ExemplarQuery, ExemplarSource, LabelQuery, LabelValues,
    SampleSink, SelectError, SelectRequest, Selection, SeriesExemplars, SeriesRef, SeriesSource, WriteBatch,
};

use crate::block::{Block, BlockMeta, BlockSource};
use crate::compact::blocks::Blocks;
use crate::compact::life::Life;
use crate::dirlock::DirLock;
use crate::disk::{Disk, OsDisk};
use crate::head::Head;
use crate::merge::{Part, ValueSource, merge, merge_names, merge_values};
use crate::wal::WalIoError;
use crate::{
    Cardinality, CleanError, DeleteError, ExemplarStats, ReplayProgress, Retention, SnapshotError,
    SnapshotHead, TsdbOptions, TsdbStats,
};

/// Why a data directory could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("data directory {} is in use by process {pid}: stop it or choose another directory", dir.display())]
    Locked {
        /// The directory.
        dir: PathBuf,
        /// The process, or `unknown`.
        pid: String,
    },
    /// It cannot be created or written.
    #[error("data directory {} cannot be written: give this user write access or choose another directory", dir.display())]
    Unwritable {
        /// The directory.
        dir: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// An option makes no sense.
    #[error("storage option {option}: {reason}")]
    Option {
        /// Its name.
        option: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The log or the head chunks cannot be read back.
    #[error("read back {}: {message}", path.display())]
    Replay {
        /// File or directory.
        path: PathBuf,
        /// The cause.
        message: String,
    },
}

/// Why closing did not succeed. The directory is unlocked all the same.
#[derive(Debug, thiserror::Error)]
#[error("close data directory {}: {message}", dir.display())]
pub struct CloseError {
    /// The directory.
    pub dir: PathBuf,
    /// The cause.
    pub message: String,
}

/// One open data directory.
#[derive(Debug)]
pub struct Tsdb {
    dir: PathBuf,
    head: Arc<Head>,
    life: Arc<Life>,
    /// `None` once closed.
    lock: Mutex<Option<DirLock>>,
    was_clean: bool,
}

impl Tsdb {
    /// Opens `dir`, creating it if need be, and replays what it holds. Blocks until that is done.
    /// # Errors
    /// See [`OpenError`].
    pub fn open(dir: &Path, options: TsdbOptions, now_ms: i64) -> Result<Arc<Self>, OpenError> {
        Self::open_observed(dir, options, now_ms, &ReplayProgress::default())
    }

    /// As [`Tsdb::open`]; another thread may watch `progress` meanwhile.
    /// # Errors
    /// See [`OpenError`].
    pub fn open_observed(
        dir: &Path,
        options: TsdbOptions,
        now_ms: i64,
        progress: &ReplayProgress,
    ) -> Result<Arc<Self>, OpenError> {
        let disk: Arc<dyn Disk> = Arc::new(OsDisk);
        Self::open_on(&disk, dir, options, now_ms, progress)
    }

    /// As [`Tsdb::open_observed`], on another file layer.
    /// # Errors
    /// See [`OpenError`].
    pub fn open_on(
        disk: &Arc<dyn Disk>,
        dir: &Path,
        options: TsdbOptions,
        now_ms: i64,
        progress: &ReplayProgress,
    ) -> Result<Arc<Self>, OpenError> {
        options.check()?;
        let lock = DirLock::acquire(dir)?;
        let blocks = Blocks::open(disk, dir).map_err(|error| OpenError::Replay {
            path: dir.to_owned(),
            message: format!("list blocks: {error}"),
        })?;
        let min_valid = blocks.min_valid().unwrap_or(i64::MIN);
        let head = Arc::new(Head::open(disk, dir, options, now_ms, lock.was_ours, min_valid, progress)?);
        // The names of what was created in it just now have to survive a power cut as well.
        disk.sync_dir(dir).map_err(|source| OpenError::Unwritable { dir: dir.to_owned(), source })?;
        let life = Life::begin(&head, blocks, now_ms);
        progress.finish();
        let was_clean = lock.was_clean;
        Ok(Arc::new(Self { dir: dir.to_owned(), head, life, lock: Mutex::new(Some(lock)), was_clean }))
    }

    /// Does what is due at `now_ms`: writes full chunks to their files, cuts and truncates the head and the log, looks
    /// after blocks, and starts compacting them. Call it about once a second, from a thread that may block. Errors are
    /// logged, counted in [`TsdbStats`] and tried again.
    pub fn maintain(&self, now_ms: i64) {
        self.head.maintain(now_ms);
        self.life.maintain(now_ms);
    }

    /// Lets no compaction of blocks begin until told otherwise: memory or disk is wanted elsewhere. Cutting the head, which
    /// makes room, and retention go on.
    pub fn pause_compaction(&self, is_paused: bool) {
        self.life.pause_compaction(is_paused);
    }

    /// Compacts blocks until nothing is due, on the thread of the caller. Needed only without
    /// [`TsdbOptions::compaction_thread`].
    pub fn compact(&self, now_ms: i64) {
        self.life.compact(now_ms);
    }

    /// Deletes the samples inside `range`, both ends included, of all series that satisfy all matchers. What is in blocks
    /// is marked as deleted, and removed by a later compaction or [`Tsdb::clean_tombstones`]. Waits for a compaction that
    /// is under way. Returns how many series of head and blocks lost samples.
    /// # Errors
    /// When it cannot be written; repeat it then.
    pub fn delete(&self, matchers: &[Matcher], range: TimeRange) -> Result<usize, DeleteError> {
        self.life.delete(matchers, range)
    }

    /// Writes all blocks with deleted samples anew, without these. Waits for a compaction that is under way.
    /// # Errors
    /// When a block cannot be read or written; it stays as it is.
    pub fn clean_tombstones(&self, now_ms: i64) -> Result<(), CleanError> {
        self.life.clean_tombstones(now_ms)
    }

    /// Returns the data directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Makes a snapshot in `dir`, which must not exist or be empty and lie on the same file system: blocks by hard links,
    /// the head as one more block. Waits for a compaction that is under way.
    /// # Errors
    /// When it cannot be written; what was made of it is removed.
    pub fn snapshot(&self, dir: &Path, head: SnapshotHead, now_ms: i64) -> Result<(), SnapshotError> {
        self.life.snapshot(dir, head, now_ms)
    }

    /// Changes how long data is kept, from the next look at the directory on: within a minute.
    pub fn set_retention(&self, retention: Retention) {
        self.life.set_retention(retention);
    }

    /// Flushes everything to the disk and releases the directory. Appends are refused from now on; selections stay
    /// readable. What is in open chunks comes back from the log. Closing twice is fine.
    /// # Errors
    /// When the log cannot be written or synced.
    pub fn close(&self) -> Result<(), CloseError> {
        let Some(lock) = self.lock.lock().take() else { return Ok(()) };
        self.life.stop();
        let closed = self.head.close();
        lock.release();
        closed.map_err(|message| CloseError { dir: self.dir.clone(), message })
    }

    /// Sets how far behind the newest sample of all an out-of-order sample may be, ms; 0 takes none from now on, those
    /// that were taken stay.
    /// # Errors
    /// When the log for out-of-order samples cannot be opened: the window stays as it was.
    pub fn set_out_of_order_window(&self, window_ms: i64) -> Result<(), WalIoError> {
        self.head.set_late_window(window_ms)
    }

    /// Returns gauges and counters.
    pub fn stats(&self) -> TsdbStats {
        TsdbStats { clean_start: self.was_clean, compaction: self.life.stats(), ..self.head.stats() }
    }

    /// Returns the descriptions of all blocks, by start.
    pub fn block_metas(&self) -> Vec<Arc<BlockMeta>> {
        self.life.blocks.list().iter().map(|block| block.meta()).collect()
    }

    /// Changes how many exemplars are kept, see [`TsdbOptions::exemplars_max`]; the oldest go if it is fewer.
    pub fn resize_exemplars(&self, max: usize) {
        self.head.resize_exemplars(max);
    }

    /// Returns gauges and counters of the exemplar storage.
    pub fn exemplar_stats(&self) -> ExemplarStats {
        self.head.exemplar_stats()
    }

    /// Returns the metadata that was sent for a series in the head, if any.
    pub fn series_metadata(&self, series: SeriesRef) -> Option<Arc<Metadata>> {
        self.head.series_metadata(series)
    }

    /// Returns the distinct metadata of `metric`, or of all metrics, as it was sent for series in the head.
    pub fn metadata(&self, metric: Option<&str>) -> BTreeMap<String, Vec<Arc<Metadata>>> {
        self.head.metadata(metric)
    }

    /// Returns the largest contributors to cardinality, at most `limit` in each list.
    pub fn cardinality(&self, limit: usize) -> Cardinality {
        self.head.cardinality(limit)
    }
}

impl SampleSink for Tsdb {
    fn resolve(&self, labels: &Labels) -> Result<SeriesRef, AppendError> {
        self.head.resolve(labels)
    }

    /// Exemplars are stored if [`TsdbOptions::exemplars_max`] makes room for them, start timestamps if
    /// [`TsdbOptions::start_timestamps`] says so; both are passed over silently otherwise.
    fn append(&self, batch: &WriteBatch, acknowledge: Acknowledge) -> Result<AppendOutcome, AppendError> {
        self.head.append(batch, acknowledge)
    }

    fn late_from_ms(&self) -> Option<i64> {
        self.head.late_from_ms()
    }

    fn is_too_old(&self, series: SeriesRef, time_ms: i64) -> bool {
        self.head.is_too_old(series, time_ms)
    }
}

impl SeriesSource for Tsdb {
    fn select(&self, request: &SelectRequest<'_>) -> Result<Arc<dyn Selection>, SelectError> {
        // The head first: what leaves it afterwards is in a block that the list below has.
        let head = self.head.select(request);
        let list = self.life.blocks.list();
        let mut parts = Vec::new();
        for block in list.iter().filter(|block| is_touched(block, request.range)) {
            let meta = block.meta();
            let range = TimeRange { start_ms: meta.min_time, end_ms: meta.max_time - 1 };
            parts.push(Part {
                selection: BlockSource(Arc::clone(block)).select_coded(request)?,
                range,
                order_ms: meta.min_time,
            });
        }
        parts.push(Part { selection: head, range: TimeRange::ALL, order_ms: self.head.min_time() });
        Ok(merge(parts))
    }

    fn label_names(&self, query: &LabelQuery<'_>) -> Result<Vec<String>, SelectError> {
        let mut names = self.head.label_names(query);
        for block in self.life.blocks.list().iter().filter(|block| is_touched(block, query.range)) {
            names = merge_names(names, BlockSource(Arc::clone(block)).label_names(query)?);
        }
        Ok(names)
    }

    fn label_values(&self, name: &str, query: &LabelQuery<'_>) -> Result<Vec<String>, SelectError> {
        self.each_label_value(name, query)?.collect()
    }

    fn each_label_value(&self, name: &str, query: &LabelQuery<'_>) -> Result<LabelValues, SelectError> {
        let mut sources: Vec<Box<dyn ValueSource>> = vec![Box::new(self.head.label_values(name, query))];
        for block in self.life.blocks.list().iter().filter(|block| is_touched(block, query.range)) {
            sources.push(Box::new(BlockSource(Arc::clone(block)).values(name, query)?));
        }
        merge_values(sources)
    }
}

fn is_touched(block: &Block, range: TimeRange) -> bool {
    block.meta().min_time <= range.end_ms && range.start_ms < block.meta().max_time
}

impl Drop for Tsdb {
    /// A database that is dropped without being closed stops working on its directory, which is all that is left to do.
    fn drop(&mut self) {
        self.life.stop();
    }
}

impl ExemplarSource for Tsdb {
    fn exemplars(&self, query: &ExemplarQuery<'_>) -> Result<Vec<SeriesExemplars>, SelectError> {
        Ok(self.head.exemplars(query))
    }
}

#[cfg(test)]
mod tests;
