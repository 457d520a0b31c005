//! Aggregations that keep some of the input series: `topk`, `bottomk`, `limitk`, `limit_ratio`.

use std::cmp::Ordering;

use wf_model::Labels;
use wf_model::float::format_g;
use wf_series::LabelColumn;

use super::{Groups, Inputs};
use crate::ast::Pos;
use crate::engine::column::{Column, StepSet};
use crate::engine::context::Cx;
use crate::engine::error::QueryError;
use crate::engine::operator::{BoxVector, Materialized, Series, VectorOp};
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

/// `topk` and `bottomk`.
pub(crate) fn extremes(
    inputs: Inputs,
    k: &Scalar,
    is_top: bool,
    pos: Pos,
    cx: &mut Cx<'_>,
) -> Result<BoxVector, QueryError> {
    let Inputs { op, groups, n_steps, .. } = inputs;
    let counts = counts(k, n_steps)?;
    // The input is evaluated even when nothing is kept: its errors and remarks count.
    let (mut kept, members) = collect_by_group(&*op, &groups, cx)?;
    let Some(counts) = counts else {
        kept.series.clear();
        return Ok(Box::new(kept));
    };
    if kept.series.iter().any(|series| !series.column.histograms.is_empty()) {
        let name = if is_top { "topk" } else { "bottomk" };
        cx.remarks.info(pos, format!("ignored histogram in {name} aggregation"));
    }
    let mut selected = vec![StepSet::default(); kept.series.len()];
    selected.iter_mut().for_each(|steps| steps.reset(n_steps));
    let mut order = Vec::with_capacity(kept.series.len());
    for group in &members {
        for (step, count) in counts.iter().enumerate() {
            if step % 64 == 0 {
                cx.check()?;
            }
            let mut ranked: Vec<(f64, usize)> = group
                .iter()
                .filter(|idx| kept.series[**idx].column.floats.contains(step))
                .map(|idx| (kept.series[*idx].column.values[step], *idx))
                .collect();
            ranked.sort_by(|a, b| rank(a.0, b.0, is_top));
            ranked.truncate(*count);
            for (_, idx) in &ranked {
                selected[*idx].insert(step);
            }
            if n_steps == 1 {
                order.extend(ranked.iter().map(|(_, idx)| *idx));
            }
        }
    }
    for (series, steps) in kept.series.iter_mut().zip(&selected) {
        series.column.histograms.clear();
        series.column.retain(|step, _| steps.contains(step));
    }
    if n_steps == 1 {
        // An instant result comes in the order of its values, group by group.
        let in_order = order.iter().map(|idx| kept.series[*idx].clone()).collect();
        kept.series = in_order;
    }
    kept.series.retain(|series| !series.column.is_empty());
    Ok(Box::new(kept))
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
    let mut column = cx.take_column();
    for (idx, group) in groups.of.iter().enumerate() {
        cx.check()?;
        op.read(idx, &mut column, cx)?;
        if column.is_empty() {
            continue;
        }
        held.grow(column.weight())?;
        members[*group as usize].push(series.len());
        let drops_name = op.drops_name(idx);
        series.push(Series { labels: op.labels(idx), drops_name, column: column.clone() });
    }
    cx.give_column(column);
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
