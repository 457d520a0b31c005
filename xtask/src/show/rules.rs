//! Issue 7: rules, templates, notifier, promtool.

use anyhow::Result;

use super::clone::Clone;
use super::{Line, bench};

pub(super) fn show() -> Result<Vec<Line>> {
    let clone = Clone::fresh()?;
    let suite = clone.suite()?;
    let logs = clone.logs()?;
    Ok(vec![
        logs.line(
            "rule tests and rule files of the originals pass, load or fail as named",
            &[
                "the_originals_tests_pass_or_fail_as_named",
                "the_kubernetes_rules_pass_their_tests",
                "the_stock_kubernetes_rules_pass_their_tests_by_promtool",
                "the_originals_files_load_or_fail_as_named",
            ],
            &["rule test files of kubernetes-mixin"],
        ),
        logs.line(
            "the same rule file and data give the same annotations, /alerts and /rules as prometheus 2.42",
            &[
                "the_same_rules_and_data_give_the_same_alerts_as_the_original",
                "texts_expand_as_in_the_original",
            ],
            &["texts of alerts expanded as by prometheus 2.42"],
        ),
        logs.line(
            "Debian's prometheus-alertmanager 0.25 receives, shows and resolves our alerts",
            &["debians_alertmanager_receives_shows_and_resolves_our_alerts"],
            &[],
        ),
        logs.line(
            "promtool: output and exit codes over a table of calls",
            &[
                "checks_say_and_end_as_the_original",
                "configurations_and_what_they_refer_to_are_checked_as_by_the_original",
                "targets_are_discovered_as_by_the_original",
                "rule_tests_pass_and_fail_as_with_the_original",
                "questions_are_answered_as_by_the_original",
                "a_backtest_says_when_alerts_would_have_fired_and_rules_make_blocks",
            ],
            &["rule test files run beside promtool 2.42"],
        ),
        logs.line(
            "10,000 alerting rules at 15 s keep up; a group gives what its rules give one by one",
            &[
                "ten_thousand_alerting_rules_every_15_seconds_miss_no_iteration",
                "a_group_gives_what_its_rules_give_one_by_one",
                "a_series_is_decoded_once_while_there_is_memory",
            ],
            &[],
        ),
        bench::line(
            &clone,
            "10,000 rules on a whole server; kubernetes-mixin on 200k series at 1/4 of prometheus's CPU",
            &["rules-10k", "rules-mixin"],
        )?,
        logs.line("restart, clock, Alertmanager and reload: alerts neither lost nor duplicated", &LIFE, &[]),
        suite,
    ])
}

/// Tests under a driven clock.
const LIFE: [&str; 7] = [
    "a_restart_in_the_middle_of_for_goes_on_where_it_was",
    "what_fired_before_a_restart_fires_again_and_what_ended_does_not",
    "a_clock_that_is_set_neither_loses_alerts_nor_makes_them_fire_early",
    "an_alertmanager_that_was_down_for_an_hour_is_told_the_present_once",
    "a_reload_keeps_alerts_of_rules_that_stay_and_ends_series_of_those_that_go",
    "a_group_that_is_gone_ends_its_series_where_it_stopped",
    "alerts_are_relabeled_sent_again_after_a_failure_and_drained_at_the_end",
];
