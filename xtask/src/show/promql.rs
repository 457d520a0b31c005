//! Issue 4: PromQL, complete, and several times faster.

use anyhow::Result;

use super::clone::Clone;
use super::{Line, bench};

pub(super) fn show() -> Result<Vec<Line>> {
    let clone = Clone::fresh()?;
    let (ci_passed, ci_took) = clone.time("bash", &[".ci/run"])?;
    let logs = clone.logs()?;
    let minutes = format!("minutes of .ci/run: {:.1}", ci_took.as_secs_f64() / 60.0);
    let (counts_hold, counts) = clone.output("cargo", &["xtask", "instructions"])?;
    let counts = counts.lines().filter(|line| line.contains("promql/")).map(str::to_owned).collect();
    Ok(vec![
        logs.line(
            "all 1,470 evaluations of the conformance scripts pass; mutations of them do not",
            &["every_conformance_script_is_run", "wrong_results_do_not_pass", "wrong_failures_and_annotations_do_not_pass"],
            &["conformance evaluations passed"],
        ),
        logs.line(
            "thousands of generated queries are answered as by prometheus 2.42; regexes agree with Go's RE2",
            &["generated_queries_are_answered_as_by_prometheus"],
            &[
                "generated queries compared with prometheus 2.42",
                "generated queries: samples compared",
                "generated regexes compared with prometheus 2.42",
            ],
        ),
        logs.line(
            "properties: printing, steps, parallelism, chunk boundaries; optimiser rules; fuzzing under limits",
            &PROPERTIES,
            &[],
        ),
        Line::new("instruction counts of parser, decode, rate, aggregations, joins, histogram_quantile", counts_hold, counts),
        bench::line(&clone, "figures beside prometheus 2.42 and victoria-metrics on one data set", &["promql-queries"])?,
        Line::new("make test and .ci/run are green from a clean clone", ci_passed, vec![minutes]),
    ])
}

/// Tests of what holds for any query.
const PROPERTIES: [&str; 4] = [
    "printed_queries_parse_to_the_same_tree",
    "a_range_query_is_its_instant_queries",
    "few_samples_are_enough_or_too_many",
    "time_that_is_up_and_cancellation_end_any_query",
];
