//! What we tell of ourselves has the original's names, types and labels: stock alerts and dashboards work on us.

use std::collections::{BTreeMap, BTreeSet};

use wf_e2e::{figure, http};

use crate::grafana::Twins;

/// Begins of names that Debian's prometheus has and we do not, and why.
const ABSENT: [(&str, &str); 15] = [
    ("go_", "the runtime of Go; `go_info`, `go_goroutines` and `go_threads` stand in for it"),
    ("net_conntrack_", "connections are not counted by name"),
    ("promhttp_", "counted as `prometheus_http_requests_total{handler=\"/metrics\"}`"),
    ("prometheus_remote_storage_", "there is no remote write yet"),
    ("prometheus_api_remote_read_queries", "there is no remote read yet"),
    ("prometheus_sd_azure_", "not in 3.14 either: counted as `prometheus_sd_refresh_failures_total`"),
    ("prometheus_sd_dns_", "counted as `prometheus_sd_refresh_failures_total{mechanism=\"dns\"}`"),
    ("prometheus_sd_file_scan_duration_seconds", "counted as `prometheus_sd_refresh_duration_seconds`"),
    ("prometheus_sd_file_watcher_errors_total", "a file that cannot be watched is read at every refresh"),
    ("prometheus_treecache_", "ZooKeeper is watched without a tree of goroutines"),
    ("prometheus_notifications_dropped_total", "per Alertmanager, as in 3.14; here there is none"),
    ("prometheus_notifications_queue_capacity", "per Alertmanager, as in 3.14; here there is none"),
    ("prometheus_notifications_queue_length", "per Alertmanager, as in 3.14; here there is none"),
    ("prometheus_template_text_", "templates are not counted"),
    ("prometheus_tsdb_compaction_populating_block", "blocks are written in one go"),
];

/// Families of a page: type, and the names of labels.
fn families(page: &str) -> BTreeMap<String, (String, BTreeSet<String>)> {
    let mut families: BTreeMap<String, (String, BTreeSet<String>)> = BTreeMap::new();
    let mut open = String::new();
    for line in page.lines() {
        if let Some(declared) = line.strip_prefix("# TYPE ") {
            let (name, kind) = declared.split_once(' ').unwrap();
            open = name.to_owned();
            families.entry(open.clone()).or_default().0 = kind.to_owned();
            continue;
        }
        let Some((_, labels)) = line.split_once('{').filter(|_| !line.starts_with('#')) else { continue };
        let labels = labels.rsplit_once('}').map_or("", |(labels, _)| labels);
        let names =
            labels.split("\",").filter_map(|pair| pair.split_once('=')).map(|(name, _)| name.to_owned());
        families.entry(open.clone()).or_default().1.extend(names);
    }
    families
}

#[test]
fn metrics_of_the_original_are_ours_too_or_have_a_reason_not_to_be() {
    let Some(twins) = Twins::start() else { return };
    let page = |base: &str| {
        // Twice: the first request is counted in the second.
        http::get(&format!("{base}/metrics")).unwrap();
        families(&http::get(&format!("{base}/metrics")).unwrap().body)
    };
    let (ours, theirs) = (page(&twins.ours.base), page(&twins.theirs.base));
    let reason = |name: &str| ABSENT.iter().find(|(start, _)| name.starts_with(start)).map(|(_, why)| *why);
    let mut wrong = Vec::new();
    let (mut n_shared, mut n_absent) = (0, 0);
    for (name, (kind, labels)) in &theirs {
        match ours.get(name) {
            None if reason(name).is_some() => n_absent += 1,
            None => wrong.push(format!("{name} is missing")),
            Some((our_kind, our_labels)) => {
                n_shared += 1;
                if our_kind != kind {
                    wrong.push(format!("{name} is a {our_kind}, not a {kind}"));
                }
                // What is not counted at the moment has no labels yet; quantiles are those of single events.
                let missing: Vec<_> =
                    labels.difference(our_labels).filter(|label| *label != "quantile").collect();
                if !missing.is_empty() && !our_labels.is_empty() {
                    wrong.push(format!("{name} lacks {missing:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    figure("metrics of prometheus 2.42 about itself that are ours too", n_shared);
    figure("metrics of prometheus 2.42 about itself that are absent for a reason", n_absent);
}
