//! `netclass`: state and settings of network devices.

mod devices;
mod links;

use std::sync::{Mutex, PoisonError};

use regex_automata::meta::Regex;
use wf_exposition::{MetricFamily, MetricLabels};
use wf_model::MetricType;

use crate::collector::{CollectError, Collector, gauge};
use crate::config::{Config, FlagError};
use crate::context::{Context, names_in};
use crate::{filter, kept};

use devices::{Device, Devices};

/// Files below `/sys/class/net/<device>` that hold numbers, and their metrics. The first [`N_FIXED`] do not change while
/// the device exists.
#[rustfmt::skip]
const NUMBERS: [(&str, &str, MetricType); 16] = [
    ("dev_id", "node_network_device_id", MetricType::Gauge),
    ("ifindex", "node_network_iface_id", MetricType::Gauge),
    ("name_assign_type", "node_network_name_assign_type", MetricType::Gauge),
    ("addr_assign_type", "node_network_address_assign_type", MetricType::Gauge),
    ("carrier", "node_network_carrier", MetricType::Gauge),
    ("carrier_changes", "node_network_carrier_changes_total", MetricType::Counter),
    ("carrier_up_count", "node_network_carrier_up_changes_total", MetricType::Counter),
    ("carrier_down_count", "node_network_carrier_down_changes_total", MetricType::Counter),
    ("dormant", "node_network_dormant", MetricType::Gauge),
    ("flags", "node_network_flags", MetricType::Gauge),
    ("iflink", "node_network_iface_link", MetricType::Gauge),
    ("link_mode", "node_network_iface_link_mode", MetricType::Gauge),
    ("mtu", "node_network_mtu_bytes", MetricType::Gauge),
    ("netdev_group", "node_network_net_dev_group", MetricType::Gauge),
    ("tx_queue_len", "node_network_transmit_queue_length", MetricType::Gauge),
    ("type", "node_network_protocol_type", MetricType::Gauge),
];

/// A number fixed at the device's making, index, and how it was named: a device renamed has another directory.
const N_FIXED: usize = 3;

/// Index of `flags` in [`NUMBERS`].
const FLAGS: usize = 9;

/// Other files, read after those of [`NUMBERS`].
const SPEED: &str = "speed";
const TEXTS: [&str; 5] = ["address", "broadcast", "duplex", "ifalias", "operstate"];

/// All files read.
const N_FILES: usize = NUMBERS.len() + 1 + TEXTS.len();

/// Bit of `flags`: the device is administratively up.
const IFF_UP: i64 = 1;

/// The collector.
#[derive(Debug)]
pub struct NetClass {
    ignored: Regex,
    source: Source,
}

/// Where devices are looked up.
#[derive(Debug)]
enum Source {
    /// Their files below `/sys/class/net`.
    Files { ignores_invalid_speed: bool, known: Mutex<Devices> },
    /// The kernel's answers.
    Netlink { has_counts: bool },
}

impl NetClass {
    /// Takes its options.
    /// # Errors
    /// When a pattern is not a regular expression.
    pub fn new(config: &Config) -> Result<Self, FlagError> {
        let ignored = filter::regex("--collector.netclass.ignored-devices", &config.netclass_ignored)?;
        let source = if config.netclass_netlink {
            Source::Netlink { has_counts: config.netclass_counts }
        } else {
            let known = Mutex::new(Devices::new(kept::is_kernels(&config.paths.sys)));
            Source::Files { ignores_invalid_speed: config.netclass_ignores_invalid_speed, known }
        };
        Ok(Self { ignored, source })
    }
}

impl Collector for NetClass {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let (ignores_invalid_speed, known) = match &self.source {
            Source::Netlink { has_counts } => return links::collect(&self.ignored, *has_counts, out),
            Source::Files { ignores_invalid_speed, known } => (*ignores_invalid_speed, known),
        };
        let base = ctx.paths.sys.join("class/net");
        let mut names = names_in(&base, "");
        if names.is_empty() && !base.is_dir() {
            return Err(CollectError::NoData { why: format!("{} is no directory", base.display()) });
        }
        names.retain(|name| !self.ignored.is_match(name.as_str()));
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(&names);
        let mut families = Families::new();
        // Devices come and go while we look: whatever of one is gone is just not shown.
        for name in &names {
            if let Some(device) = known.read(ctx, &base, name) {
                families.push(name, device, ignores_invalid_speed);
            }
        }
        families.append_to(out);
        Ok(())
    }
}

struct Families {
    numbers: [MetricFamily; NUMBERS.len()],
    up: MetricFamily,
    info: MetricFamily,
    speed: MetricFamily,
}

impl Families {
    fn new() -> Self {
        Self {
            numbers: NUMBERS
                .map(|(_, name, kind)| MetricFamily::new(name, "Setting of a network device.", kind)),
            up: gauge("node_network_up", "Whether the operational state is up."),
            info: gauge("node_network_info", "Names and states of a network device."),
            speed: gauge("node_network_speed_bytes", "Speed of a network device, bytes a second."),
        }
    }

    fn push(&mut self, name: &str, device: &Device, ignores_invalid_speed: bool) {
        let labels = MetricLabels::shared(&[("device", name)]);
        for (family, number) in self.numbers.iter_mut().zip(device.numbers) {
            if let Some(number) = number {
                family.push_with(labels.clone(), number as f64);
            }
        }
        if let Some(megabits) = device.speed.filter(|speed| *speed >= 0 || !ignores_invalid_speed) {
            self.speed.push_with(labels.clone(), (megabits.saturating_mul(1_000_000) / 8) as f64);
        }
        let admin = match device.numbers[FLAGS] {
            Some(flags) if flags & IFF_UP != 0 => "up",
            Some(_) => "down",
            None => "unknown",
        };
        let [address, broadcast, duplex, alias, operational] = &device.texts;
        self.up.push_with(labels, f64::from(u8::from(operational == "up")));
        let labels = [
            ("address", address.as_str()),
            ("adminstate", admin),
            ("broadcast", broadcast),
            ("device", name),
            ("duplex", duplex),
            ("ifalias", alias),
            ("operstate", operational),
        ];
        self.info.push(&labels, 1.0);
    }

    fn append_to(self, out: &mut Vec<MetricFamily>) {
        out.extend(self.numbers);
        out.extend([self.up, self.info, self.speed]);
    }
}
