//! Issue 4: PromQL, complete, and several times faster.

use anyhow::Result;

use super::clone::Clone;
use super::{Line, bench};

pub(super) fn show() -> Result<Vec<Line>> {
    let clone = Clone::fresh()?;
    let suite = clone.suite()?;
    let logs = clone.logs()?;
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
            "properties: what is printed parses to the same; a range is its instants; threads, chunks and caches change no answer",
            &PROPERTIES,
            &[],
        ),
        logs.line(
            "each optimiser rule changes the plan, costs work when switched off, and changes no answer",
            &RULES,
            &[],
        ),
        logs.line("parser and evaluation take any bytes, and hold their limits", &FUZZED, &[]),
        logs.instructions(
            "instruction counts of parser, decode, rate, aggregations, joins, histogram_quantile",
            &COUNTED,
        ),
        bench::line(&clone, "figures beside prometheus 2.42 and victoria-metrics on one data set", &["promql-queries"])?,
        suite,
    ])
}

/// How the names of counted paths begin, one for each thing to be counted.
const COUNTED: [&str; 6] = [
    "promql/parse",
    "xor/decode",
    "promql/rate",
    "promql/sum-by",
    "promql/join",
    "promql/histogram-quantile",
];

/// Tests of what holds for any query.
const PROPERTIES: [&str; 6] = [
    "printed_queries_parse_to_the_same_tree",
    "a_range_query_is_its_instant_queries",
    "answers_do_not_depend_on_threads",
    "answers_do_not_depend_on_chunks_and_blocks",
    "answers_do_not_depend_on_what_is_cached",
    "answers_do_not_depend_on_the_optimiser",
];

/// Tests of the optimiser, one or more for each rule.
const RULES: [&str; 10] = [
    "constants_are_folded_before_anything_runs",
    "what_never_changes_is_evaluated_once",
    "equal_selectors_are_selected_once",
    "selectors_read_only_the_times_they_look_at",
    "groups_are_found_without_label_sets",
    "conditions_reach_the_other_side_of_a_join",
    "conditions_stay_where_they_could_hide_something",
    "an_ambiguous_side_is_an_error_even_if_narrowing_leaves_it_no_partner",
    "a_chain_of_unions_is_one_operator",
    "no_rule_changes_an_answer",
];

/// Tests with bytes that nobody meant.
const FUZZED: [&str; 5] = [
    "mutated_queries_neither_panic_nor_change_in_print",
    "no_nesting_exhausts_the_stack",
    "mutated_queries_are_evaluated_without_a_panic",
    "few_samples_are_enough_or_too_many",
    "time_that_is_up_and_cancellation_end_any_query",
];
