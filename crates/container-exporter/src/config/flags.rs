//! From arguments to a [`Config`].

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use super::{Command, Config, FlagError, KINDS, KINDS_ON_REQUEST};
use crate::perf;
use crate::shown::ShownLabels;

/// Flag, what it does.
#[rustfmt::skip]
const FLAGS: [(&str, &str); 30] = [
    ("listen_ip", "Address to listen on (default: all)."),
    ("port", "Port to listen on (default: 8080)."),
    ("web.config.file", "File with options of TLS and authentication."),
    ("prometheus_endpoint", "Path of the metrics, beside /metrics/cadvisor (default: /metrics)."),
    ("housekeeping_interval", "How old a page may be (default: 5s)."),
    ("global_housekeeping_interval", "How often a runtime is asked anew (default: 1m)."),
    ("disable_metrics", "Kinds of metrics to leave out, with commas between; all others are exposed, also those that are not by default."),
    ("enable_metrics", "Kinds of metrics to expose, and no others; disable_metrics then says nothing."),
    ("docker_only", "Leave out groups that are no containers; takes =true or =false."),
    ("raw_cgroup_prefix_whitelist", "Groups to expose with docker_only too, by how their paths begin, with commas between."),
    ("disable_root_cgroup_stats", "Leave out the root; takes =true or =false."),
    ("store_container_labels", "All labels of the runtime, and variables, as labels of metrics; =false: only those that are listed, and no variables."),
    ("whitelisted_container_labels", "Labels of the runtime to add to metrics, with commas between; without store_container_labels."),
    ("env_metadata_whitelist", "Variables of containers to add to metrics, by how their names begin, with commas between."),
    ("perf_events_config", "File that names perf events to count for each group, which takes the kind perf_event."),
    ("containerd-namespace", "k8s.io alone: what CRI knows."),
    ("containerd", "Socket of a runtime that speaks CRI (default: containerd's or CRI-O's)."),
    ("docker", "Socket of Docker (default: /run/docker.sock)."),
    ("kubelet.url", "Where the kubelet lists its pods, asked where no runtime is found (default: https://localhost:10250/pods)."),
    ("kubelet.token-file", "Token for the kubelet, without which it is not asked (default: the service account's)."),
    ("kubelet.ca-file", "Authorities for the kubelet's certificate (default: the service account's)."),
    ("kubelet.insecure-skip-verify", "Take any certificate of the kubelet's; takes =true or =false."),
    ("path.cgroupfs", "Where control groups are mounted (default: /sys/fs/cgroup)."),
    ("path.procfs", "Where procfs is mounted (default: /proc)."),
    ("path.sysfs", "Where sysfs is mounted (default: /sys)."),
    ("path.rootfs", "Where the host's root is mounted (default: /)."),
    ("allow_dynamic_housekeeping", "Taken, without effect: groups are read when somebody scrapes; takes =true or =false."),
    ("max_housekeeping_interval", "Taken, without effect, as above."),
    ("storage_duration", "Taken, without effect: no history is kept."),
    ("logtostderr", "Taken: logs go there; takes =true or =false."),
];

/// Go's switches: they take their value only with `=`.
const SWITCHES: [&str; 6] = [
    "docker_only",
    "disable_root_cgroup_stats",
    "store_container_labels",
    "kubelet.insecure-skip-verify",
    "allow_dynamic_housekeeping",
    "logtostderr",
];

/// What means something only together with other flags.
#[derive(Default)]
struct Given {
    enabled: Option<BTreeSet<&'static str>>,
    disabled: Option<BTreeSet<&'static str>>,
    stores_labels: Option<bool>,
    labels: Vec<String>,
    environment: Vec<String>,
}

/// Reads arguments.
pub(super) fn parse<S: AsRef<str>>(arguments: &[S]) -> Result<Command, FlagError> {
    let mut config = Config::default();
    let mut given = Given::default();
    let mut arguments = arguments.iter().map(AsRef::as_ref);
    while let Some(argument) = arguments.next() {
        match argument {
            "-h" | "-help" | "--help" => return Ok(Command::Help(help())),
            "-version" | "--version" => return Ok(Command::Version),
            _ => {}
        }
        let unknown = || FlagError::Unknown { flag: argument.to_owned() };
        let body = argument.strip_prefix('-').ok_or_else(unknown)?;
        let body = body.strip_prefix('-').unwrap_or(body);
        let (name, value) = match body.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (body, None),
        };
        let (flag, _) = FLAGS.iter().find(|(known, _)| *known == name).ok_or_else(unknown)?;
        let value = match value {
            None if SWITCHES.contains(flag) => Some("true"),
            None => arguments.next(),
            value => value,
        };
        let value = value.ok_or_else(|| FlagError::NoValue { flag: argument.to_owned() })?;
        let bad = |wanted: &str| FlagError::BadValue {
            flag: format!("--{flag}"),
            value: value.to_owned(),
            wanted: wanted.to_owned(),
        };
        if !given.set(flag, value).map_err(bad)? {
            set(&mut config, flag, value, &bad)?;
        }
    }
    given.finish(&mut config);
    Ok(Command::Run(Box::new(config)))
}

impl Given {
    /// Takes a flag that depends on others. False when it is none.
    fn set(&mut self, flag: &str, value: &str) -> Result<bool, &'static str> {
        match flag {
            "disable_metrics" => self.disabled = Some(kinds(value).ok_or("a list of kinds of metrics")?),
            "enable_metrics" => self.enabled = Some(kinds(value).ok_or("a list of kinds of metrics")?),
            "store_container_labels" => self.stores_labels = Some(switch(value)?),
            "whitelisted_container_labels" => self.labels = list(value),
            "env_metadata_whitelist" => self.environment = list(value),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn finish(self, config: &mut Config) {
        let all = || KINDS.into_iter().chain(KINDS_ON_REQUEST);
        match (self.enabled, self.disabled) {
            (Some(enabled), _) if !enabled.is_empty() => config.kinds = enabled,
            (_, Some(disabled)) => config.kinds = all().filter(|kind| !disabled.contains(kind)).collect(),
            _ => {}
        }
        config.shown.labels = match self.stores_labels {
            Some(true) => ShownLabels::All,
            _ if self.labels.is_empty() => ShownLabels::None,
            _ => ShownLabels::Named(self.labels),
        };
        // As in cAdvisor: whoever stores no labels stores no variables either.
        if self.stores_labels != Some(false) {
            config.shown.environment = self.environment;
        }
    }
}

fn set(
    config: &mut Config,
    flag: &str,
    value: &str,
    bad: &dyn Fn(&str) -> FlagError,
) -> Result<(), FlagError> {
    let on = || switch(value).map_err(bad);
    let duration = || wf_model::duration::parse(value).map_err(|_| bad("a duration such as 5s"));
    match flag {
        "listen_ip" if value.is_empty() => {}
        "listen_ip" => config.listen_ip = value.parse().map_err(|_| bad("an IP address"))?,
        "port" => config.port = value.parse().map_err(|_| bad("a port"))?,
        "web.config.file" => config.web_config_file = PathBuf::from(value),
        "prometheus_endpoint" if value.starts_with('/') => value.clone_into(&mut config.metrics_path),
        "prometheus_endpoint" => return Err(bad("a path that starts with /")),
        "housekeeping_interval" => config.max_age = duration()?,
        "global_housekeeping_interval" => config.refresh = duration()?.max(Duration::from_secs(1)),
        "max_housekeeping_interval" | "storage_duration" => drop(duration()?),
        "allow_dynamic_housekeeping" | "logtostderr" => drop(on()?),
        "disable_root_cgroup_stats" => config.has_root = !on()?,
        "docker_only" => config.containers_only = on()?,
        "raw_cgroup_prefix_whitelist" => config.group_prefixes = list(value),
        "perf_events_config" if value.is_empty() => {}
        "perf_events_config" => {
            let content = std::fs::read_to_string(value).map_err(|error| error.to_string());
            let events = content.and_then(|content| perf::events(&content));
            config.perf_events = events.map_err(|why| bad(&format!("a file of perf events: {why}")))?;
        }
        "containerd-namespace" if value == "k8s.io" => {}
        "containerd-namespace" => return Err(bad("k8s.io: CRI knows no other namespace")),
        "containerd" => config.cri_sockets = vec![PathBuf::from(value)],
        "docker" => config.docker_socket = PathBuf::from(value.trim_start_matches("unix://")),
        "kubelet.url" => value.clone_into(&mut config.kubelet.url),
        "kubelet.token-file" => config.kubelet.token_file = PathBuf::from(value),
        "kubelet.ca-file" => config.kubelet.ca_file = PathBuf::from(value),
        "kubelet.insecure-skip-verify" => config.kubelet.is_unchecked = on()?,
        "path.cgroupfs" => config.cgroups = PathBuf::from(value),
        "path.procfs" => config.proc = PathBuf::from(value),
        "path.sysfs" => config.sys = PathBuf::from(value),
        _ => config.root = PathBuf::from(value),
    }
    Ok(())
}

/// Go takes these spellings.
fn switch(value: &str) -> Result<bool, &'static str> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("true or false"),
    }
}

fn list(value: &str) -> Vec<String> {
    value.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// The kinds in a list. None when it names one that nobody has.
fn kinds(list: &str) -> Option<BTreeSet<&'static str>> {
    let known = |name: &str| KINDS.into_iter().chain(KINDS_ON_REQUEST).find(|kind| *kind == name);
    list.split(',').filter(|name| !name.is_empty()).map(known).collect()
}

fn help() -> String {
    let mut text = "usage: watchfire container-exporter [flags]\n\nFlags:\n".to_owned();
    for (flag, help) in FLAGS {
        text.push_str(&format!("  --{flag}\n      {help}\n"));
    }
    text
}
