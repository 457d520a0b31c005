//! `label_replace` and `label_join`.

use wf_model::quote::GoQuoted;
use wf_model::{AnchoredRegex, Labels, LabelsBuilder, METRIC_NAME};

use super::CallSite;
use crate::engine::context::Cx;
use crate::engine::error::QueryError;
use crate::engine::names::relabel;
use crate::engine::operator::BoxVector;

/// `label_replace(v, dst, replacement, src, regex)`
pub(crate) fn replace(at: &CallSite<'_>, cx: &mut Cx<'_>) -> Result<BoxVector, QueryError> {
    let (dst, replacement, src, pattern) = (at.text(1)?, at.text(2)?, at.text(3)?, at.text(4)?);
    let regex = AnchoredRegex::new(pattern).map_err(|_| {
        QueryError::Execution(format!("invalid regular expression in label_replace(): {pattern}"))
    })?;
    if !is_label_name(dst) {
        return Err(QueryError::Execution(format!(
            "invalid destination label name in label_replace(): {dst}"
        )));
    }
    let op = at.vector(0, cx)?;
    // Once per distinct value, not once per series.
    let source = op.label_column(src);
    let expanded: Vec<Option<String>> =
        source.values.iter().map(|value| regex.expand(value, replacement)).collect();
    let written = |idx: usize, _: &Labels| {
        let code = *source.codes.get(idx)?;
        expanded.get(code as usize).cloned().flatten()
    };
    write_label(op, dst, cx, written)
}

/// `label_join(v, dst, separator, src…)`
pub(crate) fn join(at: &CallSite<'_>, cx: &mut Cx<'_>) -> Result<BoxVector, QueryError> {
    let (dst, separator) = (at.text(1)?, at.text(2)?);
    let sources = (3..at.args.len()).map(|idx| at.text(idx)).collect::<Result<Vec<&str>, _>>()?;
    if let Some(bad) = sources.iter().find(|name| !is_label_name(name)) {
        return Err(QueryError::Execution(format!("invalid source label name in label_join(): {bad}")));
    }
    if !is_label_name(dst) {
        return Err(QueryError::Execution(format!("invalid destination label name in label_join(): {dst}")));
    }
    let op = at.vector(0, cx)?;
    write_label(op, dst, cx, |_, labels| {
        let values: Vec<&str> = sources.iter().map(|name| labels.get(name).unwrap_or("")).collect();
        Some(values.join(separator))
    })
}

/// Sets label `dst` of every series to what `value` says; `None` leaves the series as it is.
fn write_label(
    op: BoxVector,
    dst: &str,
    cx: &mut Cx<'_>,
    value: impl Fn(usize, &Labels) -> Option<String>,
) -> Result<BoxVector, QueryError> {
    let mut drops: Vec<bool> = (0..op.len()).map(|idx| op.drops_name(idx)).collect();
    let mut written = Vec::with_capacity(op.len());
    for (idx, drops_name) in drops.iter_mut().enumerate() {
        let labels = op.labels(idx);
        let Some(value) = value(idx, &labels) else {
            written.push(labels);
            continue;
        };
        let mut builder = LabelsBuilder::from_labels(&labels);
        builder.set(dst, &value);
        written.push(builder.build());
        if dst == METRIC_NAME {
            // A name given on purpose is not dropped at the end.
            *drops_name = false;
        }
    }
    relabel(op, written, drops, cx)
}

/// Returns whether `name` can name a label: any UTF-8 text but the empty one.
pub(crate) fn is_label_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(wf_model::quote::is_raw_byte)
}

/// Returns the error for a label name that is no label name.
pub(crate) fn invalid_label_name(name: &str) -> QueryError {
    QueryError::Execution(format!("invalid label name {}", GoQuoted(name)))
}
