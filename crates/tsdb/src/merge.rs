//! Head and blocks as one source: the same series of several sources is one series.
//!
//! Sources are merged by label set, not by sorting: label names and values of each source are translated to codes of
//! the merge, once per distinct text, and sets of codes are looked up in a hash table. A query that one source answers
//! goes straight to it. Samples of sources that do not overlap in time are concatenated, others merged; of two samples
//! with the same time the earlier source's counts.
//! # Reading order: `dictionary`, `selection`, `columns`, `values` with `texts`.

mod columns;
mod dictionary;
mod selection;
mod texts;
mod values;

use std::sync::Arc;

use wf_model::TimeRange;
use wf_series::{SampleColumns, SelectError, Selection};

pub(crate) use columns::merge_columns;
use selection::Merged;
pub(crate) use texts::Texts;
pub(crate) use values::{VALUES_HELD, ValueSource, merge_values};

/// Text of the label codes of one source.
pub(crate) trait SymbolText {
    /// Returns the text of `code`, `""` for one that the source did not name.
    fn text(&self, code: u32) -> &str;
}

/// Takes the labels of a series as `(name, value)` codes, and what spells them.
pub(crate) type VisitLabels<'a> = dyn FnMut(&[(u32, u32)], &dyn SymbolText) + 'a;

/// A selection that tells the labels of its series as codes of its own.
pub(crate) trait CodedSelection: Selection {
    /// Calls `visit` for every series in order, with `(name, value)` codes in name order. One code stands for one text
    /// while the selection lives.
    fn visit_labels(&self, visit: &mut VisitLabels<'_>);

    /// Reads the samples of a series inside `range`, all of which lie behind those in `out`, and appends them; false, and
    /// nothing done, when they must be read by themselves.
    /// # Errors
    /// As [`Selection::read`].
    fn read_behind(&self, idx: usize, range: TimeRange, out: &mut SampleColumns)
    -> Result<bool, SelectError>;
}

/// One source's part of a merge.
pub(crate) struct Part {
    pub(crate) selection: Arc<dyn CodedSelection>,
    /// No sample lies outside.
    pub(crate) range: TimeRange,
    /// Where most samples begin, ms: parts are read in this order.
    pub(crate) order_ms: i64,
}

/// Merges what several sources selected; earlier parts win where samples have the same time.
pub(crate) fn merge(mut parts: Vec<Part>) -> Arc<dyn Selection> {
    parts.retain(|part| !part.selection.is_empty());
    // Mostly one follows the other in time.
    parts.sort_by_key(|part| part.order_ms);
    if parts.len() == 1
        && let Some(only) = parts.pop()
    {
        return only.selection;
    }
    Arc::new(Merged::new(parts))
}

/// Merges two sorted lists of names into one without duplicates. Neighbouring blocks mostly have the same names.
pub(crate) fn merge_names(a: Vec<String>, b: Vec<String>) -> Vec<String> {
    if b.is_empty() || a == b {
        return a;
    }
    if a.is_empty() {
        return b;
    }
    let mut merged = Vec::with_capacity(a.len().max(b.len()));
    let (mut a, mut b) = (a.into_iter().peekable(), b.into_iter().peekable());
    while let (Some(left), Some(right)) = (a.peek(), b.peek()) {
        let order = left.cmp(right);
        if order.is_eq() {
            a.next();
        }
        merged.extend(if order.is_lt() { a.next() } else { b.next() });
    }
    merged.extend(a.chain(b));
    merged
}

#[cfg(test)]
mod tests;
