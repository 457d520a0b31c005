//! What the journeys visit beside `watchfire up`: a server with rules and a hostile target, and its Alertmanager.

use std::fs;
use std::io::Write;
use std::net::{Shutdown, SocketAddr};
use std::path::Path;

use tempfile::TempDir;
use wf_e2e::process::{Server, free_port};
use wf_e2e::target::Target;

/// Markup that must stay text wherever it is shown.
pub(super) const MARKUP: &str = "<img src=x onerror=window.pwned=1>";

const RULES: &str = r#"
groups:
- name: hosts
  interval: 1s
  rules:
  - {record: 'job:up:count', expr: 'count by (job) (up)'}
  - alert: TargetDown
    expr: up == 0
    for: 1s
    labels: {severity: page}
    annotations: {summary: '{{ $labels.instance }} is down', runbook_url: 'https://runbooks.example/TargetDown'}
  - {alert: Quiet, expr: 'up > 5', for: 10m}
- name: broken
  interval: 1s
  rules:
  - {record: dup, expr: 'up * on (nolabel) group_left () up'}
- name: hostile
  interval: 1s
  rules:
  - alert: Evil
    expr: evil_total >= 0
    labels: {kind: '<b onmouseover=alert(1)>'}
    annotations: {summary: '<img src=x onerror=window.pwned=1>', runbook_url: 'javascript:window.pwned=1', data: 'data:text/html,x'}
"#;

/// Routes whose pager has a webhook that answers at `hook`, and one on a port where nobody listens.
fn routes(hook: SocketAddr, dead_port: u16) -> String {
    format!(
        "
route:
  receiver: ops
  group_by: [alertname]
  group_wait: 1s
  group_interval: 2s
  routes:
  - {{matchers: ['severity=\"page\"'], receiver: pager, group_by: [alertname, job]}}
receivers:
- name: ops
- name: pager
  webhook_configs:
  - url: http://{hook}/
  - url: http://127.0.0.1:{dead_port}/
"
    )
}

/// Takes notifications: answers, and reads what is still coming until the sender hangs up.
fn webhook() -> Target {
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    Target::raw(move |_, stream| {
        stream.write_all(answer)?;
        stream.shutdown(Shutdown::Write)?;
        std::io::copy(stream, &mut std::io::sink()).map(|_| ())
    })
    .unwrap()
}

/// A server and an Alertmanager that know each other. Ended when dropped.
pub(super) struct Sites {
    pub(super) server: Server,
    pub(super) alertmanager: Server,
    _targets: [Target; 3],
    folder: TempDir,
}

impl Sites {
    pub(super) fn start(binary: &Path) -> Self {
        let target = Target::page(hostile_page).unwrap();
        let machine = Target::page(super::containers::page).unwrap();
        let hook = webhook();
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let (port, alert_port, dead_port) =
            (free_port().unwrap(), free_port().unwrap(), free_port().unwrap());
        fs::write(path("rules.yml"), RULES).unwrap();
        fs::write(path("am.yml"), routes(hook.address, dead_port)).unwrap();
        let config = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nrule_files: [rules.yml]\n\
             alerting: {{alertmanagers: [{{static_configs: [{{targets: ['127.0.0.1:{alert_port}']}}]}}]}}\n\
             scrape_configs:\n\
             - {{job_name: hostile, static_configs: [{{targets: ['{}']}}]}}\n\
             - {{job_name: containers, metrics_path: /metrics/cadvisor, static_configs: [{{targets: ['{}']}}]}}\n\
             - {{job_name: watchfire, static_configs: [{{targets: ['127.0.0.1:{port}']}}], relabel_configs: [{{target_label: env, replacement: test}}]}}\n\
             - {{job_name: gone, static_configs: [{{targets: ['127.0.0.1:{dead_port}', '127.0.0.1:1']}}], relabel_configs: [{{source_labels: [__address__], regex: '.*:1', action: drop}}]}}\n",
            target.address, machine.address
        );
        fs::write(path("prometheus.yml"), config).unwrap();
        let arguments = [
            "alertmanager".to_owned(),
            format!("--config.file={}", path("am.yml")),
            format!("--storage.path={}", path("am")),
            format!("--web.listen-address=127.0.0.1:{alert_port}"),
            "--cluster.listen-address=".to_owned(),
        ];
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let alertmanager = Server::start(binary, &arguments, alert_port, Path::new(&path("am.log"))).unwrap();
        let base = format!("http://127.0.0.1:{port}");
        let server = start_server(binary, folder.path(), "data", port, base, "");
        Self { server, alertmanager, _targets: [target, machine, hook], folder }
    }

    /// Starts another server with the same configuration below `/kept`, which others reach at `url`. Returns it with its
    /// address and port.
    pub(super) fn server_below_kept(&self, binary: &Path, url: &str) -> (Server, String) {
        let port = free_port().unwrap();
        let address = format!("http://127.0.0.1:{port}");
        (start_server(binary, self.folder.path(), "kept", port, format!("{address}/kept"), url), address)
    }
}

/// Starts a server on the configuration in `folder`.
fn start_server(binary: &Path, folder: &Path, data: &str, port: u16, base: String, url: &str) -> Server {
    let path = |name: &str| folder.join(name).display().to_string();
    let arguments = [
        "server".to_owned(),
        format!("--config.file={}", path("prometheus.yml")),
        format!("--storage.tsdb.path={}", path(data)),
        format!("--web.listen-address=127.0.0.1:{port}"),
        format!("--web.external-url={url}"),
        "--enable-feature=exemplar-storage".to_owned(),
    ];
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    Server::start_at(binary, &arguments, base, Path::new(&path(&format!("{data}.log")))).unwrap()
}

/// Counters and a histogram, with markup in the help text and in label values.
fn hostile_page(number: u64) -> String {
    let mut page = format!(
        "# HELP evil_total {MARKUP}\n# TYPE evil_total counter\n\
         evil_total{{v=\"{MARKUP}\",k=\"</script><script>window.pwned=1</script>\"}} {number}\n\
         # HELP req_seconds How long requests take.\n# TYPE req_seconds histogram\n"
    );
    for (weight, bound) in [(1, "0.1"), (4, "0.5"), (6, "2"), (7, "+Inf")] {
        page.push_str(&format!("req_seconds_bucket{{le=\"{bound}\"}} {}\n", number * weight));
    }
    page.push_str(&format!("req_seconds_count {}\nreq_seconds_sum {}\n", number * 7, number * 3));
    page
}
