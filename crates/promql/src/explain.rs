//! A plan as text: the tree with what every node is expected to cost, and what it cost if it ran.
//!
//! ```text
//! node                    series        samples         rows          memory     time    self
//! sum by (job)            2 / 2         -               26 / 26       1.2 kB     3.1 ms  0.2 ms  6 %
//! `- rate                 4 / 4         -               …
//!    `- selector          4 / 4         240 / 236       …
//! ```
//! Where there are two numbers the first is the estimate.

use std::fmt::Write;
use std::time::Duration;

use crate::engine::{LabelsNeeded, NodeId, Operator, Plan, PlanNode, Steps};

/// Longest part of a query that stands beside its node, in characters.
const TEXT_CHARS_MAX: usize = 60;

/// Returns the plan as a table of nodes, followed by what is read and which rules changed it.
pub fn text(plan: &Plan) -> String {
    let is_traced = plan.nodes.iter().any(|node| node.actual.is_some());
    let mut table = Table::default();
    let mut header = vec!["node", "series", "samples", "rows", "memory"];
    if is_traced {
        header.extend(["time", "self"]);
    }
    header.push("query");
    table.rows.push(header.into_iter().map(str::to_owned).collect());
    if plan.root().is_some() {
        push_node(&mut table, plan, 0, "", "", is_traced);
    }
    let mut out = table.render();
    write_scans(&mut out, plan);
    if !plan.applied.is_empty() {
        let rules: Vec<String> =
            plan.applied.iter().map(|(rule, times)| format!("{} ({times})", rule.as_str())).collect();
        put(&mut out, format_args!("\nrules applied: {}\n", rules.join(", ")));
    }
    out
}

/// Returns what a node does, in a word or two.
pub fn operator_name(operator: &Operator) -> String {
    match operator {
        Operator::Constant => "constant".to_owned(),
        Operator::InstantSelector => "selector".to_owned(),
        Operator::RangeSelector => "range selector".to_owned(),
        Operator::Subquery => "subquery".to_owned(),
        Operator::Negate => "negate".to_owned(),
        Operator::ScalarArithmetic(op) => format!("scalar {op}"),
        Operator::Elementwise(op) => format!("elementwise {op}"),
        Operator::Join(op) => format!("join {op}"),
        Operator::SetOperation(op) => format!("set {op}"),
        Operator::Union => "union".to_owned(),
        Operator::Aggregate(op) => format!("aggregate {op}"),
        Operator::Call(name) => format!("call {name}"),
    }
}

fn push_node(table: &mut Table, plan: &Plan, id: NodeId, before: &str, below: &str, is_traced: bool) {
    let Some(node) = plan.nodes.get(id) else { return };
    let mut row = vec![format!("{before}{}{}", operator_name(&node.operator), remarks(node))];
    let estimate = node.estimate;
    let both = |expected: u64, actual: Option<u64>| match (expected, actual) {
        (0, None | Some(0)) => "-".to_owned(),
        (expected, None) => expected.to_string(),
        (expected, Some(actual)) => format!("{expected} / {actual}"),
    };
    let actual = node.actual;
    row.push(both(estimate.series, actual.map(|actual| actual.series)));
    row.push(both(estimate.samples, actual.map(|actual| actual.samples)));
    row.push(both(estimate.rows, actual.map(|actual| actual.rows)));
    row.push(match actual {
        None => bytes(estimate.memory_bytes),
        Some(actual) => format!("{} / {}", bytes(estimate.memory_bytes), bytes(actual.memory_bytes)),
    });
    if is_traced {
        let total = plan.root().and_then(|root| root.actual).map_or(Duration::ZERO, |actual| actual.time);
        let own = plan.self_time(id);
        row.push(actual.map_or_else(String::new, |actual| time(actual.time)));
        row.push(format!("{} {}", time(own), percent(own, total)));
    }
    row.push(shortened(&node.text));
    table.rows.push(row);
    for (idx, child) in node.children.iter().enumerate() {
        let is_last = idx + 1 == node.children.len();
        let (branch, trunk) = if is_last { ("`- ", "   ") } else { ("|- ", "|  ") };
        push_node(table, plan, *child, &format!("{below}{branch}"), &format!("{below}{trunk}"), is_traced);
    }
}

/// What is special about a node.
fn remarks(node: &PlanNode) -> String {
    let mut remarks = Vec::new();
    let Steps { n_steps, step_ms, .. } = node.steps;
    if node.is_step_invariant {
        remarks.push("once".to_owned());
    } else if n_steps > 1 {
        remarks.push(format!("{n_steps} x {step_ms} ms"));
    }
    match &node.labels {
        LabelsNeeded::All => {}
        LabelsNeeded::Only(labels) if labels.is_empty() => remarks.push("no labels".to_owned()),
        LabelsNeeded::Only(labels) => remarks.push(format!("labels {}", labels.join(" "))),
    }
    if let Some(scan) = node.scan {
        remarks.push(format!("scan {scan}"));
    }
    if remarks.is_empty() { String::new() } else { format!(" [{}]", remarks.join(", ")) }
}

fn write_scans(out: &mut String, plan: &Plan) {
    for (idx, scan) in plan.scans.iter().enumerate() {
        let matchers: Vec<String> = scan.matchers.iter().map(ToString::to_string).collect();
        let readers = if scan.n_readers == 1 { "reader" } else { "readers" };
        put(
            out,
            format_args!(
                "{}scan {idx}: {{{}}} from {} to {} ms: {} series, {} {readers}\n",
                if idx == 0 { "\n" } else { "" },
                matchers.join(","),
                scan.range.start_ms,
                scan.range.end_ms,
                scan.n_series,
                scan.n_readers,
            ),
        );
    }
}

/// Rows of cells, written in aligned columns.
#[derive(Default)]
struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    fn render(&self) -> String {
        let n_columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..n_columns).map(width).collect();
        let mut out = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                put(&mut line, format_args!("{cell:<width$}  "));
            }
            put(&mut out, format_args!("{}\n", line.trim_end()));
        }
        out
    }
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to a string cannot fail");
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= TEXT_CHARS_MAX {
        return text.to_owned();
    }
    let kept: String = text.chars().take(TEXT_CHARS_MAX - 1).collect();
    format!("{kept}…")
}

fn bytes(n_bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut value = n_bytes as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if n_bytes == 0 {
        return "-".to_owned();
    }
    let decimals = usize::from(unit > 0 && value < 100.0);
    format!("{value:.decimals$} {}", UNITS[unit])
}

fn time(duration: Duration) -> String {
    let micros = duration.as_micros() as f64;
    if micros < 1000.0 { format!("{micros:.0} us") } else { format!("{:.1} ms", micros / 1000.0) }
}

fn percent(part: Duration, whole: Duration) -> String {
    if whole.is_zero() {
        return String::new();
    }
    format!("{:.0} %", 100.0 * part.as_secs_f64() / whole.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::engine::{Engine, EngineOptions, QueryOptions, RangeSpan, When};
    use crate::script;

    const LOAD: &str = "load 1m\n  x_total{job=\"a\",pod=\"1\"} 0+1x60\n  x_total{job=\"a\",pod=\"2\"} 0+2x60\n  x_total{job=\"b\",pod=\"3\"} 0+3x60\n";

    #[test]
    fn a_plan_is_a_table_of_its_nodes() {
        let storage = script::load(LOAD).unwrap();
        let engine = Engine::new(EngineOptions::default());
        let query = engine.prepare("sum by (job) (rate(x_total[5m])) / 2 > 1 + 1").unwrap();
        let span = RangeSpan { start_ms: 600_000, end_ms: 1_200_000, step_ms: 60_000 };
        let options = QueryOptions::default();
        let planned = text(&engine.plan(&storage, &query, When::Range(span), &options).unwrap());
        let header = planned.lines().next().unwrap();
        assert!(
            header.starts_with("node ") && header.ends_with("query") && !header.contains("self"),
            "{planned}"
        );
        for part in [
            "elementwise >",
            "|- elementwise /",
            "aggregate sum",
            "call rate",
            "range selector",
            "scan 0: {__name__=\"x_total\"}",
            "3 series, 1 reader",
            "constant-folding (1)",
        ] {
            assert!(planned.contains(part), "{part} is missing:\n{planned}");
        }
        let ticks = AtomicU64::new(0);
        let clock = move || Duration::from_micros(ticks.fetch_add(10, Ordering::Relaxed));
        let traced = QueryOptions { trace: true, clock: Some(Arc::new(clock)), ..QueryOptions::default() };
        let result = engine.range_prepared(&storage, &query, span, &traced).unwrap();
        let ran = text(&result.stats.plan.unwrap());
        assert!(ran.lines().next().unwrap().contains("self"), "{ran}");
        assert!(ran.contains("3 / 3") && ran.contains(" %"), "{ran}");
    }

    #[test]
    fn sizes_are_short() {
        let check = |n_bytes, want: &str| assert_eq!(bytes(n_bytes), want);
        check(0, "-");
        check(999, "999 B");
        check(1_500, "1.5 kB");
        check(123_456_789, "123 MB");
    }
}
