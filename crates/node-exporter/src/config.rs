//! What was asked for: the original's flags, checked.
//!
//! [`Config::from_flags`] reads arguments; only `@file` among them makes it read anything else.
//!
//! # Source
//! `spec/exporters-linux.md` A1, A3.

mod flags;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::PathBuf;
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
    /// A file of arguments that cannot be read.
    #[error("read arguments from {path}: {why}")]
    File {
        /// The file.
        path: String,
        /// What is wrong.
        why: String,
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
    /// `--web.systemd-socket`: the addresses do not count, whoever serves has got sockets. Default: no.
    pub systemd_socket: bool,
    /// `--web.telemetry-path`. Default: `/metrics`.
    pub telemetry_path: String,
    /// `--web.config.file`: TLS and authentication, read by whoever serves. Default: neither.
    pub web_config_file: PathBuf,
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
    /// `--collector.netclass.netlink`. Default: false.
    pub netclass_netlink: bool,
    /// `--collector.netclass_rtnl.with-stats`; says something only over netlink. Default: false.
    pub netclass_counts: bool,
    /// `--collector.netdev.*`.
    pub netdev: NetDevConfig,
    /// `--collector.netstat.fields`.
    pub netstat_fields: String,
    /// `--collector.stat.softirq`. Default: false.
    pub stat_softirq: bool,
    /// `--collector.vmstat.fields`.
    pub vmstat_fields: String,
    /// `--collector.arp.device-*`.
    pub arp: Patterns,
    /// `--collector.arp.netlink`. Default: true.
    pub arp_netlink: bool,
    /// `--collector.bcache.priorityStats`. Default: false.
    pub bcache_priority_stats: bool,
    /// `--collector.ethtool.device-*`.
    pub ethtool: Patterns,
    /// `--collector.ethtool.metrics-include`, matched with the driver's words as names. Default: all.
    pub ethtool_metrics: String,
    /// `--collector.hwmon.chip-*`.
    pub hwmon_chip: Patterns,
    /// `--collector.hwmon.sensor-*`; matched with `chip;sensor`.
    pub hwmon_sensor: Patterns,
    /// `--collector.infiniband.device-*`.
    pub infiniband: Patterns,
    /// `--collector.interrupts.name-*`; matched with `name;info;devices`.
    pub interrupts: Patterns,
    /// `--collector.interrupts.include-zeros`. Default: true.
    pub interrupts_zeros: bool,
    /// `--collector.ipvs.backend-labels`. Default: all six.
    pub ipvs_backend_labels: String,
    /// `--collector.pcidevice.names`. Default: false.
    pub pcidevice_names: bool,
    /// `--collector.pcidevice.idsfile`. Default: where distributions keep it.
    pub pcidevice_ids_file: String,
    /// `--collector.perf.*`.
    pub perf: PerfConfig,
    /// `--collector.powersupply.ignored-supplies`. Default: none.
    pub powersupply_ignored: String,
    /// `--collector.qdisc.device-*`.
    pub qdisc: Patterns,
    /// `--collector.qdisc.fixtures`: recorded answers instead of the kernel's.
    pub qdisc_fixtures: String,
    /// `--collector.rapl.enable-zone-label`. Default: false.
    pub rapl_zone_label: bool,
    /// `--collector.slabinfo.slabs-*`.
    pub slabinfo: Patterns,
    /// `--collector.sysctl.include`, repeatable.
    pub sysctl_include: Vec<String>,
    /// `--collector.sysctl.include-info`, repeatable.
    pub sysctl_include_info: Vec<String>,
    /// `--collector.systemd.*`.
    pub systemd: SystemdConfig,
    /// `--collector.ntp.*`.
    pub ntp: NtpConfig,
    /// `--collector.runit.servicedir`. Default: `/etc/service`.
    pub runit_services: String,
    /// `--collector.supervisord.url`. Default: `SUPERVISORD_URL` of the environment, else `http://localhost:9001/RPC2`.
    pub supervisord_url: String,
    /// `--collector.tapestats.ignored-devices`. Default: none.
    pub tapestats_ignored: String,
    /// `--collector.textfile.directory`, repeatable; patterns with `*` name several.
    pub textfile_directories: Vec<String>,
    /// `--collector.wifi.fixtures`: recorded answers instead of the kernel's.
    pub wifi_fixtures: String,
}

/// What is wanted and what is not; empty patterns say nothing.
#[derive(Clone, Debug, Default)]
pub struct Patterns {
    /// `…-include`.
    pub include: String,
    /// `…-exclude`.
    pub exclude: String,
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
#[derive(Clone, Debug, Default)]
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
    /// `--collector.netdev.address-info`. Default: false.
    pub has_addresses: bool,
}

/// What the CPUs' counters count.
#[derive(Clone, Debug, Default)]
pub struct PerfConfig {
    /// `--collector.perf.cpus`. Default: all that are online.
    pub cpus: String,
    /// `--collector.perf.tracepoint`, repeatable: `subsystem:event`.
    pub tracepoints: Vec<String>,
    /// `--collector.perf.*hardware-profilers`.
    pub hardware: Profilers,
    /// `--collector.perf.*software-profilers`.
    pub software: Profilers,
    /// `--collector.perf.*cache-profilers`.
    pub cache: Profilers,
}

/// Events of one kind.
#[derive(Clone, Debug, Default)]
pub struct Profilers {
    /// `--collector.perf.disable-…-profilers`. Default: false.
    pub is_off: bool,
    /// `--collector.perf.…-profilers`, repeatable. Default: all.
    pub chosen: Vec<String>,
}

/// Which units of systemd are shown, what of them, and whom to ask.
#[derive(Clone, Debug)]
pub struct SystemdConfig {
    /// `--collector.systemd.unit-*`, each matched with a whole name.
    pub units: Patterns,
    /// `--collector.systemd.enable-task-metrics`. Default: false.
    pub has_tasks: bool,
    /// `--collector.systemd.enable-restarts-metrics`. Default: false.
    pub has_restarts: bool,
    /// `--collector.systemd.enable-start-time-metrics`. Default: false.
    pub has_start_time: bool,
    /// `--collector.systemd.private`: ask systemd itself, not over the bus. Default: false.
    pub is_private: bool,
    /// Socket of the system's bus. No flag.
    pub bus_socket: String,
    /// Socket of systemd itself. No flag.
    pub private_socket: String,
}

/// Which time server is asked, and when it is believed.
#[derive(Clone, Debug)]
pub struct NtpConfig {
    /// `--collector.ntp.server`. Default: `127.0.0.1`.
    pub server: String,
    /// `--collector.ntp.server-port`. Default: 123.
    pub port: usize,
    /// `--collector.ntp.protocol-version`. Default: 4.
    pub version: usize,
    /// `--collector.ntp.server-is-local`: the server is on this host though its address is not. Default: false.
    pub is_local: bool,
    /// `--collector.ntp.ip-ttl`. Default: 1.
    pub ttl: usize,
    /// `--collector.ntp.max-distance`. Default: 3.46608s.
    pub distance_max: Duration,
    /// `--collector.ntp.local-offset-tolerance`. Default: 1ms.
    pub offset_tolerance: Duration,
}

impl Default for SystemdConfig {
    fn default() -> Self {
        let units = Patterns { include: ".+".to_owned(), exclude: SYSTEMD_EXCLUDE.to_owned() };
        Self {
            units,
            has_tasks: false,
            has_restarts: false,
            has_start_time: false,
            is_private: false,
            bus_socket: "/var/run/dbus/system_bus_socket".to_owned(),
            private_socket: "/run/systemd/private".to_owned(),
        }
    }
}

impl Default for NtpConfig {
    fn default() -> Self {
        Self {
            server: "127.0.0.1".to_owned(),
            port: 123,
            version: 4,
            is_local: false,
            ttl: 1,
            distance_max: Duration::from_micros(3_466_080),
            offset_tolerance: Duration::from_millis(1),
        }
    }
}

const SYSTEMD_EXCLUDE: &str = r".+\.(automount|device|mount|scope|slice)";
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

const IPVS_LABELS: &str = "local_address,local_port,remote_address,remote_port,proto,local_mark";

impl Default for Config {
    fn default() -> Self {
        let on = crate::collector::TABLE.iter().filter(|entry| entry.is_default).map(|entry| entry.name);
        Self {
            listen_addresses: vec![":9100".to_owned()],
            systemd_socket: false,
            telemetry_path: "/metrics".to_owned(),
            web_config_file: PathBuf::new(),
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
            netclass_netlink: false,
            netclass_counts: false,
            netdev: NetDevConfig { is_netlink: true, ..NetDevConfig::default() },
            netstat_fields: NETSTAT_FIELDS.to_owned(),
            stat_softirq: false,
            vmstat_fields: VMSTAT_FIELDS.to_owned(),
            arp: Patterns::default(),
            arp_netlink: true,
            bcache_priority_stats: false,
            ethtool: Patterns::default(),
            ethtool_metrics: ".*".to_owned(),
            hwmon_chip: Patterns::default(),
            hwmon_sensor: Patterns::default(),
            infiniband: Patterns::default(),
            interrupts: Patterns::default(),
            interrupts_zeros: true,
            ipvs_backend_labels: IPVS_LABELS.to_owned(),
            pcidevice_names: false,
            pcidevice_ids_file: String::new(),
            perf: PerfConfig::default(),
            powersupply_ignored: "^$".to_owned(),
            qdisc: Patterns::default(),
            qdisc_fixtures: String::new(),
            rapl_zone_label: false,
            slabinfo: Patterns { include: ".*".to_owned(), exclude: String::new() },
            sysctl_include: Vec::new(),
            sysctl_include_info: Vec::new(),
            systemd: SystemdConfig::default(),
            ntp: NtpConfig::default(),
            runit_services: "/etc/service".to_owned(),
            supervisord_url: "http://localhost:9001/RPC2".to_owned(),
            tapestats_ignored: "^$".to_owned(),
            textfile_directories: Vec::new(),
            wifi_fixtures: String::new(),
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
