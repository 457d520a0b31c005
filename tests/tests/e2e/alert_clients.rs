//! Debian's `prometheus` and `amtool` work against our Alertmanager unchanged; our `amtool` says what theirs says.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;
use wf_e2e::process::{PATIENCE, Server, eventually, free_port, run};
use wf_e2e::skip::{binary, peer};
use wf_e2e::{figure, http};

use crate::alerts::sink::Sink;

const CONFIG: &str = "
route: {receiver: sink, group_by: [alertname], group_wait: 10ms, group_interval: 1s, routes: [{matchers: [team=db], receiver: db}]}
receivers: [{name: sink, webhook_configs: [{url: 'URL'}]}, {name: db}]
";

// Theirs cannot read the masked URLs of webhooks that newer servers show.
const CONFIG_FOR_AMTOOL: &str = "
route: {receiver: sink, group_by: [alertname], routes: [{matchers: [team=db], receiver: db}]}
receivers:
- name: sink
- name: db
  slack_configs: [{api_url: 'http://127.0.0.1:9/', channel: x}]
  pagerduty_configs: [{routing_key: x}]
";

/// Ours, running.
struct Ours {
    server: Server,
    sink: Sink,
    folder: TempDir,
}

impl Ours {
    fn start(program: &Path, config_text: &str) -> Self {
        let (folder, sink) = (tempfile::tempdir().unwrap(), Sink::start().unwrap());
        let config = folder.path().join("am.yml");
        fs::write(&config, config_text.replace("URL", &sink.url())).unwrap();
        let port = free_port().unwrap();
        let args = [
            "alertmanager".to_owned(),
            format!("--config.file={}", config.display()),
            format!("--storage.path={}", folder.path().join("data").display()),
            format!("--web.listen-address=127.0.0.1:{port}"),
            "--cluster.listen-address=".to_owned(),
        ];
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let server = Server::start(program, &args, port, &folder.path().join("log")).unwrap();
        Self { server, sink, folder }
    }
}

#[test]
fn debians_prometheus_sends_its_alerts_to_ours() {
    let (Some(program), Some(prometheus)) = (binary(), peer("prometheus")) else { return };
    let ours = Ours::start(&program, CONFIG);
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let target = ours.server.base.trim_start_matches("http://").to_owned();
    let config = format!(
        "global: {{evaluation_interval: 200ms, external_labels: {{site: x}}}}\nrule_files: [rules.yml]\n\
         alerting: {{alertmanagers: [{{static_configs: [{{targets: ['{target}']}}]}}]}}\n"
    );
    fs::write(path("prometheus.yml"), config).unwrap();
    let rules = "groups: [{name: g, rules: [{alert: Always, expr: vector(1) > 0, labels: {severity: page}, \
                 annotations: {summary: 'value {{ $value }}'}}]}]\n";
    fs::write(path("rules.yml"), rules).unwrap();
    let port = free_port().unwrap();
    let args = [
        format!("--config.file={}", path("prometheus.yml").display()),
        format!("--storage.tsdb.path={}", path("data").display()),
        format!("--web.listen-address=127.0.0.1:{port}"),
        // What it sent before it knew ours is sent again.
        "--rules.alert.resend-delay=1s".to_owned(),
    ];
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let theirs = Server::start(&prometheus, &args, port, &path("log")).unwrap();
    assert!(eventually(PATIENCE, || !ours.sink.bodies().is_empty()), "{}", theirs.log_text());
    let body = ours.sink.bodies().remove(0);
    let alert = &body["alerts"][0];
    assert_eq!((&body["status"], &alert["labels"]["site"]), (&"firing".into(), &"x".into()), "{body:#}");
    assert_eq!(alert["annotations"]["summary"], "value 1");
    assert!(alert["generatorURL"].as_str().is_some_and(|url| url.contains("/graph?g0.expr=")), "{alert:#}");
    let listed = http::get(&format!("{}/api/v1/alertmanagers", theirs.base)).unwrap().body;
    assert!(listed.contains(&format!("http://{target}/api/v2/alerts")), "{listed}");
    figure("alertmanager: alerts of Debian's prometheus that reached a receiver of ours", 1);
}

/// Theirs and ours, with the words before each command.
fn amtools(ours: &Path, theirs: &Path) -> [(PathBuf, Vec<&'static str>); 2] {
    [(theirs.to_owned(), vec![]), (ours.to_owned(), vec!["tool", "alerts"])]
}

#[test]
fn both_amtools_work_with_ours() {
    let (Some(program), Some(theirs)) = (binary(), peer("amtool")) else { return };
    let ours = Ours::start(&program, CONFIG_FOR_AMTOOL);
    let url = format!("--alertmanager.url={}", ours.server.base);
    let mut n_commands = 0;
    let templates = ours.folder.path().join("own.tmpl");
    fs::write(&templates, "{{ define \"own\" }}{{ \"own\" | toUpper }}{{ end }}").unwrap();
    let templates = format!("--template.glob={}", templates.display());
    for (tool, words) in amtools(&program, &theirs) {
        let mut ask = |args: &[&str]| -> String {
            let args: Vec<&str> = words.iter().chain(args).copied().chain([url.as_str()]).collect();
            let (code, out, err) = run(&tool, &args).unwrap();
            assert_eq!(code, 0, "{} {args:?}: {out}{err}", tool.display());
            n_commands += 1;
            out
        };
        ask(&["alert", "add", "Disk", "node=a", "--annotation=summary=full"]);
        ask(&["alert", "add", "alertname=Other", "node=b"]);
        let listed: Value = serde_json::from_str(&ask(&["alert", "query", "Disk", "-o", "json"])).unwrap();
        assert_eq!((listed.as_array().map(Vec::len), &listed[0]["labels"]["node"]), (Some(1), &"a".into()));
        assert!(ask(&["alert", "query", "node=~a|b"]).contains("Other"));
        let id = ask(&["silence", "add", "Disk", "--comment=c", "--author=me", "--duration=2h"]);
        let id = id.trim();
        assert!(ask(&["silence", "query", "alertname=Disk"]).contains("me"));
        assert!(!ask(&["alert", "query", "Disk"]).contains("full"));
        assert!(ask(&["alert", "query", "--silenced", "Disk"]).contains("full"));
        let updated = ask(&["silence", "update", id, "--duration=3h", "--comment=longer"]);
        assert!(updated.contains("longer") || updated.contains(id), "{updated}");
        let json = ask(&["silence", "query", "-o", "json"]);
        let file = ours.folder.path().join("silences.json");
        fs::write(&file, &json).unwrap();
        ask(&["silence", "expire", id]);
        assert_eq!(ask(&["silence", "query", "-q"]).trim(), "");
        ask(&["silence", "import", "--force", file.to_str().unwrap()]);
        let again = ask(&["silence", "query", "-q"]);
        assert_eq!(again.lines().count(), 1, "{again}");
        ask(&["silence", "expire", again.trim()]);
        assert!(ask(&["silence", "query", "--expired", "--within=1h"]).contains("longer"));
        assert!(ask(&["config", "show"]).contains("receiver: sink"));
        assert!(ask(&["config", "routes", "show"]).contains("receiver: db"));
        assert_eq!(ask(&["config", "routes", "test", "team=db"]).trim(), "db");
        assert!(ask(&["cluster", "show"]).contains("disabled"));
        let rendered = ask(&["template", "render", &templates, "--template.text={{ template \"own\" . }}"]);
        assert_eq!(rendered.trim(), "OWN");
    }
    figure("alertmanager: commands of both amtools answered", n_commands);
}
