//! Issue 3: a time series database that Prometheus can open and nobody can break.

use anyhow::Result;

use super::clone::Clone;
use super::{Line, bench};

pub(super) fn show() -> Result<Vec<Line>> {
    let clone = Clone::fresh()?;
    let suite = clone.suite()?;
    let logs = clone.logs()?;
    Ok(vec![
        logs.line(
            "swap test, both ways, against prometheus 2.42: every function, nothing empty, all equal",
            &[
                "our_directory_goes_to_prometheus_and_back",
                "the_directory_of_prometheus_comes_to_us_and_goes_back",
                "the_questions_use_every_function_of_the_original",
            ],
            &[
                "swap: blocks that we wrote",
                "swap: blocks that prometheus wrote",
                "swap: samples that promtool dumps",
                "swap: answers, ours, read by both, all equal",
                "swap: answers, ours, continued by prometheus, read by both, all equal",
                "swap: answers, prometheus's, read by both, all equal",
                "swap: answers, prometheus's, continued by us, read by both, all equal",
            ],
        ),
        logs.line("what 2.42 cannot read has round trips from bytes derived by hand", &HAND_DERIVED, &[]),
        logs.line(
            "crash ledger: kills at random instants, every acknowledged sample found exactly once",
            &[
                "a_killed_log_keeps_everything_it_acknowledged",
                "a_killed_database_keeps_everything_it_acknowledged_or_showed",
                "kill_nine_loses_nothing_that_a_query_returned",
            ],
            &["kill -9 rounds", "acknowledged samples checked after the kills"],
        ),
        logs.line(
            "fault layer: every operation fails in turn, power cuts, torn pages, flipped bits",
            &FAULTS,
            &[],
        ),
        logs.line(
            "model test: random operations against a naive model; fuzzing of every decoder",
            &MODELS,
            &[],
        ),
        bench::line(
            &clone,
            "figures beside prometheus 2.42 and victoria-metrics 1.79",
            &["tsdb-memory", "tsdb-append", "tsdb-restart", "tsdb-blocks", "tsdb-cut"],
        )?,
        suite,
    ])
}

/// Tests of formats that no peer here can read.
const HAND_DERIVED: [&str; 7] = [
    "xor2::tests::bytes_are_those_of_the_format",
    "start_timestamps_are_those_of_the_format",
    "integer_chunks_are_those_of_the_format",
    "float_chunks_are_those_of_the_format",
    "chunks_with_start_timestamps_count_in_fourteen_bits",
    "samples_of_version_2_carry_start_timestamps",
    "index_writer::tests::bytes_are_those_of_the_format",
];
/// Tests on the disk that fails.
const FAULTS: [&str; 5] = [
    "a_full_disk_loses_nothing_acknowledged",
    "an_io_error_loses_nothing_acknowledged",
    "a_power_cut_takes_no_more_than_the_samples_since_the_last_sync",
    "a_power_cut_takes_nothing_when_every_write_is_synced",
    "a_failed_sync_is_made_good_before_anything_relies_on_it",
];
/// Tests against models, and of decoders on any bytes.
const MODELS: [&str; 6] = [
    "the_database_is_a_map_after_every_step",
    "late_samples_equal_the_model",
    "late_samples_equal_the_model_across_blocks",
    "mixed_series_equal_the_model",
    "no_bytes_harm_a_decoder",
    "hostile_snapshots_end_in_an_error_not_in_a_panic",
];
