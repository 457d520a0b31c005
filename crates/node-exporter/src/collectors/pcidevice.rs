//! `pcidevice`: what is plugged in, and how fast it is connected.

mod ids;

use std::path::{Path, PathBuf};

use wf_exposition::MetricFamily;

use crate::collector::{CollectError, Collector, Sink};
use crate::config::Config;
use crate::context::{Context, names_in};
use crate::parse;

use ids::Ids;

/// The collector.
#[derive(Debug)]
pub struct PciDevice {
    /// Names of numbers, if wanted.
    ids: Option<Ids>,
}

const HELP: &str = "PCI device statistic.";
const POWER_STATES: [&str; 7] = ["D0", "D1", "D2", "D3hot", "D3cold", "unknown", "error"];

/// File and metric of numbers that count as 0 where the file is absent.
const NUMBERS: [(&str, &str); 5] = [
    ("d3cold_allowed", "node_pcidevice_d3cold_allowed"),
    ("sriov_drivers_autoprobe", "node_pcidevice_sriov_drivers_autoprobe"),
    ("sriov_numvfs", "node_pcidevice_sriov_numvfs"),
    ("sriov_totalvfs", "node_pcidevice_sriov_totalvfs"),
    ("sriov_vf_total_msix", "node_pcidevice_sriov_vf_total_msix"),
];

/// Where distributions keep the list of names.
const IDS: [&str; 4] = [
    "/usr/share/misc/pci.ids",
    "/usr/share/hwdata/pci.ids",
    "/usr/share/pci.ids",
    "/var/lib/pciutils/pci.ids",
];

impl PciDevice {
    /// Takes its options and reads the names, once.
    pub fn new(config: &Config) -> Self {
        if !config.pcidevice_names {
            return Self { ids: None };
        }
        let candidates = match config.pcidevice_ids_file.as_str() {
            "" => IDS.iter().map(PathBuf::from).collect(),
            path => vec![PathBuf::from(path)],
        };
        let text = candidates.iter().find_map(|path| std::fs::read(path).ok());
        if text.is_none() {
            tracing::warn!("there is no list of PCI names: set --collector.pcidevice.idsfile");
        }
        Self { ids: Some(Ids::parse(&String::from_utf8_lossy(&text.unwrap_or_default()))) }
    }

    fn push_info(&self, ctx: &mut Context, dir: &Path, own: &Address, sink: &mut Sink<'_>) {
        let mut number = |file: &str| ctx.attribute(&dir.join(file)).and_then(parse::hex).unwrap_or(0);
        let (class, vendor, device) = (number("class"), number("vendor"), number("device"));
        let (subvendor, subdevice) = (number("subsystem_vendor"), number("subsystem_device"));
        let revision = number("revision");
        let parent =
            dir.canonicalize().ok().and_then(|path| Address::parse(path.parent()?.file_name()?.to_str()?));
        let parent = parent.map_or(["*"; 4].map(str::to_owned), |address| address.0);
        let values = [
            ("class_id", format!("{class:#08x}")),
            ("vendor_id", format!("{vendor:#06x}")),
            ("device_id", format!("{device:#06x}")),
            ("subsystem_vendor_id", format!("{subvendor:#06x}")),
            ("subsystem_device_id", format!("{subdevice:#06x}")),
            ("revision", format!("{revision:#04x}")),
        ];
        let mut labels = own.labels().to_vec();
        labels.extend(values.iter().map(|(name, value)| (*name, value.as_str())));
        let keys = ["parent_segment", "parent_bus", "parent_device", "parent_function"];
        labels.extend(keys.into_iter().zip(parent.iter().map(String::as_str)));
        if let Some(ids) = &self.ids {
            labels.extend([
                ("class_name", ids.class(class)),
                ("vendor_name", ids.vendor(vendor)),
                ("device_name", ids.device(vendor, device)),
                ("subsystem_vendor_name", ids.vendor(subvendor)),
                ("subsystem_device_name", ids.subsystem(vendor, device, subvendor, subdevice)),
            ]);
        }
        sink.gauge("node_pcidevice_info", "Identity of a PCI device.", &labels, 1.0);
    }
}

/// Segment, bus, device and function, as written.
struct Address([String; 4]);

impl Address {
    /// `0000:00:02.1`
    fn parse(name: &str) -> Option<Self> {
        let (rest, function) = name.rsplit_once('.')?;
        let parts: Vec<_> = rest.split(':').collect();
        let [segment, bus, device] = parts[..] else { return None };
        let parts = [segment, bus, device, function];
        let is_hex = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_hexdigit());
        parts.iter().all(|part| is_hex(part)).then(|| Self(parts.map(str::to_owned)))
    }

    fn labels(&self) -> [(&'static str, &str); 4] {
        let Self([segment, bus, device, function]) = self;
        [("segment", segment), ("bus", bus), ("device", device), ("function", function)]
    }
}

impl Collector for PciDevice {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let base = ctx.paths.sys.join("bus/pci/devices");
        let names = names_in(&base, "");
        if names.is_empty() {
            return Err(CollectError::NoData { why: "this host has no PCI devices".to_owned() });
        }
        let mut sink = Sink::new(out);
        for name in &names {
            let Some(address) = Address::parse(name) else { continue };
            let dir = base.join(name);
            self.push_info(ctx, &dir, &address, &mut sink);
            push_numbers(ctx, &dir, &address, &mut sink);
        }
        Ok(())
    }
}

fn push_numbers(ctx: &mut Context, dir: &Path, address: &Address, sink: &mut Sink<'_>) {
    let labels = address.labels();
    for (file, name) in [
        ("max_link_speed", "node_pcidevice_max_link_transfers_per_second"),
        ("current_link_speed", "node_pcidevice_current_link_transfers_per_second"),
    ] {
        // `8.0 GT/s PCIe`, or `Unknown`
        let text = ctx.text(&dir.join(file)).unwrap_or_default();
        let speed = text.split(' ').next().and_then(|number| number.parse::<f64>().ok());
        sink.gauge(name, HELP, &labels, speed.map_or(-1.0, |speed| speed * 1e9));
    }
    for (file, name) in [
        ("max_link_width", "node_pcidevice_max_link_width"),
        ("current_link_width", "node_pcidevice_current_link_width"),
    ] {
        sink.gauge(name, HELP, &labels, ctx.value(&dir.join(file)).unwrap_or(-1.0));
    }
    for (file, name) in NUMBERS {
        sink.gauge(name, HELP, &labels, ctx.value(&dir.join(file)).unwrap_or(0.0));
    }
    if let Some(node) = ctx.value(&dir.join("numa_node")).filter(|node| *node >= 0.0) {
        sink.gauge("node_pcidevice_numa_node", HELP, &labels, node);
    }
    if let Some(state) = ctx.text(&dir.join("power_state")) {
        for known in POWER_STATES {
            let mut labels = labels.to_vec();
            labels.push(("state", known));
            let is_it = f64::from(u8::from(known == state));
            sink.gauge("node_pcidevice_power_state", HELP, &labels, is_it);
        }
    }
}
