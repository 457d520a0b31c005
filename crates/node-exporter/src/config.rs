//! What was asked for: the original's flags, checked.
//!
//! [`Config::from_flags`] is a pure function from arguments to configuration. A flag of the original that has no
//! effect here yet is refused like an unknown one, so that nobody relies on it.
//!
//! # Source
//! `spec/exporters-linux.md` A1, A3.

mod flags;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::time::Duration;

use crate::context::Paths;

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
    /// A flag of node_exporter that does nothing here yet.
    #[error("flag {flag} of node_exporter has no effect here yet: remove it")]
    NotYet {
        /// As given.
        flag: String,
    },
    /// Something that is not a flag.
    #[error("unexpected argument {argument:?}: only flags are taken")]
    Argument {
        /// As given.
        argument: String,
    },
    /// A flag without its value.
    #[error("flag {flag} needs a value")]
    NoValue {
        /// As given.
        flag: String,
    },
    /// A switch with a value.
    #[error("flag {flag} takes no value: write --{name} or --no-{name}", name = flag.trim_start_matches('-'))]
    SurplusValue {
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
    /// A pattern that is no regular expression.
    #[error("flag {flag}: error parsing regexp: {why}")]
    BadRegex {
        /// As given.
        flag: String,
        /// What is wrong with the pattern.
        why: String,
    },
    /// A switch given twice.
    #[error("flag {flag} cannot be repeated")]
    Repeated {
        /// As given.
        flag: String,
    },
    /// Two flags that exclude each other.
    #[error("{first} and {second} are mutually exclusive")]
    Exclusive {
        /// One of them.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
}

/// The configuration of a host exporter.
#[derive(Clone, Debug)]
pub struct Config {
    /// `--web.listen-address`, repeatable. Default: `:9100`.
    pub listen_addresses: Vec<String>,
    /// `--web.telemetry-path`. Default: `/metrics`.
    pub telemetry_path: String,
    /// `--web.disable-exporter-metrics`. Default: false.
    pub disable_exporter_metrics: bool,
    /// `--web.max-requests`; 0 sets no limit. Default: 40.
    pub max_requests: usize,
    /// `--runtime.gomaxprocs`: collectors run at a time. Default: 1, since parallel reads of `/proc` fight over locks.
    pub parallel_collectors: usize,
    /// `--log.level`. Default: info.
    pub log_level: String,
    /// `--log.format`. Default: logfmt.
    pub log_format: String,
    /// Roots of the trees read: `--path.*`.
    pub paths: Paths,
    /// Names of the collectors that run.
    pub collectors: BTreeSet<&'static str>,
    /// How long one collector may take before it is left behind. No flag; a scrape's own timeout comes first.
    pub collector_timeout: Duration,
    /// `--collector.cpu.guest`. Default: true.
    pub cpu_guest: bool,
    /// `--collector.cpu.info`. Default: false.
    pub cpu_info: bool,
    /// `--collector.cpu.info.flags-include`; a pattern switches cpu.info on.
    pub cpu_flags_include: String,
    /// `--collector.cpu.info.bugs-include`; a pattern switches cpu.info on.
    pub cpu_bugs_include: String,
    /// `--collector.diskstats.device-include`.
    pub diskstats_include: String,
    /// `--collector.diskstats.device-exclude`; an include clears its default.
    pub diskstats_exclude: String,
    /// `--collector.filesystem.*`.
    pub filesystem: FileSystemConfig,
    /// `--collector.netclass.ignored-devices`.
    pub netclass_ignored: String,
    /// `--collector.netclass.ignore-invalid-speed`. Default: false.
    pub netclass_ignores_invalid_speed: bool,
    /// `--collector.netdev.*`.
    pub netdev: NetDevConfig,
    /// `--collector.netstat.fields`.
    pub netstat_fields: String,
    /// `--collector.stat.softirq`. Default: false.
    pub stat_softirq: bool,
    /// `--collector.vmstat.fields`.
    pub vmstat_fields: String,
}

/// Which file systems are asked, and how patiently.
#[derive(Clone, Debug)]
pub struct FileSystemConfig {
    /// `--collector.filesystem.mount-points-include`.
    pub mount_points_include: String,
    /// `--collector.filesystem.mount-points-exclude`.
    pub mount_points_exclude: String,
    /// `--collector.filesystem.fs-types-include`.
    pub fs_types_include: String,
    /// `--collector.filesystem.fs-types-exclude`.
    pub fs_types_exclude: String,
    /// `--collector.filesystem.mount-timeout`. Default: 5s.
    pub mount_timeout: Duration,
    /// `--collector.filesystem.stat-workers`. Default: 4.
    pub stat_workers: usize,
}

/// Which network devices are shown, and how.
#[derive(Clone, Debug)]
pub struct NetDevConfig {
    /// `--collector.netdev.device-include`.
    pub include: String,
    /// `--collector.netdev.device-exclude`.
    pub exclude: String,
    /// `--collector.netdev.netlink`. Default: true.
    pub is_netlink: bool,
    /// `--collector.netdev.enable-detailed-metrics`. Default: false.
    pub is_detailed: bool,
    /// `--collector.netdev.label-ifalias`. Default: false.
    pub has_alias: bool,
}

const DISKSTATS_EXCLUDE: &str = r"^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$";
const MOUNT_POINTS_EXCLUDE: &str =
    "^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)";
const FS_TYPES_EXCLUDE: &str = "^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|\
    hugetlbfs|iso9660|mqueue|nsfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|erofs|sysfs|\
    tracefs)$";
const NETSTAT_FIELDS: &str = "^(.*_(InErrors|InErrs)|Ip_Forwarding|Ip(6|Ext)_(InOctets|OutOctets)|\
    Icmp6?_(InMsgs|OutMsgs)|TcpExt_(Listen.*|Syncookies.*|TCPSynRetrans|TCPTimeouts|TCPOFOQueue|TCPRcvQDrop)|\
    Tcp_(ActiveOpens|InSegs|OutSegs|OutRsts|PassiveOpens|RetransSegs|CurrEstab)|\
    Udp6?_(InDatagrams|OutDatagrams|NoPorts|RcvbufErrors|SndbufErrors))$";
const VMSTAT_FIELDS: &str = "^(oom_kill|pgpg|pswp|pg.*fault).*";

impl Default for Config {
    fn default() -> Self {
        let on = crate::collector::TABLE.iter().filter(|entry| entry.is_default).map(|entry| entry.name);
        Self {
            listen_addresses: vec![":9100".to_owned()],
            telemetry_path: "/metrics".to_owned(),
            disable_exporter_metrics: false,
            max_requests: 40,
            parallel_collectors: 1,
            log_level: "info".to_owned(),
            log_format: "logfmt".to_owned(),
            paths: Paths::default(),
            collectors: on.collect(),
            collector_timeout: Duration::from_secs(10),
            cpu_guest: true,
            cpu_info: false,
            cpu_flags_include: String::new(),
            cpu_bugs_include: String::new(),
            diskstats_include: String::new(),
            diskstats_exclude: DISKSTATS_EXCLUDE.to_owned(),
            filesystem: FileSystemConfig {
                mount_points_include: String::new(),
                mount_points_exclude: MOUNT_POINTS_EXCLUDE.to_owned(),
                fs_types_include: String::new(),
                fs_types_exclude: FS_TYPES_EXCLUDE.to_owned(),
                mount_timeout: Duration::from_secs(5),
                stat_workers: 4,
            },
            netclass_ignored: "^$".to_owned(),
            netclass_ignores_invalid_speed: false,
            netdev: NetDevConfig {
                include: String::new(),
                exclude: String::new(),
                is_netlink: true,
                is_detailed: false,
                has_alias: false,
            },
            netstat_fields: NETSTAT_FIELDS.to_owned(),
            stat_softirq: false,
            vmstat_fields: VMSTAT_FIELDS.to_owned(),
        }
    }
}

impl Config {
    /// Reads command line arguments, without the program's name.
    /// # Errors
    /// See [`FlagError`]. Patterns are compiled here too, so a configuration that is returned can be built.
    pub fn from_flags<S: AsRef<str>>(arguments: &[S]) -> Result<Command, FlagError> {
        flags::parse(arguments)
    }
}
