//! What a block consists of: churn, cardinality, fullness of chunks.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use wf_model::METRIC_NAME;

use super::ToolError;
use super::table::go_duration;
use crate::FastMap;
use crate::block::chunk_files::n_samples;
use crate::block::{Block, SeriesEntry, Symbols};

/// Samples that a chunk is filled up to.
const CHUNK_SAMPLES: usize = 120;

/// Buckets of the histogram of fullness.
const N_BUCKETS: usize = 10;

/// What to report.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// Items of each list.
    pub limit: usize,
    /// Whether chunks are looked at, too.
    pub is_extended: bool,
}

/// Seconds or series by pair or name.
#[derive(Default)]
struct Counts {
    n_series: u64,
    n_entries: u64,
    /// By label pair: time of the block in which a series with it had no samples, ms, and series.
    pairs: FastMap<(u32, u32), (u64, u64)>,
}

/// Prints what `block` consists of, in the form of the original's `promtool tsdb analyze`.
/// # Errors
/// When the block is damaged or the report cannot be written.
pub fn write_report(out: &mut dyn io::Write, block: &Arc<Block>, request: Request) -> Result<(), ToolError> {
    let meta = block.meta();
    let duration_ms = meta.max_time.saturating_sub(meta.min_time).max(0).unsigned_abs();
    let counts = count(block, duration_ms)?;
    let (table, bytes) = block.index().postings_table()?;
    let names: Vec<_> = table.names(bytes).collect();
    writeln!(out, "Block ID: {}", meta.ulid)?;
    writeln!(out, "Duration: {}", go_duration(meta.max_time.saturating_sub(meta.min_time)))?;
    writeln!(out, "Series: {}", counts.n_series)?;
    writeln!(out, "Label names: {}", names.len())?;
    writeln!(out, "Postings (unique label pairs): {}", counts.pairs.len())?;
    writeln!(out, "Postings entries (total label pairs): {}", counts.n_entries)?;

    let symbols = block.symbols()?;
    let share = |uncovered_ms: u64| uncovered_ms.checked_div(duration_ms).unwrap_or(0);
    let mut uncovered_by_name: BTreeMap<u32, u64> = BTreeMap::new();
    let (mut churning, mut common) = (Vec::new(), Vec::new());
    for ((name, value), (uncovered_ms, n_series)) in &counts.pairs {
        *uncovered_by_name.entry(*name).or_default() += uncovered_ms;
        churning.push((share(*uncovered_ms), (*name, *value)));
        common.push((*n_series, (*name, *value)));
    }
    write_top_pairs(out, "Label pairs most involved in churning", churning, &symbols, request.limit)?;
    let mut churning_names = Vec::new();
    for (name, uncovered_ms) in &uncovered_by_name {
        churning_names.push((share(*uncovered_ms), symbols.get(*name)?.to_owned()));
    }
    write_top(out, "Label names most involved in churning", churning_names, request.limit)?;
    write_top_pairs(out, "Most common label pairs", common, &symbols, request.limit)?;

    let (mut lengths, mut cardinalities) = (Vec::new(), Vec::new());
    for (name, name_table) in &names {
        let length: usize = table.values_from(bytes, name_table, "").map(|entry| entry.value.len()).sum();
        lengths.push((length as u64, (*name).to_owned()));
        cardinalities.push((u64::from(name_table.n_values()), (*name).to_owned()));
    }
    write_top(out, "Label names with highest cumulative label value length", lengths, request.limit)?;
    write_top(out, "Highest cardinality labels", cardinalities, request.limit)?;
    let mut metrics = Vec::new();
    if let Some(name_table) = table.name(bytes, METRIC_NAME) {
        for entry in table.values_from(bytes, name_table, "") {
            metrics.push((block.index().postings(entry.offset)?.len() as u64, entry.value.to_owned()));
        }
    }
    write_top(out, "Highest cardinality metric names", metrics, request.limit)?;
    if request.is_extended { write_fullness(out, block) } else { Ok(()) }
}

fn count(block: &Block, duration_ms: u64) -> Result<Counts, ToolError> {
    let mut counts = Counts::default();
    let mut cursor = block.series()?;
    while let Some(entry) = cursor.next()? {
        counts.n_series += 1;
        let SeriesEntry { labels, chunks, .. } = entry;
        let (Some(first), Some(last)) = (chunks.first(), chunks.last()) else { continue };
        let covered_ms = last.max_time.saturating_sub(first.min_time).max(0).unsigned_abs();
        let uncovered_ms = duration_ms.saturating_sub(covered_ms);
        for pair in labels {
            let (sum_ms, n_series) = counts.pairs.entry(*pair).or_default();
            *sum_ms = sum_ms.saturating_add(uncovered_ms);
            *n_series += 1;
            counts.n_entries += 1;
        }
    }
    Ok(counts)
}

fn write_top_pairs(
    out: &mut dyn io::Write,
    title: &str,
    mut items: Vec<(u64, (u32, u32))>,
    symbols: &Symbols<'_>,
    limit: usize,
) -> Result<(), ToolError> {
    // Ordinals ascend as the text does: equal counts are in the order of the text.
    items.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    writeln!(out, "\n{title}:")?;
    for (count, (name, value)) in items.into_iter().take(limit) {
        writeln!(out, "{count} {}={}", symbols.get(name)?, symbols.get(value)?)?;
    }
    Ok(())
}

fn write_top(
    out: &mut dyn io::Write,
    title: &str,
    mut items: Vec<(u64, String)>,
    limit: usize,
) -> Result<(), ToolError> {
    items.sort_unstable_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    writeln!(out, "\n{title}:")?;
    for (count, text) in items.into_iter().take(limit) {
        writeln!(out, "{count} {text}")?;
    }
    Ok(())
}

/// Prints how full chunks are.
fn write_fullness(out: &mut dyn io::Write, block: &Block) -> Result<(), ToolError> {
    let mut buckets = [0_u64; N_BUCKETS];
    let mut n_chunks = 0;
    let mut cursor = block.series()?;
    while let Some(entry) = cursor.next()? {
        for chunk in &entry.chunks {
            let (encoding, data) = block.chunk(chunk.chunk_ref)?;
            let n = usize::from(n_samples(encoding, data)).min(CHUNK_SAMPLES);
            let bucket = (n * N_BUCKETS).div_ceil(CHUNK_SAMPLES).saturating_sub(1);
            if let Some(count) = buckets.get_mut(bucket) {
                *count += 1;
            }
            n_chunks += 1;
        }
    }
    writeln!(out, "\nCompaction analysis:")?;
    writeln!(out, "Fullness: Amount of samples in chunks (100% is {CHUNK_SAMPLES} samples)")?;
    for (bucket, count) in buckets.iter().enumerate() {
        let percentage = usize::try_from((100 * count).checked_div(n_chunks).unwrap_or(0)).unwrap_or(100);
        writeln!(out, "{:>7}%: {}", (bucket + 1) * 10, "#".repeat(percentage))?;
    }
    Ok(())
}
