//! Prints samples of a data directory: those of its blocks, and of its head as far as the log has it.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use wf_model::float::format_g;
use wf_model::labels::is_legacy_metric_name;
use wf_model::quote::GoQuoted;
use wf_model::{Labels, METRIC_NAME, Matcher, TimeRange};
use wf_series::{SampleColumns, SelectRequest, Selection, SeriesSource};

use super::ToolError;
use super::blocks::open_blocks;
use super::sandbox::Sandbox;
use crate::block::{BlockError, BlockSource};
use crate::disk::{Disk, os_disk};
use crate::head::Head;
use crate::{ReplayProgress, TsdbOptions};

/// What the samples are printed as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `{labels} value milliseconds`, as `promtool tsdb dump`.
    Plain,
    /// `name{labels} value seconds`, which [`super::backfill`] reads; histograms are left out.
    OpenMetrics,
}

/// Which samples are printed.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// Series that satisfy all matchers of any set; no set, all series.
    pub matcher_sets: &'a [Vec<Matcher>],
    /// Samples inside.
    pub range: TimeRange,
    /// How.
    pub form: Form,
}

/// Where a series has samples: which selection, which place in it.
type Places = Vec<(usize, usize)>;

/// Prints the samples of the data directory `dir` by series, sorted by labels. The directory is not written to; what
/// reading back the log takes goes to `scratch`, an empty directory elsewhere. Returns the blocks that were left out
/// because they cannot be opened.
/// # Errors
/// When the directory cannot be read, samples are damaged, or the result cannot be written.
pub fn dump(
    dir: &Path,
    scratch: &Path,
    request: &Request<'_>,
    out: &mut dyn io::Write,
) -> Result<Vec<BlockError>, ToolError> {
    let disk = os_disk();
    let (blocks, broken) = open_blocks(&disk, dir)?;
    let mut selections: Vec<Arc<dyn Selection>> = Vec::new();
    let all = [Vec::new()];
    let sets = if request.matcher_sets.is_empty() { &all } else { request.matcher_sets };
    // The log may still have what blocks have, and what was deleted from them.
    let cut = blocks.iter().map(|block| block.meta()).filter(|meta| !meta.has_origin_hint());
    let min_valid = cut.map(|meta| meta.max_time).max().unwrap_or(i64::MIN);
    for block in blocks {
        for matchers in sets {
            let selection =
                BlockSource(Arc::clone(&block)).select(&SelectRequest { matchers, range: request.range })?;
            selections.push(selection);
        }
    }
    if let Some(head) = open_head(dir, scratch, min_valid)? {
        for matchers in sets {
            selections.push(head.select(&SelectRequest { matchers, range: request.range }));
        }
    }
    let mut places: BTreeMap<Labels, Places> = BTreeMap::new();
    for (source, selection) in selections.iter().enumerate() {
        for idx in 0..selection.len() {
            places.entry(selection.labels(idx)).or_default().push((source, idx));
        }
    }
    for (labels, places) in places {
        let columns = read_merged(&selections, &places, request.range)?;
        write_series(out, &labels, &columns, request.form)?;
    }
    if request.form == Form::OpenMetrics {
        writeln!(out, "# EOF")?;
    }
    Ok(broken)
}

/// Reads back what the head has from `min_valid` on, if there is one, without writing to `dir`.
fn open_head(dir: &Path, scratch: &Path, min_valid: i64) -> Result<Option<Arc<Head>>, ToolError> {
    let disk: Arc<dyn Disk> = Arc::new(Sandbox::new(dir, scratch));
    if ["wal", "wbl", "chunks_head"].iter().all(|name| disk.info(&dir.join(name)).is_err()) {
        return Ok(None);
    }
    let (series_max, memory_bytes_max) = (u64::MAX, u64::MAX);
    let options =
        TsdbOptions { series_max, memory_bytes_max, head_snapshot: false, ..TsdbOptions::default() };
    let head = Head::open(&disk, dir, options, 0, false, min_valid, &ReplayProgress::default())?;
    Ok(Some(Arc::new(head)))
}

/// Decodes a series from all places; of samples with the same time the first place's counts.
fn read_merged(
    selections: &[Arc<dyn Selection>],
    places: &Places,
    range: TimeRange,
) -> Result<SampleColumns, ToolError> {
    let mut merged = SampleColumns::default();
    let mut part = SampleColumns::default();
    for (source, idx) in places {
        let Some(selection) = selections.get(*source) else { continue };
        selection.read(*idx, range, &mut part)?;
        if merged.times_ms.last() < part.times_ms.first() || merged.is_empty() {
            append(&mut merged, &part);
        } else if !part.is_empty() {
            merged = interleave(&merged, &part);
        }
    }
    Ok(merged)
}

fn append(columns: &mut SampleColumns, part: &SampleColumns) {
    (0..part.len()).for_each(|idx| push(columns, part, idx));
}

fn interleave(first: &SampleColumns, second: &SampleColumns) -> SampleColumns {
    let mut merged = SampleColumns::default();
    let (mut a, mut b) = (0, 0);
    loop {
        match (first.times_ms.get(a), second.times_ms.get(b)) {
            (None, None) => return merged,
            (Some(left), right) if right.is_none_or(|right| left <= right) => {
                b += usize::from(right == Some(left));
                push(&mut merged, first, a);
                a += 1;
            }
            _ => {
                push(&mut merged, second, b);
                b += 1;
            }
        }
    }
}

fn push(out: &mut SampleColumns, columns: &SampleColumns, idx: usize) {
    let (Some(time_ms), Some(value)) = (columns.times_ms.get(idx), columns.values.get(idx)) else { return };
    match columns.histograms.binary_search_by_key(&idx, |(position, _)| *position) {
        Ok(found) => {
            if let Some((_, histogram)) = columns.histograms.get(found) {
                out.push_histogram(*time_ms, Arc::clone(histogram));
            }
        }
        Err(_) => out.push(*time_ms, *value),
    }
}

fn write_series(
    out: &mut dyn io::Write,
    labels: &Labels,
    columns: &SampleColumns,
    form: Form,
) -> Result<(), ToolError> {
    let name = match form {
        Form::Plain => labels.to_string(),
        Form::OpenMetrics => openmetrics_name(labels),
    };
    let mut histograms = columns.histograms.iter().peekable();
    for (idx, (time_ms, value)) in columns.times_ms.iter().zip(&columns.values).enumerate() {
        let histogram = histograms.next_if(|(position, _)| *position == idx);
        match (form, histogram) {
            (Form::Plain, None) => writeln!(out, "{name} {} {time_ms}", format_g(*value))?,
            (Form::Plain, Some((_, histogram))) => writeln!(out, "{name} {histogram} {time_ms}")?,
            (Form::OpenMetrics, None) => {
                let sign = if *time_ms < 0 { "-" } else { "" };
                let ms = time_ms.unsigned_abs();
                writeln!(out, "{name} {} {sign}{}.{:03}", format_g(*value), ms / 1000, ms % 1000)?;
            }
            (Form::OpenMetrics, Some(_)) => {}
        }
    }
    Ok(())
}

/// Writes `name{a="b"}`; a name that is no identifier goes into the braces.
fn openmetrics_name(labels: &Labels) -> String {
    let metric = labels.metric_name();
    let is_plain = is_legacy_metric_name(metric);
    let mut pairs = Vec::new();
    if !is_plain && !metric.is_empty() {
        pairs.push(GoQuoted(metric).to_string());
    }
    for (name, value) in labels.iter().filter(|(name, _)| *name != METRIC_NAME) {
        if wf_model::labels::is_legacy_label_name(name) {
            pairs.push(format!("{name}={}", GoQuoted(value)));
        } else {
            pairs.push(format!("{}={}", GoQuoted(name), GoQuoted(value)));
        }
    }
    format!("{}{{{}}}", if is_plain { metric } else { "" }, pairs.join(","))
}
