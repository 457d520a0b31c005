//! Checks everything about a block that can be checked: every checksum, every order, every count.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wf_model::TimeRange;
use wf_series::SampleColumns;

use super::chunk_files::{HEADER, entry_at, n_samples};
use super::index_reader::Symbols;
use super::meta::{BlockMeta, BlockStats};
use super::series_entry::{ChunkMeta, SeriesEntry};
use super::{Block, BlockError, Ulid};
use crate::FastMap;
use crate::chunk;
use crate::disk::Disk;

/// More findings are counted, not kept.
const FINDINGS_MAX: usize = 1000;

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file or directory.
    pub path: PathBuf,
    /// Where in the file, if it is about a place.
    pub offset: Option<u64>,
    /// What is wrong.
    pub what: String,
}

/// What a check found.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// In order of path and place, each once; at most 1,000.
    pub kept: BTreeSet<Finding>,
    /// How many more there are.
    pub n_more: u64,
}

impl Findings {
    /// Adds a finding.
    pub fn add(&mut self, path: &Path, offset: Option<u64>, what: impl Into<String>) {
        if self.kept.len() < FINDINGS_MAX {
            self.kept.insert(Finding { path: path.to_owned(), offset, what: what.into() });
        } else {
            self.n_more += 1;
        }
    }

    /// Adds what an error says.
    pub fn add_error(&mut self, error: &BlockError) {
        let (path, offset) = match error {
            BlockError::Damaged { path, offset, reason } => return self.add(path, Some(*offset), reason),
            BlockError::Meta { path, reason } => return self.add(path, None, reason),
            BlockError::Io { path, .. } | BlockError::Invalid { path, .. } => (path, None),
        };
        self.add(path, offset, crate::head::Chain(error).to_string());
    }

    /// Returns whether all is well.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }
}

/// Checks the block in `dir`.
pub fn verify_block(disk: &Arc<dyn Disk>, dir: &Path, findings: &mut Findings) {
    let block = match Block::open(disk, dir) {
        Ok(block) => block,
        Err(error) => return findings.add_error(&error),
    };
    let meta = block.meta();
    check_meta(dir, &meta, findings);
    let mut check =
        Check { block: &block, findings, pairs: FastMap::default(), stats: BlockStats::default() };
    if let Err(error) = check.series(&meta) {
        check.findings.add_error(&error);
        return;
    }
    if let Err(error) = check.postings() {
        check.findings.add_error(&error);
    }
    check.chunk_files();
    let found = check.stats;
    let counts = [
        ("numSeries", meta.stats.n_series, found.n_series),
        ("numChunks", meta.stats.n_chunks, found.n_chunks),
        ("numSamples", meta.stats.n_samples, found.n_samples),
        ("numTombstones", meta.stats.n_tombstones, block.tombstones().len() as u64),
    ];
    for (key, stated, found) in counts.iter().filter(|(_, stated, found)| stated != found) {
        let what = format!("{key} says {stated}, the block has {found}");
        findings.add(&dir.join(super::meta::FILE_NAME), None, what);
    }
}

fn check_meta(dir: &Path, meta: &BlockMeta, findings: &mut Findings) {
    let path = dir.join(super::meta::FILE_NAME);
    let named = dir.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse::<Ulid>().ok());
    if named.is_some_and(|named| named != meta.ulid) {
        findings.add(&path, None, format!("ulid {} is not the name of the directory", meta.ulid));
    }
    if meta.min_time >= meta.max_time {
        findings.add(
            &path,
            None,
            format!("minTime {} is not before maxTime {}", meta.min_time, meta.max_time),
        );
    }
    if meta.version != 1 {
        findings.add(
            &path,
            None,
            "version 2 was written by a faulty release: the index is of version 2, this file of version 1",
        );
    }
}

/// A check under way.
struct Check<'a> {
    block: &'a Block,
    findings: &'a mut Findings,
    /// What the series say the postings lists are.
    pairs: FastMap<(u32, u32), ListDigest>,
    stats: BlockStats,
}

/// Length of a list and a sum over its ids, equal for equal sets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct ListDigest {
    n: u64,
    sum: u64,
}

impl ListDigest {
    fn add(&mut self, id: u32) {
        self.n += 1;
        // Mixed, so that two wrong ids do not make up for each other.
        let mixed = (u64::from(id) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.sum = self.sum.wrapping_add((mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9));
    }
}

impl Check<'_> {
    fn series(&mut self, meta: &BlockMeta) -> Result<(), BlockError> {
        let index = self.block.index();
        let symbols = index.symbols()?;
        let mut previous: Vec<(u32, u32)> = Vec::new();
        let mut entry = SeriesEntry::default();
        let mut samples = SampleColumns::default();
        let mut previous_id = None;
        for id in index.all_series()?.iter() {
            let at = Some(index.series_offset(u64::from(id)));
            if previous_id.is_some_and(|previous| previous >= id) {
                self.findings.add(
                    index.path(),
                    Some(index.toc().postings),
                    "the list of all series is not ascending",
                );
            }
            previous_id = Some(id);
            self.stats.n_series += 1;
            if let Err(error) = index.read_series_with(&symbols, u64::from(id), &mut entry) {
                self.findings.add_error(&error);
                continue;
            }
            if entry.labels.is_empty() || !entry.labels.is_sorted_by(|a, b| a.0 < b.0) {
                self.findings.add(index.path(), at, "labels of the series are not ascending by name");
            }
            if !previous.is_empty() && previous >= entry.labels {
                self.findings.add(
                    index.path(),
                    at,
                    "the series is not behind the one before it by its labels",
                );
            }
            entry.labels.iter().for_each(|pair| self.pairs.entry(*pair).or_default().add(id));
            std::mem::swap(&mut previous, &mut entry.labels);
            self.chunks(&entry.chunks, meta, at, &mut samples);
        }
        Ok(())
    }

    fn chunks(
        &mut self,
        chunks: &[ChunkMeta],
        meta: &BlockMeta,
        at: Option<u64>,
        samples: &mut SampleColumns,
    ) {
        let index_path = self.block.index().path();
        let mut previous: Option<&ChunkMeta> = None;
        for chunk in chunks {
            self.stats.n_chunks += 1;
            if previous.is_some_and(|previous| previous.max_time >= chunk.min_time)
                || chunk.max_time < chunk.min_time
            {
                self.findings.add(index_path, at, "chunks of the series are not ascending in time");
            }
            if chunk.min_time < meta.min_time || chunk.max_time >= meta.max_time {
                self.findings.add(index_path, at, "the series has a chunk outside of the time of the block");
            }
            previous = Some(chunk);
            if let Err(error) = self.chunk(chunk, samples) {
                self.findings.add_error(&error);
            }
        }
        if chunks.is_empty() {
            self.findings.add(index_path, at, "the series has no chunks");
        }
    }

    fn chunk(&mut self, meta: &ChunkMeta, samples: &mut SampleColumns) -> Result<(), BlockError> {
        let (encoding, data) = self.block.chunk(meta.chunk_ref)?;
        self.stats.n_samples += u64::from(n_samples(encoding, data));
        samples.clear();
        let damaged = |reason: &str| self.block.chunk_files().damaged(meta.chunk_ref, reason);
        chunk::decode(encoding, data, TimeRange::ALL, samples)
            .map_err(|error| damaged(&error.to_string()))?;
        let times = &samples.times_ms;
        if times.len() != usize::from(n_samples(encoding, data)) {
            return Err(damaged("the chunk has not as many samples as it says"));
        }
        if !times.is_sorted_by(|a, b| a < b) {
            return Err(damaged("samples of the chunk are not ascending in time"));
        }
        if (times.first(), times.last()) != (Some(&meta.min_time), Some(&meta.max_time)) {
            return Err(damaged("the chunk does not begin and end when the index says"));
        }
        Ok(())
    }

    /// Compares every postings list with what the series say.
    fn postings(&mut self) -> Result<(), BlockError> {
        let index = self.block.index();
        let symbols = index.symbols()?;
        let (table, bytes) = index.postings_table()?;
        for (_, name) in table.names(bytes) {
            for entry in table.values_from(bytes, name, "") {
                let list = match index.postings(entry.offset) {
                    Ok(list) => list,
                    Err(error) => {
                        self.findings.add_error(&error);
                        // Said once is enough.
                        self.forget(&symbols, entry.name, entry.value);
                        continue;
                    }
                };
                let mut digest = ListDigest::default();
                list.iter().for_each(|id| digest.add(id));
                let wanted = self.forget(&symbols, entry.name, entry.value);
                if wanted != Some(digest) || !list.iter().is_sorted_by(|a, b| a < b) {
                    let what = format!(
                        "postings of {}={:?} are not the series that have it",
                        entry.name, entry.value
                    );
                    self.findings.add(index.path(), Some(entry.offset), what);
                }
            }
        }
        if !self.pairs.is_empty() {
            let what = format!("{} label pairs of series have no postings", self.pairs.len());
            self.findings.add(index.path(), Some(index.toc().postings_table), what);
        }
        Ok(())
    }

    fn forget(&mut self, symbols: &Symbols<'_>, name: &str, value: &str) -> Option<ListDigest> {
        let pair = (symbols.find(name)?, symbols.find(value)?);
        self.pairs.remove(&pair)
    }

    /// Walks the chunk files from entry to entry.
    fn chunk_files(&mut self) {
        let files = self.block.chunk_files();
        let mut n_chunks = 0;
        let mut is_whole = true;
        for idx in 0..files.n_files() {
            let bytes = match files.file(idx) {
                Ok(bytes) => bytes,
                Err(error) => {
                    is_whole = false;
                    self.findings.add_error(&error);
                    continue;
                }
            };
            let mut offset = HEADER.len();
            while offset < bytes.len() {
                match entry_at(bytes, offset) {
                    Ok(entry) => offset += entry.len,
                    Err(reason) => {
                        is_whole = false;
                        self.findings.add(files.path(idx), Some(offset as u64), reason);
                        break;
                    }
                }
                n_chunks += 1;
            }
        }
        if is_whole && n_chunks != self.stats.n_chunks {
            let what = format!("the files hold {n_chunks} chunks, the index names {}", self.stats.n_chunks);
            self.findings.add(&self.block.dir().join(super::chunk_files::DIR_NAME), None, what);
        }
    }
}
