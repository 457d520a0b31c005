//! The head: all recent series and samples, in memory and in head-chunk files, made durable by the log.
//!
//! # Locks, in the order in which they may be taken
//! 1. `commit`: one writer at a time, and the order of the log. Its holder may wait for the disk.
//! 2. `index`: who the series are. Written when series come and go; queries read it, so nobody waits for the disk, or
//!    for `commit`, while holding it.
//! 3. `shards`: samples, a sixteenth of the series each. Several only in ascending order.
//!
//! Small ones inside (`visibility`, `pins`, the log's own) are never held while taking another.
//! # Reading order: `series`, `shard`, `bounds`, `room`, `append`, `late`, `deletion`, `select`, `maintain`, `replay`.

mod append;
mod bounds;
mod chunk_list;
mod counters;
pub(crate) mod cut;
mod deletion;
mod extras;
mod late;
mod maintain;
mod open;
mod open_chunk;
mod open_histogram;
mod pins;
pub(crate) mod ranked;
mod ref_directory;
mod removal;
mod replay;
mod room;
mod select;
mod series;
mod shard;
mod snapshot;
pub(crate) mod stale;
mod status;
mod values;
mod visibility;

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, Ordering};

use parking_lot::{Mutex, RwLock};

pub(crate) use self::late::cut::{LateCut, LateCutError};
pub(crate) use self::ranked::TooManySymbols;
pub(crate) use self::snapshot::NAME as SNAPSHOT_NAME;

use self::append::Commit;
use self::bounds::Clock;
use self::counters::Counters;
use self::maintain::Upkeep;
use self::pins::Pins;
use self::series::{ChunkRules, NO_TIME};
use self::shard::{SHARDS, Shard};
use self::visibility::Visibility;
use crate::TsdbOptions;
use crate::exemplars::Exemplars;
use crate::head_chunks::HeadChunks;
use crate::index::Index;
use crate::metadata::MetadataStore;
use crate::wal::Wal;
use crate::wbl::Wbl;

pub(crate) use self::replay::is_sound;

/// See the module.
#[derive(Debug)]
pub(crate) struct Head {
    dir: PathBuf,
    options: TsdbOptions,
    chunk_rules: ChunkRules,
    index: RwLock<Index>,
    commit: Mutex<Commit>,
    shards: Box<[RwLock<Shard>]>,
    visibility: Visibility,
    pins: Pins,
    /// Opened once the replay is over: a repair may remove segments until then.
    log: OnceLock<Wal>,
    chunk_files: HeadChunks,
    /// Late samples are in this log too.
    wbl: Wbl,
    /// How late a sample may be, ms; 0: not at all.
    late_window_ms: AtomicI64,
    /// What a cut of late samples has left to do, see [`late`].
    late_in_blocks: Mutex<Option<late::cut::LateInBlocks>>,
    exemplars: Exemplars,
    metadata: MetadataStore,
    clock: Clock,
    upkeep: Mutex<Upkeep>,
    /// Newest sample of any series, ms; [`NO_TIME`] while empty.
    max_time: AtomicI64,
    /// Oldest sample kept, ms; [`NO_TIME`] while empty.
    min_time: AtomicI64,
    /// Samples before this are refused: their chunks may be in files already, ms.
    min_valid: AtomicI64,
    counters: Counters,
}

impl Head {
    /// Returns an empty head, not yet with a log.
    fn new(dir: &Path, options: TsdbOptions, chunk_files: HeadChunks, wbl: Wbl, now_ms: i64) -> Self {
        let (chunk_rules, exemplars_max) = (ChunkRules::new(&options), options.exemplars_max);
        Self {
            dir: dir.to_owned(),
            clock: Clock::new(now_ms),
            late_window_ms: AtomicI64::new(0),
            late_in_blocks: Mutex::default(),
            wbl,
            chunk_rules,
            options,
            index: RwLock::new(Index::new()),
            commit: Mutex::new(Commit::new()),
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            visibility: Visibility::default(),
            pins: Pins::new(NO_TIME),
            log: OnceLock::new(),
            chunk_files,
            exemplars: Exemplars::new(exemplars_max),
            metadata: MetadataStore::default(),
            upkeep: Mutex::default(),
            max_time: AtomicI64::new(NO_TIME),
            min_time: AtomicI64::new(NO_TIME),
            min_valid: AtomicI64::new(NO_TIME),
            counters: Counters::default(),
        }
    }

    fn log(&self) -> &Wal {
        self.log.get().expect("`Head::open` sets the log before anybody has the head")
    }

    pub(crate) fn options(&self) -> &TsdbOptions {
        &self.options
    }

    pub(crate) fn max_time(&self) -> i64 {
        self.max_time.load(Ordering::Relaxed)
    }

    pub(crate) fn min_time(&self) -> i64 {
        self.min_time.load(Ordering::Relaxed)
    }

    /// Widens the time range of the head; only under the commit lock, or before the head is shared.
    fn saw_times(&self, seen: Seen) {
        let Some((oldest, newest)) = seen.0 else { return };
        self.max_time.fetch_max(newest, Ordering::Relaxed);
        if self.min_time() == NO_TIME || oldest < self.min_time() {
            self.min_time.store(oldest, Ordering::Relaxed);
        }
    }

    /// Returns the bytes of log and head-chunk files.
    pub(crate) fn disk_bytes(&self) -> u64 {
        self.log().stats().bytes + self.chunk_files.bytes()
    }

    /// Returns the newest batch that readers may see.
    fn visible_seq(&self) -> u64 {
        self.visibility.visible_seq(self.log().written_up_to(), self.wbl.written_up_to())
    }
}

/// See `crate::fuzz`.
pub(crate) fn fuzz_snapshot(bytes: &[u8]) {
    let mut n_strings = 0;
    if let Ok(mut series) = snapshot::SeriesIter::new(bytes, |_| n_strings += 1) {
        let mut pairs = Vec::new();
        while let Ok(Some(_)) = series.next(&mut pairs) {
            assert!(pairs.len() <= bytes.len(), "more labels than bytes");
        }
    }
    let rules = ChunkRules::new(&TsdbOptions::default());
    let limits = shard::Limits { min_valid: NO_TIME, rules };
    // An error is an answer too.
    let _ = Shard::default().restore_saved(3, &mut [], bytes, limits);
}

/// Oldest and newest of some time stamps.
#[derive(Clone, Copy, Debug, Default)]
struct Seen(Option<(i64, i64)>);

impl Seen {
    fn add_all(&mut self, other: Self) {
        if let Some((oldest, newest)) = other.0 {
            self.add(oldest);
            self.add(newest);
        }
    }

    fn add(&mut self, time_ms: i64) {
        self.0 = Some(match self.0 {
            None => (time_ms, time_ms),
            Some((oldest, newest)) => (oldest.min(time_ms), newest.max(time_ms)),
        });
    }
}

/// Writes an error and its causes, `a: b: c`.
pub(crate) struct Chain<'a>(pub(crate) &'a dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut error = self.0;
        while let Some(source) = error.source() {
            write!(f, ": {source}")?;
            error = source;
        }
        Ok(())
    }
}
