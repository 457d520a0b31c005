//! Issue 5: any prometheus.yml works unchanged.

use anyhow::Result;

use super::Line;
use super::clone::Clone;

pub(super) fn show() -> Result<Vec<Line>> {
    let clone = Clone::fresh()?;
    let suite = clone.suite()?;
    let logs = clone.logs()?;
    Ok(vec![
        logs.line(
            "configurations load or fail as named, with the original's texts, and read back",
            &CONFIG,
            &[],
        ),
        logs.line("a table of YAML oddities as Go reads them", &["yaml_oddities_read_as_in_go"], &[]),
        logs.line("discovery: same targets and labels as prometheus 2.42 (Consul: vmagent 1.79) from the same fakes", &SAME, &[]),
        logs.line("discovery against Debian's etcd, dnsmasq and ZooKeeper", &SERVERS, &[]),
        logs.line(
            "failures, slow answers and index resets: what was found is kept, what comes is taken over",
            &FAULTS,
            &[],
        ),
        suite,
    ])
}

const CONFIG: [&str; 2] = [
    "bad_files_are_refused_with_the_expected_text",
    "every_conformance_file_loads_or_fails_as_its_name_says_and_reads_back_as_printed",
];
const SAME: [&str; 5] = [
    "docker_containers_are_those_of_prometheus",
    "swarms_are_those_of_prometheus",
    "eureka_applications_are_those_of_prometheus",
    "consul_services_are_those_of_vmagent",
    "the_file_fixtures_read_as_in_prometheus",
];
const SERVERS: [&str; 3] = [
    "etcd_keys_are_targets_as_they_come_and_go",
    "dnsmasq_records_of_every_type_are_targets",
    "zookeeper_members_are_those_of_prometheus_and_followed",
];
const FAULTS: [&str; 4] = [
    "consul_is_followed_through_changes_and_an_index_that_goes_back",
    "an_http_source_that_fails_keeps_its_targets_and_says_so",
    "files_are_read_when_they_change_and_bad_ones_keep_what_they_said",
    "a_configuration_reloads_itself_and_a_bad_one_leaves_the_old_one_running",
];
