//! Issue 8: the Alertmanager. Lines of "Must show" that nothing runs yet are told as skipped.

use anyhow::Result;

use super::clone::Clone;
use super::{Line, Verdict};

pub(super) fn show() -> Result<Vec<Line>> {
    let clone = Clone::fresh()?;
    let suite = clone.suite()?;
    let logs = clone.logs()?;
    let skipped = |what| Line { what, verdict: Verdict::Skipped, figures: Vec::new() };
    Ok(vec![
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
            "receivers against servers that check the request",
            &["cram_md5_answers_as_in_its_rfc", "webhook_sends_the_data_in_order", "sns_signs_a_form"],
            &[],
        ),
        skipped("cluster: three processes, one sink; kill and partition"),
        skipped("10,000 alerts over 500 routes beside the original; 100,000 alerts within 300 MB"),
        suite,
    ])
}
