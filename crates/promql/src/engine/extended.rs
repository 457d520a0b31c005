//! `anchored` and `smoothed`
use super::column::Column;
use super::context::Cx;
use super::error::QueryError;
use super::operator::VectorOp;
use super::range_functions::changes::Transition;
use super::range_functions::{Kernel, Notes, Output};
use super::window::{Window, WindowSpec};
use crate::ast::Pos;
use std::sync::Arc;
use wf_model::Labels;
use wf_series::Selection;

pub(crate) struct SmoothedSelector {
    pub(crate) selection: Arc<dyn Selection>,
    pub(crate) spec: WindowSpec,
    pub(crate) pos: Pos,
}
impl VectorOp for SmoothedSelector {
    fn len(&self) -> usize {
        self.selection.len()
    }
    fn labels(&self, idx: usize) -> Labels {
        self.selection.labels(idx)
    }
    fn read(&self, _idx: usize, out: &mut Column, _cx: &mut Cx<'_>) -> Result<(), QueryError> {
        out.reset(self.spec.grid.n_steps);
        let _ = self.pos;
        Ok(())
    }
}
pub(crate) struct ExtendedRate {
    pub(crate) is_counter: bool,
    pub(crate) is_rate: bool,
    pub(crate) is_smoothed: bool,
}
impl Kernel for ExtendedRate {
    fn window(&self, _window: &Window<'_>, _notes: &mut Notes<'_>) -> Output {
        None
    }
}
pub(crate) struct ExtendedTransition(pub(crate) Transition);
impl Kernel for ExtendedTransition {
    fn window(&self, window: &Window<'_>, notes: &mut Notes<'_>) -> Output {
        self.0.window(window, notes)
    }
}

pub(crate) fn raw_window(
    _s: &super::window::Samples,
    _spec: &WindowSpec,
    _mode: crate::ast::RangeMode,
    _series: &mut super::result::RangeSeries,
) -> Result<(), QueryError> {
    Ok(())
}
