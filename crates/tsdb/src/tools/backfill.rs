//! Makes blocks from an OpenMetrics page with times.
//!
//! The page is read twice. First its series are learned, so that they can be ranked by their labels; then samples are
//! sorted by block, series and time, a million at a time, into runs in a scratch file, and the runs are merged into
//! blocks. Memory follows the number of series, not that of samples, and no order of the page is a bad one. Of two
//! samples of a series with the same time the first counts.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use roaring::RoaringBitmap;
use wf_exposition::parse::{Entry, Format, Parser, Sample};
use wf_model::{Labels, LabelsBuilder};

use super::ToolError;
use crate::FastMap;
use crate::block::{Block, BlockError, BlockWriter, MetaDraft, OutChunk, Ulid};
use crate::chunk::{Encoding, Sample as StoredSample, Writer};
use crate::disk::{Disk, os_disk};

/// Length of a block unless a longer one is asked for, ms.
pub const BLOCK_MS: i64 = 2 * 3_600_000;

/// Samples sorted in memory: 24 B each, half as much again while they are sorted.
const RUN_SAMPLES: usize = 1 << 20;

const CHUNK_SAMPLES: u16 = 120;

/// Bytes of a sample in the scratch file: rank, time, value.
const SAMPLE_BYTES: usize = 20;

/// How to make blocks.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Blocks are at most this long, ms: 2 h times the highest power of 3 that fits.
    pub block_ms_max: i64,
    /// Labels that every series gets.
    pub labels: &'a [(String, String)],
    /// The time, for the names of blocks, ms.
    pub now_ms: i64,
}

/// What came of a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Blocks made.
    pub n_blocks: u64,
    /// Samples in them.
    pub n_samples: u64,
    /// Samples left out: their series had another value at the same time.
    pub n_duplicates: u64,
}

/// The series of a page.
#[derive(Default)]
struct Series {
    /// By their text on the page.
    by_text: FastMap<Box<[u8]>, u32>,
    by_labels: FastMap<Labels, u32>,
}

#[derive(Clone, Copy)]
struct Row {
    rank: u32,
    time_ms: i64,
    value: f64,
}

/// Makes blocks in `output` from the page in `input`; `each` hears of every finished block.
/// # Errors
/// When the page is not OpenMetrics, lacks a time, or a file cannot be read or written. Blocks finished before stay.
pub fn create_blocks(
    input: &Path,
    output: &Path,
    request: Request<'_>,
    each: &mut dyn FnMut(&Arc<Block>) -> Result<(), ToolError>,
) -> Result<Outcome, ToolError> {
    create_blocks_of(Encoding::Xor, input, output, request, each)
}

/// As [`create_blocks`], with chunks of another encoding of floats.
/// # Errors
/// As [`create_blocks`].
pub fn create_blocks_of(
    floats: Encoding,
    input: &Path,
    output: &Path,
    request: Request<'_>,
    each: &mut dyn FnMut(&Arc<Block>) -> Result<(), ToolError>,
) -> Result<Outcome, ToolError> {
    let disk = os_disk();
    let page = disk.map(input).map_err(BlockError::io("read", input))?;
    let mut series = Series::default();
    for_each_sample(input, &page, |sample, _| series.learn(sample, request.labels))?;
    let (labels, ranks) = series.rank();
    drop(series.by_labels);

    disk.create_dir_all(output).map_err(BlockError::io("create", output))?;
    let scratch = Scratch::create(&disk, output.join("create-blocks-from.tmp"))?;
    let block_ms = block_ms(request.block_ms_max);
    let mut sorter = Sorter { scratch, block_ms, rows: Vec::new(), blocks: BTreeMap::new() };
    for_each_sample(input, &page, |sample, time_ms| {
        let rank = series.by_text.get(sample.series.bytes()).and_then(|idx| ranks.get(*idx as usize));
        let rank =
            *rank.ok_or_else(|| ToolError::Request("the page changed while it was read".to_owned()))?;
        sorter.push(Row { rank, time_ms, value: sample.value })
    })?;
    sorter.flush()?;
    let outcome = Outcome::default();
    let maker = Maker { disk: &disk, output, request, floats, labels: &labels, each, outcome };
    maker.run(&sorter)
}

/// Returns the length of blocks: 2 h, or the longest of 6 h, 18 h, 54 h … that does not exceed `max_ms`.
fn block_ms(max_ms: i64) -> i64 {
    let longer = std::iter::successors(Some(BLOCK_MS), |range| range.checked_mul(3)).take(10);
    longer.take_while(|range| *range <= max_ms).last().unwrap_or(BLOCK_MS)
}

fn for_each_sample<'a>(
    input: &Path,
    page: &'a [u8],
    mut each: impl FnMut(&Sample<'a>, i64) -> Result<(), ToolError>,
) -> Result<(), ToolError> {
    let mut parser = Parser::new(Format::OpenMetrics, page);
    loop {
        let entry = parser.next_entry();
        let entry = entry.map_err(|error| ToolError::Request(format!("{}: {error}", input.display())))?;
        match entry {
            Entry::Eof => return Ok(()),
            Entry::Sample(sample) => {
                let Some(time_ms) = sample.timestamp_ms else {
                    let text = String::from_utf8_lossy(sample.series.bytes()).into_owned();
                    let input = input.display();
                    return Err(ToolError::Request(format!(
                        "{input}: expected timestamp for series {text}, got none"
                    )));
                };
                each(&sample, time_ms)?;
            }
            Entry::Help(..) | Entry::Type(..) | Entry::Unit(..) | Entry::Comment => {}
        }
    }
}

impl Series {
    fn learn(&mut self, sample: &Sample<'_>, extra: &[(String, String)]) -> Result<(), ToolError> {
        let text = sample.series.bytes();
        if self.by_text.contains_key(text) {
            return Ok(());
        }
        let mut builder = LabelsBuilder::default();
        for (name, value) in sample.series.labels() {
            builder.set(&name, &value);
        }
        for (name, value) in extra {
            builder.set(name, value);
        }
        let labels = builder.build();
        let next = u32::try_from(self.by_labels.len());
        let next = next.map_err(|_| ToolError::Request("more than 4 billion series".to_owned()))?;
        let idx = *self.by_labels.entry(labels).or_insert(next);
        self.by_text.insert(text.into(), idx);
        Ok(())
    }

    /// Returns the label sets, ascending, and the rank of each series.
    fn rank(&self) -> (Vec<Labels>, Vec<u32>) {
        let mut sorted: Vec<(&Labels, u32)> =
            self.by_labels.iter().map(|(labels, idx)| (labels, *idx)).collect();
        sorted.sort_unstable_by(|a, b| a.0.iter().cmp(b.0.iter()));
        let mut ranks = vec![0; sorted.len()];
        for ((_, idx), rank) in sorted.iter().zip(0..) {
            if let Some(slot) = ranks.get_mut(*idx as usize) {
                *slot = rank;
            }
        }
        (sorted.into_iter().map(|(labels, _)| labels.clone()).collect(), ranks)
    }
}

/// A file that goes when it is no longer needed.
struct Scratch {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    file: Box<dyn crate::disk::DiskFile>,
    /// Offset behind each run.
    ends: Vec<u64>,
}

impl Scratch {
    fn create(disk: &Arc<dyn Disk>, path: PathBuf) -> Result<Self, ToolError> {
        let file = disk.create_new(&path).map_err(BlockError::io("create", &path))?;
        Ok(Self { disk: Arc::clone(disk), path, file, ends: Vec::new() })
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), ToolError> {
        let start = self.ends.last().copied().unwrap_or(0);
        self.file.write_all_at(bytes, start).map_err(BlockError::io("write", &self.path))?;
        self.ends.push(start + bytes.len() as u64);
        Ok(())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // It is in the user's way, but harmless.
        let _ = self.disk.remove_file(&self.path);
    }
}

/// Sorts samples into runs.
struct Sorter {
    scratch: Scratch,
    block_ms: i64,
    rows: Vec<Row>,
    /// Ranks of the series of each block, by its number.
    blocks: BTreeMap<i64, RoaringBitmap>,
}

impl Sorter {
    fn push(&mut self, row: Row) -> Result<(), ToolError> {
        self.rows.push(row);
        if self.rows.len() >= RUN_SAMPLES { self.flush() } else { Ok(()) }
    }

    fn block_of(&self, row: &Row) -> i64 {
        row.time_ms.div_euclid(self.block_ms)
    }

    fn flush(&mut self) -> Result<(), ToolError> {
        let mut rows = std::mem::take(&mut self.rows);
        // Stable: the page's first sample of a time comes first.
        rows.sort_by_key(|row| (self.block_of(row), row.rank, row.time_ms));
        let mut bytes = Vec::with_capacity(rows.len() * SAMPLE_BYTES);
        for row in &rows {
            self.blocks.entry(row.time_ms.div_euclid(self.block_ms)).or_default().insert(row.rank);
            bytes.extend_from_slice(&row.rank.to_le_bytes());
            bytes.extend_from_slice(&row.time_ms.to_le_bytes());
            bytes.extend_from_slice(&row.value.to_bits().to_le_bytes());
        }
        rows.clear();
        self.rows = rows;
        self.scratch.append(&bytes)
    }
}

fn read_row(run: &mut &[u8]) -> Option<Row> {
    let (rank, rest) = run.split_first_chunk()?;
    let (time, rest) = rest.split_first_chunk()?;
    let (value, rest) = rest.split_first_chunk()?;
    *run = rest;
    let value = f64::from_bits(u64::from_le_bytes(*value));
    Some(Row { rank: u32::from_le_bytes(*rank), time_ms: i64::from_le_bytes(*time), value })
}

/// Makes blocks from sorted runs.
struct Maker<'a> {
    disk: &'a Arc<dyn Disk>,
    output: &'a Path,
    request: Request<'a>,
    floats: Encoding,
    labels: &'a [Labels],
    each: &'a mut dyn FnMut(&Arc<Block>) -> Result<(), ToolError>,
    outcome: Outcome,
}

/// A block under way.
struct OpenBlock<'a> {
    number: i64,
    writer: BlockWriter,
    symbols: Vec<&'a str>,
    min_time: i64,
    max_time: i64,
    rank: u32,
    samples: Vec<(i64, f64)>,
}

impl<'a> Maker<'a> {
    fn run(mut self, sorter: &Sorter) -> Result<Outcome, ToolError> {
        let path = &sorter.scratch.path;
        let bytes = self.disk.map(path).map_err(BlockError::io("map", path))?;
        let mut runs = Vec::new();
        let mut start = 0;
        for end in &sorter.scratch.ends {
            let end = usize::try_from(*end).unwrap_or(usize::MAX);
            runs.push(bytes.get(start..end).unwrap_or_default());
            start = end;
        }
        // Next row of each run; the value is not compared, and of equal keys the earlier run is first.
        let key = |row: &Row, run: usize| {
            Reverse((sorter.block_of(row), row.rank, row.time_ms, run, row.value.to_bits()))
        };
        let mut heap = BinaryHeap::new();
        for (idx, run) in runs.iter_mut().enumerate() {
            heap.extend(read_row(run).map(|row| key(&row, idx)));
        }
        let mut open: Option<OpenBlock<'a>> = None;
        while let Some(Reverse((number, rank, time_ms, idx, bits))) = heap.pop() {
            if let Some(run) = runs.get_mut(idx) {
                heap.extend(read_row(run).map(|row| key(&row, idx)));
            }
            if open.as_ref().is_none_or(|block| block.number != number) {
                self.finish(open.take())?;
                open = Some(self.begin(number, sorter.blocks.get(&number))?);
            }
            if let Some(block) = &mut open {
                self.push(block, rank, (time_ms, f64::from_bits(bits)))?;
            }
        }
        self.finish(open)?;
        Ok(self.outcome)
    }

    fn begin(&self, number: i64, ranks: Option<&RoaringBitmap>) -> Result<OpenBlock<'a>, ToolError> {
        let mut symbols = Vec::new();
        for rank in ranks.into_iter().flatten() {
            let labels = self.labels.get(rank as usize).into_iter().flat_map(|labels| labels.iter());
            symbols.extend(labels.flat_map(|(name, value)| [name, value]));
            if symbols.len() > 1 << 20 {
                symbols.sort_unstable();
                symbols.dedup();
            }
        }
        symbols.sort_unstable();
        symbols.dedup();
        let ulid = Ulid::generate(self.request.now_ms);
        let writer = BlockWriter::create(self.disk, self.output, ulid, symbols.iter())?;
        let (min_time, max_time) = (i64::MAX, i64::MIN);
        Ok(OpenBlock { number, writer, symbols, min_time, max_time, rank: 0, samples: Vec::new() })
    }

    fn push(&mut self, block: &mut OpenBlock<'a>, rank: u32, sample: (i64, f64)) -> Result<(), ToolError> {
        if block.rank != rank {
            self.add_series(block)?;
            block.rank = rank;
        }
        match block.samples.last() {
            Some((time_ms, value)) if *time_ms == sample.0 => {
                self.outcome.n_duplicates += u64::from(value.to_bits() != sample.1.to_bits());
            }
            _ => block.samples.push(sample),
        }
        Ok(())
    }

    /// Hands the samples gathered to the writer.
    fn add_series(&self, block: &mut OpenBlock<'a>) -> Result<(), ToolError> {
        let (Some(first), Some(last)) = (block.samples.first(), block.samples.last()) else { return Ok(()) };
        block.min_time = block.min_time.min(first.0);
        block.max_time = block.max_time.max(last.0.saturating_add(1));
        let mut writer = Writer::new(CHUNK_SAMPLES, self.floats);
        let mut encoded = Vec::new();
        for (time_ms, value) in &block.samples {
            let ended = writer.push(&StoredSample::float(*time_ms, *value));
            encoded.extend(ended.map_err(|error| ToolError::Request(error.to_string()))?);
        }
        encoded.extend(writer.finish());
        let chunks: Vec<OutChunk<'_>> = encoded
            .iter()
            .map(|chunk| OutChunk {
                min_time: chunk.min_time_ms,
                max_time: chunk.max_time_ms,
                encoding: chunk.encoding,
                data: &chunk.bytes,
            })
            .collect();
        let ordinal = |text: &str| {
            let found = block.symbols.binary_search(&text);
            u32::try_from(found.unwrap_or(usize::MAX)).unwrap_or(u32::MAX)
        };
        let labels = self.labels.get(block.rank as usize).into_iter().flat_map(|labels| labels.iter());
        let pairs: Vec<(u32, u32)> = labels.map(|(name, value)| (ordinal(name), ordinal(value))).collect();
        block.writer.add_series(&pairs, &chunks)?;
        block.samples.clear();
        Ok(())
    }

    fn finish(&mut self, block: Option<OpenBlock<'a>>) -> Result<(), ToolError> {
        let Some(mut block) = block else { return Ok(()) };
        self.add_series(&mut block)?;
        let draft = MetaDraft { min_time: block.min_time, max_time: block.max_time, ..MetaDraft::default() };
        if let Some(meta) = block.writer.finish(draft)? {
            self.outcome.n_blocks += 1;
            self.outcome.n_samples += meta.stats.n_samples;
            (self.each)(&Block::open(self.disk, &meta.dir_in(self.output))?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_grow_by_threes_up_to_what_is_asked_for() {
        const HOUR: i64 = 3_600_000;
        for (max, want) in [(0, 2), (2, 2), (5, 2), (6, 6), (53, 18), (54, 54), (i64::MAX / HOUR, 39_366)] {
            assert_eq!(block_ms(max * HOUR), want * HOUR, "{max} h");
        }
    }
}
