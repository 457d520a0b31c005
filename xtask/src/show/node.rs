//! Issue 9: hosts and containers.

use anyhow::Result;

use super::clone::Clone;
use super::{Line, bench};

pub(super) fn show() -> Result<Vec<Line>> {
    let clone = Clone::fresh()?;
    let suite = clone.suite()?;
    let logs = clone.logs()?;
    Ok(vec![
        logs.line(
            "the public fixtures' page in every name, label, type and value; textfile cases equal their pages",
            &["the_fixtures_give_the_expected_page", "files_of_metrics_give_the_expected_pages"],
            &[],
        ),
        logs.line("beside Debian's exporter nothing of it is missing", &["nothing_of_the_original_is_missing"], &[]),
        logs.line(
            "recorded control groups of both versions with answers of CRI and Docker",
            &[
                "every_class_of_pod_is_named_by_the_runtime",
                "the_unified_hierarchy_gives_the_documented_values",
                "a_hierarchy_for_each_controller_gives_the_documented_values",
                "docker_names_its_containers",
                "without_a_runtime_containers_are_told_by_their_ids",
                "what_is_gone_is_gone_at_the_next_scrape",
            ],
            &[],
        ),
        logs.line(
            "containers started with Debian's runc, and groups made here, appear and vanish with the right series",
            &["a_container_of_runc_appears_and_vanishes", "a_group_made_here_appears_and_vanishes"],
            &[],
        ),
        bench::line(
            &clone,
            "figures beside the original: CPU of a scrape, memory, 128 CPUs and 2,000 devices",
            &["node"],
        )?,
        suite,
    ])
}
