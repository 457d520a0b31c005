//! Rules beside the original's: the same file and data give the same alerts, and Debian's Alertmanager hears of ours.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};
use wf_e2e::process::{PATIENCE, Server, eventually, free_port};
use wf_e2e::skip::{binary, peer};
use wf_e2e::target::Target;
use wf_e2e::{figure, http};

use crate::setup::Site;

/// What a text may say: each becomes an annotation.
const TEXTS: [&str; 47] = [
    "plain {text}",
    "{{ $labels.instance }} {{ .Labels.job }} {{ $labels.none }}|",
    "{{ $value }}",
    "{{ .Value | printf \"%.2f\" }}",
    "{{ $externalLabels.region }} {{ $externalURL }} {{ externalURL }} {{ pathPrefix }}",
    "{{ humanize $value }} {{ humanize1024 $value }}",
    "{{ $value | humanizeDuration }}",
    "{{ 0.0000012 | humanize }} {{ 0.5 | humanize1024 }}",
    "{{ 0.25 | humanizePercentage }}",
    "{{ 1435065584.128 | humanizeTimestamp }}",
    "{{ 0.1234 | humanizeDuration }} {{ 59.9 | humanizeDuration }} {{ 3661 | humanizeDuration }} {{ -90061.5 | humanizeDuration }}",
    "{{ humanize \"+Inf\" }} {{ humanizeDuration \"NaN\" }}",
    "{{ (1435065584.128 | toTime).Year }}",
    "{{ parseDuration \"1h30m\" }}",
    "{{ title \"aa bb-cc dd_ee\" }} {{ toUpper \"aB\" }} {{ toLower \"aB\" }}",
    "{{ stripPort \"foo.example.com:12345\" }} {{ stripPort \"[2001:db8::1]:80\" }} {{ stripPort \"no port\" }}",
    "{{ stripDomain \"foo.example.com:12345\" }} {{ stripDomain \"10.0.0.1:80\" }}",
    "{{ match \"a.*c\" \"xabcx\" }} {{ reReplaceAll \"(a)(b)\" \"$2-$1\" \"xabx\" }}",
    "{{ graphLink \"up > 1\" }} {{ tableLink \"sum(up)\" }}",
    "{{ range query \"count by (job) (test_value)\" }}{{ .Labels.job }}={{ .Value }};{{ end }}",
    "{{ with query \"test_value\" }}{{ . | first | value }} {{ . | first | label \"instance\" }}{{ end }}",
    "{{ range query \"test_value\" | sortByLabel \"instance\" }}{{ .Labels.instance }},{{ end }}",
    "{{ query \"none\" | first }}",
    "{{ if gt $value 10.0 }}large{{ else }}small{{ end }}",
    "{{ define \"t\" }}[{{ . }}]{{ end }}{{ template \"t\" $labels.job }}",
    "{{- \"trimmed\" -}}   ",
    "{{ printf \"%q %v %05d %x %t\" \"a\" 1.5 42 255 true }}",
    "{{ len $labels.job }} {{ index $labels \"job\" }}",
    "{{ eq $labels.job \"test\" }} {{ and true false }} {{ or \"\" \"b\" }} {{ not true }}",
    "{{ range $i, $e := query \"test_value\" | sortByLabel \"instance\" }}{{ $i }}{{ end }}",
    "{{ html \"<a>\" }} {{ urlquery \"a b&c\" }} {{ js \"it's\" }}",
    "{{ (args 1 2).arg1 }} {{ safeHtml \"<b>\" }}",
    "{{ $labels }}",
    "{{ .Labels }}",
    "{{ 1e6 }} {{ 1234567.0 }} {{ 0.00001 }} {{ 100 }}",
    "{{ strvalue (query \"test_value\" | first) }}|",
    "{{/* nothing */}}after",
    "{{ slice \"abcdef\" 1 3 }}",
    "{{ print \"a\" 1 2 \"b\" }} {{ println \"x\" }}",
    "{{ $x := 5 }}{{ $x }}{{ $x = 6 }}{{ $x }}",
    "{{ query \"rate(\" }}",
    "{{ humanize \"abc\" }}",
    "{{ toTime \"NaN\" }}",
    "{{ reReplaceAll \"(\" \"\" \"\" }}",
    "{{ $labels.job.nothing }}",
    "{{ index $labels 1 }}",
    "{{ template \"missing\" }}",
];

fn rule_file() -> String {
    let annotation = |(idx, text): (usize, &&str)| (format!("t{idx:02}"), Value::String((*text).to_owned()));
    let annotations: Map<String, Value> = TEXTS.iter().enumerate().map(annotation).collect();
    let file = json!({"groups": [
        {"name": "first", "interval": "1s", "labels": {}, "rules": [
            {"record": "job:test:sum", "expr": "sum by (job) (test_value)", "labels": {"made": "yes"}},
            {"alert": "Texts", "expr": "test_value{instance=\"one\"} > 0", "annotations": annotations,
             "labels": {"severity": "page", "templated": "{{ $labels.job }}-{{ $value }}"}},
        ]},
        {"name": "second", "interval": "1s", "limit": 3, "rules": [
            {"alert": "Held", "expr": "test_value > bool 0 == 1", "for": "1h", "labels": {"severity": "low"}},
            {"alert": "Quiet", "expr": "test_value < 0"},
            {"alert": "Recorded", "expr": "job:test:sum > 1"},
            {"record": "broken", "expr": "test_value * on (job) test_value"},
        ]},
    ]});
    // JSON is YAML.
    file.to_string().replace("\"labels\":{},", "")
}

fn configuration(target: &Target, alertmanager: Option<u16>) -> String {
    let alerting = alertmanager.map_or_else(String::new, |port| {
        format!(
            "alerting:\n  alert_relabel_configs: [{{action: labeldrop, regex: replica}}]\n  alertmanagers:\n  - static_configs: [{{targets: ['127.0.0.1:{port}']}}]\n"
        )
    });
    format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s, external_labels: {{region: eu, replica: a}}}}\n\
         rule_files: ['rules*.yml']\n{alerting}scrape_configs:\n- job_name: test\n  honor_labels: true\n  static_configs: [{{targets: ['{}']}}]\n",
        target.address
    )
}

/// Starts a server of either kind on the files in `site`.
fn start(site: &Site, program: &Path, role: &[&str]) -> Server {
    let port = free_port().unwrap();
    let config = format!("--config.file={}", site.path("prometheus.yml").display());
    let data = format!("--storage.tsdb.path={}", site.data().display());
    let listen = format!("--web.listen-address=127.0.0.1:{port}");
    let rest =
        ["--web.external-url=http://example.org/prom", "--web.route-prefix=/", "--web.enable-lifecycle"];
    let resend = "--rules.alert.resend-delay=1s";
    let mut arguments = role.to_vec();
    arguments.extend([config.as_str(), data.as_str(), listen.as_str(), resend]);
    arguments.extend(rest);
    Server::start(program, &arguments, port, &site.path("log")).unwrap()
}

/// Samples with times stay when a scrape comes too late on a busy machine: alerts are not resolved by it.
fn page(number: f64) -> String {
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    format!("test_value{{instance=\"one\"}} {number} {now_ms}\ntest_value{{instance=\"two\"}} 2.5 {now_ms}\n")
}

fn get(base: &str, path: &str) -> Value {
    http::get(&format!("{base}{path}")).unwrap().json().unwrap()
}

/// What is said about rules and alerts, without times.
fn said(base: &str) -> (Value, Value) {
    let (mut alerts, mut rules) = (get(base, "/api/v1/alerts"), get(base, "/api/v1/rules"));
    forget_times(&mut alerts);
    forget_times(&mut rules);
    let list = alerts["data"]["alerts"].as_array_mut().unwrap();
    list.sort_by_key(|alert| alert["labels"].to_string());
    (alerts, rules)
}

fn forget_times(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            // Later versions have fields that 2.42 has not.
            for name in ["activeAt", "evaluationTime", "lastEvaluation", "file", "keepFiringFor", "lastError"]
            {
                fields.remove(name);
            }
            for (name, field) in fields.iter_mut() {
                if name == "alerts" {
                    let alerts = field.as_array_mut();
                    alerts
                        .into_iter()
                        .for_each(|alerts| alerts.sort_by_key(|alert| alert["labels"].to_string()));
                }
                forget_times(field);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(forget_times),
        _ => {}
    }
}

#[test]
fn the_same_rules_and_data_give_the_same_alerts_as_the_original() {
    let (Some(ours), Some(theirs)) = (binary(), peer("prometheus")) else { return };
    let target = Target::page(|_| page(1_234_567.0)).unwrap();
    let (site, other) = (Site::new(), Site::new());
    for site in [&site, &other] {
        fs::write(site.path("rules.yml"), rule_file()).unwrap();
        fs::write(site.path("prometheus.yml"), configuration(&target, None)).unwrap();
    }
    let (ours, theirs) = (start(&site, &ours, &["server"]), start(&other, &theirs, &[]));
    let count = |base: &str| get(base, "/api/v1/alerts")["data"]["alerts"].as_array().map_or(0, Vec::len);
    for base in [&ours.base, &theirs.base] {
        assert!(eventually(PATIENCE, || count(base) == 4), "{}", get(base, "/api/v1/alerts"));
    }
    // What is compared below is what was compared last here: asked again, both may be in the middle of something.
    let mut last = None;
    eventually(PATIENCE, || {
        let (ours, theirs) = last.insert((said(&ours.base), said(&theirs.base)));
        ours == theirs
    });
    let ((our_alerts, our_rules), (their_alerts, their_rules)) = last.unwrap();
    let texts = |alerts: &Value| {
        let alerts = alerts["data"]["alerts"].as_array().unwrap();
        let texts = alerts.iter().find(|alert| alert["labels"]["alertname"] == "Texts");
        texts.unwrap_or_else(|| panic!("{alerts:#?}"))["annotations"].clone()
    };
    let (our_texts, their_texts) = (texts(&our_alerts), texts(&their_alerts));
    let pairs = TEXTS.iter().enumerate().map(|(idx, text)| (text, format!("t{idx:02}")));
    let differ: Vec<String> = pairs
        .filter(|(_, name)| our_texts[name] != their_texts[name])
        .map(|(text, name)| format!("{text}\n  ours   {}\n  theirs {}", our_texts[&name], their_texts[&name]))
        .collect();
    assert!(differ.is_empty(), "{}", differ.join("\n"));
    figure("texts of alerts expanded as by prometheus 2.42", TEXTS.len());
    assert_eq!(our_alerts, their_alerts);
    assert_eq!(our_rules, their_rules);
}

/// Debian's Alertmanager, killed by its id when dropped.
struct Alertmanager {
    child: Child,
    base: String,
    port: u16,
}

impl Alertmanager {
    fn start(program: &Path, folder: &Path) -> Self {
        let port = free_port().unwrap();
        let config = folder.join("alertmanager.yml");
        fs::write(&config, "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n").unwrap();
        let log = fs::File::create(folder.join("alertmanager.log")).unwrap();
        let program = at_home(program, folder);
        let child = Command::new(program)
            .current_dir(folder)
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.path={}", folder.join("alertmanager").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--cluster.listen-address=")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let this = Self { child, base: format!("http://127.0.0.1:{port}"), port };
        let ready = format!("{}/-/ready", this.base);
        assert!(eventually(PATIENCE, || http::get(&ready).is_ok_and(|answer| answer.status == 200)));
        this
    }

    /// Names of the alerts it shows as active.
    fn shown(&self) -> Vec<String> {
        let alerts = get(&self.base, "/api/v2/alerts");
        let names = alerts.as_array().unwrap().iter().map(|alert| alert["labels"].to_string());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }
}

/// Debian's program finds its templates under `/usr/share`, where they are not: peers are unpacked, never installed. Makes
/// a copy that looks into `share` of the folder it runs in.
fn at_home(program: &Path, folder: &Path) -> PathBuf {
    const THERE: &[u8] = b"/usr/share/prometheus/alertmanager";
    let here: Vec<u8> = b"./share".iter().copied().chain(std::iter::repeat(b'/')).take(THERE.len()).collect();
    let mut bytes = fs::read(program).unwrap();
    let places: Vec<usize> =
        bytes.windows(THERE.len()).enumerate().filter(|(_, at)| *at == THERE).map(|(at, _)| at).collect();
    for at in places {
        bytes[at..at + THERE.len()].copy_from_slice(&here);
    }
    let copy = folder.join("prometheus-alertmanager");
    fs::write(&copy, bytes).unwrap();
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
    let bin = program.parent().unwrap();
    symlink(fs::canonicalize(bin.join("../share/prometheus/alertmanager")).unwrap(), folder.join("share"))
        .unwrap();
    copy
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn debians_alertmanager_receives_shows_and_resolves_our_alerts() {
    let (Some(ours), Some(program)) = (binary(), peer("prometheus-alertmanager")) else { return };
    let is_down = Arc::new(AtomicBool::new(true));
    let seen = Arc::clone(&is_down);
    let target = Target::page(move |_| page(if seen.load(Ordering::SeqCst) { 5.0 } else { 0.0 })).unwrap();
    let site = Site::new();
    let alertmanager = Alertmanager::start(&program, &site.path(""));
    let rule = r#"{"groups":[{"name":"g","rules":[{"alert":"Up","expr":"test_value{instance=\"one\"} > 0","annotations":{"summary":"it is {{ $value }}"}}]}]}"#;
    fs::write(site.path("rules.yml"), rule).unwrap();
    fs::write(site.path("prometheus.yml"), configuration(&target, Some(alertmanager.port))).unwrap();
    let server = start(&site, &ours, &["server"]);
    let want = r#"{"alertname":"Up","instance":"one","job":"test","region":"eu"}"#;
    assert!(eventually(PATIENCE, || alertmanager.shown() == [want]), "{:?}", alertmanager.shown());
    let shown = get(&alertmanager.base, "/api/v2/alerts")[0].clone();
    assert_eq!(shown["annotations"]["summary"], "it is 5");
    assert_eq!(
        shown["generatorURL"],
        "http://example.org/prom/graph?g0.expr=test_value%7Binstance%3D%22one%22%7D+%3E+0&g0.tab=1"
    );
    let known = get(&server.base, "/api/v1/alertmanagers");
    let url = format!("{}/api/v2/alerts", alertmanager.base);
    assert_eq!(known["data"]["activeAlertmanagers"], json!([{"url": url}]));

    // A broken rule file is refused and changes nothing; the alert goes on.
    fs::write(site.path("rules.yml"), rule.replace("expr\":\"", "expr\":\"(")).unwrap();
    let reload = http::post(&format!("{}/-/reload", server.base), b"", &[]).unwrap();
    assert_eq!(reload.status, 500, "{}", reload.body);
    assert!(reload.body.contains("rules.yml: 1:"), "{}", reload.body);
    assert_eq!(get(&server.base, "/api/v1/alerts")["data"]["alerts"][0]["state"], "firing");
    fs::write(site.path("rules.yml"), rule).unwrap();
    let since = get(&server.base, "/api/v1/alerts")["data"]["alerts"][0]["activeAt"].clone();
    assert_eq!(http::post(&format!("{}/-/reload", server.base), b"", &[]).unwrap().status, 200);
    assert_eq!(get(&server.base, "/api/v1/alerts")["data"]["alerts"][0]["activeAt"], since);

    is_down.store(false, Ordering::SeqCst);
    assert!(eventually(PATIENCE, || alertmanager.shown().is_empty()), "{:?}", alertmanager.shown());
    let metrics = http::get(&format!("{}/metrics", server.base)).unwrap().body;
    assert!(metrics.contains("prometheus_notifications_errors_total{"), "{metrics}");
    assert!(metrics.contains("prometheus_notifications_alertmanagers_discovered 1\n"));
    assert!(metrics.contains("prometheus_rule_group_iterations_missed_total{"));
    server.stop().unwrap();
}
