//! `netclass`: state and settings of network devices.

use regex_automata::meta::Regex;
use wf_exposition::MetricFamily;
use wf_model::MetricType;

use crate::collector::{CollectError, Collector, gauge};
use crate::config::{Config, FlagError};
use crate::context::{AttributeDir, Context, names_in};
use crate::{filter, parse};

/// File below `/sys/class/net/<device>` and metric.
#[rustfmt::skip]
const NUMBERS: [(&str, &str, MetricType); 16] = [
    ("addr_assign_type", "node_network_address_assign_type", MetricType::Gauge),
    ("carrier", "node_network_carrier", MetricType::Gauge),
    ("carrier_changes", "node_network_carrier_changes_total", MetricType::Counter),
    ("carrier_up_count", "node_network_carrier_up_changes_total", MetricType::Counter),
    ("carrier_down_count", "node_network_carrier_down_changes_total", MetricType::Counter),
    ("dev_id", "node_network_device_id", MetricType::Gauge),
    ("dormant", "node_network_dormant", MetricType::Gauge),
    ("flags", "node_network_flags", MetricType::Gauge),
    ("ifindex", "node_network_iface_id", MetricType::Gauge),
    ("iflink", "node_network_iface_link", MetricType::Gauge),
    ("link_mode", "node_network_iface_link_mode", MetricType::Gauge),
    ("mtu", "node_network_mtu_bytes", MetricType::Gauge),
    ("name_assign_type", "node_network_name_assign_type", MetricType::Gauge),
    ("netdev_group", "node_network_net_dev_group", MetricType::Gauge),
    ("tx_queue_len", "node_network_transmit_queue_length", MetricType::Gauge),
    ("type", "node_network_protocol_type", MetricType::Gauge),
];

/// Bit of `flags`: the device is administratively up.
const IFF_UP: i64 = 1;

/// The collector.
#[derive(Debug)]
pub struct NetClass {
    ignored: Regex,
    ignores_invalid_speed: bool,
}

impl NetClass {
    /// Takes its options.
    /// # Errors
    /// When a pattern is not a regular expression.
    pub fn new(config: &Config) -> Result<Self, FlagError> {
        let ignored = filter::regex("--collector.netclass.ignored-devices", &config.netclass_ignored)?;
        Ok(Self { ignored, ignores_invalid_speed: config.netclass_ignores_invalid_speed })
    }
}

impl Collector for NetClass {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let base = ctx.paths.sys.join("class/net");
        if !base.is_dir() {
            return Err(CollectError::NoData { why: format!("{} is no directory", base.display()) });
        }
        let mut numbers =
            NUMBERS.map(|(_, name, kind)| MetricFamily::new(name, "Setting of a network device.", kind));
        let mut up = gauge("node_network_up", "Whether the operational state is up.");
        let mut info = gauge("node_network_info", "Names and states of a network device.");
        let mut speed = gauge("node_network_speed_bytes", "Speed of a network device, bytes a second.");
        // Devices come and go while we look: whatever of one is gone is just not shown.
        for device in names_in(&base, "").iter().filter(|name| !self.ignored.is_match(name.as_str())) {
            let Some(dir) = AttributeDir::open(&base.join(device)) else { continue };
            let labels = [("device", device.as_str())];
            let mut flags = None;
            for (family, (file, _, _)) in numbers.iter_mut().zip(NUMBERS) {
                let Some(number) = ctx.attribute_in(&dir, file).and_then(parse::integer) else { continue };
                family.push(&labels, number as f64);
                if file == "flags" {
                    flags = Some(number);
                }
            }
            let megabits = ctx.attribute_in(&dir, "speed").and_then(parse::integer);
            if let Some(megabits) = megabits.filter(|speed| *speed >= 0 || !self.ignores_invalid_speed) {
                speed.push(&labels, (megabits.saturating_mul(1_000_000) / 8) as f64);
            }
            let states = States::read(ctx, &dir, flags);
            up.push(&labels, f64::from(u8::from(states.operational == "up")));
            info.push(&states.labels(device), 1.0);
        }
        out.extend(numbers);
        out.extend([up, info, speed]);
        Ok(())
    }
}

struct States {
    address: String,
    admin: &'static str,
    broadcast: String,
    duplex: String,
    alias: String,
    operational: String,
}

impl States {
    fn read(ctx: &mut Context, dir: &AttributeDir, flags: Option<i64>) -> Self {
        let admin = match flags {
            Some(flags) if flags & IFF_UP != 0 => "up",
            Some(_) => "down",
            None => "unknown",
        };
        let mut text = |file: &str| ctx.attribute_in(dir, file).map(parse::text).unwrap_or_default();
        Self {
            address: text("address"),
            admin,
            broadcast: text("broadcast"),
            duplex: text("duplex"),
            alias: text("ifalias"),
            operational: text("operstate"),
        }
    }

    fn labels<'a>(&'a self, device: &'a str) -> [(&'static str, &'a str); 7] {
        [
            ("address", &self.address),
            ("adminstate", self.admin),
            ("broadcast", &self.broadcast),
            ("device", device),
            ("duplex", &self.duplex),
            ("ifalias", &self.alias),
            ("operstate", &self.operational),
        ]
    }
}
