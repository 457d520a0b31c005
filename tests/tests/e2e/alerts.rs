//! Debian's Alertmanager 0.25 and ours get the same alerts; their webhooks must tell the same story. Then each takes
//! over the other's directory.

pub(crate) mod sink;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;
use wf_e2e::process::{PATIENCE, Server, eventually, free_port, run};
use wf_e2e::skip::{binary, peer, skip};
use wf_e2e::{figure, http};

use sink::Sink;

/// Far enough away that nothing ends by itself.
const NEVER: &str = "2100-01-01T00:00:00Z";
const START: &str = "2026-01-01T00:00:00.5Z";
const CONFIG: &str = "
route:
  receiver: sink
  group_by: [g]
  group_wait: 100ms
  group_interval: 1s
  repeat_interval: 1h
  routes:
  - matchers: ['kind=\"repeat\"']
    repeat_interval: 2s
  - matchers: ['kind=\"muted\"']
    mute_time_intervals: [always]
  - matchers: ['kind=~\"a|b\"']
    group_by: ['...']
    continue: true
  - match_re: {kind: a.*}
inhibit_rules:
- source_matchers: ['severity=\"critical\"']
  target_matchers: ['severity=\"warning\"']
  equal: [cluster]
time_intervals:
- name: always
  time_intervals: [{years: ['1970:2100']}]
receivers:
- name: sink
  webhook_configs: [{url: 'URL', send_resolved: true}]
";

/// Which program.
#[derive(Clone, Debug)]
struct Program {
    path: PathBuf,
    /// The role, for ours.
    role: Option<&'static str>,
}

/// A program with its directory and its sink.
struct Side {
    program: Program,
    folder: TempDir,
    sink: Sink,
    server: Option<Server>,
    base: String,
}

impl Side {
    fn new(program: &Program) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sink = Sink::start().unwrap();
        fs::write(folder.path().join("am.yml"), CONFIG.replace("URL", &sink.url())).unwrap();
        let mut side = Self { program: program.clone(), folder, sink, server: None, base: String::new() };
        side.start();
        side
    }

    fn start(&mut self) {
        let port = free_port().unwrap();
        let flag = |name: &str, path: &Path| format!("--{name}={}", path.display());
        let mut args: Vec<String> = self.program.role.iter().map(|role| (*role).to_owned()).collect();
        args.extend([
            flag("config.file", &self.folder.path().join("am.yml")),
            flag("storage.path", &self.folder.path().join("data")),
            format!("--web.listen-address=127.0.0.1:{port}"),
            "--web.external-url=http://am.example:9093/".to_owned(),
            "--web.route-prefix=/".to_owned(),
            "--cluster.listen-address=".to_owned(),
        ]);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let log = self.folder.path().join("log");
        let server = Server::start(&self.program.path, &args, port, &log).unwrap();
        self.base.clone_from(&server.base);
        self.server = Some(server);
    }

    fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop().unwrap();
        }
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        let url = format!("{}{path}", self.base);
        let answer =
            http::post(&url, body.to_string().as_bytes(), &[("content-type", "application/json")]).unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        if answer.body.is_empty() { Value::Null } else { answer.json().unwrap() }
    }

    /// Waits until the group of this key suffix has been told about `n` times.
    fn wait(&self, group: &str, n: usize) {
        let count = || self.sink.bodies().iter().filter(|body| key(body).ends_with(group)).count();
        let came = eventually(PATIENCE, || count() >= n);
        let log = self.server.as_ref().map(Server::log_text).unwrap_or_default();
        assert!(
            came,
            "{:?}: {} of {n} about {group}: {:?}\n{log}",
            self.program,
            count(),
            self.sink.bodies()
        );
    }

    /// Returns what was told about each group, without what versions and clocks differ in.
    fn story(&self) -> BTreeMap<String, Vec<Value>> {
        let mut story: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for mut body in self.sink.bodies() {
            let group = key(&body);
            let object = body.as_object_mut().unwrap();
            // Since 0.28 and 0.34.
            object.remove("notification_reason");
            object.remove("routeLabels");
            story.entry(group).or_default().push(body);
        }
        story
    }
}

fn key(body: &Value) -> String {
    body["groupKey"].as_str().unwrap_or_default().to_owned()
}

fn alert(labels: &[(&str, &str)], end: &str) -> Value {
    let labels: BTreeMap<&str, &str> = labels.iter().copied().collect();
    json!({"labels": labels, "annotations": {"summary": "<a & b>"}, "startsAt": START, "endsAt": end,
        "generatorURL": "http://prometheus.example/graph?g0.expr=up"})
}

/// What the tests run.
struct Programs {
    ours: Program,
    theirs: Program,
    amtool: PathBuf,
    /// Where `theirs` is.
    _folder: TempDir,
}

fn programs() -> Option<Programs> {
    let ours = Program { path: binary()?, role: Some("alertmanager") };
    let (theirs, _folder) = relocated(&peer("prometheus-alertmanager")?)?;
    Some(Programs { ours, theirs, amtool: peer("amtool")?, _folder })
}

/// Where Debian's build looks for its templates, installed or not.
const TEMPLATES: &str = "/usr/share/prometheus/alertmanager";

/// Copies Debian's program so that it looks for its templates where they were unpacked: nothing is installed here.
fn relocated(program: &Path) -> Option<(Program, TempDir)> {
    let folder = tempfile::tempdir().unwrap();
    let share = program.ancestors().nth(3).unwrap().join(TEMPLATES.trim_start_matches('/'));
    for entry in fs::read_dir(share).unwrap().flatten().filter(|entry| entry.path().is_file()) {
        fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    // As many bytes as before: slashes fill up.
    let path = folder.path().to_str().unwrap();
    let Some(n_slashes) = TEMPLATES.len().checked_sub(path.len()) else {
        skip("peers", "the folder for temporary files has too long a name for Debian's Alertmanager");
        return None;
    };
    let (from, to) = (TEMPLATES.as_bytes(), format!("{path}{}", "/".repeat(n_slashes)));
    let mut bytes = fs::read(program).unwrap();
    let mut at = 0;
    while let Some(found) = bytes[at..].windows(from.len()).position(|window| window == from) {
        bytes[at + found..at + found + from.len()].copy_from_slice(to.as_bytes());
        at += found + from.len();
    }
    let copy = folder.path().join("alertmanager");
    fs::write(&copy, bytes).unwrap();
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
    Some((Program { path: copy, role: None }, folder))
}

/// Both sides, told the same.
struct Pair {
    sides: [Side; 2],
}

impl Pair {
    fn post(&self, alerts: &[Value]) {
        for side in &self.sides {
            side.post("/api/v2/alerts", &alerts.into());
        }
    }

    fn wait(&self, group: &str, n: usize) {
        self.sides.iter().for_each(|side| side.wait(group, n));
    }
}

/// An end that lies just behind.
const OVER: &str = "2026-01-02T00:00:00Z";

#[test]
fn debians_alertmanager_and_ours_tell_the_same_story() {
    let Some(programs) = programs() else { return };
    let mut pair = Pair { sides: [Side::new(&programs.ours), Side::new(&programs.theirs)] };
    // Group, regroup, resolve one, resolve all, flap. One at a time: two changes of a group that is told every second could
    // fall on both sides of a telling, and a new group is told at once about the first of several old alerts.
    let changes =
        [("a", NEVER), ("b", NEVER), ("c", NEVER), ("a", OVER), ("b", OVER), ("c", OVER), ("a", NEVER)];
    for (idx, (i, end)) in changes.into_iter().enumerate() {
        pair.post(&[alert(&[("g", "1"), ("i", i)], end)]);
        pair.wait("{g=\"1\"}", idx + 1);
    }
    // Repeat, then stop repeating.
    pair.post(&[alert(&[("g", "r"), ("kind", "repeat")], NEVER)]);
    pair.wait("{kind=\"repeat\"}:{g=\"r\"}", 2);
    // All labels, twice by way of `continue`; a regular expression in the key.
    pair.post(&[alert(&[("kind", "a"), ("x", "1\t\"é\"")], NEVER)]);
    pair.wait("{kind=~\"^(?:a.*)$\"}:{}", 1);
    silence_and_inhibit(&pair, &programs.amtool);
    // Muted: nothing is ever told. A reload and a restart in between tell nothing twice.
    pair.post(&[alert(&[("g", "m"), ("kind", "muted")], NEVER)]);
    for side in &pair.sides {
        assert_eq!(http::post(&format!("{}/-/reload", side.base), b"", &[]).unwrap().status, 200);
    }
    pair.post(&[alert(&[("g", "2")], NEVER)]);
    pair.wait("{g=\"2\"}", 1);
    for side in &mut pair.sides {
        side.stop();
        side.start();
    }
    pair.post(&[
        alert(&[("g", "1"), ("i", "a")], NEVER),
        alert(&[("g", "2")], NEVER),
        alert(&[("g", "3")], NEVER),
    ]);
    pair.wait("{g=\"3\"}", 1);
    pair.post(&[alert(&[("g", "2")], OVER)]);
    pair.wait("{g=\"2\"}", 2);
    let [ours, theirs] = pair.sides.map(|side| side.story());
    let mut n_bodies = 0;
    assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
    for (group, bodies) in &theirs {
        let n = match group.as_str() {
            // How often a group repeats within the test is a matter of time.
            group if group.contains("repeat") => 2,
            // A reload gives a group its alerts back one by one, in any order, those that are over included, and tells at once
            // about the first: what is told again then is a matter of luck, with the original too.
            "{}:{g=\"1\"}" => changes.len(),
            _ => bodies.len(),
        };
        assert_eq!(ours[group].get(..n), bodies.get(..n), "{group}: {:#?}", ours[group]);
        n_bodies += n;
    }
    figure("alertmanager: webhook bodies equal to those of Debian's", n_bodies);
}

fn silence_and_inhibit(pair: &Pair, amtool: &Path) {
    let silence = json!({"matchers": [{"name": "g", "value": "s", "isRegex": false, "isEqual": true}],
        "startsAt": START, "endsAt": NEVER, "createdBy": "me", "comment": "c"});
    let ids: Vec<String> = pair
        .sides
        .iter()
        .map(|side| side.post("/api/v2/silences", &silence)["silenceID"].as_str().unwrap().to_owned())
        .collect();
    let critical = |end| alert(&[("g", "c"), ("severity", "critical"), ("cluster", "x")], end);
    pair.post(&[critical(NEVER)]);
    pair.wait("{g=\"c\"}", 1);
    pair.post(&[
        alert(&[("g", "s")], NEVER),
        alert(&[("g", "w"), ("severity", "warning"), ("cluster", "x")], NEVER),
        alert(&[("g", "w"), ("severity", "warning"), ("cluster", "y")], NEVER),
    ]);
    pair.wait("{g=\"w\"}", 1);
    pair.post(&[critical(OVER)]);
    pair.wait("{g=\"c\"}", 2);
    pair.wait("{g=\"w\"}", 2);
    for (side, id) in pair.sides.iter().zip(&ids) {
        assert!(side.sink.bodies().iter().all(|body| !key(body).ends_with("{g=\"s\"}")));
        // Debian's amtool speaks with ours as with its own.
        let url = format!("--alertmanager.url={}", side.base);
        let (code, out, err) = run(amtool, &["silence", "query", "-q", &url]).unwrap();
        assert_eq!((code, out.trim()), (0, id.as_str()), "{err}");
        let (code, _, err) = run(amtool, &["silence", "expire", id, &url]).unwrap();
        assert_eq!(code, 0, "{err}");
    }
    pair.wait("{g=\"s\"}", 1);
}

#[test]
fn each_takes_over_the_others_directory() {
    let Some(programs) = programs() else { return };
    let (ours, theirs) = (&programs.ours, &programs.theirs);
    for (first, second) in [(theirs, ours), (ours, theirs)] {
        let mut side = Side::new(first);
        side.post("/api/v2/alerts", &json!([alert(&[("g", "1")], NEVER)]));
        side.wait("{g=\"1\"}", 1);
        let silence = json!({"matchers": [{"name": "g", "value": "s", "isRegex": false}], "startsAt": START,
            "endsAt": NEVER, "createdBy": "me", "comment": "kept"});
        side.post("/api/v2/silences", &silence);
        side.stop();
        side.program = second.clone();
        side.start();
        let alerts =
            json!([alert(&[("g", "1")], NEVER), alert(&[("g", "s")], NEVER), alert(&[("g", "2")], NEVER)]);
        side.post("/api/v2/alerts", &alerts);
        side.wait("{g=\"2\"}", 1);
        side.post("/api/v2/alerts", &json!([alert(&[("g", "1")], OVER)]));
        side.wait("{g=\"1\"}", 2);
        let told: Vec<(String, String)> = side
            .sink
            .bodies()
            .iter()
            .map(|body| (key(body), body["status"].as_str().unwrap().to_owned()))
            .collect();
        let want = [("{}:{g=\"1\"}", "firing"), ("{}:{g=\"2\"}", "firing"), ("{}:{g=\"1\"}", "resolved")];
        assert_eq!(
            told,
            want.map(|(group, status)| (group.to_owned(), status.to_owned())),
            "{first:?} -> {second:?}"
        );
        let answer = http::get(&format!("{}/api/v2/silences", side.base)).unwrap();
        assert!(answer.body.contains("\"kept\""), "{}", answer.body);
    }
    figure("alertmanager: hand-overs without a repeated page", 2);
}
