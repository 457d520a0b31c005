//! What a collector is, and the table of those that exist.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use wf_exposition::MetricFamily;
use wf_model::MetricType;

use crate::collectors;
use crate::config::{Config, FlagError};
use crate::context::Context;

/// Measures one aspect of the host. Instances live as long as the exporter and are shared by all scrapes.
pub trait Collector: Send + Sync {
    /// Appends families. What was appended before an error is kept.
    /// # Errors
    /// See [`CollectError`].
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError>;
}

/// Why a collector has nothing, or not all, to tell.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// The host does not have what this collector reads: normal, logged at debug level.
    #[error("no data: {why}")]
    NoData {
        /// What is missing.
        why: String,
    },
    /// A file cannot be read.
    #[error("read {path}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A file does not look as documented.
    #[error("parse {path}: {what}")]
    Parse {
        /// The file, as far as it says where.
        path: &'static str,
        /// What was not understood.
        what: String,
    },
}

impl CollectError {
    /// Sorts an error of the operating system: absent or not supported is no data.
    pub fn from_io(path: &Path, source: io::Error) -> Self {
        use io::ErrorKind::{NotADirectory, NotFound, Unsupported};
        if matches!(source.kind(), NotFound | Unsupported | NotADirectory) {
            return Self::NoData { why: format!("{}: {source}", path.display()) };
        }
        Self::Read { path: path.display().to_string(), source }
    }

    /// A line or word that was not understood.
    pub fn parse(path: &'static str, what: &[u8]) -> Self {
        // A damaged file must not flood the log.
        let shown = String::from_utf8_lossy(what.get(..what.len().min(120)).unwrap_or(what));
        Self::Parse { path, what: format!("{shown:?}") }
    }

    /// Returns whether the host merely lacks the feature.
    pub fn is_no_data(&self) -> bool {
        matches!(self, Self::NoData { .. })
    }
}

/// Builds a collector from the configuration.
pub type Build = fn(&Config) -> Result<Arc<dyn Collector>, FlagError>;

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// As in `--collector.<name>` and the `collector` label.
    pub name: &'static str,
    /// Whether it runs unless switched off.
    pub is_default: bool,
    /// Makes it.
    pub build: Build,
}

/// All collectors, by name.
#[rustfmt::skip]
pub const TABLE: &[Entry] = &[
    default_on("arp", |config| Ok(Arc::new(collectors::arp::Arp::new(config)?))),
    default_on("bcache", |config| Ok(Arc::new(collectors::bcache::Bcache::new(config)))),
    default_on("bcachefs", |_| Ok(Arc::new(collectors::bcachefs::BcacheFs))),
    default_on("bonding", |_| Ok(Arc::new(collectors::bonding::Bonding))),
    default_on("btrfs", |_| Ok(Arc::new(collectors::btrfs::Btrfs))),
    opt_in("buddyinfo", |_| Ok(Arc::new(collectors::proc_tables::BuddyInfo))),
    opt_in("cgroups", |_| Ok(Arc::new(collectors::proc_tables::CGroups))),
    default_on("conntrack", |_| Ok(Arc::new(collectors::kernel_files::ConnTrack))),
    default_on("cpu", |config| Ok(Arc::new(collectors::cpu::Cpu::new(config)?))),
    opt_in("cpu_vulnerabilities", |_| Ok(Arc::new(collectors::cpu_vulnerabilities::CpuVulnerabilities))),
    default_on("cpufreq", |_| Ok(Arc::new(collectors::cpufreq::CpuFreq))),
    default_on("diskstats", |config| Ok(Arc::new(collectors::diskstats::DiskStats::new(config)?))),
    default_on("dmi", |config| Ok(Arc::new(collectors::os::Dmi::new(config)))),
    default_on("dmmultipath", |_| Ok(Arc::new(collectors::dmmultipath::DmMultipath))),
    opt_in("drbd", |_| Ok(Arc::new(collectors::drbd::Drbd))),
    opt_in("drm", |_| Ok(Arc::new(collectors::drm::Drm))),
    default_on("edac", |_| Ok(Arc::new(collectors::edac::Edac))),
    default_on("entropy", |_| Ok(Arc::new(collectors::kernel_files::Entropy))),
    opt_in("ethtool", |config| Ok(Arc::new(collectors::ethtool::EthtoolStats::new(config)?))),
    default_on("fibrechannel", |_| Ok(Arc::new(collectors::fibrechannel::FibreChannel))),
    default_on("filefd", |_| Ok(Arc::new(collectors::kernel_files::FileFd))),
    default_on("filesystem", |config| Ok(Arc::new(collectors::filesystem::FileSystem::new(config)?))),
    default_on("hwmon", |config| Ok(Arc::new(collectors::hwmon::HwMon::new(config)?))),
    default_on("infiniband", |config| Ok(Arc::new(collectors::infiniband::InfiniBand::new(config)?))),
    opt_in("interrupts", |config| Ok(Arc::new(collectors::interrupts::Interrupts::new(config)?))),
    default_on("ipvs", |config| Ok(Arc::new(collectors::ipvs::IpVs::new(config)?))),
    default_on("kernel_hung", |_| Ok(Arc::new(collectors::kernel_files::KernelHung))),
    opt_in("ksmd", |_| Ok(Arc::new(collectors::ksmd::Ksmd))),
    opt_in("lnstat", |_| Ok(Arc::new(collectors::proc_tables::LnStat))),
    default_on("loadavg", |_| Ok(Arc::new(collectors::loadavg::LoadAverage))),
    opt_in("logind", |config| Ok(Arc::new(collectors::logind::Logind::new(config)))),
    default_on("mdadm", |_| Ok(Arc::new(collectors::mdadm::MdAdm))),
    default_on("meminfo", |_| Ok(Arc::new(collectors::meminfo::MemInfo))),
    opt_in("meminfo_numa", |_| Ok(Arc::new(collectors::meminfo_numa::MemInfoNuma))),
    opt_in("mountstats", |_| Ok(Arc::new(collectors::mountstats::MountStats))),
    default_on("netclass", |config| Ok(Arc::new(collectors::netclass::NetClass::new(config)?))),
    default_on("netdev", |config| Ok(Arc::new(collectors::netdev::NetDev::new(config)?))),
    default_on("netstat", |config| Ok(Arc::new(collectors::netstat::NetStat::new(config)?))),
    opt_in("network_route", |_| Ok(Arc::new(collectors::network_route::NetworkRoute))),
    default_on("nfs", |_| Ok(Arc::new(collectors::nfs::Nfs))),
    default_on("nfsd", |_| Ok(Arc::new(collectors::nfs::Nfsd))),
    opt_in("ntp", |config| Ok(Arc::new(collectors::ntp::Ntp::new(config)?))),
    default_on("nvme", |_| Ok(Arc::new(collectors::nvme::Nvme))),
    opt_in("nvmesubsystem", |_| Ok(Arc::new(collectors::nvme::NvmeSubsystem))),
    default_on("os", |_| Ok(Arc::new(collectors::os::Os))),
    opt_in("pcidevice", |config| Ok(Arc::new(collectors::pcidevice::PciDevice::new(config)))),
    opt_in("perf", |config| Ok(Arc::new(collectors::perf::Perf::new(config)?))),
    default_on("powersupplyclass", |config| Ok(Arc::new(collectors::powersupply::PowerSupply::new(config)?))),
    default_on("pressure", |_| Ok(Arc::new(collectors::pressure::Pressure))),
    opt_in("processes", |_| Ok(Arc::new(collectors::processes::Processes))),
    opt_in("qdisc", |config| Ok(Arc::new(collectors::qdisc::Qdisc::new(config)?))),
    default_on("rapl", |config| Ok(Arc::new(collectors::rapl::Rapl::new(config)))),
    opt_in("runit", |config| Ok(Arc::new(collectors::runit::Runit::new(config)))),
    default_on("schedstat", |_| Ok(Arc::new(collectors::kernel_files::SchedStat))),
    default_on("selinux", |_| Ok(Arc::new(collectors::selinux::SeLinux))),
    opt_in("slabinfo", |config| Ok(Arc::new(collectors::slabinfo::SlabInfo::new(config)?))),
    default_on("sockstat", |_| Ok(Arc::new(collectors::sockstat::SockStat))),
    opt_in("softirqs", |_| Ok(Arc::new(collectors::proc_tables::SoftIrqs))),
    default_on("softnet", |_| Ok(Arc::new(collectors::softnet::SoftNet))),
    default_on("stat", |config| Ok(Arc::new(collectors::stat::Stat::new(config)))),
    opt_in("supervisord", |config| Ok(Arc::new(collectors::supervisord::Supervisord::new(config)?))),
    opt_in("swap", |_| Ok(Arc::new(collectors::proc_tables::Swap))),
    opt_in("sysctl", |config| Ok(Arc::new(collectors::sysctl::SysCtl::new(config)?))),
    opt_in("systemd", |config| Ok(Arc::new(collectors::systemd::Systemd::new(config)?))),
    default_on("tapestats", |config| Ok(Arc::new(collectors::tapestats::TapeStats::new(config)?))),
    opt_in("tcpstat", |_| Ok(Arc::new(collectors::tcpstat::TcpStat))),
    default_on("textfile", |config| Ok(Arc::new(collectors::textfile::TextFile::new(config)))),
    default_on("thermal_zone", |_| Ok(Arc::new(collectors::thermal_zone::ThermalZone))),
    default_on("time", |_| Ok(Arc::new(collectors::time::Time))),
    default_on("timex", |_| Ok(Arc::new(collectors::timex::Timex))),
    default_on("udp_queues", |_| Ok(Arc::new(collectors::kernel_files::UdpQueues))),
    default_on("uname", |_| Ok(Arc::new(collectors::uname::Uname))),
    default_on("vmstat", |config| Ok(Arc::new(collectors::vmstat::VmStat::new(config)?))),
    default_on("watchdog", |_| Ok(Arc::new(collectors::watchdog::Watchdog))),
    opt_in("wifi", |config| Ok(Arc::new(collectors::wifi::Wifi::new(config)))),
    opt_in("xfrm", |_| Ok(Arc::new(collectors::xfrm::Xfrm))),
    default_on("xfs", |_| Ok(Arc::new(collectors::xfs::Xfs))),
    default_on("zfs", |_| Ok(Arc::new(collectors::zfs::Zfs))),
    opt_in("zoneinfo", |_| Ok(Arc::new(collectors::zoneinfo::ZoneInfo))),
];

const fn opt_in(name: &'static str, build: Build) -> Entry {
    Entry { name, is_default: false, build }
}

const fn default_on(name: &'static str, build: Build) -> Entry {
    Entry { name, is_default: true, build }
}

/// Starts a counter family.
pub fn counter(name: &'static str, help: &'static str) -> MetricFamily {
    MetricFamily::new(name, help, MetricType::Counter)
}

/// Starts a gauge family.
pub fn gauge(name: &'static str, help: &'static str) -> MetricFamily {
    MetricFamily::new(name, help, MetricType::Gauge)
}

/// Appends a gauge without labels.
pub fn push_gauge(out: &mut Vec<MetricFamily>, name: &'static str, help: &'static str, value: f64) {
    let mut family = gauge(name, help);
    family.push(&[], value);
    out.push(family);
}

/// Appends a counter without labels.
pub fn push_counter(out: &mut Vec<MetricFamily>, name: &'static str, help: &'static str, value: f64) {
    let mut family = counter(name, help);
    family.push(&[], value);
    out.push(family);
}

/// Labels of one sample.
pub type Labels<'a> = &'a [(&'static str, &'a str)];

/// Families under construction, found by name: for collectors whose samples come device by device, or whose names
/// come from the kernel. What was added stays, whatever happens later.
#[derive(Debug)]
pub struct Sink<'a> {
    out: &'a mut Vec<MetricFamily>,
    known: HashMap<Cow<'static, str>, usize>,
}

impl<'a> Sink<'a> {
    /// Appends to `out`.
    pub fn new(out: &'a mut Vec<MetricFamily>) -> Self {
        Self { out, known: HashMap::new() }
    }

    /// Adds a sample; the first of a name decides type and help.
    pub fn add(
        &mut self,
        kind: MetricType,
        name: impl Into<Cow<'static, str>>,
        help: &'static str,
        labels: Labels<'_>,
        value: f64,
    ) {
        let name = name.into();
        let idx = match self.known.get(&name) {
            Some(idx) => *idx,
            None => {
                self.out.push(MetricFamily::new(name.clone(), help, kind));
                self.known.insert(name, self.out.len() - 1);
                self.out.len() - 1
            }
        };
        if let Some(family) = self.out.get_mut(idx) {
            family.push(labels, value);
        }
    }

    /// Adds a sample of a gauge.
    pub fn gauge(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        help: &'static str,
        labels: Labels<'_>,
        value: f64,
    ) {
        self.add(MetricType::Gauge, name, help, labels, value);
    }

    /// Adds a sample of a counter.
    pub fn counter(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        help: &'static str,
        labels: Labels<'_>,
        value: f64,
    ) {
        self.add(MetricType::Counter, name, help, labels, value);
    }

    /// Adds a sample of a family without a type.
    pub fn untyped(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        help: &'static str,
        labels: Labels<'_>,
        value: f64,
    ) {
        self.add(MetricType::Unknown, name, help, labels, value);
    }
}
