//! Three Alertmanagers are one cluster: whoever is killed or cut off, somebody tells, and in health exactly one does.

mod link;

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;
use wf_e2e::process::{PATIENCE, Server, eventually, free_port};
use wf_e2e::skip::binary;
use wf_e2e::{figure, http};

use crate::alerts::sink::Sink;
use link::{Link, both};

// Every group is flushed once by every member while the test runs.
const CONFIG: &str = "
route: {receiver: sink, group_by: [g], group_wait: 100ms, group_interval: 1h, repeat_interval: 4h}
receivers: [{name: sink, webhook_configs: [{url: 'URL'}]}]
";

/// A member with the network before it.
struct Member {
    name: &'static str,
    ip: IpAddr,
    listen: SocketAddr,
    link: Link,
    folder: TempDir,
    server: Option<Server>,
}

struct Cluster {
    program: PathBuf,
    sink: Sink,
    members: Vec<Member>,
}

impl Cluster {
    fn start(program: PathBuf) -> Self {
        let sink = Sink::start().unwrap();
        let mut members = Vec::new();
        for (name, last) in [("a", 11), ("b", 12), ("c", 13)] {
            // Addresses of their own: the network knows its senders by them.
            let ip = IpAddr::V4(Ipv4Addr::new(127, 0, 0, last));
            let (_udp, tcp) = both(ip).unwrap();
            let listen = tcp.local_addr().unwrap();
            let link = Link::start(ip, listen).unwrap();
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join("am.yml"), CONFIG.replace("URL", &sink.url())).unwrap();
            members.push(Member { name, ip, listen, link, folder, server: None });
        }
        let mut cluster = Self { program, sink, members };
        (0..3).for_each(|idx| cluster.start_member(idx));
        cluster
    }

    fn start_member(&mut self, idx: usize) {
        let port = free_port().unwrap();
        let peers: Vec<String> =
            self.members.iter().map(|member| format!("--cluster.peer={}", member.link.front)).collect();
        let member = &mut self.members[idx];
        let path = |name: &str| member.folder.path().join(name).display().to_string();
        let mut args = vec![
            "alertmanager".to_owned(),
            format!("--config.file={}", path("am.yml")),
            format!("--storage.path={}", path("data")),
            format!("--web.listen-address=127.0.0.1:{port}"),
            format!("--cluster.listen-address={}", member.listen),
            format!("--cluster.advertise-address={}", member.link.front),
            format!("--cluster.peer-name={}", member.name),
        ];
        args.extend(peers);
        for (flag, value) in [
            ("peer-timeout", "1500ms"),
            ("gossip-interval", "50ms"),
            ("probe-interval", "500ms"),
            ("probe-timeout", "200ms"),
            ("pushpull-interval", "2s"),
            ("reconnect-interval", "500ms"),
            ("peers-resolve-timeout", "1s"),
        ] {
            args.push(format!("--cluster.{flag}={value}"));
        }
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let log = member.folder.path().join("log");
        member.server = Some(Server::start(&self.program, &args, port, &log).unwrap());
    }

    fn base(&self, idx: usize) -> &str {
        &self.members[idx].server.as_ref().unwrap().base
    }

    fn running(&self) -> impl Iterator<Item = usize> {
        (0..3).filter(|idx| self.members[*idx].server.is_some())
    }

    fn logs(&self) -> String {
        let logs = self.members.iter().filter_map(|member| Some(member.server.as_ref()?.log_text()));
        logs.collect::<Vec<_>>().join("\n---\n")
    }

    /// Waits until member `idx` sees members of exactly these names, and is ready.
    fn wait_members(&self, idx: usize, names: &[&str]) {
        let seen = || -> Value {
            let status = http::get(&format!("{}/api/v2/status", self.base(idx)));
            status.and_then(|answer| answer.json()).map_or(Value::Null, |status| status["cluster"].clone())
        };
        let is_so = eventually(PATIENCE, || {
            let cluster = seen();
            let shown = cluster["peers"].as_array().into_iter().flatten();
            cluster["status"] == "ready"
                && shown.map(|peer| peer["name"].as_str().unwrap_or("")).eq(names.iter().copied())
        });
        assert!(is_so, "{} wants {names:?}, sees {}\n{}", self.members[idx].name, seen(), self.logs());
    }

    /// Posts an alert of group `g` to every member, as Prometheus does.
    fn post(&self, group: &str) {
        let alerts = json!([{"labels": {"g": group}, "endsAt": "2100-01-01T00:00:00Z"}]);
        for idx in self.running() {
            let url = format!("{}/api/v2/alerts", self.base(idx));
            let headers = [("content-type", "application/json")];
            let answer = http::post(&url, alerts.to_string().as_bytes(), &headers).unwrap();
            assert_eq!(answer.status, 200, "{}", answer.body);
        }
    }

    /// How often member `idx` asked its log whether to tell.
    fn n_decisions(&self, idx: usize) -> u64 {
        let page = http::get(&format!("{}/metrics", self.base(idx))).unwrap().body;
        let line = page.lines().find_map(|line| line.strip_prefix("alertmanager_nflog_queries_total "));
        line.and_then(|value| value.parse().ok()).unwrap_or(0)
    }

    /// Posts an alert of group `g`, waits until every member decided, and returns how many told.
    fn tell(&self, group: &str) -> usize {
        let before: Vec<(usize, u64)> = self.running().map(|idx| (idx, self.n_decisions(idx))).collect();
        self.post(group);
        let decided = eventually(PATIENCE, || before.iter().all(|(idx, n)| self.n_decisions(*idx) > *n));
        assert!(decided, "not every member decided about {group}\n{}", self.logs());
        // The last to decide may be telling yet.
        let told = || self.sink.bodies().iter().filter(|body| body["groupLabels"]["g"] == group).count();
        assert!(eventually(PATIENCE, || told() > 0), "nobody told about {group}\n{}", self.logs());
        told()
    }

    /// Cuts member `idx` off from the others, or connects it again.
    fn set_alone(&self, idx: usize, is_alone: bool) {
        for other in (0..3).filter(|other| *other != idx) {
            self.members[other].link.set_cut(self.members[idx].ip, is_alone);
            self.members[idx].link.set_cut(self.members[other].ip, is_alone);
        }
    }

    fn silence(&self, idx: usize, comment: &str) {
        let silence = json!({"matchers": [{"name": "x", "value": "y", "isRegex": false}], "comment": comment,
            "startsAt": "2026-01-01T00:00:00Z", "endsAt": "2100-01-01T00:00:00Z", "createdBy": "me"});
        let url = format!("{}/api/v2/silences", self.base(idx));
        let headers = [("content-type", "application/json")];
        let answer = http::post(&url, silence.to_string().as_bytes(), &headers).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    fn wait_silence(&self, idx: usize, comment: &str) {
        let url = format!("{}/api/v2/silences", self.base(idx));
        let has = || http::get(&url).is_ok_and(|answer| answer.body.contains(comment));
        assert!(eventually(PATIENCE, has), "{} has no silence {comment:?}", self.members[idx].name);
    }
}

#[test]
fn a_cluster_tells_once_in_health_and_never_nothing() {
    let Some(program) = binary() else { return };
    let mut cluster = Cluster::start(program);
    let all = ["a", "b", "c"];
    (0..3).for_each(|idx| cluster.wait_members(idx, &all));
    let mut n_healthy = 0;
    let mut healthy = |cluster: &Cluster, group: &str| {
        assert_eq!(cluster.tell(group), 1, "{group}: {}", cluster.logs());
        n_healthy += 1;
    };
    healthy(&cluster, "health");
    cluster.silence(2, "from c");
    cluster.wait_silence(0, "from c");
    // The first is killed. At once, before anybody noticed, and later, somebody tells.
    cluster.members[0].server.take().unwrap().kill();
    let at_once = cluster.tell("killed");
    assert!((1..=2).contains(&at_once), "{at_once}");
    (1..3).for_each(|idx| cluster.wait_members(idx, &["b", "c"]));
    healthy(&cluster, "two");
    // It comes back with what its disk holds, an empty log, and is told what it missed.
    let told = |cluster: &Cluster, group: &str| {
        cluster.sink.bodies().iter().filter(|body| body["groupLabels"]["g"] == group).count()
    };
    let before = told(&cluster, "killed");
    assert!((1..=2).contains(&before), "{before}");
    cluster.start_member(0);
    (0..3).for_each(|idx| cluster.wait_members(idx, &all));
    healthy(&cluster, "back");
    cluster.post("killed");
    // A partition: both sides tell.
    cluster.set_alone(2, true);
    cluster.wait_members(2, &["c"]);
    (0..2).for_each(|idx| cluster.wait_members(idx, &["a", "b"]));
    let apart = cluster.tell("apart");
    assert!((1..=2).contains(&apart), "{apart}");
    cluster.silence(2, "from the other side");
    // It heals: one cluster again, and each side has what the other did.
    cluster.set_alone(2, false);
    (0..3).for_each(|idx| cluster.wait_members(idx, &all));
    cluster.wait_silence(0, "from the other side");
    healthy(&cluster, "healed");
    let after = told(&cluster, "killed");
    assert_eq!(after, before, "a member that came back told again\n{}", cluster.logs());
    figure("alertmanager: cluster: groups told exactly once in health", n_healthy);
    figure("alertmanager: cluster: told when the first was killed", at_once);
    figure("alertmanager: cluster: told during a partition", apart);
}
