//! `promtool` by its own name: output and exit codes over a table of calls equal those of Debian's.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;
use wf_e2e::process::{PATIENCE, Server, eventually};
use wf_e2e::skip::{binary, conformance, peer};
use wf_e2e::target::Target;
use wf_e2e::{figure, http};

use crate::setup::Site;

/// Two tools side by side, in a folder of files.
struct Bench {
    ours: PathBuf,
    theirs: PathBuf,
    folder: TempDir,
}

type Outcome = (i32, String, String);

impl Bench {
    fn new() -> Option<Self> {
        let (binary, theirs) = (binary()?, peer("promtool")?);
        let folder = tempfile::tempdir().unwrap();
        let ours = folder.path().join("promtool");
        symlink(fs::canonicalize(binary).unwrap(), &ours).unwrap();
        Some(Self { ours, theirs: fs::canonicalize(theirs).unwrap(), folder })
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    fn run(&self, program: &Path, arguments: &[&str], input: &str) -> Outcome {
        let stdin = self.folder.path().join("stdin");
        fs::write(&stdin, input).unwrap();
        let output = Command::new(program)
            .args(arguments)
            .current_dir(self.folder.path())
            .stdin(Stdio::from(fs::File::open(stdin).unwrap()))
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    /// Both say the same and end alike.
    #[track_caller]
    fn same(&self, arguments: &[&str], input: &str) {
        let (ours, theirs) =
            (self.run(&self.ours, arguments, input), self.run(&self.theirs, arguments, input));
        assert_eq!(ours, theirs, "promtool {}", arguments.join(" "));
    }

    /// Both end alike; words of errors differ.
    #[track_caller]
    fn same_code(&self, arguments: &[&str], input: &str) {
        let (ours, theirs) =
            (self.run(&self.ours, arguments, input), self.run(&self.theirs, arguments, input));
        assert_eq!((ours.0, &ours.1), (theirs.0, &theirs.1), "promtool {}: {}", arguments.join(" "), ours.2);
    }
}

const RULES: &str =
    "groups:\n- name: a\n  rules:\n  - {record: x, expr: up}\n  - {record: y, expr: up * 2}\n";
const TWICE: &str = "groups:\n- name: a\n  rules:\n  - {record: x, expr: up}\n  - {record: x, expr: up * 2}\n  - {alert: A, expr: up, labels: {s: a}}\n  - {alert: A, expr: up, labels: {s: a}}\n";
const ODD_PAGE: &str = "# TYPE bad gauge\nbad 2\n# HELP camelCase y\n# TYPE camelCase gauge\ncamelCase{aB=\"1\"} 1\n# HELP c y\n# TYPE c counter\nc 1\n# HELP d_ms y\n# TYPE d_ms gauge\nd_ms 1\n";
const GOOD_PAGE: &str = "# HELP a_total x\n# TYPE a_total counter\na_total{b=\"1\"} 1\na_total{b=\"2\"} 1\n# HELP g x\n# TYPE g gauge\ng 1\n";

#[test]
fn checks_say_and_end_as_the_original() {
    let Some(bench) = Bench::new() else { return };
    bench.write("rules.yml", RULES);
    bench.write("twice.yml", TWICE);
    bench.write("bad.yml", "groups: [{name: a, rules: [{record: x, expr: 'rate(up)'}]}]\n");
    bench.write("twins.yml", "groups:\n- name: a\n- name: a\n");
    bench.write("web.yml", "http_server_config: {headers: {X-Frame-Options: deny}}\n");
    bench.write("web-bad.yml", "tls: {}\n");
    bench.same(&["check", "web-config", "web.yml"], "");
    bench.same_code(&["check", "web-config", "web-bad.yml"], "");
    for arguments in [
        &["check", "rules", "rules.yml"][..],
        &["check", "rules", "rules.yml", "twice.yml"],
        &["check", "rules", "--lint=none", "twice.yml"],
        &["check", "rules", "--lint-fatal", "twice.yml"],
        &["check", "rules", "bad.yml"],
        &["check", "rules", "twins.yml"],
        &["check", "rules", "nope.yml"],
        &["test", "rules", "nope.yml"],
    ] {
        bench.same(arguments, "");
    }
    for page in [ODD_PAGE, GOOD_PAGE, ""] {
        bench.same(&["check", "metrics"], page);
        bench.same(&["check", "metrics", "--extended"], page);
    }
    bench.same_code(&["check", "metrics"], "x{");
    bench.same_code(&["nope"], "");
    bench.same_code(&["query", "instant"], "");
    bench.same_code(&["test", "rules"], "");
}

#[test]
fn configurations_and_what_they_refer_to_are_checked_as_by_the_original() {
    let Some(bench) = Bench::new() else { return };
    bench.write("rules.yml", RULES);
    bench.write("twice.yml", TWICE);
    bench.write("bad-rules.yml", "groups: [{name: a, rules: [{record: x, expr: 'rate(up)'}]}]\n");
    bench.write("sd.json", "[{\"targets\": [\"f:1\"], \"labels\": {\"l\": \"<v>\"}}]");
    bench.write("sd-bad.json", "[{");
    let job = |more: &str| format!("scrape_configs:\n- job_name: a\n{more}");
    let sd = |file: &str| job(&format!("  file_sd_configs: [{{files: [{file}]}}]\n"));
    bench.write("plain.yml", &job("  static_configs: [{targets: ['b:1']}]\n"));
    bench.write(
        "rich.yml",
        &format!("rule_files: ['rules*.yml', 'none*.yml', twice.yml]\n{}", sd("sd.json, none.json")),
    );
    bench.write("bad.yml", &format!("rule_files: [bad-rules.yml]\n{}", sd("sd.json")));
    bench.write("gone.yml", "rule_files: [gone-rules.yml]\n");
    bench.write("broken.yml", &sd("sd-bad.json"));
    bench.write("unknown.yml", "x: 1\n");
    bench.write("token.yml", &job("  authorization: {credentials_file: none}\n"));
    for arguments in [
        &["check", "config", "plain.yml"][..],
        &["check", "config", "rich.yml"],
        &["check", "config", "--lint-fatal", "rich.yml"],
        &["check", "config", "--lint=none", "--lint-fatal", "rich.yml"],
        &["check", "config", "bad.yml"],
        &["check", "config", "gone.yml"],
        &["check", "config", "--syntax-only", "gone.yml", "bad.yml", "token.yml"],
        &["check", "config", "--agent", "plain.yml"],
        &["check", "config", "--agent", "rich.yml"],
        &["check", "config", "none.yml"],
    ] {
        bench.same(arguments, "");
    }
    for file in ["broken.yml", "unknown.yml", "token.yml"] {
        bench.same_code(&["check", "config", "plain.yml", file], "");
    }
    let long = bench.run(
        &bench.ours,
        &["check", "config", "--lint=all", "--lint-fatal", "--query.lookback-delta=1m", "plain.yml"],
        "",
    );
    assert_eq!(long.0, 3, "newer than 2.42: {}", long.2);
}

#[test]
fn targets_are_discovered_as_by_the_original() {
    let Some(bench) = Bench::new() else { return };
    bench.write("sd.json", "[{\"targets\": [\"f:1\"], \"labels\": {\"l\": \"<v>\"}}]");
    bench.write(
        "p.yml",
        "scrape_configs:\n- job_name: a\n  params: {module: [x]}\n  relabel_configs:\n\
         \x20 - {source_labels: [__address__], target_label: z, regex: '(.*):.*'}\n\
         \x20 - {action: drop, source_labels: [__address__], regex: 'drop.*'}\n\
         \x20 static_configs: [{targets: ['b:1', 'drop:2'], labels: {env: x}}]\n\
         - job_name: f\n  file_sd_configs: [{files: [sd.json]}]\n",
    );
    for job in ["a", "f"] {
        let call = ["check", "service-discovery", "--timeout=20s", "p.yml", job];
        let (ours, theirs) = (bench.run(&bench.ours, &call, ""), bench.run(&bench.theirs, &call, ""));
        // Newer than 2.42: labels that say which histograms are scraped.
        let is_newer =
            |line: &&str| line.contains("_classic_histograms") || line.contains("_native_histograms__");
        let known: Vec<&str> = ours.1.lines().filter(|line| !is_newer(line)).collect();
        assert_eq!((ours.0, known), (theirs.0, theirs.1.lines().collect()), "{job}: {}", ours.2);
    }
    bench.same(&["check", "service-discovery", "p.yml", "none"], "");
    bench.same(&["check", "service-discovery", "none.yml", "a"], "");
}

#[test]
fn rule_tests_pass_and_fail_as_with_the_original() {
    let (Some(bench), Some(data)) = (Bench::new(), conformance("rule-tests")) else { return };
    let file = |name: &str| data.join("promtool").join(name).display().to_string();
    for name in ["at-modifier-test.yml", "long-period.yml", "negative-offset-test.yml", "failing.yml"] {
        bench.same(&["test", "rules", &file(name)], "");
    }
    for name in ["bad-input-series.yml", "bad-rules-error-test.yml"] {
        bench.same_code(&["test", "rules", &file(name)], "");
    }
    // Newer than 2.42: histograms in tests, and series that are as far apart as evaluations.
    for name in ["unittest.yml", "no-test-group-interval.yml"] {
        let (code, _, errors) = bench.run(&bench.ours, &["test", "rules", &file(name)], "");
        assert_eq!(code, 0, "{name}: {errors}");
    }
    let (code, _, _) = bench.run(&bench.ours, &["test", "rules", "--run=nothing", &file("failing.yml")], "");
    assert_eq!(code, 0, "no test of that name");
    figure("rule test files run beside promtool 2.42", 7);
}

#[test]
fn the_stock_kubernetes_rules_pass_their_tests_by_promtool() {
    let (Some(bench), Some(data)) = (Bench::new(), conformance("rule-tests/kubernetes-mixin/tests")) else {
        return;
    };
    let files: Vec<String> =
        fs::read_dir(data).unwrap().map(|entry| entry.unwrap().path().display().to_string()).collect();
    let call: Vec<&str> = ["test", "rules"].into_iter().chain(files.iter().map(String::as_str)).collect();
    let (code, out, errors) = bench.run(&bench.ours, &call, "");
    assert_eq!(code, 0, "{out}{errors}");
    figure("rule test files of kubernetes-mixin", files.len());
}

fn server() -> Option<(Site, Target, Server)> {
    let binary = binary()?;
    let target = Target::page(|_| "a{x=\"1\"} 1.5\nb 2\n".to_owned()).unwrap();
    let site = Site::new();
    site.configure("1s", &[("test", target.address.to_string())]);
    let server = site.server(&binary);
    let has_data = || http::query(&server.base, "a", None).is_ok_and(|found| !found.is_empty());
    assert!(eventually(PATIENCE, has_data));
    Some((site, target, server))
}

#[test]
fn questions_are_answered_as_by_the_original() {
    let (Some(bench), Some((_site, _target, server))) = (Bench::new(), server()) else { return };
    let now =
        http::query(&server.base, "timestamp(a)", None).unwrap()[0]["value"][1].as_str().unwrap().to_owned();
    let time = format!("--time={now}");
    let second_before = now.parse::<f64>().unwrap() - 1.0;
    let (start, end) = (format!("--start={second_before}"), format!("--end={now}"));
    let base = server.base.as_str();
    for arguments in [
        &["query", "instant", &time, base, "a"][..],
        &["query", "instant", &time, base, "vector(1.5) * 1e9"],
        &["query", "instant", &time, base, "2.5"],
        &["query", "instant", &time, base, "sum by (job) (a)"],
        &["query", "instant", &time, base, "a[1ms]"],
        &["query", "instant", "-o", "json", &time, base, "a"],
        &["query", "instant", &time, base, "rate("],
        &["query", "range", &start, &end, "--step=1s", base, "a"],
        &["query", "range", &end, "--start=9999999999", base, "a"],
        &["query", "range", &start, &end, "--step=1s", "-o", "json", base, "b"],
        &["query", "series", "--match=a", base],
        &["query", "labels", base, "job"],
        &["query", "labels", "-o", "json", base, "__name__"],
    ] {
        bench.same(arguments, "");
    }
    bench.same_code(&["query", "instant", "http://127.0.0.1:1", "up"], "");
    // Newer than 2.42: credentials from a file.
    bench.write("http.yml", "basic_auth: {username: u, password: p}\n");
    bench.write("http-bad.yml", "nope: 1\n");
    let with =
        |file| bench.run(&bench.ours, &["query", "instant", "--http.config.file", file, base, "1"], "");
    assert_eq!((with("http.yml").0, with("http-bad.yml").0, with("none.yml").0), (0, 1, 1));
    let healthy = bench.run(&bench.ours, &["check", "healthy", &format!("--url={base}")], "");
    assert_eq!((healthy.0, healthy.2.as_str()), (0, "  SUCCESS: Prometheus Server is Healthy.\n"));
    assert_eq!(bench.run(&bench.ours, &["check", "ready", "--url=http://127.0.0.1:1"], "").0, 1);
}

#[test]
fn a_backtest_says_when_alerts_would_have_fired_and_rules_make_blocks() {
    let (Some(bench), Some((_site, _target, server))) = (Bench::new(), server()) else { return };
    bench.write(
        "rules.yml",
        "groups: [{name: g, interval: 1s, rules: [{alert: Hot, expr: a > 1, labels: {v: '{{ $value }}'}}, {record: c, expr: a * 2, labels: {made: yes}}]}]",
    );
    let now: f64 = http::query(&server.base, "timestamp(a)", None).unwrap()[0]["value"][1]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let (start, end) = (format!("--start={}", now - 10.0), format!("--end={}", now + 1.0));
    let url = format!("--url={}", server.base);
    let (code, out, errors) =
        bench.run(&bench.ours, &["rules", "backtest", &url, &start, &end, "rules.yml"], "");
    assert_eq!(code, 0, "{errors}");
    assert!(
        out.contains(" fired    {alertname=\"Hot\", instance=")
            && out.contains("v=\"1.5\", x=\"1\"} value=1.5"),
        "{out}"
    );
    assert!(out.ends_with("1 alerting rules, 1 alerts fired\n"), "{out}");
    let call =
        ["tsdb", "create-blocks-from", "rules", &url, &start, &end, "--output-dir=blocks", "rules.yml"];
    let (code, out, errors) = bench.run(&bench.ours, &call, "");
    assert_eq!(code, 0, "{out}{errors}");
    // The original wants a log beside blocks, even an empty one.
    fs::create_dir(bench.folder.path().join("blocks/wal")).unwrap();
    let (code, dump, errors) = bench.run(&bench.theirs, &["tsdb", "dump", "blocks"], "");
    assert!(code == 0 && dump.contains("made=\"yes\"") && dump.contains("} 3 "), "{dump}{errors}");
}
