//! Servers federate from each other: ours from a target, Debian's prometheus from ours, ours from Debian's.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use wf_e2e::http;
use wf_e2e::process::{PATIENCE, Server, eventually, free_port};
use wf_e2e::skip::{binary, peer};
use wf_e2e::target::Target;

use crate::setup::Site;

/// A hundred series that keep their values, with what needs escaping and what is no plain number.
fn page(_: u64) -> String {
    let mut page = String::from("# TYPE fed_gauge gauge\n# TYPE fed_total counter\n");
    for id in 0..50 {
        writeln!(page, "fed_gauge{{id=\"{id}\",path=\"C:\\\\a\\n\\\"b\\\"\",city=\"서울\"}} {}.25", id * 3)
            .unwrap();
        writeln!(page, "fed_total{{id=\"{id}\"}} {}", id * 1_000_003).unwrap();
    }
    page + "fed_gauge{id=\"inf\"} +Inf\nfed_gauge{id=\"nan\"} NaN\n"
}

/// Writes a configuration that federates everything of job `load` from `base`.
fn federate_from(path: &Path, base: &str) {
    let address = base.strip_prefix("http://").unwrap();
    let text = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n  - job_name: fed\n    honor_labels: true\n    \
         metrics_path: /federate\n    params: {{'match[]': ['{{job=\"load\"}}', 'fed_total']}}\n    \
         static_configs: [{{targets: ['{address}']}}]\n"
    );
    fs::write(path, text).unwrap();
}

/// Returns the lines of a federated page that tell of our series, without times, sorted.
fn lines(server: &Server) -> BTreeSet<String> {
    let url = format!("{}/federate?match[]=%7B__name__%3D~%22fed_.%2A%22%7D", server.base);
    let answer = http::get(&url).unwrap();
    assert_eq!(answer.status, 200);
    let text = answer.body;
    let samples = text.lines().filter(|line| line.starts_with("fed_"));
    samples.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect()
}

fn start_prometheus(program: &Path, site: &Site, from: &str) -> Server {
    let port = free_port().unwrap();
    let config = site.path("theirs.yml");
    federate_from(&config, from);
    let arguments = [
        format!("--config.file={}", config.display()),
        format!("--storage.tsdb.path={}", site.path("theirs").display()),
        format!("--web.listen-address=127.0.0.1:{port}"),
    ];
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    Server::start(program, &arguments, port, &site.path("theirs.log")).unwrap()
}

#[test]
fn samples_pass_through_three_servers_unchanged() {
    let (Some(binary), Some(prometheus)) = (binary(), peer("prometheus")) else { return };
    let target = Target::page(page).unwrap();
    let first = Site::new();
    first.configure("1s", &[("load", target.address.to_string())]);
    let config = fs::read_to_string(first.path("prometheus.yml")).unwrap();
    let config = config.replacen("global:\n", "global:\n  external_labels: {site: seoul}\n", 1);
    fs::write(first.path("prometheus.yml"), config).unwrap();
    let ours = first.server(&binary);
    let theirs = start_prometheus(&prometheus, &first, &ours.base);
    let last = Site::new();
    federate_from(&last.path("prometheus.yml"), &theirs.base);
    let end = last.server(&binary);
    // Each is compared as it was when it had everything: a scrape that fails on a busy machine takes its series away until the
    // next one.
    let all_of = |server: &Server| {
        let mut found = BTreeSet::new();
        let has_all = eventually(PATIENCE, || {
            found = lines(server);
            found.len() == 102
        });
        assert!(has_all, "{found:?}\n{}", server.log_text());
        found
    };
    let (at_end, at_theirs, at_ours) = (all_of(&end), all_of(&theirs), all_of(&ours));
    assert!(at_ours.iter().all(|line| line.contains("site=\"seoul\"") && line.contains("job=\"load\"")));
    let sorted = |lines: &BTreeSet<String>| -> BTreeSet<Vec<String>> {
        // Attached labels stand last in the page of whoever attaches them, and sorted in those of others.
        let parts = |line: &String| line.split([',', '{', '}']).map(str::to_owned).collect::<BTreeSet<_>>();
        lines.iter().map(|line| parts(line).into_iter().collect()).collect()
    };
    assert_eq!(sorted(&at_ours), sorted(&at_theirs));
    assert_eq!(at_theirs, at_end);
}
