//! What was asked for: cAdvisor's flags, checked.
//!
//! # Source
//! `spec/exporters-linux.md` B1.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use crate::runtime::KubeletOptions;

/// What the command line asks for.
#[derive(Clone, Debug)]
pub enum Command {
    /// Run with this configuration.
    Run(Box<Config>),
    /// Print this help and end.
    Help(String),
    /// Print the version and end.
    Version,
}

/// Why flags cannot be used. The binary prints the text and exits with 2.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FlagError {
    /// No such flag.
    #[error("unknown flag {flag}: see --help")]
    Unknown {
        /// As given.
        flag: String,
    },
    /// A flag without its value.
    #[error("flag {flag} needs a value")]
    NoValue {
        /// As given.
        flag: String,
    },
    /// A value that does not fit.
    #[error("flag {flag}: {value:?} is not {wanted}")]
    BadValue {
        /// As given.
        flag: String,
        /// Its value.
        value: String,
        /// What it should be.
        wanted: &'static str,
    },
}

/// Kinds of metrics that can be left out: `-disable_metrics`.
#[rustfmt::skip]
pub const KINDS: [&str; 9] =
    ["cpu", "cpuLoad", "disk", "diskIO", "memory", "network", "oom_event", "pressure", "process"];

/// Kinds that the kubelet does not serve: only with `-enable_metrics`.
#[rustfmt::skip]
pub const KINDS_ON_REQUEST: [&str; 10] = [
    "advtcp", "cpu_topology", "cpuset", "hugetlb", "memory_numa", "percpu", "referenced_memory", "sched", "tcp", "udp",
];

/// Kinds of cAdvisor that are not here.
const ABSENT_KINDS: [&str; 3] = ["app", "perf_event", "resctrl"];

/// Labels of the runtime that are shown, as `pod`, `namespace` and `container`.
const SHOWN_LABELS: [&str; 4] =
    ["", "io.kubernetes.container.name", "io.kubernetes.pod.name", "io.kubernetes.pod.namespace"];

/// The configuration of a container exporter.
#[derive(Clone, Debug)]
pub struct Config {
    /// `-listen_ip`. Default: all addresses.
    pub listen_ip: IpAddr,
    /// `-port`. Default: 8080.
    pub port: u16,
    /// `--web.config.file`: TLS and users as with Prometheus's exporters, read by whoever serves. Default: neither.
    pub web_config_file: PathBuf,
    /// `-prometheus_endpoint`; `/metrics/cadvisor` is served too. Default: `/metrics`.
    pub metrics_path: String,
    /// `-housekeeping_interval`: how old a page may be. Default: 5s.
    pub max_age: Duration,
    /// Kinds that are left out, of [`KINDS`].
    pub disabled: Vec<&'static str>,
    /// Kinds that are added, of [`KINDS_ON_REQUEST`].
    pub added: Vec<&'static str>,
    /// `-docker_only`: only containers and the root. Default: false.
    pub containers_only: bool,
    /// Whether the root group is shown: not with `-disable_root_cgroup_stats`. Default: true.
    pub has_root: bool,
    /// `-containerd`, then the sockets of CRI-O and of others that speak CRI. The first that exists is asked.
    pub cri_sockets: Vec<PathBuf>,
    /// `-docker`. Asked where no CRI socket exists.
    pub docker_socket: PathBuf,
    /// `--kubelet.*`. Asked where neither a CRI socket nor Docker's exists.
    pub kubelet: KubeletOptions,
    /// `--path.cgroupfs`. Default: `/sys/fs/cgroup`.
    pub cgroups: PathBuf,
    /// `--path.procfs`. Default: `/proc`.
    pub proc: PathBuf,
    /// `--path.sysfs`. Default: `/sys`.
    pub sys: PathBuf,
    /// `--path.rootfs`. Default: `/`.
    pub root: PathBuf,
    /// Groups read at most; a host with more shows the first and says so. No flag.
    pub groups_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        let sockets =
            ["/run/containerd/containerd.sock", "/run/k3s/containerd/containerd.sock", "/run/crio/crio.sock"];
        Self {
            listen_ip: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            port: 8080,
            web_config_file: PathBuf::new(),
            metrics_path: "/metrics".to_owned(),
            max_age: Duration::from_secs(5),
            disabled: Vec::new(),
            added: Vec::new(),
            containers_only: false,
            has_root: true,
            cri_sockets: sockets.map(PathBuf::from).to_vec(),
            docker_socket: PathBuf::from("/run/docker.sock"),
            kubelet: KubeletOptions::default(),
            cgroups: PathBuf::from("/sys/fs/cgroup"),
            proc: PathBuf::from("/proc"),
            sys: PathBuf::from("/sys"),
            root: PathBuf::from("/"),
            groups_max: 10_000,
        }
    }
}

/// Flag, what it does.
#[rustfmt::skip]
const FLAGS: [(&str, &str); 23] = [
    ("listen_ip", "Address to listen on (default: all)."),
    ("port", "Port to listen on (default: 8080)."),
    ("web.config.file", "File with options of TLS and authentication."),
    ("prometheus_endpoint", "Path of the metrics, beside /metrics/cadvisor (default: /metrics)."),
    ("housekeeping_interval", "How old a page may be (default: 5s)."),
    ("disable_metrics", "Kinds of metrics to leave out, with commas between."),
    ("enable_metrics", "Kinds of metrics to expose, and no others."),
    ("docker_only", "Leave out groups that are no containers; takes =true or =false."),
    ("disable_root_cgroup_stats", "Leave out the root; takes =true or =false."),
    ("store_container_labels", "Labels of the runtime as labels of metrics: =false alone, they are not shown."),
    ("whitelisted_container_labels", "Of the runtime's labels those that name pod, namespace and container, shown under these names."),
    ("env_metadata_whitelist", "Empty alone: environment variables are not shown."),
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
];

impl Config {
    /// Reads command line arguments, without the program's name; one dash or two, as cAdvisor takes them.
    /// # Errors
    /// See [`FlagError`].
    pub fn from_flags<S: AsRef<str>>(arguments: &[S]) -> Result<Command, FlagError> {
        let mut config = Self::default();
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
            // A Go switch takes its value only with `=`.
            let value = match (*flag, value) {
                (
                    "docker_only"
                    | "disable_root_cgroup_stats"
                    | "kubelet.insecure-skip-verify"
                    | "store_container_labels",
                    None,
                ) => Some("true"),
                (_, None) => arguments.next(),
                (_, value) => value,
            };
            let value = value.ok_or_else(|| FlagError::NoValue { flag: argument.to_owned() })?;
            config.set(flag, value)?;
        }
        Ok(Command::Run(Box::new(config)))
    }

    fn set(&mut self, flag: &'static str, value: &str) -> Result<(), FlagError> {
        let bad = |wanted| FlagError::BadValue { flag: format!("--{flag}"), value: value.to_owned(), wanted };
        match flag {
            "listen_ip" if value.is_empty() => {}
            "listen_ip" => self.listen_ip = value.parse().map_err(|_| bad("an IP address"))?,
            "port" => self.port = value.parse().map_err(|_| bad("a port"))?,
            "web.config.file" => self.web_config_file = PathBuf::from(value),
            "prometheus_endpoint" if value.starts_with('/') => self.metrics_path = value.to_owned(),
            "prometheus_endpoint" => return Err(bad("a path that starts with /")),
            "housekeeping_interval" => {
                self.max_age = wf_model::duration::parse(value).map_err(|_| bad("a duration such as 5s"))?;
            }
            "disable_metrics" => {
                self.disabled = kinds(value).ok_or_else(|| bad("a list of kinds of metrics"))?;
            }
            "enable_metrics" => {
                let enabled = kinds(value).ok_or_else(|| bad("a list of kinds of metrics"))?;
                self.disabled = KINDS.into_iter().filter(|kind| !enabled.contains(kind)).collect();
                self.added = KINDS_ON_REQUEST.into_iter().filter(|kind| enabled.contains(kind)).collect();
            }
            "disable_root_cgroup_stats" => {
                self.has_root = !value.parse::<bool>().map_err(|_| bad("true or false"))?;
            }
            "store_container_labels" if value == "false" => {}
            "store_container_labels" => return Err(bad("false: labels of the runtime are not shown")),
            "whitelisted_container_labels" if value.split(',').all(|label| SHOWN_LABELS.contains(&label)) => {
            }
            "whitelisted_container_labels" => {
                return Err(bad(
                    "a list of labels that name pod, namespace and container: others are not shown",
                ));
            }
            "env_metadata_whitelist" if value.is_empty() => {}
            "env_metadata_whitelist" => return Err(bad("empty: environment variables are not shown")),
            "containerd-namespace" if value == "k8s.io" => {}
            "containerd-namespace" => return Err(bad("k8s.io: CRI knows no other namespace")),
            "docker_only" => self.containers_only = value.parse().map_err(|_| bad("true or false"))?,
            "containerd" => self.cri_sockets = vec![PathBuf::from(value)],
            "docker" => self.docker_socket = PathBuf::from(value.trim_start_matches("unix://")),
            "kubelet.url" => value.clone_into(&mut self.kubelet.url),
            "kubelet.token-file" => self.kubelet.token_file = PathBuf::from(value),
            "kubelet.ca-file" => self.kubelet.ca_file = PathBuf::from(value),
            "kubelet.insecure-skip-verify" => {
                self.kubelet.is_unchecked = value.parse().map_err(|_| bad("true or false"))?;
            }
            "path.cgroupfs" => self.cgroups = PathBuf::from(value),
            "path.procfs" => self.proc = PathBuf::from(value),
            "path.sysfs" => self.sys = PathBuf::from(value),
            _ => self.root = PathBuf::from(value),
        }
        Ok(())
    }

    /// Returns whether metrics of this kind are wanted.
    pub fn has(&self, kind: &str) -> bool {
        if KINDS_ON_REQUEST.contains(&kind) {
            self.added.contains(&kind)
        } else {
            !self.disabled.contains(&kind)
        }
    }
}

/// The kinds in a list that we have. None when the list names one that nobody has.
fn kinds(list: &str) -> Option<Vec<&'static str>> {
    let mut found = Vec::new();
    for name in list.split(',').filter(|name| !name.is_empty()) {
        match KINDS.into_iter().chain(KINDS_ON_REQUEST).find(|kind| *kind == name) {
            Some(kind) => found.push(kind),
            None if ABSENT_KINDS.contains(&name) => {}
            None => return None,
        }
    }
    Some(found)
}

fn help() -> String {
    let mut text = "usage: watchfire container-exporter [flags]\n\nFlags:\n".to_owned();
    for (flag, help) in FLAGS {
        text.push_str(&format!("  --{flag}\n      {help}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(arguments: &[&str]) -> Config {
        let Command::Run(config) = Config::from_flags(arguments).unwrap() else { panic!("flags ask to run") };
        *config
    }

    #[test]
    fn stock_arguments_are_understood() {
        let config = run(&[
            "-port=9999",
            "--docker_only",
            "-housekeeping_interval",
            "10s",
            "-disable_metrics=percpu,disk",
            "-store_container_labels=false",
            "-whitelisted_container_labels=io.kubernetes.container.name,io.kubernetes.pod.name",
            "-disable_root_cgroup_stats",
        ]);
        assert!(!config.has_root);
        assert_eq!(
            (config.port, config.containers_only, config.max_age),
            (9999, true, Duration::from_secs(10))
        );
        assert!(!config.has("disk") && config.has("cpu"));
        let only = run(&["--enable_metrics=cpu,memory"]);
        assert!(only.has("cpu") && only.has("memory") && !only.has("network"));
        assert!(!only.has("tcp") && run(&["--enable_metrics=tcp"]).has("tcp") && !run(&[]).has("tcp"));
    }

    #[test]
    fn mistakes_are_told() {
        let error = |arguments: &[&str]| Config::from_flags(arguments).unwrap_err().to_string();
        assert_eq!(error(&["--nonsense"]), "unknown flag --nonsense: see --help");
        assert_eq!(error(&["--port"]), "flag --port needs a value");
        assert!(error(&["--disable_metrics=nonsense"]).contains("not a list of kinds"));
        assert!(error(&["--store_container_labels"]).contains("not false"));
        assert!(error(&["--whitelisted_container_labels=team"]).contains("others are not shown"));
        assert!(error(&["--containerd-namespace=moby"]).contains("not k8s.io"));
    }
}
