//! Discovery: the same sources give this server and Debian's prometheus the same targets with the same labels; what a
//! source says later is taken over; a source that fails keeps what it said.

mod fake;
mod faults;
mod servers;
mod zookeeper;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use wf_e2e::process::{PATIENCE, Server, eventually};
use wf_e2e::skip::{binary, conformance, peer};
use wf_e2e::{figure, http};

use crate::setup::Site;
use fake::{Fake, Reply};

/// Labels of a target before relabeling.
type Labels = BTreeMap<String, String>;

/// Labels that the original of version 2.42 does not know yet.
const NEWER: [&str; 5] = [
    "__meta_docker_container_image",
    "__meta_docker_container_image_id",
    "__always_scrape_classic_histograms__",
    "__convert_classic_histograms_to_nhcb__",
    "__scrape_native_histograms__",
];

/// Returns the targets of a server.
fn targets(base: &str) -> BTreeSet<Labels> {
    let Ok(answer) = http::get(&format!("{base}/api/v1/targets?state=any")) else { return BTreeSet::new() };
    let body = answer.json().unwrap_or_default();
    let list = |name: &str| body["data"][name].as_array().cloned().unwrap_or_default();
    let labels = |target: Value| {
        let pairs = target["discoveredLabels"].as_object().cloned().unwrap_or_default();
        pairs.into_iter().map(|(name, value)| (name, value.as_str().unwrap_or("").to_owned())).collect()
    };
    list("activeTargets").into_iter().chain(list("droppedTargets")).map(labels).collect()
}

/// The same without what only one of both knows: newer labels, and containers that share another's network, which the
/// original of version 2.42 does not find.
fn comparable(base: &str) -> BTreeSet<Labels> {
    let mode = "__meta_docker_container_network_mode";
    let shares = |labels: &Labels| labels.get(mode).is_some_and(|mode| mode.starts_with("container:"));
    let strip = |mut labels: Labels| {
        labels.retain(|name, _| !NEWER.contains(&name.as_str()));
        labels
    };
    targets(base).into_iter().filter(|labels| !shares(labels)).map(strip).collect()
}

/// A configuration of one job whose targets nobody scrapes in a test's time.
fn job(discovery: &str) -> String {
    format!("global: {{scrape_interval: 1h}}\nscrape_configs:\n- job_name: sd\n{discovery}")
}

fn start(site: &Site, text: &str, arguments: &[&str]) -> Option<Server> {
    let binary = binary()?;
    fs::write(site.path("prometheus.yml"), text).unwrap();
    let own = site.server_arguments();
    let all: Vec<&str> = own.iter().map(String::as_str).chain(arguments.iter().copied()).collect();
    let port = site.listen().rsplit(':').next().unwrap().parse().unwrap();
    Some(Server::start(&binary, &all, port, &site.path("log")).unwrap())
}

/// Starts both on the same configuration and waits until both have the same targets, `n_targets` at least.
fn same_as_prometheus(text: &str, n_targets: usize) {
    let Some(prometheus) = peer("prometheus") else { return };
    let (site, theirs) = (Site::new(), Site::new());
    let Some(ours) = start(&site, text, &[]) else { return };
    // Only we can be told to look at every network; the original of that version always does.
    fs::write(theirs.path("prometheus.yml"), text.replace("    match_first_network: false\n", "")).unwrap();
    let arguments = theirs.server_arguments();
    let arguments: Vec<&str> = arguments.iter().skip(1).map(String::as_str).collect();
    let port = theirs.listen().rsplit(':').next().unwrap().parse().unwrap();
    let theirs = Server::start(&prometheus, &arguments, port, &theirs.path("log")).unwrap();
    let is_same = eventually(PATIENCE, || {
        let found = comparable(&ours.base);
        found.len() >= n_targets && found == comparable(&theirs.base)
    });
    let (a, b) = (comparable(&ours.base), comparable(&theirs.base));
    let only = |a: &BTreeSet<Labels>, b: &BTreeSet<Labels>| a.difference(b).cloned().collect::<Vec<_>>();
    let (a_only, b_only) = (only(&a, &b), only(&b, &a));
    assert!(
        is_same,
        "want {n_targets} or more, got {} and {}\nonly ours: {a_only:#?}\nonly prometheus: {b_only:#?}\n{}",
        a.len(),
        b.len(),
        ours.log_text()
    );
}

/// Answers as Docker did when the fixtures were recorded.
fn docker(folder: &str) -> Option<Fake> {
    let folder = conformance("discovery/docker")?.join(folder);
    Some(Fake::new(move |path| {
        let path = path.split('?').next().unwrap_or(path);
        // The original's client puts the API's version first.
        let path = match path.strip_prefix("/v1.").and_then(|rest| rest.split_once('/')) {
            Some((_, rest)) => rest,
            None => path.trim_start_matches('/'),
        };
        match fs::read(folder.join(format!("{path}.json"))) {
            Ok(body) => Reply::json(body).with("Api-Version", "1.40").with("Ostype", "linux"),
            Err(_) => Reply::error(404),
        }
    }))
}

#[test]
fn docker_containers_are_those_of_prometheus() {
    let Some(docker) = docker("dockerprom") else { return };
    let address = &docker.address;
    let text =
        job(&format!("  docker_sd_configs:\n  - host: http://{address}\n    match_first_network: false\n"));
    same_as_prometheus(&text, 11);
}

#[test]
fn swarms_are_those_of_prometheus() {
    let Some(docker) = docker("swarmprom") else { return };
    for (role, n_targets) in [("nodes", 5), ("services", 15), ("tasks", 27)] {
        let address = &docker.address;
        let text =
            job(&format!("  dockerswarm_sd_configs:\n  - {{host: 'http://{address}', role: {role}}}\n"));
        same_as_prometheus(&text, n_targets);
    }
}

const EUREKA: &str = r#"<applications><versions__delta>1</versions__delta><application><name>CONFIG-SERVICE</name>
<instance><instanceId>config.example:config:8888</instanceId><hostName>config.example</hostName><app>CONFIG-SERVICE</app>
<ipAddr>192.0.2.1</ipAddr><status>UP</status><port enabled="true">8888</port><securePort enabled="false">443</securePort>
<countryId>1</countryId><dataCenterInfo class="com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo"><name>MyOwn</name>
<metadata><zone-a>z</zone-a></metadata></dataCenterInfo><metadata><management.port>8889</management.port></metadata>
<homePageUrl>http://config.example:8888/?a=1&amp;b=2</homePageUrl><statusPageUrl>http://s</statusPageUrl>
<healthCheckUrl>http://h</healthCheckUrl><vipAddress>config</vipAddress><secureVipAddress>sconfig</secureVipAddress>
</instance></application><application><name>X</name><instance><hostName>no-port.example</hostName></instance></application>
</applications>"#;

#[test]
fn eureka_applications_are_those_of_prometheus() {
    let eureka = Fake::new(|path| match path {
        "/eureka/apps" => {
            Reply { headers: vec![("Content-Type".into(), "application/xml".into())], ..Reply::json(EUREKA) }
        }
        _ => Reply::error(404),
    });
    same_as_prometheus(
        &job(&format!("  eureka_sd_configs: [{{server: 'http://{}/eureka'}}]\n", eureka.address)),
        2,
    );
}

/// A Consul agent: two services, one of them without an address of its own.
struct Consul {
    fake: Fake,
    index: Arc<AtomicU64>,
    n_instances: Arc<AtomicU64>,
}

fn consul() -> Consul {
    let (index, n_instances) = (Arc::new(AtomicU64::new(7)), Arc::new(AtomicU64::new(1)));
    let (at, n) = (Arc::clone(&index), Arc::clone(&n_instances));
    let fake = Fake::new(move |path| {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let asked =
            query.split('&').find_map(|pair| pair.strip_prefix("index=")).and_then(|text| text.parse().ok());
        // A blocking query waits for a newer index; here a short while.
        let waited = (0..80).any(|_| {
            let is_newer = asked.is_none_or(|asked: u64| asked != at.load(Ordering::SeqCst));
            if !is_newer {
                std::thread::sleep(Duration::from_millis(25));
            }
            is_newer
        });
        let _ = waited;
        let index = at.load(Ordering::SeqCst).to_string();
        let body = match path {
            "/v1/agent/self" => r#"{"Config":{"Datacenter":"dc-1"}}"#.to_owned(),
            "/v1/catalog/services" => r#"{"web":["a","b"],"db":null}"#.to_owned(),
            "/v1/health/service/web" => {
                let instances: Vec<String> = (0..n.load(Ordering::SeqCst)).map(instance).collect();
                format!("[{}]", instances.join(","))
            }
            "/v1/health/service/db" => r#"[{"Node":{"Datacenter":"dc-1","Node":"n2","Address":"192.0.2.9","TaggedAddresses":null,"Meta":null},"Service":{"ID":"db","Tags":null,"Address":"","Port":5432},"Checks":[{"CheckID":"x","Status":"warning"}]}]"#.to_owned(),
            _ => return Reply::error(404),
        };
        Reply::json(body).with("X-Consul-Index", &index)
    });
    Consul { fake, index, n_instances }
}

fn instance(number: u64) -> String {
    format!(
        r#"{{"Node":{{"Datacenter":"dc-1","Node":"n1","Address":"192.0.2.1","TaggedAddresses":{{"lan":"192.0.2.1","wan_ipv4":"198.51.100.1"}},"Meta":{{"rack-id":"7"}}}},"Service":{{"ID":"web-{number}","Tags":["a","b"],"Address":"10.0.0.{number}","Port":80,"Meta":{{"v.x":"1"}},"Namespace":"ns"}},"Checks":[{{"CheckID":"serfHealth","Status":"passing"}},{{"CheckID":"_service_maintenance:web","Status":"critical"}}]}}"#
    )
}

/// Debian's prometheus is built without Consul; its vmagent knows the same labels.
#[test]
fn consul_services_are_those_of_vmagent() {
    let Some(vmagent) = peer("vmagent") else { return };
    let consul = consul();
    consul.n_instances.store(3, Ordering::SeqCst);
    let address = &consul.fake.address;
    for (settings, n_targets) in [("", 4), (", services: [web], tags: [b]", 3)] {
        let (site, theirs) = (Site::new(), Site::new());
        let text =
            job(&format!("  consul_sd_configs: [{{server: '{address}', datacenter: dc-1{settings}}}]\n"));
        let Some(ours) = start(&site, &text, &[]) else { return };
        fs::write(theirs.path("vm.yml"), &text).unwrap();
        let port = theirs.listen().rsplit(':').next().unwrap().parse().unwrap();
        let arguments = [
            format!("-promscrape.config={}", theirs.path("vm.yml").display()),
            "-remoteWrite.url=http://127.0.0.1:1/".to_owned(),
            format!("-remoteWrite.tmpDataPath={}", theirs.path("queue").display()),
            format!("-httpListenAddr={}", theirs.listen()),
        ];
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let theirs = Server::start(&vmagent, &arguments, port, &theirs.path("log")).unwrap();
        let found = |base: &str| -> BTreeSet<Labels> {
            let meta = |mut labels: Labels| {
                labels.retain(|name, value| {
                    !value.is_empty() && (name == "__address__" || name.starts_with("__meta_"))
                });
                labels
            };
            targets(base).into_iter().map(meta).collect()
        };
        let is_same = eventually(PATIENCE, || {
            found(&ours.base).len() == n_targets && found(&ours.base) == found(&theirs.base)
        });
        assert!(is_same, "{:#?}\n{:#?}\n{}", found(&ours.base), found(&theirs.base), ours.log_text());
    }
    let asked = consul.fake.asked();
    let has_tag = |path: &String| path.starts_with("/v1/health/service/web?") && path.contains("tag=b");
    assert!(asked.iter().any(has_tag), "{asked:?}");
}

#[test]
fn consul_is_followed_through_changes_and_an_index_that_goes_back() {
    let consul = consul();
    let site = Site::new();
    let address = &consul.fake.address;
    let text = job(&format!(
        "  consul_sd_configs: [{{server: '{address}', services: [web], refresh_interval: 1s}}]\n"
    ));
    let Some(server) = start(&site, &text, &[]) else { return };
    let has = |n: usize| eventually(PATIENCE, || targets(&server.base).len() == n);
    assert!(has(1), "{}", server.log_text());
    for (index, n_instances) in [(8, 3), (2, 2), (3, 4)] {
        consul.n_instances.store(n_instances, Ordering::SeqCst);
        consul.index.store(index, Ordering::SeqCst);
        assert!(has(usize::try_from(n_instances).unwrap()), "index {index}:\n{}", server.log_text());
    }
    let asked = consul.fake.asked();
    let waits =
        |path: &String| path.contains("wait=") && path.contains("index=7") && path.contains("dc=dc-1");
    assert!(asked.iter().any(waits), "{asked:?}");
}

#[test]
fn an_http_source_that_fails_keeps_its_targets_and_says_so() {
    let answer = Arc::new(Mutex::new(Some(r#"[{"targets":["127.0.0.1:1"],"labels":{"a":"b"}}]"#.to_owned())));
    let shared = Arc::clone(&answer);
    let fake = Fake::new(move |_| match shared.lock().unwrap().clone() {
        Some(body) => Reply::json(body),
        None => Reply::error(503),
    });
    let site = Site::new();
    let text =
        job(&format!("  http_sd_configs: [{{url: 'http://{}/sd', refresh_interval: 1s}}]\n", fake.address));
    let Some(server) = start(&site, &text, &[]) else { return };
    let wait = |what: &dyn Fn() -> bool| assert!(eventually(PATIENCE, what), "{}", server.log_text());
    wait(&|| targets(&server.base).len() == 1);
    *answer.lock().unwrap() = None;
    let status = || http::get(&format!("{}/api/v1/status/discovery", server.base)).unwrap().json().unwrap();
    wait(&|| status()["data"]["sources"][0]["lastError"].as_str().is_some_and(|error| error.contains("503")));
    assert_eq!(targets(&server.base).len(), 1);
    let metrics = http::get(&format!("{}/metrics", server.base)).unwrap().body;
    for want in [
        "prometheus_sd_discovered_targets{name=\"scrape\",config=\"sd\"} 1",
        "prometheus_sd_http_failures_total ",
        "prometheus_sd_refresh_failures_total{mechanism=\"http\",config=\"sd\"} ",
    ] {
        assert!(metrics.contains(want), "{want} in\n{metrics}");
    }
    *answer.lock().unwrap() = Some(r#"[{"targets":["127.0.0.1:1","127.0.0.1:2"]}]"#.to_owned());
    wait(&|| targets(&server.base).len() == 2);
    wait(&|| status()["data"]["sources"][0]["lastError"] == "");
}

#[test]
fn files_are_read_when_they_change_and_bad_ones_keep_what_they_said() {
    let site = Site::new();
    let folder: PathBuf = site.path("sd");
    fs::create_dir(&folder).unwrap();
    let write = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
    write("a.yml", "- targets: ['127.0.0.1:1']\n");
    // The refresh is far away: only the watch can tell.
    let text = job("  file_sd_configs: [{files: ['sd/*.yml', 'sd/*.json'], refresh_interval: 1h}]\n");
    let Some(server) = start(&site, &text, &[]) else { return };
    let has = |want: &[&str]| {
        let is_there = eventually(PATIENCE, || {
            let found = targets(&server.base);
            found.iter().map(|labels| labels["__address__"].as_str()).collect::<BTreeSet<_>>()
                == BTreeSet::from_iter(want.iter().copied())
        });
        assert!(is_there, "want {want:?}, got {:?}\n{}", targets(&server.base), server.log_text());
    };
    has(&["127.0.0.1:1"]);
    assert_eq!(
        targets(&server.base).first().unwrap()["__meta_filepath"],
        folder.join("a.yml").display().to_string()
    );
    write("b.json", r#"[{"targets":["127.0.0.1:2"]}]"#);
    has(&["127.0.0.1:1", "127.0.0.1:2"]);
    write("b.json", "[null]");
    write("a.yml", "- targets: ['127.0.0.1:3']\n");
    has(&["127.0.0.1:3", "127.0.0.1:2"]);
    fs::remove_file(folder.join("b.json")).unwrap();
    has(&["127.0.0.1:3"]);
}

#[test]
fn the_file_fixtures_read_as_in_prometheus() {
    let Some(folder) = conformance("discovery/file") else { return };
    let mut text = "global: {scrape_interval: 1h}\nscrape_configs:\n".to_owned();
    // A job a file: targets that two files name are one in a job.
    for name in ["valid.json", "valid.yml", "valid2.yml", "valid3.yml", "invalid_nil.yml", "invalid_nil.json"]
    {
        let path = folder.join(name);
        text.push_str(&format!(
            "- job_name: {name}\n  file_sd_configs: [{{files: ['{}']}}]\n",
            path.display()
        ));
    }
    same_as_prometheus(&text, 12);
}

#[test]
fn a_configuration_reloads_itself_and_a_bad_one_leaves_the_old_one_running() {
    let site = Site::new();
    let statics = |ports: &[u16]| {
        let list: Vec<String> = ports.iter().map(|port| format!("'127.0.0.1:{port}'")).collect();
        job(&format!("  static_configs: [{{targets: [{}]}}]\n", list.join(", ")))
    };
    let Some(server) =
        start(&site, &statics(&[1]), &["--config.auto-reload", "--config.auto-reload-interval=1s"])
    else {
        return;
    };
    let metrics = || http::get(&format!("{}/metrics", server.base)).unwrap().body;
    let wait = |what: &dyn Fn() -> bool| assert!(eventually(PATIENCE, what), "{}", server.log_text());
    // All at once: half a file, or an empty one, is a configuration too.
    let write = |text: &str| {
        fs::write(site.path("next.yml"), text).unwrap();
        fs::rename(site.path("next.yml"), site.path("prometheus.yml")).unwrap();
    };
    wait(&|| targets(&server.base).len() == 1);
    write(&statics(&[1, 2, 3]));
    wait(&|| targets(&server.base).len() == 3);
    write("scrape_configs: [{job: x}]\n");
    wait(&|| metrics().contains("prometheus_config_last_reload_successful 0"));
    assert_eq!(targets(&server.base).len(), 3);
    write(&statics(&[5]));
    wait(&|| {
        metrics().contains("prometheus_config_last_reload_successful 1") && targets(&server.base).len() == 1
    });
}

#[test]
fn alertmanagers_are_discovered_as_targets_are() {
    let fake =
        Fake::new(|_| Reply::json(r#"[{"targets":["127.0.0.1:9","127.0.0.1:19"],"labels":{"zone":"a"}}]"#));
    let site = Site::new();
    let text = format!(
        "alerting:\n  alertmanagers:\n  - http_sd_configs: [{{url: 'http://{}/am'}}]\n    relabel_configs: [{{source_labels: [__address__], regex: '.*:19', action: drop}}]\n",
        fake.address
    );
    let Some(server) = start(&site, &text, &[]) else { return };
    let found = || http::get(&format!("{}/api/v1/alertmanagers", server.base)).unwrap().json().unwrap();
    let is_there = eventually(PATIENCE, || {
        found()["data"]["activeAlertmanagers"][0]["url"] == "http://127.0.0.1:9/api/v2/alerts"
    });
    assert!(is_there, "{}\n{}", found(), server.log_text());
    assert_eq!(found()["data"]["activeAlertmanagers"].as_array().unwrap().len(), 1);
}

#[test]
fn a_reload_of_ten_thousand_targets_leaves_them_alone() {
    const N_TARGETS: usize = 10_000;
    let site = Site::new();
    let groups: Vec<String> = (0..N_TARGETS)
        .map(|number| format!(r#"{{"targets":["127.0.0.1:1"],"labels":{{"number":"{number}"}}}}"#))
        .collect();
    fs::write(site.path("t.json"), format!("[{}]", groups.join(","))).unwrap();
    let started = Instant::now();
    let text = job("  file_sd_configs: [{files: [t.json]}]\n");
    let Some(server) = start(&site, &text, &["--web.enable-lifecycle"]) else { return };
    let is_there = eventually(PATIENCE, || targets(&server.base).len() == N_TARGETS);
    assert!(is_there, "{}", server.log_text());
    figure(
        "discovery: seconds from start until 10,000 targets of a file are scheduled",
        started.elapsed().as_secs_f64(),
    );
    fs::write(
        site.path("prometheus.yml"),
        format!("{text}- job_name: more\n  static_configs: [{{targets: ['127.0.0.1:2']}}]\n"),
    )
    .unwrap();
    let started = Instant::now();
    let answer = http::post(&format!("{}/-/reload", server.base), b"", &[]).unwrap();
    figure("discovery: seconds of a reload with 10,000 unchanged targets", started.elapsed().as_secs_f64());
    assert_eq!(answer.status, 200, "{}", server.log_text());
    assert_eq!(targets(&server.base).len(), N_TARGETS + 1);
}
