//! `ethtool`: what drivers of network devices tell about device, link and traffic.

use std::collections::BTreeMap;
use std::io;

use regex_automata::meta::Regex;
use wf_exposition::MetricFamily;

use crate::collector::{CollectError, Collector, Sink};
use crate::config::{Config, FlagError};
use crate::context::{Context, names_in};
use crate::filter::{self, Filter};
use crate::sys::ethtool::{Ethtool, TEXT_BYTES};
use crate::{netlink, parse};

/// Link modes of `ethtool_cmd`: bit, Mbit/s, medium, duplex.
#[rustfmt::skip]
const MODES: [(u32, f64, &str, &str); 23] = [
    (0, 10.0, "T", "half"), (1, 10.0, "T", "full"),
    (2, 100.0, "T", "half"), (3, 100.0, "T", "full"),
    (4, 1_000.0, "T", "half"), (5, 1_000.0, "T", "full"),
    (12, 10_000.0, "T", "full"), (15, 2_500.0, "X", "full"),
    (17, 1_000.0, "KX", "full"), (18, 10_000.0, "KX4", "full"),
    (19, 10_000.0, "KR", "full"), (20, 10_000.0, "R_FEC", "full"),
    (21, 20_000.0, "MLD2", "full"), (22, 20_000.0, "KR2", "full"),
    (23, 40_000.0, "KR4", "full"), (24, 40_000.0, "CR4", "full"),
    (25, 40_000.0, "SR4", "full"), (26, 40_000.0, "LR4", "full"),
    (27, 56_000.0, "KR4", "full"), (28, 56_000.0, "CR4", "full"),
    (29, 56_000.0, "SR4", "full"), (30, 56_000.0, "LR4", "full"),
    (31, 25_000.0, "CR", "full"),
];

/// Bits that stand for ports.
const PORTS: [(u32, &str); 6] =
    [(7, "TP"), (8, "AUI"), (9, "MII"), (10, "FIBRE"), (11, "BNC"), (16, "Backplane")];

/// Bits of abilities, by the end of their metrics' names.
const AUTONEGOTIATE: u32 = 6;
const PAUSE: u32 = 13;
const ASYMMETRIC_PAUSE: u32 = 14;

const STATISTIC_HELP: &str = "Statistic of a network device's driver.";

/// The collector.
#[derive(Debug)]
pub struct EthtoolStats {
    devices: Filter,
    metrics: Regex,
}

/// What is known about the link.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Link {
    supported: u32,
    advertised: u32,
    is_autonegotiated: bool,
}

/// What the driver says of itself.
#[derive(Debug, Default, PartialEq)]
struct Driver {
    name: String,
    version: String,
    firmware: String,
    bus: String,
    rom: String,
    n_statistics: usize,
}

impl EthtoolStats {
    /// Takes its options.
    /// # Errors
    /// When a pattern is not a regular expression.
    pub fn new(config: &Config) -> Result<Self, FlagError> {
        Ok(Self {
            devices: Filter::of("--collector.ethtool.device", &config.ethtool)?,
            metrics: filter::regex("--collector.ethtool.metrics-include", &config.ethtool_metrics)?,
        })
    }

    fn push_statistics(&self, sink: &mut Sink<'_>, device: &str, statistics: &[(String, u64)]) {
        // Names that differ for the driver only are of no use: nobody could tell which is which.
        let mut by_name: BTreeMap<String, Option<u64>> = BTreeMap::new();
        for (raw, value) in statistics {
            by_name.entry(clean(raw)).and_modify(|known| *known = None).or_insert(Some(*value));
        }
        for (name, value) in by_name {
            let Some(value) = value.filter(|_| self.metrics.is_match(name.as_str())) else { continue };
            sink.untyped(metric_name(&name), STATISTIC_HELP, &[("device", device)], value as f64);
        }
    }
}

impl Collector for EthtoolStats {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let base = ctx.paths.sys.join("class/net");
        if !base.is_dir() {
            return Err(CollectError::NoData { why: format!("{} is no directory", base.display()) });
        }
        let refused = |source| CollectError::Read { path: "ethtool".to_owned(), source };
        let kernel = Ethtool::open().map_err(refused)?;
        let mut sink = Sink::new(out);
        for device in names_in(&base, "").iter().filter(|device| self.devices.is_wanted(device.as_bytes())) {
            if let Some(link) =
                told(device, kernel.settings(device)).and_then(|command| Link::parse(&command))
            {
                push_link(&mut sink, device, link);
            }
            let Some(driver) = told(device, kernel.driver(device)).map(|info| Driver::parse(&info)) else {
                continue;
            };
            push_driver(&mut sink, device, &driver);
            if driver.n_statistics > 0
                && let Some((names, numbers)) = told(device, kernel.statistics(device, driver.n_statistics))
            {
                self.push_statistics(&mut sink, device, &pair(&names, &numbers));
            }
        }
        Ok(())
    }
}

/// Returns an answer. Many devices have none to give, and any may vanish while asked.
fn told<T>(device: &str, answer: io::Result<T>) -> Option<T> {
    answer.inspect_err(|error| tracing::debug!(device, %error, "the driver does not tell")).ok()
}

impl Link {
    /// Reads a `struct ethtool_cmd`.
    fn parse(command: &[u8]) -> Option<Self> {
        const SUPPORTED_AT: usize = 4;
        const ADVERTISED_AT: usize = 8;
        const AUTONEGOTIATED_AT: usize = 18;
        Some(Self {
            supported: netlink::u32_at(command, SUPPORTED_AT)?,
            advertised: netlink::u32_at(command, ADVERTISED_AT)?,
            is_autonegotiated: *command.get(AUTONEGOTIATED_AT)? == 1,
        })
    }
}

impl Driver {
    /// Reads a `struct ethtool_drvinfo`: after the command five texts, of which the fifth follows the fourth at once.
    fn parse(info: &[u8]) -> Self {
        const N_STATISTICS_AT: usize = 4 + 5 * TEXT_BYTES + 12 + 4;
        let text = |number: usize| {
            let start = 4 + number * TEXT_BYTES;
            info.get(start..start + TEXT_BYTES).map(netlink::text).unwrap_or_default()
        };
        let n_statistics = netlink::u32_at(info, N_STATISTICS_AT).unwrap_or(0);
        Self {
            name: text(0),
            version: text(1),
            firmware: text(2),
            bus: text(3),
            rom: text(4),
            n_statistics: usize::try_from(n_statistics).unwrap_or(0),
        }
    }
}

fn pair(names: &[u8], numbers: &[u8]) -> Vec<(String, u64)> {
    let numbers = numbers.chunks_exact(8).filter_map(|bytes| netlink::u64_at(bytes, 0));
    names.chunks_exact(TEXT_BYTES).map(netlink::text).zip(numbers).collect()
}

fn push_driver(sink: &mut Sink<'_>, device: &str, driver: &Driver) {
    let labels = [
        ("bus_info", driver.bus.as_str()),
        ("device", device),
        ("driver", &driver.name),
        ("expansion_rom_version", &driver.rom),
        ("firmware_version", &driver.firmware),
        ("version", &driver.version),
    ];
    sink.gauge("node_ethtool_info", "Names and versions of a network device's driver.", &labels, 1.0);
}

fn push_link(sink: &mut Sink<'_>, device: &str, link: Link) {
    let has = |modes: u32, bit: u32| modes.checked_shr(bit).unwrap_or(0) & 1 == 1;
    for (_, port) in PORTS.iter().filter(|(bit, _)| has(link.supported, *bit)) {
        let labels = [("device", device), ("type", *port)];
        sink.gauge("node_network_supported_port_info", "Ports that the device has.", &labels, 1.0);
    }
    let speeds = [
        ("node_network_supported_speed_bytes", "Speed that the device can, bytes a second.", link.supported),
        (
            "node_network_advertised_speed_bytes",
            "Speed that the device offers, bytes a second.",
            link.advertised,
        ),
    ];
    for (metric, help, modes) in speeds {
        for (_, megabits, medium, duplex) in MODES.iter().filter(|(bit, ..)| has(modes, *bit)) {
            let mode = format!("{megabits}base{medium}");
            let labels = [("device", device), ("duplex", *duplex), ("mode", mode.as_str())];
            sink.gauge(metric, help, &labels, megabits * 1e6 / 8.0);
        }
    }
    let labels = [("device", device)];
    let mut ability = |metric: &'static str, help, has_it: bool| {
        sink.gauge(metric, help, &labels, f64::from(u8::from(has_it)));
    };
    let (can, offers) = ("Whether the device can do it.", "Whether the device offers it.");
    let on = "Whether the link's settings were negotiated.";
    ability("node_network_autonegotiate", on, link.is_autonegotiated);
    ability("node_network_autonegotiate_supported", can, has(link.supported, AUTONEGOTIATE));
    ability("node_network_autonegotiate_advertised", offers, has(link.advertised, AUTONEGOTIATE));
    ability("node_network_pause_supported", can, has(link.supported, PAUSE));
    ability("node_network_pause_advertised", offers, has(link.advertised, PAUSE));
    ability("node_network_asymmetricpause_supported", can, has(link.supported, ASYMMETRIC_PAUSE));
    ability("node_network_asymmetricpause_advertised", offers, has(link.advertised, ASYMMETRIC_PAUSE));
}

/// Makes a part of a metric's name of a driver's words, such as `port.rx_dropped`.
fn clean(raw: &str) -> String {
    parse::metric_name(raw.trim()).to_ascii_lowercase().trim_start_matches('_').to_owned()
}

fn metric_name(name: &str) -> String {
    /// Counts of every driver under the same name.
    const TOTALS: [&str; 7] =
        ["rx_bytes", "rx_packets", "rx_errors", "rx_dropped", "tx_bytes", "tx_packets", "tx_errors"];
    // Of the same word twice in a row the original leaves the second as it is: `tx_tx_timeouts` of virtio.
    let mut replaced = "";
    let word = |word| {
        let full = match word {
            "rx" if replaced != "rx" => "received",
            "tx" if replaced != "tx" => "transmitted",
            _ => {
                replaced = "";
                return word;
            }
        };
        replaced = word;
        full
    };
    let words: Vec<_> = name.split('_').map(word).collect();
    let total = if TOTALS.contains(&name) { "_total" } else { "" };
    format!("node_ethtool_{}{total}", words.join("_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(push: impl FnOnce(&mut Sink<'_>)) -> String {
        let mut families = Vec::new();
        push(&mut Sink::new(&mut families));
        let mut page = String::new();
        wf_exposition::text::write_page(&mut page, &families);
        page.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect()
    }

    #[test]
    fn a_drivers_words_become_names() {
        let check = |raw: &str, want: &str| assert_eq!(metric_name(&clean(raw)), want, "{raw}");
        check("rx_packets", "node_ethtool_received_packets_total");
        check("tx_dropped", "node_ethtool_transmitted_dropped");
        check("port.rx_dropped", "node_ethtool_port_received_dropped");
        check("  [0]: rx bytes", "node_ethtool_0_received_bytes");
        check("tx_tx_timeouts", "node_ethtool_transmitted_tx_timeouts");
        check("rx_tx_tx_tx", "node_ethtool_received_transmitted_tx_transmitted");
        check("TxErrors", "node_ethtool_txerrors");
        check("align_errors", "node_ethtool_align_errors");
    }

    #[test]
    fn statistics_that_share_a_name_are_left_out() {
        let config = Config { ethtool_metrics: "^(rx|dup|align)".to_owned(), ..Config::default() };
        let collector = EthtoolStats::new(&config).unwrap();
        let given = [("rx_missed", 401), ("dup licate", 1), ("dup_licate", 2), ("tx_missed", 5)];
        let given: Vec<_> = given.map(|(name, value)| (name.to_owned(), value)).into();
        let page = page(|sink| collector.push_statistics(sink, "eth0", &given));
        assert_eq!(page, "node_ethtool_received_missed{device=\"eth0\"} 401\n");
    }

    #[test]
    fn bits_of_the_link_become_ports_speeds_and_abilities() {
        let mut command = [0_u8; 44];
        command[4..8].copy_from_slice(&0b10_0010_1110_1000_u32.to_ne_bytes());
        command[8..12].copy_from_slice(&(1_u32 << 31 | 1 << 6).to_ne_bytes());
        command[18] = 1;
        let link = Link::parse(&command).unwrap();
        let page = page(|sink| push_link(sink, "eth0", link));
        for want in [
            r#"node_network_supported_port_info{device="eth0",type="TP"} 1"#,
            r#"node_network_supported_port_info{device="eth0",type="MII"} 1"#,
            r#"node_network_supported_speed_bytes{device="eth0",duplex="full",mode="100baseT"} 1.25e+07"#,
            r#"node_network_supported_speed_bytes{device="eth0",duplex="full",mode="1000baseT"} 1.25e+08"#,
            r#"node_network_advertised_speed_bytes{device="eth0",duplex="full",mode="25000baseCR"} 3.125e+09"#,
            r#"node_network_autonegotiate{device="eth0"} 1"#,
            r#"node_network_autonegotiate_supported{device="eth0"} 1"#,
            r#"node_network_pause_supported{device="eth0"} 1"#,
            r#"node_network_pause_advertised{device="eth0"} 0"#,
            r#"node_network_asymmetricpause_supported{device="eth0"} 0"#,
        ] {
            assert!(page.contains(want), "{want} is missing in {page}");
        }
        assert_eq!(page.lines().count(), 12);
    }

    #[test]
    fn damaged_answers_are_no_panic() {
        assert_eq!(Link::parse(&[0; 12]), None);
        assert_eq!(Driver::parse(&[0; 3]), Driver::default());
        assert!(pair(&[0; 31], &[0; 8]).is_empty());
    }
}
