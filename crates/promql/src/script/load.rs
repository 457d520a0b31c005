//! Loading: series lines into a plain storage, read back as a database would return them.

use std::collections::BTreeMap;
use std::sync::Arc;

use wf_model::histogram::{CUSTOM_BUCKETS_SCHEMA, CounterResetHint};
use wf_model::{FloatHistogram, Labels, METRIC_NAME};
use wf_series::SampleColumns;
use wf_series::memory::MemoryStorage;

use super::command::{Load, SeriesLine, Value};

/// Stores every series of `load`, replacing or extending what is there.
pub(super) fn load(storage: &MemoryStorage, load: &Load) -> Result<(), (usize, String)> {
    for line in &load.series {
        let samples = columns(line, load.step_ms);
        extend(storage, &line.labels, samples);
    }
    if load.with_nhcb {
        for (labels, samples) in custom_bucket_series(load).map_err(|message| (0, message))? {
            extend(storage, &labels, samples);
        }
    }
    Ok(())
}

fn columns(line: &SeriesLine, step_ms: i64) -> SampleColumns {
    let mut samples = SampleColumns::default();
    let mut previous: Option<Arc<FloatHistogram>> = None;
    for (idx, value) in line.values.iter().enumerate() {
        let time_ms = i64::try_from(idx).unwrap_or(i64::MAX).saturating_mul(step_ms);
        match value {
            Value::Gap => continue,
            Value::Float(value) => {
                samples.push(time_ms, *value);
                previous = None;
            }
            Value::Histogram(histogram, _) => {
                let stored = as_read_back(histogram, previous.as_deref());
                previous = Some(Arc::clone(histogram));
                samples.push_histogram(time_ms, Arc::new(stored));
            }
        }
        if !line.start_offsets_ms.is_empty() {
            let offset = line.start_offsets_ms.get(idx).copied().flatten();
            samples.start_times_ms.push(offset.map_or(0, |offset| time_ms + offset));
        }
    }
    samples
}

/// A stored counter histogram reads back with the hint its chunk gives it: unknown for the first of a chunk, not reset
/// for the others; a new chunk begins wherever the counter was reset or the layout changed.
fn as_read_back(histogram: &FloatHistogram, previous: Option<&FloatHistogram>) -> FloatHistogram {
    let mut stored = histogram.clone();
    if stored.counter_reset_hint == CounterResetHint::Gauge {
        return stored;
    }
    let continues = previous.is_some_and(|previous| {
        previous.counter_reset_hint != CounterResetHint::Gauge
            && histogram.counter_reset_hint != CounterResetHint::Reset
            && previous.schema == histogram.schema
            && previous.zero_threshold == histogram.zero_threshold
            && previous.custom_values == histogram.custom_values
            && !wf_model::is_stale_nan(previous.sum)
            && !histogram.detect_reset(previous)
    });
    stored.counter_reset_hint =
        if continues { CounterResetHint::NotReset } else { CounterResetHint::Unknown };
    stored
}

/// Adds samples to a series; of two samples at one time the new one wins.
fn extend(storage: &MemoryStorage, labels: &Labels, added: SampleColumns) {
    let Some(known) = storage.get(labels) else {
        storage.insert(labels.clone(), added);
        return;
    };
    let mut rows: BTreeMap<i64, Row> = BTreeMap::new();
    for samples in [known.as_ref(), &added] {
        rows.extend(samples_of(samples));
    }
    let has_starts = rows.values().any(|row| row.start_ms != 0);
    let mut merged = SampleColumns::default();
    for (time_ms, row) in rows {
        match row.histogram {
            Some(histogram) => merged.push_histogram(time_ms, histogram),
            None => merged.push(time_ms, row.value),
        }
        if has_starts {
            merged.start_times_ms.push(row.start_ms);
        }
    }
    storage.insert(labels.clone(), merged);
}

/// A sample taken out of its columns.
struct Row {
    value: f64,
    histogram: Option<Arc<FloatHistogram>>,
    start_ms: i64,
}

fn samples_of(samples: &SampleColumns) -> impl Iterator<Item = (i64, Row)> + '_ {
    samples.times_ms.iter().zip(&samples.values).enumerate().map(|(idx, (time_ms, value))| {
        let found = samples.histograms.binary_search_by_key(&idx, |(position, _)| *position).ok();
        let histogram =
            found.and_then(|at| samples.histograms.get(at)).map(|(_, histogram)| Arc::clone(histogram));
        let start_ms = samples.start_times_ms.get(idx).copied().unwrap_or(0);
        (*time_ms, Row { value: *value, histogram, start_ms })
    })
}

/// What is known of a classic histogram at one step.
#[derive(Clone, Debug, Default)]
struct Classic {
    /// Cumulative counts by upper bound.
    buckets: Vec<(f64, f64)>,
    count: Option<f64>,
    sum: f64,
}

/// Builds a series of histograms with custom buckets from each group of `_bucket`, `_count` and `_sum` series.
fn custom_bucket_series(load: &Load) -> Result<Vec<(Labels, SampleColumns)>, String> {
    let mut groups: BTreeMap<Labels, BTreeMap<usize, Classic>> = BTreeMap::new();
    for line in &load.series {
        let name = line.labels.metric_name();
        let part = ["_bucket", "_count", "_sum"].into_iter().find(|suffix| name.ends_with(suffix));
        let Some(suffix) = part else { continue };
        let bound = line.labels.get("le").map(str::parse::<f64>);
        let bound = match (suffix, bound) {
            ("_bucket", Some(Ok(bound))) => bound,
            ("_bucket", _) => continue,
            _ => f64::INFINITY,
        };
        let group = groups.entry(base_labels(&line.labels, suffix)).or_default();
        for (step, value) in line.values.iter().enumerate() {
            let Value::Float(value) = value else { continue };
            let classic = group.entry(step).or_default();
            match suffix {
                "_bucket" => classic.buckets.push((bound, *value)),
                "_count" => classic.count = Some(*value),
                _ => classic.sum = *value,
            }
        }
    }
    let mut series = Vec::new();
    for (labels, steps) in groups {
        let mut line = SeriesLine { line: 0, labels, values: Vec::new(), start_offsets_ms: Vec::new() };
        for (step, classic) in steps {
            line.values.resize(step, Value::Gap);
            let histogram = Arc::new(custom_buckets(classic)?);
            line.values.push(Value::Histogram(histogram, super::command::HintGiven::No));
        }
        let samples = columns(&line, load.step_ms);
        series.push((line.labels, samples));
    }
    Ok(series)
}

fn base_labels(labels: &Labels, suffix: &str) -> Labels {
    let base = labels.metric_name().strip_suffix(suffix).unwrap_or_default();
    let others = labels.iter().filter(|(name, _)| *name != METRIC_NAME && *name != "le");
    Labels::from_pairs(others.chain([(METRIC_NAME, base)]))
}

fn custom_buckets(mut classic: Classic) -> Result<FloatHistogram, String> {
    classic.buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    let highest = classic.buckets.last().map_or(0.0, |(_, count)| *count);
    let count = classic.count.unwrap_or(highest);
    if classic.buckets.last().is_none_or(|(bound, _)| *bound != f64::INFINITY) {
        classic.buckets.push((f64::INFINITY, count));
    } else if count != highest {
        return Err(format!("classic histogram: count {count} differs from the +Inf bucket's {highest}"));
    }
    let mut before = 0.0;
    let mut positive_buckets = Vec::new();
    for (_, cumulative) in &classic.buckets {
        if *cumulative < before {
            return Err("classic histogram: buckets are not cumulative".to_owned());
        }
        positive_buckets.push(cumulative - before);
        before = *cumulative;
    }
    let length = u32::try_from(positive_buckets.len()).unwrap_or(u32::MAX);
    let bounds = classic.buckets.iter().map(|(bound, _)| *bound).filter(|bound| bound.is_finite());
    let mut histogram = FloatHistogram {
        schema: CUSTOM_BUCKETS_SCHEMA,
        count,
        sum: classic.sum,
        positive_spans: vec![wf_model::histogram::Span { offset: 0, length }],
        positive_buckets,
        custom_values: bounds.collect(),
        ..FloatHistogram::default()
    };
    histogram.compact();
    Ok(histogram)
}
