//! What was asked for: cAdvisor's flags, checked.
//!
//! # Source
//! `spec/exporters-linux.md` B1.

mod flags;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use crate::perf::NamedEvent;
use crate::runtime::KubeletOptions;
use crate::shown::Shown;

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
        wanted: String,
    },
}

/// Kinds of metrics that the kubelet serves: shown unless flags say otherwise.
#[rustfmt::skip]
pub const KINDS: [&str; 10] =
    ["app", "cpu", "cpuLoad", "disk", "diskIO", "memory", "network", "oom_event", "pressure", "process"];

/// Kinds that cAdvisor has beside those.
#[rustfmt::skip]
pub const KINDS_ON_REQUEST: [&str; 12] = [
    "advtcp", "cpu_topology", "cpuset", "hugetlb", "memory_numa", "percpu", "perf_event", "referenced_memory", "resctrl",
    "sched", "tcp", "udp",
];

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
    /// Kinds that are shown, of [`KINDS`] and [`KINDS_ON_REQUEST`]. `-enable_metrics` names them; else
    /// `-disable_metrics` names those of both lists that are not. Default: [`KINDS`].
    pub kinds: BTreeSet<&'static str>,
    /// `-store_container_labels`, `-whitelisted_container_labels`, `-env_metadata_whitelist`. Default: none.
    pub shown: Shown,
    /// `-perf_events_config`: what is counted for each group. Default: nothing.
    pub perf_events: Vec<NamedEvent>,
    /// `-docker_only`: only containers and the root. Default: false.
    pub containers_only: bool,
    /// `-raw_cgroup_prefix_whitelist`: groups shown with `-docker_only` too, by how their paths begin.
    pub group_prefixes: Vec<String>,
    /// `-global_housekeeping_interval`: how often a runtime is asked anew. Default: 1m.
    pub refresh: Duration,
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
            kinds: KINDS.into(),
            shown: Shown::default(),
            perf_events: Vec::new(),
            containers_only: false,
            group_prefixes: Vec::new(),
            refresh: Duration::from_secs(60),
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

impl Config {
    /// Reads command line arguments, without the program's name; one dash or two, as cAdvisor takes them. Only
    /// `-perf_events_config` makes it read anything else.
    /// # Errors
    /// See [`FlagError`].
    pub fn from_flags<S: AsRef<str>>(arguments: &[S]) -> Result<Command, FlagError> {
        flags::parse(arguments)
    }

    /// Returns whether metrics of this kind are wanted.
    pub fn has(&self, kind: &str) -> bool {
        self.kinds.contains(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shown::ShownLabels;

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
            "-max_housekeeping_interval=15s",
            "-allow_dynamic_housekeeping=true",
            "-logtostderr",
            "-disable_metrics=percpu,disk",
            "-store_container_labels=false",
            "-whitelisted_container_labels=io.kubernetes.container.name,io.kubernetes.pod.name",
            "-raw_cgroup_prefix_whitelist=/kubepods/,/system.slice",
            "-disable_root_cgroup_stats",
        ]);
        assert!(!config.has_root);
        assert_eq!(
            (config.port, config.containers_only, config.max_age),
            (9999, true, Duration::from_secs(10))
        );
        let named = ["io.kubernetes.container.name", "io.kubernetes.pod.name"].map(str::to_owned).to_vec();
        assert_eq!(config.shown, Shown { labels: ShownLabels::Named(named), environment: Vec::new() });
        assert_eq!(config.group_prefixes, ["/kubepods/", "/system.slice"]);
    }

    #[test]
    fn what_is_enabled_is_all_and_what_is_disabled_is_all_that_is_not() {
        assert!(KINDS.iter().all(|kind| run(&[]).has(kind)));
        assert!(!KINDS_ON_REQUEST.iter().any(|kind| run(&[]).has(kind)));
        let config = run(&["-disable_metrics=tcp,disk"]);
        assert!(!config.has("disk") && !config.has("tcp") && config.has("cpu") && config.has("udp"));
        assert!(run(&["-disable_metrics="]).has("tcp"), "nothing is left out");
        let config = run(&["-enable_metrics=cpu,tcp", "-disable_metrics=cpu"]);
        assert_eq!(
            config.kinds.into_iter().collect::<Vec<_>>(),
            ["cpu", "tcp"],
            "the other flag says nothing"
        );
        assert_eq!(run(&["-enable_metrics="]).kinds, KINDS.into());
    }

    #[test]
    fn labels_and_variables_are_shown_as_told() {
        assert_eq!(run(&["-store_container_labels"]).shown.labels, ShownLabels::All);
        assert_eq!(run(&["-store_container_labels=false"]).shown, Shown::default());
        let both = ["-env_metadata_whitelist=HTTP_, PATH,", "-whitelisted_container_labels=team"];
        let shown = run(&both).shown;
        assert_eq!(shown.labels, ShownLabels::Named(vec!["team".to_owned()]));
        assert_eq!(shown.environment, ["HTTP_", "PATH"]);
        assert!(run(&["-store_container_labels=0", both[0]]).shown.environment.is_empty());
    }

    #[test]
    fn mistakes_are_told() {
        let error = |arguments: &[&str]| Config::from_flags(arguments).unwrap_err().to_string();
        assert_eq!(error(&["--nonsense"]), "unknown flag --nonsense: see --help");
        assert_eq!(error(&["--port"]), "flag --port needs a value");
        assert!(error(&["--disable_metrics=nonsense"]).contains("not a list of kinds"));
        assert!(error(&["--store_container_labels=maybe"]).contains("not true or false"));
        assert!(error(&["--containerd-namespace=moby"]).contains("not k8s.io"));
        assert!(error(&["--perf_events_config=/nonexistent"]).contains("No such file"));
    }
}
