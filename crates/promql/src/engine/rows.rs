//! Long results handed over series by series, as they are computed: nobody holds them as a whole.
//!
//! Only what is computed series by series can be handed over so, and only when nothing but storage, cancellation or the
//! deadline can end it early: whoever passes rows on has promised success by then.

use wf_model::Labels;
use wf_series::LabelColumn;

use super::column::Column;
use super::context::{Cx, SAMPLE_BYTES};
use super::error::QueryError;
use super::execute::range_series;
use super::grid::Grid;
use super::operator::VectorOp;
use super::parallel::for_each_series;
use super::result::RangeSeries;
use super::times::strip_parens;
use crate::ast::{Expr, ExprKind, RangeMode};

/// Functions of one argument that make one series of one.
const MAPS: [&str; 27] = [
    "rate",
    "increase",
    "delta",
    "irate",
    "idelta",
    "deriv",
    "changes",
    "resets",
    "abs",
    "ceil",
    "floor",
    "exp",
    "ln",
    "log2",
    "log10",
    "sqrt",
    "sgn",
    "timestamp",
    "avg_over_time",
    "min_over_time",
    "max_over_time",
    "sum_over_time",
    "count_over_time",
    "last_over_time",
    "present_over_time",
    "stddev_over_time",
    "stdvar_over_time",
];

/// Who takes the series of a long result.
pub struct Rows<'a> {
    /// Takes a series; they come ordered by labels, those without samples are left out. An error ends the query.
    pub take: &'a mut dyn FnMut(RangeSeries) -> Result<(), QueryError>,
    /// A result that cannot have so many samples comes as a whole.
    pub n_samples_min: u64,
}

impl std::fmt::Debug for Rows<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows").field("n_samples_min", &self.n_samples_min).finish_non_exhaustive()
    }
}

/// Hands the series of a vector over one by one if that is possible; returns whether it was.
/// # Errors
/// Those of computing and of the taker.
pub(crate) fn hand_over(
    expr: &Expr,
    op: &dyn VectorOp,
    grid: Grid,
    cx: &mut Cx<'_>,
    rows: &mut Rows<'_>,
) -> Result<bool, QueryError> {
    let n_samples_max = (op.len() as u64).saturating_mul(grid.n_steps as u64);
    // What could burst a limit is computed as a whole: its error is the answer.
    let is_within = n_samples_max <= cx.env.max_samples
        && n_samples_max.saturating_mul(SAMPLE_BYTES) <= cx.env.memory_bytes_max;
    if n_samples_max < rows.n_samples_min || !is_within || !is_series_wise(expr) {
        return Ok(false);
    }
    if (0..op.len()).any(|idx| op.drops_name(idx)) {
        return Ok(false);
    }
    let Some((mut labels, order)) = in_order_if_distinct(op) else { return Ok(false) };
    for_each_series(&Ordered { op, order }, cx, |idx, column, _| {
        // Freed with the row: what sorting held does not stay for all of the answer.
        let labels = std::mem::take(&mut labels[idx]);
        if column.is_empty() {
            return Ok(());
        }
        (rows.take)(range_series(labels, column, grid))
    })?;
    Ok(true)
}

/// Returns the labels of the series in their order, and the series; `None` when two have the same.
fn in_order_if_distinct(op: &dyn VectorOp) -> Option<(Vec<Labels>, Vec<usize>)> {
    let mut series: Vec<(Labels, usize)> = (0..op.len()).map(|idx| (op.labels(idx), idx)).collect();
    series.sort_unstable();
    let are_distinct = series.windows(2).all(|pair| pair[0].0 != pair[1].0);
    are_distinct.then(|| series.into_iter().unzip())
}

/// Returns whether every series of the result is computed from one series that is selected, without an error of its own.
fn is_series_wise(expr: &Expr) -> bool {
    match &strip_parens(expr).kind {
        ExprKind::Selector(selector) => selector.mode == RangeMode::Plain,
        ExprKind::Range(range) => range.selector.mode == RangeMode::Plain,
        ExprKind::Unary(_, inner) => is_series_wise(inner),
        ExprKind::Binary(binary) => {
            let is_number = |side: &Expr| matches!(strip_parens(side).kind, ExprKind::Number(_));
            is_number(&binary.rhs) && is_series_wise(&binary.lhs)
                || is_number(&binary.lhs) && is_series_wise(&binary.rhs)
        }
        ExprKind::Call(call) => match call.args.as_slice() {
            [argument] => MAPS.contains(&call.function.name) && is_series_wise(argument),
            _ => false,
        },
        _ => false,
    }
}

/// The series of a vector in another order.
struct Ordered<'a> {
    op: &'a dyn VectorOp,
    order: Vec<usize>,
}

impl VectorOp for Ordered<'_> {
    fn len(&self) -> usize {
        self.order.len()
    }

    fn labels(&self, idx: usize) -> Labels {
        self.op.labels(self.order[idx])
    }

    fn label_column(&self, name: &str) -> LabelColumn {
        let LabelColumn { codes, values } = self.op.label_column(name);
        LabelColumn { codes: self.order.iter().map(|idx| codes[*idx]).collect(), values }
    }

    fn read(&self, idx: usize, out: &mut Column, cx: &mut Cx<'_>) -> Result<(), QueryError> {
        self.op.read(self.order[idx], out, cx)
    }
}

#[cfg(test)]
mod tests {
    use wf_series::SampleColumns;
    use wf_series::memory::MemoryStorage;

    use super::super::{Engine, EngineOptions, QueryOptions, QueryResult, QueryValue, RangeSpan};
    use super::*;

    const SPAN: RangeSpan = RangeSpan { start_ms: 0, end_ms: 600_000, step_ms: 15_000 };

    /// Series that storage returns in another order than that of their labels, two metrics of equal labels, one of gaps.
    fn storage() -> MemoryStorage {
        let storage = MemoryStorage::new();
        for (name, n_series) in [("a", 30), ("b", 3)] {
            for id in 0..n_series {
                let id = id * 7 % 30;
                let mut samples = SampleColumns::default();
                for tick in (0..60).filter(|tick| id % 5 != 1 || *tick > 60) {
                    samples.push(tick * 10_000, (tick * (id + 1)) as f64);
                }
                storage.insert(Labels::from_pairs([("__name__", name), ("id", &id.to_string())]), samples);
            }
        }
        storage
    }

    fn ask(query: &str, options: EngineOptions, n_samples_min: u64) -> (Vec<RangeSeries>, QueryResult) {
        let (storage, engine) = (storage(), Engine::new(options));
        let mut taken = Vec::new();
        let mut take = |row| {
            taken.push(row);
            Ok(())
        };
        let rows = Rows { take: &mut take, n_samples_min };
        let query = engine.prepare(query).unwrap();
        let result = engine.range_rows(&storage, &query, SPAN, &QueryOptions::default(), rows).unwrap();
        (taken, result)
    }

    fn rendered(series: &[RangeSeries]) -> Vec<String> {
        series.iter().map(|row| format!("{} {:?} {:?}", row.labels, row.times_ms, row.values)).collect()
    }

    fn whole(query: &str) -> Vec<String> {
        let engine = Engine::new(EngineOptions::default());
        let result = engine.range(&storage(), query, SPAN, &QueryOptions::default()).unwrap();
        match result.value {
            QueryValue::Matrix(series) => rendered(&series),
            _ => Vec::new(),
        }
    }

    #[test]
    fn rows_are_the_series_of_the_whole_result_in_its_order() {
        for query in ["a", "{id=~\".+\"}", "rate(a[1m])", "-(a * 2)", "2 < a", "abs(max_over_time(b[2m]))"] {
            let (taken, result) = ask(query, EngineOptions::default(), 1);
            assert!(matches!(result.value, QueryValue::Matrix(rest) if rest.is_empty()), "{query}");
            assert!(!taken.is_empty(), "{query}");
            assert_eq!(rendered(&taken), whole(query), "{query}");
        }
    }

    #[test]
    fn what_is_not_series_wise_short_or_over_a_limit_comes_as_a_whole() {
        for query in ["sum(a)", "a + b", "sort(a)", "topk(3, a)", "quantile_over_time(0.5, a[1m])"] {
            assert!(ask(query, EngineOptions::default(), 1).0.is_empty(), "{query}");
        }
        let (taken, result) = ask("a", EngineOptions::default(), 100_000);
        assert!(taken.is_empty());
        assert!(matches!(result.value, QueryValue::Matrix(series) if rendered(&series) == whole("a")));
        // 24 series of 41 steps could be too many samples; as most are filtered out, they are not.
        let small = EngineOptions { max_samples: 983, ..EngineOptions::default() };
        let (taken, result) = ask("a > 700", small, 1);
        assert!(taken.is_empty());
        assert!(matches!(result.value, QueryValue::Matrix(series) if rendered(&series) == whole("a > 700")));
    }
}
