//! `netdev`: what network devices received and sent.

mod addresses;
pub(super) mod links;
mod procfs;

use wf_exposition::{MetricFamily, MetricLabels};
use wf_model::MetricType;

use crate::collector::{CollectError, Collector};
use crate::config::{Config, FlagError, NetDevConfig};
use crate::context::Context;
use crate::filter::Filter;

/// A device with its counts, in the order of the source's families.
#[derive(Debug, PartialEq)]
struct Device {
    name: String,
    alias: String,
    values: Vec<f64>,
}

/// Where counts come from and how they are named.
#[derive(Clone, Copy, Debug)]
enum Source {
    /// The kernel's 64-bit counters by their own names.
    NetlinkDetailed,
    /// The same under the names `/proc/net/dev` gave them, several summed up.
    NetlinkLegacy,
    /// `/proc/net/dev`.
    Proc,
}

/// The collector.
#[derive(Debug)]
pub struct NetDev {
    devices: Filter,
    source: Source,
    has_alias: bool,
    has_addresses: bool,
}

impl NetDev {
    /// Takes its options.
    /// # Errors
    /// When a pattern is not a regular expression.
    pub fn new(config: &Config) -> Result<Self, FlagError> {
        let NetDevConfig { include, exclude, is_netlink, is_detailed, has_alias, has_addresses } =
            &config.netdev;
        let source = match (is_netlink, is_detailed) {
            (true, false) => Source::NetlinkLegacy,
            (true, true) => Source::NetlinkDetailed,
            (false, _) => Source::Proc,
        };
        let devices = Filter::new("--collector.netdev.device", include, exclude)?;
        Ok(Self { devices, source, has_alias: *has_alias, has_addresses: *has_addresses })
    }

    fn read(&self, ctx: &mut Context) -> Result<(&'static [&'static str], Vec<Device>), CollectError> {
        match self.source {
            Source::NetlinkDetailed => Ok((&links::DETAILED_NAMES, links::read(links::detailed)?)),
            Source::NetlinkLegacy => Ok((&links::LEGACY_NAMES, links::read(links::legacy)?)),
            Source::Proc => Ok((&procfs::NAMES, procfs::read(ctx.proc("net/dev")?)?)),
        }
    }
}

impl Collector for NetDev {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let (names, mut devices) = self.read(ctx)?;
        // In the order of the page: sorted once here, not once a family.
        devices.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        let family =
            |name: &&'static str| MetricFamily::new(*name, "Network device statistic.", MetricType::Counter);
        let mut families: Vec<_> = names.iter().map(family).collect();
        for device in devices.iter().filter(|device| self.devices.is_wanted(device.name.as_bytes())) {
            let all = [("device", device.name.as_str()), ("ifalias", &device.alias)];
            let labels = MetricLabels::shared(if self.has_alias { &all[..] } else { &all[..1] });
            for (family, value) in families.iter_mut().zip(&device.values) {
                family.push_with(labels.clone(), *value);
            }
        }
        out.extend(families);
        if self.has_addresses {
            out.push(addresses::read(&self.devices)?);
        }
        Ok(())
    }
}
