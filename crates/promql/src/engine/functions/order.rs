//! `sort`, `sort_desc`, `sort_by_label`, `sort_by_label_desc`: the order of an instant result.

use std::cmp::Ordering;

use super::CallSite;
use crate::engine::context::Cx;
use crate::engine::error::QueryError;
use crate::engine::operator::{BoxVector, Materialized, Series};
use crate::functions::FunctionId;

/// `sort` and `sort_desc`: histograms are dropped, NaN comes last.
pub(crate) fn sort(at: &CallSite<'_>, cx: &mut Cx<'_>) -> Result<BoxVector, QueryError> {
    let mut sorted = collect(at, cx)?;
    for series in &mut sorted.series {
        series.column.histograms.clear();
    }
    sorted.series.retain(|series| !series.column.is_empty());
    if at.site.grid.n_steps == 1 {
        let is_descending = at.id == FunctionId::SortDesc;
        let value = |series: &Series| series.column.values[0];
        sorted.series.sort_by(|a, b| {
            let (a, b) = (value(a), value(b));
            a.is_nan().cmp(&b.is_nan()).then_with(|| {
                let ascending = a.partial_cmp(&b).unwrap_or(Ordering::Equal);
                if is_descending { ascending.reverse() } else { ascending }
            })
        });
    }
    Ok(Box::new(sorted))
}

/// `sort_by_label` and `sort_by_label_desc`
pub(crate) fn sort_by_label(at: &CallSite<'_>, cx: &mut Cx<'_>) -> Result<BoxVector, QueryError> {
    let names = (1..at.args.len()).map(|idx| at.text(idx)).collect::<Result<Vec<&str>, _>>()?;
    let mut sorted = collect(at, cx)?;
    if at.site.grid.n_steps == 1 {
        sorted.series.sort_by(|a, b| {
            let by_names = names
                .iter()
                .map(|name| natural(a.labels.get(name).unwrap_or(""), b.labels.get(name).unwrap_or("")));
            let mut differing = by_names.filter(|order| order.is_ne());
            differing.next().unwrap_or_else(|| a.labels.cmp(&b.labels))
        });
        if at.id == FunctionId::SortByLabelDesc {
            sorted.series.reverse();
        }
    }
    Ok(Box::new(sorted))
}

fn collect(at: &CallSite<'_>, cx: &mut Cx<'_>) -> Result<Materialized, QueryError> {
    if at.site.grid.n_steps > 1 {
        let text = "sort is ineffective for range queries since results are always ordered by labels";
        cx.remarks.warn(at.pos, text);
    }
    let op = at.vector(0, cx)?;
    Materialized::collect(&*op, cx)
}

/// Compares as people count: runs of digits as numbers, anything between them by bytes.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    while !a.is_empty() && !b.is_empty() {
        let ((a_run, a_rest), (b_run, b_rest)) = (split_run(a), split_run(b));
        let are_numbers = a_run[0].is_ascii_digit() && b_run[0].is_ascii_digit();
        let order = if are_numbers { compare_numbers(a_run, b_run) } else { a_run.cmp(b_run) };
        if order.is_ne() {
            return order;
        }
        (a, b) = (a_rest, b_rest);
    }
    a.len().cmp(&b.len())
}

/// Splits off the first run of digits or of other bytes.
fn split_run(bytes: &[u8]) -> (&[u8], &[u8]) {
    let is_digit = bytes.first().is_some_and(u8::is_ascii_digit);
    let end = bytes.iter().position(|byte| byte.is_ascii_digit() != is_digit).unwrap_or(bytes.len());
    bytes.split_at(end)
}

/// Compares digits of any length as integers.
fn compare_numbers(a: &[u8], b: &[u8]) -> Ordering {
    let significant = |digits: &'_ [u8]| digits.iter().take_while(|digit| **digit == b'0').count();
    let (a, b) = (&a[significant(a)..], &b[significant(b)..]);
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_sort_naturally() {
        let mut values = ["4m1000", "10", "4m5", "2", "4m600", "", "a", "4m"];
        values.sort_by(|a, b| natural(a, b));
        assert_eq!(values, ["", "2", "4m", "4m5", "4m600", "4m1000", "10", "a"]);
    }
}
