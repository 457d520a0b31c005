//! Aggregations that need one pass and a cell per group and step: memory follows the groups, not the series.

use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::Inputs;
use crate::ast::{AggregateOp, Pos};
use crate::engine::column::{Column, StepSet};
use crate::engine::compensated::{Mean, Sum};
use crate::engine::context::Cx;
use crate::engine::error::QueryError;
use crate::engine::histogram::{HistogramMean, HistogramSum, Seen};
use crate::engine::operator::{BoxVector, Materialized, Series};
use crate::engine::parallel::for_each_series;
use crate::engine::remarks::Remarks;
use wf_model::FloatHistogram;
use wf_model::histogram::Incompatible;

/// State of one group at one step.
trait Cell: Clone + Default {
    fn add(&mut self, value: f64);
    fn value(&self) -> f64;
}

impl Cell for Sum {
    #[inline]
    fn add(&mut self, value: f64) {
        Sum::add(self, value);
    }

    fn value(&self) -> f64 {
        Sum::value(self)
    }
}

impl Cell for Mean {
    fn add(&mut self, value: f64) {
        Mean::add(self, value);
    }

    fn value(&self) -> f64 {
        Mean::value(self)
    }
}

#[derive(Clone, Default)]
struct Count(f64);

impl Cell for Count {
    fn add(&mut self, _value: f64) {
        self.0 += 1.0;
    }

    fn value(&self) -> f64 {
        self.0
    }
}

/// `group`: 1 wherever there is anything.
#[derive(Clone, Default)]
struct One;

impl Cell for One {
    fn add(&mut self, _value: f64) {}

    fn value(&self) -> f64 {
        1.0
    }
}

/// NaN gives way to any number.
#[derive(Clone)]
struct Least(f64);

impl Default for Least {
    fn default() -> Self {
        Self(f64::NAN)
    }
}

impl Cell for Least {
    fn add(&mut self, value: f64) {
        if value < self.0 || self.0.is_nan() {
            self.0 = value;
        }
    }

    fn value(&self) -> f64 {
        self.0
    }
}

#[derive(Clone)]
struct Greatest(f64);

impl Default for Greatest {
    fn default() -> Self {
        Self(f64::NAN)
    }
}

impl Cell for Greatest {
    fn add(&mut self, value: f64) {
        if value > self.0 || self.0.is_nan() {
            self.0 = value;
        }
    }

    fn value(&self) -> f64 {
        self.0
    }
}

/// Population variance by Welford's method.
#[derive(Clone, Default)]
struct Variance {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Cell for Variance {
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        if self.count == 1.0 {
            self.mean = value;
            self.squares = if value.is_finite() { 0.0 } else { f64::NAN };
            return;
        }
        let delta = value - self.mean;
        self.mean += delta / self.count;
        self.squares += delta * (value - self.mean);
    }

    fn value(&self) -> f64 {
        self.squares / self.count
    }
}

#[derive(Clone, Default)]
struct Deviation(Variance);

impl Cell for Deviation {
    fn add(&mut self, value: f64) {
        self.0.add(value);
    }

    fn value(&self) -> f64 {
        self.0.value().sqrt()
    }
}

/// What an aggregation does with histograms.
#[derive(Clone, Copy, PartialEq)]
enum OnHistogram {
    /// Counts it like a float.
    Count,
    /// Leaves it out and says so.
    Ignore,
    Sum,
    Average,
}

/// Runs the aggregation over all series of the input.
pub(crate) fn fold(inputs: &Inputs, op: AggregateOp, cx: &mut Cx<'_>) -> Result<BoxVector, QueryError> {
    match op {
        AggregateOp::Avg => run::<Mean>(inputs, op, OnHistogram::Average, cx),
        AggregateOp::Count => run::<Count>(inputs, op, OnHistogram::Count, cx),
        AggregateOp::Group => run::<One>(inputs, op, OnHistogram::Count, cx),
        AggregateOp::Min => run::<Least>(inputs, op, OnHistogram::Ignore, cx),
        AggregateOp::Max => run::<Greatest>(inputs, op, OnHistogram::Ignore, cx),
        AggregateOp::Stdvar => run::<Variance>(inputs, op, OnHistogram::Ignore, cx),
        AggregateOp::Stddev => run::<Deviation>(inputs, op, OnHistogram::Ignore, cx),
        AggregateOp::Sum
        | AggregateOp::Topk
        | AggregateOp::Bottomk
        | AggregateOp::Quantile
        | AggregateOp::CountValues
        | AggregateOp::Limitk
        | AggregateOp::LimitRatio => run::<Sum>(inputs, op, OnHistogram::Sum, cx),
    }
}

fn run<C: Cell>(
    inputs: &Inputs,
    op: AggregateOp,
    on_histogram: OnHistogram,
    cx: &mut Cx<'_>,
) -> Result<BoxVector, QueryError> {
    let (n_groups, n_steps) = (inputs.groups.len(), inputs.n_steps);
    let n_cells = n_groups * n_steps;
    let held = cx.hold(n_cells as u64)?;
    let mut cells = vec![C::default(); n_cells];
    let mut filled = vec![StepSet::default(); n_groups];
    filled.iter_mut().for_each(|steps| steps.reset(n_steps));
    let mut histograms = HistogramCells::new(on_histogram);
    for_each_series(&*inputs.op, cx, |idx, column, cx| {
        let group = inputs.groups.of[idx] as usize;
        let base = group * n_steps;
        let own = &mut cells[base..base + n_steps];
        for steps in column.floats.runs() {
            for (cell, value) in own[steps.clone()].iter_mut().zip(&column.values[steps]) {
                cell.add(*value);
            }
        }
        filled[group].insert_all(&column.floats);
        for (step, histogram) in &column.histograms {
            match on_histogram {
                OnHistogram::Count => {
                    own[*step].add(0.0);
                    filled[group].insert(*step);
                }
                OnHistogram::Ignore => {
                    cx.remarks.info(inputs.pos, format!("ignored histogram in {} aggregation", op.as_str()));
                }
                OnHistogram::Sum | OnHistogram::Average => {
                    if histograms.add(base + step, histogram).is_err() {
                        let labels = inputs.op.labels(idx);
                        remark_on_mixed_schemas(labels.metric_name(), inputs.pos, &mut cx.remarks);
                    }
                }
            }
        }
        Ok(())
    })?;
    let mut series = Vec::with_capacity(n_groups);
    for (group, filled) in filled.iter().enumerate() {
        let mut column = Column::new(n_steps);
        for step in 0..n_steps {
            let cell = group * n_steps + step;
            let has_floats = filled.contains(step);
            let histogram = histograms.finish(cell, has_floats, inputs.pos, &mut cx.remarks);
            match histogram {
                Finished::None if has_floats => column.set_float(step, cells[cell].value()),
                Finished::Histogram(histogram) => column.push_histogram(step, Arc::new(histogram)),
                Finished::None | Finished::Omitted => {}
            }
        }
        let labels = inputs.groups.labels[group].clone();
        series.push(Series { labels, drops_name: inputs.groups.drops_name[group], column });
    }
    drop(held);
    series.retain(|series| !series.column.is_empty());
    Ok(Box::new(Materialized::new(series, cx)?))
}

/// Sums or means of histograms, only where there are any.
struct HistogramCells {
    kind: OnHistogram,
    cells: HashMap<usize, (Accumulator, Seen), FixedState>,
}

enum Accumulator {
    Sum(HistogramSum),
    Mean(HistogramMean),
    Failed,
}

enum Finished {
    /// There were no histograms.
    None,
    /// There were, but no result is possible.
    Omitted,
    Histogram(FloatHistogram),
}

impl HistogramCells {
    fn new(kind: OnHistogram) -> Self {
        Self { kind, cells: HashMap::default() }
    }

    /// Adds a histogram; an error means that it does not fit to those before, and that the cell has no result.
    fn add(&mut self, cell: usize, histogram: &FloatHistogram) -> Result<(), Incompatible> {
        let Some((accumulator, seen)) = self.cells.get_mut(&cell) else {
            let mut seen = Seen::default();
            let accumulator = match self.kind {
                OnHistogram::Average => Accumulator::Mean(HistogramMean::new(histogram, &mut seen)),
                _ => Accumulator::Sum(HistogramSum::new(histogram, &mut seen)),
            };
            self.cells.insert(cell, (accumulator, seen));
            return Ok(());
        };
        let added = match accumulator {
            Accumulator::Sum(sum) => sum.add(histogram, seen),
            Accumulator::Mean(mean) => mean.add(histogram, seen),
            Accumulator::Failed => Ok(()),
        };
        if added.is_err() {
            *accumulator = Accumulator::Failed;
        }
        added
    }

    fn finish(&mut self, cell: usize, has_floats: bool, pos: Pos, remarks: &mut Remarks) -> Finished {
        if self.cells.is_empty() {
            return Finished::None;
        }
        let Some((accumulator, seen)) = self.cells.remove(&cell) else { return Finished::None };
        if has_floats {
            remarks.warn(pos, "encountered a mix of histograms and floats for aggregation");
            return Finished::Omitted;
        }
        if seen.bounds_reconciled {
            remarks.info(pos, "mismatched custom buckets were reconciled during aggregation");
        }
        if seen.conflicting_resets() {
            remarks.warn(pos, "conflicting counter resets during histogram aggregation");
        }
        match accumulator {
            Accumulator::Sum(sum) => Finished::Histogram(sum.finish()),
            Accumulator::Mean(mean) => Finished::Histogram(mean.finish()),
            Accumulator::Failed => Finished::Omitted,
        }
    }
}

fn remark_on_mixed_schemas(name: &str, pos: Pos, remarks: &mut Remarks) {
    let name = wf_model::quote::GoQuoted(name);
    remarks.warn(
        pos,
        format!(
            "vector contains a mix of histograms with exponential and custom buckets schemas for metric name {name}"
        ),
    );
}
