//! Issue 8: the Alertmanager.

use anyhow::Result;

use super::clone::Clone;
use super::{Line, bench};

/// One test of every kind of receiver, and those of mail servers.
const RECEIVERS: [&str; 17] = [
    "mail_servers_that_check_take_what_ours_sends",
    "cram_md5_answers_as_in_its_rfc",
    "webhook_sends_the_data_in_order",
    "a_webhook_payload_is_expanded_and_typed",
    "pagerduty_triggers_and_resolves",
    "slack_posts_updates_and_believes_the_body_only",
    "chat_rooms_get_their_forms",
    "rocketchat_authorises_by_headers",
    "opsgenie_makes_changes_and_closes",
    "victorops_recovers",
    "pushover_says_all_in_the_query",
    "telegram_sends_texts_only_and_escapes",
    "wechat_fetches_a_token_first",
    "jira_makes_an_issue_and_moves_the_one_that_is_there",
    "sns_signs_a_form",
    "incidentio_sends_version_one_with_a_token",
    "failures_of_a_webhook_are_classed",
];

pub(super) fn show() -> Result<Vec<Line>> {
    let clone = Clone::fresh()?;
    let suite = clone.suite()?;
    let logs = clone.logs()?;
    let mut lines = vec![
        logs.line(
            "the files of conformance/alertmanager-config load or fail as named",
            &["conformance_files_load_or_fail_as_named"],
            &[],
        ),
        logs.line(
            "webhook bodies equal to those of Debian's Alertmanager: group, regroup, repeat, resolve, flap, silence, expire, inhibit, mute, reload, restart",
            &["debians_alertmanager_and_ours_tell_the_same_story"],
            &["alertmanager: webhook bodies equal to those of Debian's"],
        ),
        logs.line(
            "switch-over in both directions: no page is repeated, a resolve closes the incident",
            &["each_takes_over_the_others_directory"],
            &["alertmanager: hand-overs without a repeated page"],
        ),
        logs.line(
            "every receiver against a server that checks the request",
            &RECEIVERS,
            &["alertmanager: ways to log in to mail servers that check"],
        ),
        logs.line(
            "cluster: three processes, one sink; kill and partition: exactly one notification in health, never none",
            &["a_cluster_tells_once_in_health_and_never_nothing"],
            &[
                "alertmanager: cluster: groups told exactly once in health",
                "alertmanager: cluster: told when the first was killed",
                "alertmanager: cluster: told during a partition",
            ],
        ),
        logs.line(
            "Debian's amtool and prometheus work against ours unchanged",
            &["debians_prometheus_sends_its_alerts_to_ours", "both_amtools_work_with_ours"],
            &["alertmanager: commands of both amtools answered"],
        ),
    ];
    lines.push(bench::line(
        &clone,
        "10,000 alerts over 500 routes and 86 inhibition rules beside the original; 100,000 alerts within 300 MB",
        &["alertmanager"],
    )?);
    lines.push(suite);
    Ok(lines)
}
