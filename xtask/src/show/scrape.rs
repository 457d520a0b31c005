//! Issue 5: any prometheus.yml works unchanged.

use anyhow::Result;

use super::clone::Clone;
use super::{Line, bench};

pub(super) fn show() -> Result<Vec<Line>> {
    let clone = Clone::fresh()?;
    let suite = clone.suite()?;
    let logs = clone.logs()?;
    Ok(vec![
        logs.line(
            "configurations load or fail as named, with the original's texts, and read back",
            &CONFIG,
            &[
                "configuration files refused with the original's text",
                "configuration files that load and read back as printed",
            ],
        ),
        logs.line("a table of YAML oddities as Go reads them", &["yaml_oddities_read_as_in_go"], &[]),
        logs.line("the conformance pages and fixtures of exposition and discovery pass", &CONFORMANCE, &[]),
        logs.line("parsers of pages, configurations and answers of sources take any bytes", &FUZZED, &[]),
        logs.line("short ways through a page and whole words equal the definitions on random input", &EQUAL, &[]),
        logs.instructions("instruction counts of scraping hold", &COUNTED),
        logs.line("discovery against Debian's etcd, dnsmasq and ZooKeeper", &SERVERS, &[]),
        logs.line(
            "discovery: same targets and labels as prometheus 2.42 (Consul: vmagent 1.79) from the same fakes",
            &SAME,
            &[],
        ),
        logs.line(
            "failures, slow answers and index resets: what was found is kept, what comes is taken over",
            &FAULTS,
            &[],
        ),
        logs.line("10,000 names do not starve, whatever their name servers do", &NAMES, &[]),
        bench::line(
            &clone,
            "500 targets beside prometheus 2.42 and victoria-metrics 1.79; parse rate, 10,000 targets, reload",
            &["scrape-500"],
        )?,
        logs.line(
            "hostile targets leave memory bounded and other targets on time",
            &HOSTILE,
            &[
                "of 100 ticks the good target was scraped at",
                "series in memory with a flood of a million a minute",
                "resident MiB with hostile targets",
            ],
        ),
        suite,
    ])
}

/// How the names of counted paths begin.
const COUNTED: [&str; 3] = ["scrape/repeat", "scrape/line-lost", "scrape/first"];

const CONFIG: [&str; 3] = [
    "bad_files_are_refused_with_the_expected_text",
    "every_conformance_file_loads_or_fails_as_its_name_says_and_reads_back_as_printed",
    "secrets_are_not_printed",
];
/// Pages and recorded answers of the original.
const CONFORMANCE: [&str; 5] = [
    "conformance_pages_read_to_the_end",
    "real_pages_are_known_in_full_when_they_repeat",
    "docker_containers_are_those_of_prometheus",
    "swarms_are_those_of_prometheus",
    "the_file_fixtures_read_as_in_prometheus",
];
/// Entry points of `fuzz/`, run on seeds, mutations and random bytes.
const FUZZED: [&str; 5] = [
    " parse::tests::mutated_pages_never_break_the_parser",
    "protobuf::tests::mutated_pages_never_break_the_parser",
    "hostile_bytes_never_break_the_parser",
    "mutated_configurations_end_in_problems_or_read_back_as_printed",
    "mutated_answers_end_in_groups_or_errors",
];
/// Fast ways beside their definitions.
const EQUAL: [&str; 5] = [
    "every_byte_in_every_lane_is_judged_as_by_the_definition",
    "words_and_single_bytes_agree_on_random_bytes",
    "words_and_single_bytes_agree_on_names_and_numbers",
    "slots_and_the_full_parser_agree",
    "known_series_take_the_short_way_only_where_it_is_the_same",
];
const SERVERS: [&str; 3] = [
    "etcd_keys_are_targets_as_they_come_and_go",
    "dnsmasq_records_of_every_type_are_targets",
    "zookeeper_members_are_those_of_prometheus_and_followed",
];
const SAME: [&str; 5] = [
    "docker_containers_are_those_of_prometheus",
    "swarms_are_those_of_prometheus",
    "eureka_applications_are_those_of_prometheus",
    "consul_services_are_those_of_vmagent",
    "the_file_fixtures_read_as_in_prometheus",
];
const FAULTS: [&str; 7] = [
    "sources_that_fail_rave_or_answer_late_keep_their_targets",
    "consul_is_followed_through_changes_and_an_index_that_goes_back",
    "an_http_source_that_fails_keeps_its_targets_and_says_so",
    "files_are_read_when_they_change_and_bad_ones_keep_what_they_said",
    "a_source_with_new_settings_keeps_its_targets_until_its_first_answer",
    "only_the_jobs_of_a_source_that_changed_are_told",
    "a_configuration_reloads_itself_and_a_bad_one_leaves_the_old_one_running",
];
/// Name resolution, with a resolver that the tests drive.
const NAMES: [&str; 4] = [
    "ten_thousand_slow_names_take_a_few_threads_only",
    "names_whose_servers_are_dead_do_not_hold_up_ten_thousand_others",
    "a_look_up_that_nobody_waits_for_holds_its_place_and_its_answer_is_kept",
    "old_addresses_are_used_while_a_new_answer_is_late_but_not_for_ever",
];
/// Whole server first, then each attack on the parts.
const HOSTILE: [&str; 9] = [
    "each_bad_target_is_down_with_its_reason_and_the_good_one_is_up",
    "targets_that_hang_before_or_inside_the_page_time_out",
    "endless_pages_and_bombs_end_at_the_limit",
    "a_zstd_bomb_is_unpacked_to_the_limit_only",
    "a_redirect_loop_ends",
    "large_bodies_share_a_budget_and_small_ones_never_wait",
    "bad_targets_are_down_with_their_reason_and_hold_up_nobody",
    "new_series_that_storage_refuses_do_not_harm_the_known_ones",
    "wrong_guesses_end_before_they_cost_the_square_of_a_page",
];
