//! Functions of range vectors: one kernel looks at one window, an operator slides it over every series.
//!
//! # Reading order: `rate` (the heart), `instant_rate`, `over_time`, `statistics`, `regression`, `changes`;
//! `sweep`, `lie` and `moving` for what is shared by series and carried from window to window.
//! # Source: `spec/prometheus-query.md` §2.4, §2.6.

pub(crate) mod changes;
pub(crate) mod instant_rate;
pub(crate) mod lie;
pub(crate) mod moving;
pub(crate) mod over_time;
pub(crate) mod rate;
pub(crate) mod regression;
pub(crate) mod statistics;
pub(crate) mod sweep;

use std::sync::OnceLock;

use wf_model::{Labels, METRIC_NAME};
use wf_series::LabelColumn;

use super::column::Column;
use super::context::Cx;
use super::error::QueryError;
use super::operator::VectorOp;
use super::remarks::{Detail, Remarks, Severity};
use super::result::SampleValue;
use super::stats::Counter;
use super::window::{RangeVector, Samples, Window, slide};
use crate::ast::{Pos, RangeMode};
use sweep::{BoundsCache, Sweep};

/// Where a kernel leaves its remarks on a series.
pub(crate) struct Notes<'a> {
    pub(crate) remarks: &'a mut Remarks,
    pub(crate) pos: Pos,
    /// Metric name of the series; empty when it is not visible.
    pub(crate) name: &'a str,
}

impl Notes<'_> {
    pub(crate) fn warn(&mut self, text: impl Into<String>) {
        self.remarks.warn(self.pos, text);
    }

    pub(crate) fn info(&mut self, text: impl Into<String>) {
        self.remarks.info(self.pos, text);
    }

    /// Floats and histograms where only one kind makes sense.
    pub(crate) fn mixed_types(&mut self) {
        let name = wf_model::quote::GoQuoted(self.name);
        self.warn(format!("encountered a mix of histograms and floats for metric name {name}"));
    }

    /// Exponential and custom buckets where only one kind makes sense.
    pub(crate) fn mixed_schemas(&mut self) {
        let name = wf_model::quote::GoQuoted(self.name);
        self.warn(format!(
            "vector contains a mix of histograms with exponential and custom buckets schemas for metric name {name}"
        ));
    }

    pub(crate) fn not_a_counter(&mut self) {
        let name = wf_model::quote::GoQuoted(self.name);
        self.warn(format!("this native histogram metric is not a counter: {name}"));
    }

    pub(crate) fn not_a_gauge(&mut self) {
        let name = wf_model::quote::GoQuoted(self.name);
        self.warn(format!("this native histogram metric is not a gauge: {name}"));
    }

    /// Custom bounds differed and were intersected. `operation`: `addition`, `subtraction`, `aggregation`.
    pub(crate) fn reconciled(&mut self, operation: &str) {
        self.info(format!("mismatched custom buckets were reconciled during {operation}"));
    }

    pub(crate) fn conflicting_resets(&mut self, operation: &str) {
        self.warn(format!("conflicting counter resets during histogram {operation}"));
    }

    pub(crate) fn ignored_histograms(&mut self) {
        let name = wf_model::quote::GoQuoted(self.name);
        self.info(format!(
            "ignored histograms in a range containing both floats and histograms for metric name {name}"
        ));
    }

    pub(crate) fn overlapping_start_times(&mut self, n: u64) {
        let name = wf_model::quote::GoQuoted(self.name);
        let text =
            format!("sample has start time that overlaps with previous sample timestamp for metric {name}");
        self.remarks.add(Severity::Warning, self.pos, text, Detail::Occurrences(n));
    }
}

/// Result of a kernel for one window; `None` leaves a gap.
pub(crate) type Output = Option<SampleValue>;

/// What a range function computes.
pub(crate) trait Kernel: Send + Sync {
    /// Computes one window.
    fn window(&self, window: &Window<'_>, notes: &mut Notes<'_>) -> Output;

    /// Computes all windows of a series of plain floats, if the kernel knows a faster way than window by window.
    fn sweep(&self, _sweep: &Sweep<'_>, _out: &mut Column) -> bool {
        false
    }

    /// Whether [`Sweep::alike`] is needed.
    fn extrapolates(&self) -> bool {
        false
    }

    /// Whether float results call for the remark that the metric might not be a counter.
    fn expects_counter(&self) -> bool {
        false
    }
}

/// A range function over its argument.
pub(crate) struct RangeFunction {
    argument: RangeVector,
    kernel: Box<dyn Kernel>,
    names: OnceLock<LabelColumn>,
}

impl RangeFunction {
    pub(crate) fn new(argument: RangeVector, kernel: Box<dyn Kernel>) -> Self {
        Self { argument, kernel, names: OnceLock::new() }
    }

    fn name(&self, idx: usize) -> &str {
        let names = self.names.get_or_init(|| self.argument.source.label_column(METRIC_NAME));
        let code = names.codes.get(idx).copied().unwrap_or(0);
        names.values.get(code as usize).map_or("", |name| name)
    }

    /// Computes all windows at once if samples and kernel allow it; returns whether that is done.
    fn sweep(
        &self,
        samples: &Samples,
        bounds: &mut BoundsCache,
        counter: &mut Counter,
        out: &mut Column,
    ) -> bool {
        let is_plain = self.argument.mode == RangeMode::Plain
            && samples.histograms.times_ms.is_empty()
            && samples.floats.starts_ms.is_empty();
        if !is_plain {
            return false;
        }
        bounds.sweep((&*self.kernel, &self.argument.spec), &samples.floats, counter, out)
    }

    fn remark_on_counter(&self, idx: usize, notes: &mut Notes<'_>, use_type_label: bool) {
        let quoted = wf_model::quote::GoQuoted(notes.name);
        if use_type_label {
            let labels = self.argument.source.labels(idx);
            let metric_type = labels.get("__type__").unwrap_or("");
            if metric_type != "counter" && metric_type != "histogram" {
                let metric_type = wf_model::quote::GoQuoted(metric_type);
                notes.info(format!(
                    "metric might not be a counter, __type__ label is not set to \"counter\" or \"histogram\", \
                     got {metric_type}: {quoted}"
                ));
            }
        } else if !["_total", "_sum", "_count", "_bucket"].iter().any(|suffix| notes.name.ends_with(suffix)) {
            notes.info(format!(
                "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: {quoted}"
            ));
        }
    }
}

impl VectorOp for RangeFunction {
    fn len(&self) -> usize {
        self.argument.source.len()
    }

    fn labels(&self, idx: usize) -> Labels {
        self.argument.source.labels(idx)
    }

    fn drops_name(&self, idx: usize) -> bool {
        self.argument.source.drops_name(idx)
    }

    fn label_column(&self, name: &str) -> LabelColumn {
        self.argument.source.label_column(name)
    }

    fn read(&self, idx: usize, out: &mut Column, cx: &mut Cx<'_>) -> Result<(), QueryError> {
        cx.check()?;
        let spec = &self.argument.spec;
        out.reset(spec.grid.n_steps);
        let mut samples = cx.take_samples();
        self.argument.source.read(idx, &mut samples, cx)?;
        cx.hold_briefly(samples.weight())?;
        let use_type_label = cx.env.features.type_and_unit_labels;
        let mut notes = Notes { remarks: &mut cx.remarks, pos: self.argument.pos, name: self.name(idx) };
        if !self.sweep(&samples, &mut cx.bounds, &mut cx.counter, out) {
            let counter = &mut cx.counter;
            let mut seen_until_ms = i64::MIN;
            let done: Result<(), std::convert::Infallible> = slide(&samples, spec, |window| {
                counter.add(&spec.grid, window.step, window.weight(), window.weight_after(seen_until_ms));
                seen_until_ms = window.end_ms + spec.extra_after_ms;
                if let Some(value) = self.kernel.window(window, &mut notes) {
                    out.push(window.step, value);
                }
                Ok(())
            });
            let Ok(()) = done;
        }
        if self.kernel.expects_counter() && !notes.name.is_empty() && !out.floats.is_empty() {
            self.remark_on_counter(idx, &mut notes, use_type_label);
        }
        cx.give_samples(samples);
        Ok(())
    }
}
