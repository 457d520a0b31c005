//! What a plan is expected to cost, once the series of its scans are counted.
//!
//! Rough on purpose: the series of a scan are known, everything above is a rule of thumb. The actual cost stands beside it.

use super::{BoundPlan, Estimate, LabelsNeeded, Operator, PlanNode};

/// Bytes of a value in a column, its bit included.
const VALUE_BYTES: u64 = 9;

/// Bytes of an accumulator: value, compensation, count.
const CELL_BYTES: u64 = 24;

/// Values that one label usually has, where nothing better is known.
const VALUES_PER_LABEL: u64 = 10;

impl BoundPlan {
    /// Fills in the estimates, inputs before their consumers.
    pub(crate) fn estimate(&mut self, sample_interval_ms: i64) {
        for id in (0..self.plan.nodes.len()).rev() {
            let node = &self.plan.nodes[id];
            let inputs: Vec<Estimate> = node
                .children
                .iter()
                .filter_map(|child| self.plan.nodes.get(*child))
                .map(|child| child.estimate)
                .collect();
            let mut estimate = match node.scan.and_then(|scan| self.plan.scans.get(scan)) {
                Some(scan) => {
                    let span_ms = scan.range.end_ms.saturating_sub(scan.range.start_ms);
                    let per_series = u64::try_from(span_ms / sample_interval_ms.max(1)).unwrap_or(0) + 1;
                    let series = scan.n_series as u64;
                    let samples = series.saturating_mul(per_series);
                    Estimate { series, samples, memory_bytes: 16 * per_series, ..Estimate::default() }
                }
                None => of_operator(node, &inputs),
            };
            estimate.rows = estimate.series.saturating_mul(node.steps.n_steps as u64);
            self.plan.nodes[id].estimate = estimate;
        }
    }
}

fn of_operator(node: &PlanNode, inputs: &[Estimate]) -> Estimate {
    let first = inputs.first().map_or(0, |input| input.series);
    let most = inputs.iter().map(|input| input.series).max().unwrap_or(0);
    let total = inputs.iter().fold(0_u64, |sum, input| sum.saturating_add(input.series));
    let steps = node.steps.n_steps as u64;
    let held = |series: u64, bytes: u64| series.saturating_mul(steps).saturating_mul(bytes);
    let column = steps * VALUE_BYTES;
    let (series, memory_bytes) = match &node.operator {
        Operator::Constant | Operator::ScalarArithmetic(_) => (1, 8),
        Operator::InstantSelector | Operator::RangeSelector => (0, 0),
        Operator::Subquery | Operator::Negate | Operator::Elementwise(_) => (most, column),
        Operator::Join(_) => {
            // The smaller side is usually the one that is held.
            (most, held(inputs.iter().map(|input| input.series).min().unwrap_or(0), VALUE_BYTES))
        }
        Operator::SetOperation("or") | Operator::Union => (total, held(total, VALUE_BYTES)),
        Operator::SetOperation(_) => (first, held(first, 1) / 8),
        Operator::Aggregate(op) => of_aggregate(op, node, first, steps),
        Operator::Call("histogram_quantile" | "histogram_fraction" | "sort" | "sort_desc") => {
            (most, held(most, VALUE_BYTES))
        }
        Operator::Call(_) => (most.max(1), column),
    };
    Estimate { series, samples: 0, rows: 0, memory_bytes }
}

fn of_aggregate(op: &str, node: &PlanNode, series: u64, steps: u64) -> (u64, u64) {
    let n_labels = match &node.labels {
        LabelsNeeded::All => None,
        LabelsNeeded::Only(names) => Some(names.len()),
    };
    let by = node.text.contains(" by ").then_some(n_labels.unwrap_or(1).max(1));
    let groups = match by {
        _ if node.text.contains(" without ") => series / 2,
        Some(n) => VALUES_PER_LABEL.saturating_pow(u32::try_from(n).unwrap_or(u32::MAX)),
        None => 1,
    };
    let groups = groups.clamp(1, series.max(1));
    match op {
        "topk" | "bottomk" | "limitk" | "limit_ratio" | "quantile" | "count_values" => {
            (groups, series.saturating_mul(steps).saturating_mul(VALUE_BYTES))
        }
        _ => (groups, groups.saturating_mul(steps).saturating_mul(CELL_BYTES)),
    }
}
