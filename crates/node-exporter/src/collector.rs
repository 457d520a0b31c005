//! What a collector is, and the table of those that exist.

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

/// All collectors, by name. Those that exist so far all run unless switched off.
pub const TABLE: &[Entry] = &[
    default_on("bonding", |_| Ok(Arc::new(collectors::bonding::Bonding))),
    default_on("conntrack", |_| Ok(Arc::new(collectors::kernel_files::ConnTrack))),
    default_on("cpu", |config| Ok(Arc::new(collectors::cpu::Cpu::new(config)?))),
    default_on("cpufreq", |_| Ok(Arc::new(collectors::cpufreq::CpuFreq))),
    default_on("diskstats", |config| Ok(Arc::new(collectors::diskstats::DiskStats::new(config)?))),
    default_on("dmi", |config| Ok(Arc::new(collectors::os::Dmi::new(config)))),
    default_on("entropy", |_| Ok(Arc::new(collectors::kernel_files::Entropy))),
    default_on("filefd", |_| Ok(Arc::new(collectors::kernel_files::FileFd))),
    default_on("filesystem", |config| Ok(Arc::new(collectors::filesystem::FileSystem::new(config)?))),
    default_on("kernel_hung", |_| Ok(Arc::new(collectors::kernel_files::KernelHung))),
    default_on("loadavg", |_| Ok(Arc::new(collectors::loadavg::LoadAverage))),
    default_on("mdadm", |_| Ok(Arc::new(collectors::mdadm::MdAdm))),
    default_on("meminfo", |_| Ok(Arc::new(collectors::meminfo::MemInfo))),
    default_on("netclass", |config| Ok(Arc::new(collectors::netclass::NetClass::new(config)?))),
    default_on("netdev", |config| Ok(Arc::new(collectors::netdev::NetDev::new(config)?))),
    default_on("netstat", |config| Ok(Arc::new(collectors::netstat::NetStat::new(config)?))),
    default_on("os", |_| Ok(Arc::new(collectors::os::Os))),
    default_on("pressure", |_| Ok(Arc::new(collectors::pressure::Pressure))),
    default_on("schedstat", |_| Ok(Arc::new(collectors::kernel_files::SchedStat))),
    default_on("sockstat", |_| Ok(Arc::new(collectors::sockstat::SockStat))),
    default_on("softnet", |_| Ok(Arc::new(collectors::softnet::SoftNet))),
    default_on("stat", |config| Ok(Arc::new(collectors::stat::Stat::new(config)))),
    default_on("thermal_zone", |_| Ok(Arc::new(collectors::thermal_zone::ThermalZone))),
    default_on("time", |_| Ok(Arc::new(collectors::time::Time))),
    default_on("udp_queues", |_| Ok(Arc::new(collectors::kernel_files::UdpQueues))),
    default_on("uname", |_| Ok(Arc::new(collectors::uname::Uname))),
    default_on("vmstat", |config| Ok(Arc::new(collectors::vmstat::VmStat::new(config)?))),
];

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
