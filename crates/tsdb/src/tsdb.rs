//! The database as its owner sees it. This first cut keeps everything in memory.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use wf_model::Labels;
use wf_series::memory::MemoryStorage;
use wf_series::{
    Acknowledge, AppendError, AppendOutcome, LabelQuery, Rejection, SampleSink, SelectError, SelectRequest,
    Selection, SeriesRef, SeriesSource, WriteBatch,
};

use crate::{Cardinality, ReplayProgress, TsdbOptions, TsdbStats};

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
    storage: MemoryStorage,
    refs: Mutex<HashMap<Labels, SeriesRef>>,
    labels: Mutex<Vec<Labels>>,
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
        _options: TsdbOptions,
        _now_ms: i64,
        progress: &ReplayProgress,
    ) -> Result<Arc<Self>, OpenError> {
        std::fs::create_dir_all(dir)
            .map_err(|source| OpenError::Unwritable { dir: dir.to_owned(), source })?;
        progress.finish();
        Ok(Arc::new(Self { storage: MemoryStorage::new(), refs: Mutex::default(), labels: Mutex::default() }))
    }

    /// Does what is due at `now_ms`: writes full chunks to their files, truncates the head and the log. Call it about
    /// once a second, from a thread that may block. Errors are logged, counted in [`TsdbStats`] and tried again.
    pub fn maintain(&self, _now_ms: i64) {}

    /// Flushes everything to the disk and releases the directory. Appends are refused from now on; selections that
    /// exist stay readable. Closing twice is fine.
    /// # Errors
    /// When the log cannot be written or synced.
    pub fn close(&self) -> Result<(), CloseError> {
        Ok(())
    }

    /// Returns gauges and counters.
    pub fn stats(&self) -> TsdbStats {
        TsdbStats { n_series: self.labels.lock().len() as u64, ..TsdbStats::default() }
    }

    /// Returns the largest contributors to cardinality, at most `limit` in each list.
    pub fn cardinality(&self, _limit: usize) -> Cardinality {
        Cardinality::default()
    }
}

impl SampleSink for Tsdb {
    fn resolve(&self, labels: &Labels) -> Result<SeriesRef, AppendError> {
        if labels.is_empty() {
            return Err(AppendError::EmptyLabels);
        }
        let mut refs = self.refs.lock();
        if let Some(series) = refs.get(labels) {
            return Ok(*series);
        }
        let mut all = self.labels.lock();
        all.push(labels.clone());
        let series = SeriesRef::new(all.len() as u64).ok_or(AppendError::EmptyLabels)?;
        refs.insert(labels.clone(), series);
        Ok(series)
    }

    fn append(&self, batch: &WriteBatch, _acknowledge: Acknowledge) -> Result<AppendOutcome, AppendError> {
        let all = self.labels.lock();
        let mut outcome = AppendOutcome::default();
        for (idx, series) in batch.refs.iter().enumerate() {
            let Some(labels) = usize::try_from(series.get() - 1).ok().and_then(|at| all.get(at)) else {
                outcome.rejected.push((idx, Rejection::UnknownSeries));
                continue;
            };
            let mut samples = self.storage.get(labels).map(|s| (*s).clone()).unwrap_or_default();
            if samples.times_ms.last().is_some_and(|last| *last >= batch.times_ms[idx]) {
                outcome.rejected.push((idx, Rejection::OutOfOrder));
                continue;
            }
            samples.push(batch.times_ms[idx], batch.values[idx]);
            self.storage.insert(labels.clone(), samples);
            outcome.n_appended += 1;
        }
        Ok(outcome)
    }
}

impl SeriesSource for Tsdb {
    fn select(&self, request: &SelectRequest<'_>) -> Result<Arc<dyn Selection>, SelectError> {
        self.storage.select(request)
    }

    fn label_names(&self, query: &LabelQuery<'_>) -> Result<Vec<String>, SelectError> {
        self.storage.label_names(query)
    }

    fn label_values(&self, name: &str, query: &LabelQuery<'_>) -> Result<Vec<String>, SelectError> {
        self.storage.label_values(name, query)
    }
}
