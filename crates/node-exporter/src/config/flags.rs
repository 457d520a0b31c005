//! From arguments to a [`Config`].

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::{Command, Config, FlagError};
use crate::collector::TABLE;
use crate::context::Paths;

/// A flag that is understood.
struct Flag {
    name: &'static str,
    help: &'static str,
    set: Set,
}

/// How a flag changes the configuration.
enum Set {
    /// Takes a value.
    Text(fn(&mut Config, String)),
    /// Takes a whole number.
    Count(fn(&mut Config, usize)),
    /// Takes a duration such as `5s`.
    Duration(fn(&mut Config, std::time::Duration)),
    /// `--name` or `--no-name`.
    Switch(fn(&mut Config, bool)),
}

use Set::{Count, Duration, Switch, Text};

const fn flag(name: &'static str, help: &'static str, set: Set) -> Flag {
    Flag { name, help, set }
}

#[rustfmt::skip]
const FLAGS: &[Flag] = &[
    flag("web.listen-address", "Address to serve metrics on; repeatable.", Text(|c, v| c.listen_addresses.push(v))),
    flag("web.systemd-socket", "Listen on the sockets that systemd passes, and nowhere else.", Switch(|c, v| c.systemd_socket = v)),
    flag("web.telemetry-path", "Path of the metrics.", Text(|c, v| c.telemetry_path = v)),
    flag("web.config.file", "File with options of TLS and authentication.", Text(|c, v| c.web_config_file = PathBuf::from(v))),
    flag("web.disable-exporter-metrics", "Leave out metrics about the exporter itself.", Switch(|c, v| c.disable_exporter_metrics = v)),
    flag("web.max-requests", "Scrapes at a time; 0 sets no limit.", Count(|c, v| c.max_requests = v)),
    flag("runtime.gomaxprocs", "Collectors that run at a time.", Count(|c, v| c.parallel_collectors = v)),
    flag("log.level", "One of debug, info, warn, error.", Text(|c, v| c.log_level = v)),
    flag("log.format", "One of logfmt, json.", Text(|c, v| c.log_format = v)),
    flag("path.procfs", "Where procfs is mounted.", Text(|c, v| c.paths.proc = PathBuf::from(v))),
    flag("path.sysfs", "Where sysfs is mounted.", Text(|c, v| c.paths.sys = PathBuf::from(v))),
    flag("path.rootfs", "Where the host's root is mounted.", Text(|c, v| c.paths.root = PathBuf::from(v))),
    flag("path.udev.data", "Where udev keeps its data.", Text(|c, v| c.paths.udev_data = PathBuf::from(v))),
    flag("collector.cpu.guest", "Expose time spent in guests.", Switch(|c, v| c.cpu_guest = v)),
    flag("collector.cpu.info", "Expose what /proc/cpuinfo says.", Switch(|c, v| c.cpu_info = v)),
    flag("collector.cpu.info.flags-include", "Pattern of CPU flags to expose.", Text(|c, v| c.cpu_flags_include = v)),
    flag("collector.cpu.info.bugs-include", "Pattern of CPU bugs to expose.", Text(|c, v| c.cpu_bugs_include = v)),
    flag("collector.diskstats.device-include", "Pattern of devices to expose.", Text(|c, v| c.diskstats_include = v)),
    flag("collector.diskstats.device-exclude", "Pattern of devices to leave out.", Text(|c, v| c.diskstats_exclude = v)),
    flag("collector.diskstats.ignored-devices", "Deprecated: device-exclude.", Text(|c, v| c.diskstats_exclude = v)),
    flag("collector.filesystem.mount-points-include", "Pattern of mount points to expose.", Text(|c, v| c.filesystem.mount_points_include = v)),
    flag("collector.filesystem.mount-points-exclude", "Pattern of mount points to leave out.", Text(|c, v| c.filesystem.mount_points_exclude = v)),
    flag("collector.filesystem.ignored-mount-points", "Deprecated: mount-points-exclude.", Text(|c, v| c.filesystem.mount_points_exclude = v)),
    flag("collector.filesystem.fs-types-include", "Pattern of file system types to expose.", Text(|c, v| c.filesystem.fs_types_include = v)),
    flag("collector.filesystem.fs-types-exclude", "Pattern of file system types to leave out.", Text(|c, v| c.filesystem.fs_types_exclude = v)),
    flag("collector.filesystem.ignored-fs-types", "Deprecated: fs-types-exclude.", Text(|c, v| c.filesystem.fs_types_exclude = v)),
    flag("collector.filesystem.mount-timeout", "How long to wait for a mount.", Duration(|c, v| c.filesystem.mount_timeout = v)),
    flag("collector.filesystem.stat-workers", "Mounts asked at a time.", Count(|c, v| c.filesystem.stat_workers = v)),
    flag("collector.netclass.ignored-devices", "Pattern of devices to leave out.", Text(|c, v| c.netclass_ignored = v)),
    flag("collector.netclass.ignore-invalid-speed", "Leave out negative speeds.", Switch(|c, v| c.netclass_ignores_invalid_speed = v)),
    flag("collector.netclass.netlink", "Ask over netlink instead of reading files.", Switch(|c, v| c.netclass_netlink = v)),
    flag("collector.netclass_rtnl.with-stats", "Over netlink, expose counts of devices too: instead of the netdev collector.", Switch(|c, v| c.netclass_counts = v)),
    flag("collector.netdev.device-include", "Pattern of devices to expose.", Text(|c, v| c.netdev.include = v)),
    flag("collector.netdev.device-exclude", "Pattern of devices to leave out.", Text(|c, v| c.netdev.exclude = v)),
    flag("collector.netdev.device-whitelist", "Deprecated: device-include.", Text(|c, v| c.netdev.include = v)),
    flag("collector.netdev.device-blacklist", "Deprecated: device-exclude.", Text(|c, v| c.netdev.exclude = v)),
    flag("collector.netdev.netlink", "Ask over netlink instead of reading /proc/net/dev.", Switch(|c, v| c.netdev.is_netlink = v)),
    flag("collector.netdev.enable-detailed-metrics", "Expose the kernel's own counters.", Switch(|c, v| c.netdev.is_detailed = v)),
    flag("collector.netdev.label-ifalias", "Add the alias of a device as a label.", Switch(|c, v| c.netdev.has_alias = v)),
    flag("collector.netdev.address-info", "Expose addresses of devices.", Switch(|c, v| c.netdev.has_addresses = v)),
    flag("collector.netstat.fields", "Pattern of fields to expose.", Text(|c, v| c.netstat_fields = v)),
    flag("collector.stat.softirq", "Expose soft interrupts by vector.", Switch(|c, v| c.stat_softirq = v)),
    flag("collector.arp.device-include", "Pattern of devices to expose.", Text(|c, v| c.arp.include = v)),
    flag("collector.arp.device-exclude", "Pattern of devices to leave out.", Text(|c, v| c.arp.exclude = v)),
    flag("collector.arp.netlink", "Ask over netlink instead of reading /proc/net/arp.", Switch(|c, v| c.arp_netlink = v)),
    flag("collector.bcache.priorityStats", "Expose priorities, which cost the kernel much.", Switch(|c, v| c.bcache_priority_stats = v)),
    flag("collector.ethtool.device-include", "Pattern of devices to expose.", Text(|c, v| c.ethtool.include = v)),
    flag("collector.ethtool.device-exclude", "Pattern of devices to leave out.", Text(|c, v| c.ethtool.exclude = v)),
    flag("collector.ethtool.metrics-include", "Pattern of the driver's statistics to expose.", Text(|c, v| c.ethtool_metrics = v)),
    flag("collector.hwmon.chip-include", "Pattern of chips to expose.", Text(|c, v| c.hwmon_chip.include = v)),
    flag("collector.hwmon.chip-exclude", "Pattern of chips to leave out.", Text(|c, v| c.hwmon_chip.exclude = v)),
    flag("collector.hwmon.sensor-include", "Pattern of `chip;sensor` to expose.", Text(|c, v| c.hwmon_sensor.include = v)),
    flag("collector.hwmon.sensor-exclude", "Pattern of `chip;sensor` to leave out.", Text(|c, v| c.hwmon_sensor.exclude = v)),
    flag("collector.infiniband.device-include", "Pattern of devices to expose.", Text(|c, v| c.infiniband.include = v)),
    flag("collector.infiniband.device-exclude", "Pattern of devices to leave out.", Text(|c, v| c.infiniband.exclude = v)),
    flag("collector.interrupts.name-include", "Pattern of `name;info;devices` to expose.", Text(|c, v| c.interrupts.include = v)),
    flag("collector.interrupts.name-exclude", "Pattern of `name;info;devices` to leave out.", Text(|c, v| c.interrupts.exclude = v)),
    flag("collector.interrupts.include-zeros", "Expose interrupts that never came.", Switch(|c, v| c.interrupts_zeros = v)),
    flag("collector.ipvs.backend-labels", "Labels of backends, with commas between.", Text(|c, v| c.ipvs_backend_labels = v)),
    flag("collector.pcidevice.names", "Expose names of PCI numbers.", Switch(|c, v| c.pcidevice_names = v)),
    flag("collector.pcidevice.idsfile", "The list of PCI names.", Text(|c, v| c.pcidevice_ids_file = v)),
    flag("collector.perf.cpus", "CPUs to count on, such as 0,2-6 or 1-10:5.", Text(|c, v| c.perf.cpus = v)),
    flag("collector.perf.tracepoint", "Tracepoint `subsystem:event` to count; repeatable.", Text(|c, v| c.perf.tracepoints.push(v))),
    flag("collector.perf.disable-hardware-profilers", "Leave out the CPU's counters.", Switch(|c, v| c.perf.hardware.is_off = v)),
    flag("collector.perf.hardware-profilers", "Counter of the CPU to expose; repeatable.", Text(|c, v| c.perf.hardware.chosen.push(v))),
    flag("collector.perf.disable-software-profilers", "Leave out the kernel's counters.", Switch(|c, v| c.perf.software.is_off = v)),
    flag("collector.perf.software-profilers", "Counter of the kernel to expose; repeatable.", Text(|c, v| c.perf.software.chosen.push(v))),
    flag("collector.perf.disable-cache-profilers", "Leave out the caches' counters.", Switch(|c, v| c.perf.cache.is_off = v)),
    flag("collector.perf.cache-profilers", "Counter of a cache to expose; repeatable.", Text(|c, v| c.perf.cache.chosen.push(v))),
    flag("collector.powersupply.ignored-supplies", "Pattern of supplies to leave out.", Text(|c, v| c.powersupply_ignored = v)),
    flag("collector.qdisc.device-include", "Pattern of devices to expose.", Text(|c, v| c.qdisc.include = v)),
    flag("collector.qdisc.device-exclude", "Pattern of devices to leave out.", Text(|c, v| c.qdisc.exclude = v)),
    flag("collector.qdisk.device-include", "Deprecated: collector.qdisc.device-include.", Text(|c, v| c.qdisc.include = v)),
    flag("collector.qdisk.device-exclude", "Deprecated: collector.qdisc.device-exclude.", Text(|c, v| c.qdisc.exclude = v)),
    flag("collector.qdisc.fixtures", "Directory of recorded answers, for tests.", Text(|c, v| c.qdisc_fixtures = v)),
    flag("collector.rapl.enable-zone-label", "One metric with the zone as a label.", Switch(|c, v| c.rapl_zone_label = v)),
    flag("collector.slabinfo.slabs-include", "Pattern of slabs to expose.", Text(|c, v| c.slabinfo.include = v)),
    flag("collector.slabinfo.slabs-exclude", "Pattern of slabs to leave out.", Text(|c, v| c.slabinfo.exclude = v)),
    flag("collector.sysctl.include", "Setting to expose as a number, `name` or `name:key,key`; repeatable.", Text(|c, v| c.sysctl_include.push(v))),
    flag("collector.sysctl.include-info", "Setting to expose as text; repeatable.", Text(|c, v| c.sysctl_include_info.push(v))),
    flag("collector.ntp.server", "Time server on this host.", Text(|c, v| c.ntp.server = v)),
    flag("collector.ntp.server-port", "Its port.", Count(|c, v| c.ntp.port = v)),
    flag("collector.ntp.protocol-version", "Version of the protocol.", Count(|c, v| c.ntp.version = v)),
    flag("collector.ntp.server-is-local", "The server is on this host though its address is not.", Switch(|c, v| c.ntp.is_local = v)),
    flag("collector.ntp.ip-ttl", "Hops that a question may take.", Count(|c, v| c.ntp.ttl = v)),
    flag("collector.ntp.max-distance", "Distance to a clock up to which the server is believed.", Duration(|c, v| c.ntp.distance_max = v)),
    flag("collector.ntp.local-offset-tolerance", "Contradiction of the clocks up to which the server is believed.", Duration(|c, v| c.ntp.offset_tolerance = v)),
    flag("collector.runit.servicedir", "Where runit's services are.", Text(|c, v| c.runit_services = v)),
    flag("collector.supervisord.url", "Where supervisord answers.", Text(|c, v| c.supervisord_url = v)),
    flag("collector.systemd.unit-include", "Pattern of units to expose.", Text(|c, v| c.systemd.units.include = v)),
    flag("collector.systemd.unit-exclude", "Pattern of units to leave out.", Text(|c, v| c.systemd.units.exclude = v)),
    flag("collector.systemd.unit-whitelist", "Deprecated: unit-include.", Text(|c, v| c.systemd.units.include = v)),
    flag("collector.systemd.unit-blacklist", "Deprecated: unit-exclude.", Text(|c, v| c.systemd.units.exclude = v)),
    flag("collector.systemd.enable-task-metrics", "Expose tasks of services.", Switch(|c, v| c.systemd.has_tasks = v)),
    flag("collector.systemd.enable-restarts-metrics", "Expose restarts of services.", Switch(|c, v| c.systemd.has_restarts = v)),
    flag("collector.systemd.enable-start-time-metrics", "Expose when units started.", Switch(|c, v| c.systemd.has_start_time = v)),
    flag("collector.systemd.private", "Ask systemd itself, not over the bus.", Switch(|c, v| c.systemd.is_private = v)),
    flag("collector.tapestats.ignored-devices", "Pattern of devices to leave out.", Text(|c, v| c.tapestats_ignored = v)),
    flag("collector.textfile.directory", "Directory of *.prom files, or a pattern of such; repeatable.", Text(|c, v| c.textfile_directories.push(v))),
    flag("collector.wifi.fixtures", "Directory of recorded answers, for tests.", Text(|c, v| c.wifi_fixtures = v)),
    flag("collector.vmstat.fields", "Pattern of fields to expose.", Text(|c, v| c.vmstat_fields = v)),
];

/// Include and exclude of one scope, by flag.
#[rustfmt::skip]
const EXCLUSIVE: &[(&str, &str)] = &[
    ("--collector.diskstats.device-exclude", "--collector.diskstats.device-include"),
    ("--collector.diskstats.ignored-devices", "--collector.diskstats.device-include"),
    ("--collector.diskstats.ignored-devices", "--collector.diskstats.device-exclude"),
    ("--collector.filesystem.mount-points-exclude", "--collector.filesystem.mount-points-include"),
    ("--collector.filesystem.ignored-mount-points", "--collector.filesystem.mount-points-include"),
    ("--collector.filesystem.ignored-mount-points", "--collector.filesystem.mount-points-exclude"),
    ("--collector.filesystem.fs-types-exclude", "--collector.filesystem.fs-types-include"),
    ("--collector.filesystem.ignored-fs-types", "--collector.filesystem.fs-types-include"),
    ("--collector.filesystem.ignored-fs-types", "--collector.filesystem.fs-types-exclude"),
    ("--collector.qdisc.device-exclude", "--collector.qdisc.device-include"),
    ("--collector.qdisk.device-exclude", "--collector.qdisk.device-include"),
    ("--collector.qdisk.device-exclude", "--collector.qdisc.device-exclude"),
    ("--collector.qdisk.device-include", "--collector.qdisc.device-include"),
    ("--collector.systemd.unit-whitelist", "--collector.systemd.unit-include"),
    ("--collector.systemd.unit-blacklist", "--collector.systemd.unit-exclude"),
    ("--collector.netdev.device-exclude", "--collector.netdev.device-include"),
    ("--collector.netdev.device-blacklist", "--collector.netdev.device-include"),
    ("--collector.netdev.device-blacklist", "--collector.netdev.device-exclude"),
    ("--collector.netdev.device-whitelist", "--collector.netdev.device-include"),
    ("--collector.netdev.device-whitelist", "--collector.netdev.device-exclude"),
];

/// What has been read so far.
#[derive(Default)]
struct Given {
    /// Names of flags seen, without dashes.
    flags: BTreeSet<String>,
    /// Collectors switched on or off.
    collectors: BTreeMap<&'static str, bool>,
    is_defaults_disabled: bool,
}

/// Reads arguments.
pub(super) fn parse<S: AsRef<str>>(arguments: &[S]) -> Result<Command, FlagError> {
    let mut config = Config::default();
    config.listen_addresses.clear();
    if let Ok(url) = std::env::var("SUPERVISORD_URL") {
        config.supervisord_url = url;
    }
    let mut given = Given::default();
    let arguments = expand(arguments)?;
    let mut arguments = arguments.iter().map(String::as_str);
    while let Some(argument) = arguments.next() {
        match argument {
            "-h" | "--help" | "--help-long" => return Ok(Command::Help(help())),
            "--version" => return Ok(Command::Version),
            _ => {}
        }
        let Some(body) = argument.strip_prefix("--") else {
            return Err(FlagError::Argument { argument: argument.to_owned() });
        };
        let (name, value) = match body.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (body, None),
        };
        let mut value = Value { flag: format!("--{name}"), given: value, following: &mut arguments };
        take(&mut config, &mut given, name, &mut value)?;
    }
    finish(config, &given)
}

/// Replaces `@file` by the lines of that file, one argument a line.
fn expand<S: AsRef<str>>(arguments: &[S]) -> Result<Vec<String>, FlagError> {
    let mut expanded = Vec::with_capacity(arguments.len());
    for argument in arguments.iter().map(AsRef::as_ref) {
        let Some(path) = argument.strip_prefix('@') else {
            expanded.push(argument.to_owned());
            continue;
        };
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|why| FlagError::File { path: path.to_owned(), why: why.to_string() })?;
        expanded.extend(text.lines().filter(|line| !line.is_empty()).map(str::to_owned));
    }
    Ok(expanded)
}

/// The value of a flag, given with `=` or as the next argument.
struct Value<'a, 'arguments> {
    flag: String,
    given: Option<String>,
    following: &'a mut dyn Iterator<Item = &'arguments str>,
}

impl Value<'_, '_> {
    fn text(&mut self) -> Result<String, FlagError> {
        let value = self.given.take().or_else(|| self.following.next().map(str::to_owned));
        value.ok_or_else(|| FlagError::NoValue { flag: self.flag.clone() })
    }

    fn none(&self) -> Result<(), FlagError> {
        match self.given {
            None => Ok(()),
            Some(_) => Err(FlagError::SurplusValue { flag: self.flag.clone() }),
        }
    }

    fn bad(&self, value: String, wanted: &'static str) -> FlagError {
        FlagError::BadValue { flag: self.flag.clone(), value, wanted }
    }
}

fn take(
    config: &mut Config,
    given: &mut Given,
    name: &str,
    value: &mut Value<'_, '_>,
) -> Result<(), FlagError> {
    let (positive, is_on) = match name.strip_prefix("no-") {
        Some(rest) => (rest, false),
        None => (name, true),
    };
    let is_known_switch = |flag: &&Flag| flag.name == positive && matches!(flag.set, Switch(_));
    if let Some(Flag { set: Switch(set), .. }) = FLAGS.iter().find(is_known_switch) {
        value.none()?;
        note_once(given, positive, &value.flag)?;
        set(config, is_on);
        return Ok(());
    }
    if positive == "collector.disable-defaults" {
        value.none()?;
        note_once(given, positive, &value.flag)?;
        given.is_defaults_disabled = is_on;
        return Ok(());
    }
    if let Some(flag) = FLAGS.iter().find(|flag| flag.name == name) {
        let text = value.text()?;
        given.flags.insert(name.to_owned());
        return set_value(config, flag, text, value);
    }
    take_collector(given, positive, is_on, value)
}

fn set_value(config: &mut Config, flag: &Flag, text: String, value: &Value<'_, '_>) -> Result<(), FlagError> {
    match flag.set {
        Text(set) => set(config, text),
        Count(set) => match text.parse() {
            Ok(count) => set(config, count),
            Err(_) => return Err(value.bad(text, "a whole number")),
        },
        Duration(set) => match crate::parse::go_duration(&text) {
            Some(duration) => set(config, duration),
            None => return Err(value.bad(text, "a duration such as 5s")),
        },
        Switch(_) => {}
    }
    Ok(())
}

/// `--collector.<name>`, `--no-collector.<name>`.
fn take_collector(
    given: &mut Given,
    name: &str,
    is_on: bool,
    value: &Value<'_, '_>,
) -> Result<(), FlagError> {
    let unknown = || Err(FlagError::Unknown { flag: value.flag.clone() });
    let Some(collector) = name.strip_prefix("collector.") else { return unknown() };
    if let Some(entry) = TABLE.iter().find(|entry| entry.name == collector) {
        value.none()?;
        note_once(given, name, &value.flag)?;
        given.collectors.insert(entry.name, is_on);
        return Ok(());
    }
    unknown()
}

fn note_once(given: &mut Given, name: &str, flag: &str) -> Result<(), FlagError> {
    if given.flags.insert(name.to_owned()) {
        return Ok(());
    }
    Err(FlagError::Repeated { flag: flag.to_owned() })
}

/// Checks what flags mean together.
fn finish(mut config: Config, given: &Given) -> Result<Command, FlagError> {
    let is_given = |flag: &str| given.flags.contains(flag.trim_start_matches('-'));
    if let Some((first, second)) =
        EXCLUSIVE.iter().find(|(first, second)| is_given(first) && is_given(second))
    {
        return Err(FlagError::Exclusive { first, second });
    }
    // An include alone says what is wanted: the built-in exclude would only surprise.
    let includes = [
        ("collector.diskstats.device-include", &mut config.diskstats_exclude),
        ("collector.filesystem.mount-points-include", &mut config.filesystem.mount_points_exclude),
        ("collector.filesystem.fs-types-include", &mut config.filesystem.fs_types_exclude),
    ];
    for (include, exclude) in includes {
        if given.flags.contains(include) {
            exclude.clear();
        }
    }
    if config.listen_addresses.is_empty() {
        config.listen_addresses = Config::default().listen_addresses;
    }
    check_choice("--log.level", &config.log_level, &["debug", "info", "warn", "error"], "a log level")?;
    check_choice("--log.format", &config.log_format, &["logfmt", "json"], "a log format")?;
    if !config.telemetry_path.starts_with('/') {
        config.telemetry_path.insert(0, '/');
    }
    if given.is_defaults_disabled {
        config.collectors.clear();
    }
    for (name, is_on) in &given.collectors {
        if *is_on {
            config.collectors.insert(name);
        } else {
            config.collectors.remove(name);
        }
    }
    check(&config)?;
    Ok(Command::Run(Box::new(config)))
}

/// Builds every collector once, also those that are off, so that a mistake in any flag is told now.
fn check(config: &Config) -> Result<(), FlagError> {
    // Building reads what does not change on the host: nothing of it is needed for this.
    let nowhere = Config { paths: Paths::nowhere(), pcidevice_names: false, ..config.clone() };
    TABLE.iter().try_for_each(|entry| (entry.build)(&nowhere).map(drop))
}

fn check_choice(flag: &str, value: &str, choices: &[&str], wanted: &'static str) -> Result<(), FlagError> {
    if choices.contains(&value) {
        return Ok(());
    }
    Err(FlagError::BadValue { flag: flag.to_owned(), value: value.to_owned(), wanted })
}

fn help() -> String {
    let mut text = "usage: watchfire node-exporter [flags]\n\nFlags:\n".to_owned();
    let mut line = |name: &str, help: &str| text.push_str(&format!("  --{name}\n      {help}\n"));
    for flag in FLAGS {
        let prefix = if matches!(flag.set, Switch(_)) { "[no-]" } else { "" };
        line(&format!("{prefix}{}", flag.name), flag.help);
    }
    line("[no-]collector.disable-defaults", "Run only collectors that are named.");
    for entry in TABLE {
        let state = if entry.is_default { "on" } else { "off" };
        line(
            &format!("[no-]collector.{}", entry.name),
            &format!("Run the {} collector (default: {state}).", entry.name),
        );
    }
    text
}
