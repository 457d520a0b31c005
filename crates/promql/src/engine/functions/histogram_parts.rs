//! `histogram_count`, `histogram_sum`, `histogram_avg`, `histogram_stddev`, `histogram_stdvar`: numbers out of native
//! histograms; floats are skipped.

use wf_model::histogram::Interpolation;
use wf_model::{FloatHistogram, Labels};
use wf_series::LabelColumn;

use super::CallSite;
use crate::engine::build::build_vector;
use crate::engine::column::Column;
use crate::engine::compensated::Sum;
use crate::engine::context::Cx;
use crate::engine::error::QueryError;
use crate::engine::names::drop_metric_name;
use crate::engine::operator::{BoxVector, VectorOp};
use crate::engine::selector::Detail;
use crate::functions::FunctionId;

/// Builds the call.
pub(crate) fn build(at: &CallSite<'_>, cx: &mut Cx<'_>) -> Result<BoxVector, QueryError> {
    let (detail, f): (Detail, fn(&FloatHistogram) -> f64) = match at.id {
        FunctionId::HistogramCount => (Detail::Statistics, |histogram| histogram.count),
        FunctionId::HistogramSum => (Detail::Statistics, |histogram| histogram.sum),
        FunctionId::HistogramAvg => (Detail::Statistics, |histogram| histogram.sum / histogram.count),
        FunctionId::HistogramStddev => (at.site.detail, |histogram| variance(histogram).sqrt()),
        _ => (at.site.detail, variance),
    };
    let op = build_vector(at.arg(0)?, at.site.with_detail(detail), cx)?;
    drop_metric_name(Box::new(Part { op, f }), cx)
}

struct Part {
    op: BoxVector,
    f: fn(&FloatHistogram) -> f64,
}

impl VectorOp for Part {
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
        out.floats.reset(out.values.len());
        let histograms = std::mem::take(&mut out.histograms);
        for (step, histogram) in &histograms {
            out.set_float(*step, (self.f)(histogram));
        }
        Ok(())
    }
}

/// Population variance, every observation taken to lie in the middle of its bucket.
fn variance(histogram: &FloatHistogram) -> f64 {
    let mean = histogram.sum / histogram.count;
    let mut squares = Sum::default();
    for bucket in histogram.buckets().filter(|bucket| bucket.count != 0.0) {
        let is_custom = histogram.is_custom();
        let middle = match bucket.interpolation {
            Interpolation::Linear if is_custom => f64::midpoint(bucket.upper, bucket.lower),
            Interpolation::Linear => 0.0,
            Interpolation::Exponential => (bucket.upper * bucket.lower).sqrt().copysign(bucket.upper),
        };
        let distance = middle - mean;
        squares.add(bucket.count * distance * distance);
    }
    squares.value() / histogram.count
}
