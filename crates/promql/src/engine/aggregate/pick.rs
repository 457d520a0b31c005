//! Aggregations that keep some of the input series: `topk`, `bottomk`, `limitk`, `limit_ratio`.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use wf_model::Labels;
use wf_model::float::format_g;
use wf_series::LabelColumn;

use super::{Groups, Inputs};
use crate::ast::Pos;
use crate::engine::column::Column;
use crate::engine::context::Cx;
use crate::engine::error::QueryError;
use crate::engine::operator::{BoxVector, Materialized, Series, VectorOp};
use crate::engine::parallel::for_each_series;
use crate::engine::scalar::Scalar;

/// Returns how many elements to keep at each step; `None` when that is none at all.
fn counts(k: &Scalar, n_steps: usize) -> Result<Option<Vec<usize>>, QueryError> {
    let values: Vec<f64> = (0..n_steps).map(|step| k.at(step)).collect();
    if values.iter().all(|value| *value < 1.0) {
        return Ok(None);
    }
    if values.iter().any(|value| value.is_nan()) {
        return Err(QueryError::Execution("Parameter value is NaN".into()));
    }
    let range = -(2_f64.powi(63))..2_f64.powi(63);
    if let Some(value) = values.iter().find(|value| **value <= range.start) {
        return Err(QueryError::Execution(format!("Scalar value {} underflows int64", format_g(*value))));
    }
    if let Some(value) = values.iter().find(|value| **value >= range.end) {
        return Err(QueryError::Execution(format!("Scalar value {} overflows int64", format_g(*value))));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "inside i64; below 1 becomes 0"
    )]
    let counts = values.iter().map(|value| if *value < 1.0 { 0 } else { *value as usize }).collect();
    Ok(Some(counts))
}

/// `topk` and `bottomk`: one pass that keeps, per group and step, little more than the best so far.
pub(crate) fn extremes(
    inputs: Inputs,
    k: &Scalar,
    is_top: bool,
    pos: Pos,
    cx: &mut Cx<'_>,
) -> Result<BoxVector, QueryError> {
    let Inputs { op, groups, n_steps, .. } = inputs;
    // The input is evaluated even when nothing is kept: its errors and remarks count.
    let counts = counts(k, n_steps)?.unwrap_or_else(|| vec![0; n_steps]);
    let mut held = cx.hold((groups.len() * n_steps) as u64)?;
    let mut best = vec![Best::default(); groups.len() * n_steps];
    // What is worse than this has no chance: nearly all values are turned away here, by a look at eight bytes.
    let no_bar = if is_top { f64::NEG_INFINITY } else { f64::INFINITY };
    let mut bars = vec![no_bar; best.len()];
    let mut has_histograms = false;
    for_each_series(&*op, cx, |idx, column, _| {
        has_histograms |= !column.histograms.is_empty();
        let own = groups.of[idx] as usize * n_steps;
        let (cells, bars) = (&mut best[own..own + n_steps], &mut bars[own..own + n_steps]);
        let mut n_kept = 0;
        for step in column.floats.runs().flatten() {
            let (value, bar) = (column.values[step], &mut bars[step]);
            if is_top && value < *bar || !is_top && value > *bar {
                continue;
            }
            n_kept += u64::from(cells[step].offer((value, idx), counts[step], is_top));
            *bar =
                cells[step].last_wanted.map_or(no_bar, |(last, _)| if last.is_nan() { no_bar } else { last });
        }
        held.grow(n_kept)
    })?;
    if has_histograms {
        let name = if is_top { "topk" } else { "bottomk" };
        cx.remarks.info(pos, format!("ignored histogram in {name} aggregation"));
    }
    // In order of series; an instant result in the order of its values, group by group.
    let mut columns: BTreeMap<(usize, usize), Column> = BTreeMap::new();
    for (cell, best) in best.into_iter().enumerate() {
        let step = cell % n_steps;
        for (place, (value, idx)) in best.finish(counts[step], is_top).into_iter().enumerate() {
            let key = if n_steps == 1 { (cell * op.len() + place, idx) } else { (0, idx) };
            columns.entry(key).or_insert_with(|| Column::new(n_steps)).set_float(step, value);
        }
    }
    let kept = columns.into_iter().map(|((_, idx), column)| Series {
        labels: op.labels(idx),
        drops_name: op.drops_name(idx),
        column,
    });
    let kept = kept.collect();
    drop(held);
    Ok(Box::new(Materialized::new(kept, cx)?))
}

/// The best values of a group at a step, with their series.
#[derive(Clone, Debug, Default)]
struct Best {
    /// More than are wanted, unordered, until it pays to throw the rest away.
    candidates: Vec<(f64, usize)>,
    /// The last that is wanted, as of the last clean-up: nothing behind it has a chance.
    last_wanted: Option<(f64, usize)>,
}

impl Best {
    /// Takes a value into account; returns whether more is held than before.
    #[inline]
    fn offer(&mut self, candidate: (f64, usize), k: usize, is_top: bool) -> bool {
        let order = |a: &(f64, usize), b: &(f64, usize)| rank(a.0, b.0, is_top).then(a.1.cmp(&b.1));
        if k == 0 || self.last_wanted.is_some_and(|last| order(&candidate, &last).is_gt()) {
            return false;
        }
        if self.candidates.len() >= k.saturating_mul(2).saturating_add(8) {
            self.candidates.select_nth_unstable_by(k - 1, order);
            self.candidates.truncate(k);
            self.last_wanted = self.candidates.last().copied();
        }
        self.candidates.push(candidate);
        self.last_wanted.is_none()
    }

    /// Returns the `k` best in order.
    fn finish(mut self, k: usize, is_top: bool) -> Vec<(f64, usize)> {
        self.candidates.sort_unstable_by(|a, b| rank(a.0, b.0, is_top).then(a.1.cmp(&b.1)));
        self.candidates.truncate(k);
        self.candidates
    }
}

/// Orders the best first, NaN last.
fn rank(a: f64, b: f64, is_top: bool) -> Ordering {
    a.is_nan().cmp(&b.is_nan()).then_with(|| {
        let ascending = a.partial_cmp(&b).unwrap_or(Ordering::Equal);
        if is_top { ascending.reverse() } else { ascending }
    })
}

/// Computes all series; returns them and, per group, the indices of its members.
fn collect_by_group(
    op: &dyn VectorOp,
    groups: &Groups,
    cx: &mut Cx<'_>,
) -> Result<(Materialized, Vec<Vec<usize>>), QueryError> {
    let mut series = Vec::new();
    let mut members = vec![Vec::new(); groups.len()];
    let mut held = cx.hold(0)?;
    for_each_series(op, cx, |idx, column, _| {
        if !column.is_empty() {
            held.grow(column.weight())?;
            members[groups.of[idx] as usize].push(series.len());
            let (labels, drops_name) = (op.labels(idx), op.drops_name(idx));
            series.push(Series { labels, drops_name, column: std::mem::take(column) });
        }
        Ok(())
    })?;
    drop(held);
    Ok((Materialized::new(series, cx)?, members))
}

/// `limitk`: the first k series of each group that have a sample.
pub(crate) fn limit_k(inputs: Inputs, k: &Scalar, cx: &mut Cx<'_>) -> Result<BoxVector, QueryError> {
    let Inputs { op, groups, n_steps, .. } = inputs;
    let counts = counts(k, n_steps)?;
    let (mut kept, members) = collect_by_group(&*op, &groups, cx)?;
    let Some(counts) = counts else {
        kept.series.clear();
        return Ok(Box::new(kept));
    };
    for group in &members {
        let mut room = counts.clone();
        for idx in group {
            kept.series[*idx].column.retain(|step, _| {
                let is_kept = room[step] > 0;
                room[step] = room[step].saturating_sub(1);
                is_kept
            });
        }
    }
    kept.series.retain(|series| !series.column.is_empty());
    Ok(Box::new(kept))
}

/// `limit_ratio`: the share of all series whose hash falls below the ratio; a negative ratio keeps the complement.
pub(crate) fn limit_ratio(
    inputs: Inputs,
    ratio: &Scalar,
    ratio_pos: Pos,
    cx: &mut Cx<'_>,
) -> Result<BoxVector, QueryError> {
    let mut ratios: Vec<f64> = (0..inputs.n_steps).map(|step| ratio.at(step)).collect();
    if ratios.iter().any(|ratio| ratio.is_nan()) {
        return Err(QueryError::Execution("Ratio value is NaN".into()));
    }
    for ratio in &mut ratios {
        let capped = ratio.clamp(-1.0, 1.0);
        if capped != *ratio {
            let (got, cap) = (format_g(*ratio), format_g(capped));
            let text = format!("ratio value should be between -1 and 1, got {got}, capping to {cap}");
            cx.remarks.warn(ratio_pos, text);
            *ratio = capped;
        }
    }
    Ok(Box::new(RatioLimit { op: inputs.op, ratios }))
}

struct RatioLimit {
    op: BoxVector,
    ratios: Vec<f64>,
}

impl VectorOp for RatioLimit {
    fn len(&self) -> usize {
        self.op.len()
    }

    fn labels(&self, idx: usize) -> Labels {
        self.op.labels(idx)
    }

    fn drops_name(&self, idx: usize) -> bool {
        self.op.drops_name(idx)
    }

    fn label_column(&self, name: &str) -> LabelColumn {
        self.op.label_column(name)
    }

    fn read(&self, idx: usize, out: &mut Column, cx: &mut Cx<'_>) -> Result<(), QueryError> {
        self.op.read(idx, out, cx)?;
        let share = hash_share(&self.op.labels(idx));
        out.retain(|step, _| {
            let ratio = self.ratios[step];
            ratio > 0.0 && share < ratio || ratio < 0.0 && share >= 1.0 + ratio
        });
        Ok(())
    }
}

/// Returns the hash of a label set as a share of the whole range of hashes, 0 to 1.
fn hash_share(labels: &Labels) -> f64 {
    let mut bytes = Vec::new();
    for (name, value) in labels.iter() {
        for text in [name, value] {
            bytes.extend_from_slice(text.as_bytes());
            bytes.push(0xff);
        }
    }
    xxhash_rust::xxh64::xxh64(&bytes, 0) as f64 / u64::MAX as f64
}
