//! State and settings of network devices over netlink: two questions, all devices.
//!
//! Devices tell less than their files do, and some of it otherwise: flags are all the kernel has, `dormant` is the link's
//! mode, and the duplex is spelled as ethtool spells it. So it is with the original.
//!
//! # Source
//! Linux `rtnetlink(7)`: `RTM_GETLINK`; `linux/if_link.h`; `Documentation/networking/ethtool-netlink.rst`: `LINKMODES_GET`.

use std::collections::HashMap;

use regex_automata::meta::Regex;
use wf_exposition::{MetricFamily, MetricLabels};
use wf_model::MetricType;

use crate::collector::{CollectError, gauge};
use crate::collectors::netdev::links::{Counts, DETAILED_NAMES, N_COUNTS, parse_counts};
use crate::netlink::generic::{Family, find};
use crate::netlink::{self, Links, attributes, u32_at};

const IFLA_ADDRESS: u16 = 1;
const IFLA_BROADCAST: u16 = 2;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_TXQLEN: u16 = 13;
const IFLA_OPERSTATE: u16 = 16;
const IFLA_LINKMODE: u16 = 17;
const IFLA_IFALIAS: u16 = 20;
const IFLA_GROUP: u16 = 27;
const IFLA_CARRIER: u16 = 33;
const IFLA_CARRIER_CHANGES: u16 = 35;
const IFLA_CARRIER_UP_COUNT: u16 = 47;
const IFLA_CARRIER_DOWN_COUNT: u16 = 48;
const IFLA_PROP_LIST: u16 = 52;
const IFLA_ALT_IFNAME: u16 = 53;

const ETHTOOL_MSG_LINKMODES_GET: u8 = 4;
const ETHTOOL_A_LINKMODES_HEADER: u16 = 1;
const ETHTOOL_A_LINKMODES_SPEED: u16 = 5;
const ETHTOOL_A_LINKMODES_DUPLEX: u16 = 6;
const ETHTOOL_A_HEADER_DEV_INDEX: u16 = 1;

/// Metrics of numbers, in the order of [`Link::numbers`].
#[rustfmt::skip]
const NUMBERS: [(&str, MetricType); N_NUMBERS] = [
    ("node_network_carrier", MetricType::Gauge),
    ("node_network_carrier_changes_total", MetricType::Counter),
    ("node_network_carrier_up_changes_total", MetricType::Counter),
    ("node_network_carrier_down_changes_total", MetricType::Counter),
    ("node_network_dormant", MetricType::Gauge),
    ("node_network_flags", MetricType::Gauge),
    ("node_network_iface_id", MetricType::Gauge),
    ("node_network_iface_link", MetricType::Gauge),
    ("node_network_iface_link_mode", MetricType::Gauge),
    ("node_network_mtu_bytes", MetricType::Gauge),
    ("node_network_net_dev_group", MetricType::Gauge),
    ("node_network_transmit_queue_length", MetricType::Gauge),
    ("node_network_protocol_type", MetricType::Gauge),
];
const N_NUMBERS: usize = 13;

/// Words for `IFLA_OPERSTATE`, by number: RFC 2863.
const OPERATIONAL: [&str; 7] =
    ["unknown", "notpresent", "down", "lowerlayerdown", "testing", "dormant", "up"];

/// A device as the kernel describes it.
#[derive(Debug, Default, PartialEq)]
struct Link {
    index: u32,
    name: String,
    /// Absent where the kernel is too old to tell.
    numbers: [Option<u32>; N_NUMBERS],
    address: String,
    broadcast: String,
    alias: String,
    operational: &'static str,
    other_names: Vec<String>,
    /// Read only if wanted.
    counts: Option<Counts>,
}

/// What ethtool tells of a link.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Mode {
    /// None when not known.
    megabits: Option<u32>,
    duplex: &'static str,
}

/// Asks the kernel for all devices that are not ignored.
pub(super) fn collect(
    ignored: &Regex,
    has_counts: bool,
    out: &mut Vec<MetricFamily>,
) -> Result<(), CollectError> {
    let mut links = Vec::new();
    let wanted = if has_counts { Links::Whole } else { Links::WithoutCounts };
    netlink::links(wanted, |header, rest| {
        links.extend(
            Link::parse(header, rest, has_counts).filter(|link| !ignored.is_match(link.name.as_str())),
        );
    })?;
    links.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    // Kernels before 5.6 have no such messages: then speed and duplex are not told.
    let modes = modes().unwrap_or_else(|error| {
        tracing::debug!(%error, "speed and duplex of network devices are not known");
        HashMap::new()
    });
    out.extend(families(&links, &modes, has_counts));
    Ok(())
}

impl Link {
    /// Reads `struct ifinfomsg` (family u8, pad, type u16, index i32, flags u32, changes u32) and what follows.
    fn parse(header: &[u8], rest: &[u8], has_counts: bool) -> Option<Self> {
        const TYPE_AT: usize = 2;
        const INDEX_AT: usize = 4;
        const FLAGS_AT: usize = 8;
        let index = u32_at(header, INDEX_AT)?;
        let mut link = Self { index, operational: "", ..Self::default() };
        let [carrier, changes, up, down, dormant, flags, id, link_id, mode, mtu, group, queue, kind] =
            &mut link.numbers;
        *kind = header
            .get(TYPE_AT..)
            .and_then(|bytes| bytes.first_chunk())
            .map(|bytes| u16::from_ne_bytes(*bytes).into());
        (*flags, *id) = (u32_at(header, FLAGS_AT), Some(index));
        // A device that lies on no other has this attribute not at all: it is its own.
        *link_id = Some(index);
        for (attribute, value) in attributes(rest) {
            let byte = || value.first().map(|byte| u32::from(*byte));
            match attribute {
                IFLA_IFNAME => link.name = netlink::text(value),
                IFLA_IFALIAS => link.alias = netlink::text(value),
                IFLA_ADDRESS => link.address = hardware(value),
                IFLA_BROADCAST => link.broadcast = hardware(value),
                IFLA_OPERSTATE => link.operational = operational(value),
                IFLA_LINKMODE => (*mode, *dormant) = (byte(), byte()),
                IFLA_CARRIER => *carrier = byte(),
                IFLA_CARRIER_CHANGES => *changes = u32_at(value, 0),
                IFLA_CARRIER_UP_COUNT => *up = u32_at(value, 0),
                IFLA_CARRIER_DOWN_COUNT => *down = u32_at(value, 0),
                IFLA_LINK => *link_id = u32_at(value, 0),
                IFLA_MTU => *mtu = u32_at(value, 0),
                IFLA_GROUP => *group = u32_at(value, 0),
                IFLA_TXQLEN => *queue = u32_at(value, 0),
                IFLA_PROP_LIST => {
                    let names = attributes(value).filter(|(kind, _)| *kind == IFLA_ALT_IFNAME);
                    link.other_names = names.map(|(_, name)| netlink::text(name)).collect();
                }
                _ => {}
            }
        }
        link.counts = has_counts.then(|| parse_counts(rest)).flatten();
        Some(link).filter(|link| !link.name.is_empty())
    }
}

fn operational(value: &[u8]) -> &'static str {
    let number = value.first().map_or(0, |byte| usize::from(*byte));
    OPERATIONAL.get(number).copied().unwrap_or("unknown")
}

fn hardware(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect::<Vec<_>>().join(":")
}

/// Asks ethtool for the speeds of all devices; by the number of the device.
fn modes() -> Result<HashMap<u32, Mode>, CollectError> {
    let mut modes = HashMap::new();
    Family::find("ethtool")?
        .list(ETHTOOL_MSG_LINKMODES_GET, &[], |answer| modes.extend(parse_mode(answer)))?;
    Ok(modes)
}

fn parse_mode(answer: &[u8]) -> Option<(u32, Mode)> {
    let index = u32_at(find(find(answer, ETHTOOL_A_LINKMODES_HEADER)?, ETHTOOL_A_HEADER_DEV_INDEX)?, 0)?;
    let speed = find(answer, ETHTOOL_A_LINKMODES_SPEED).and_then(|value| u32_at(value, 0));
    let duplex = match find(answer, ETHTOOL_A_LINKMODES_DUPLEX).and_then(<[u8]>::first) {
        Some(0) => "Half",
        Some(1) => "Full",
        _ => "Unknown",
    };
    // All bits set is -1: unknown.
    let megabits = speed.filter(|speed| *speed <= i32::MAX.cast_unsigned());
    Some((index, Mode { megabits, duplex }))
}

fn families(links: &[Link], modes: &HashMap<u32, Mode>, has_counts: bool) -> Vec<MetricFamily> {
    let mut numbers =
        NUMBERS.map(|(name, kind)| MetricFamily::new(name, "Setting of a network device.", kind));
    // Gauges, though their names end in `_total`: so it is with the original.
    let mut counts = DETAILED_NAMES.map(|name| gauge(name, "Network device statistic."));
    let mut up = gauge("node_network_up", "Whether the operational state is up.");
    let mut info = gauge("node_network_info", "Names and states of a network device.");
    let mut other_names = gauge("node_network_altnames_info", "Other names of a network device.");
    let mut speed = gauge("node_network_speed_bytes", "Speed of a network device, bytes a second.");
    for link in links {
        let labels = MetricLabels::shared(&[("device", &link.name)]);
        for (family, number) in numbers.iter_mut().zip(link.numbers) {
            if let Some(number) = number {
                family.push_with(labels.clone(), f64::from(number));
            }
        }
        for (family, count) in counts.iter_mut().zip(link.counts.iter().flatten()) {
            family.push_with(labels.clone(), *count);
        }
        let mode = modes.get(&link.index).copied().unwrap_or_default();
        if let Some(megabits) = mode.megabits {
            speed.push_with(labels.clone(), f64::from(megabits) * 1e6 / 8.0);
        }
        up.push_with(labels, f64::from(u8::from(link.operational == "up")));
        for name in &link.other_names {
            other_names.push(&[("altname", name), ("device", &link.name)], 1.0);
        }
        let labels = [
            ("address", link.address.as_str()),
            ("broadcast", &link.broadcast),
            ("device", &link.name),
            ("duplex", mode.duplex),
            ("ifalias", &link.alias),
            ("operstate", link.operational),
        ];
        info.push(&labels, 1.0);
    }
    let counts = counts.into_iter().take(if has_counts { N_COUNTS } else { 0 });
    numbers.into_iter().chain(counts).chain([up, info, other_names, speed]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::push_attribute;

    /// A message as `linux/if_link.h` documents it: a device on top of another.
    fn recorded() -> (Vec<u8>, Vec<u8>) {
        let mut header = vec![0, 0];
        header.extend_from_slice(&1_u16.to_ne_bytes());
        header.extend_from_slice(&7_u32.to_ne_bytes());
        header.extend_from_slice(&0x1_1043_u32.to_ne_bytes());
        header.extend_from_slice(&0_u32.to_ne_bytes());
        let mut rest = Vec::new();
        let word = |rest: &mut Vec<u8>, kind, value: u32| push_attribute(rest, kind, &value.to_ne_bytes());
        push_attribute(&mut rest, IFLA_IFNAME, b"eth0.5\0");
        push_attribute(&mut rest, IFLA_ADDRESS, &[2, 0, 0xab, 0, 0, 1]);
        push_attribute(&mut rest, IFLA_BROADCAST, &[0xff; 6]);
        push_attribute(&mut rest, IFLA_OPERSTATE, &[6]);
        push_attribute(&mut rest, IFLA_LINKMODE, &[1]);
        push_attribute(&mut rest, IFLA_CARRIER, &[1]);
        push_attribute(&mut rest, IFLA_IFALIAS, b"to the lab\0");
        for (kind, value) in [
            (IFLA_MTU, 1500),
            (IFLA_LINK, 2),
            (IFLA_TXQLEN, 1000),
            (IFLA_GROUP, 3),
            (IFLA_CARRIER_CHANGES, 4),
        ] {
            word(&mut rest, kind, value);
        }
        word(&mut rest, IFLA_CARRIER_UP_COUNT, 2);
        word(&mut rest, IFLA_CARRIER_DOWN_COUNT, 1);
        let mut names = Vec::new();
        push_attribute(&mut names, IFLA_ALT_IFNAME, b"enp3s0.5\0");
        push_attribute(&mut names, IFLA_ALT_IFNAME, b"lab\0");
        push_attribute(&mut rest, IFLA_PROP_LIST | 0x8000, &names);
        let counts: Vec<u8> = (1..=23_u64).flat_map(|count| (count << 32).to_ne_bytes()).collect();
        push_attribute(&mut rest, 23, &counts);
        (header, rest)
    }

    fn recorded_mode(speed: u32, duplex: u8) -> Vec<u8> {
        let (mut header, mut answer) = (Vec::new(), Vec::new());
        push_attribute(&mut header, ETHTOOL_A_HEADER_DEV_INDEX, &7_u32.to_ne_bytes());
        push_attribute(&mut header, 2, b"eth0.5\0");
        push_attribute(&mut answer, ETHTOOL_A_LINKMODES_HEADER | 0x8000, &header);
        push_attribute(&mut answer, 2, &[1]);
        push_attribute(&mut answer, ETHTOOL_A_LINKMODES_SPEED, &speed.to_ne_bytes());
        push_attribute(&mut answer, ETHTOOL_A_LINKMODES_DUPLEX, &[duplex]);
        answer
    }

    fn page(families: &[MetricFamily]) -> Vec<String> {
        let mut page = String::new();
        wf_exposition::text::write_page(&mut page, families);
        page.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    }

    #[test]
    fn a_recorded_device_is_shown_whole() {
        let (header, rest) = recorded();
        let link = Link::parse(&header, &rest, false).unwrap();
        let modes = HashMap::from([parse_mode(&recorded_mode(2500, 1)).unwrap()]);
        let lines = page(&families(&[link], &modes, false));
        let want = r#"node_network_altnames_info{altname="enp3s0.5",device="eth0.5"} 1
node_network_altnames_info{altname="lab",device="eth0.5"} 1
node_network_carrier_changes_total{device="eth0.5"} 4
node_network_carrier_down_changes_total{device="eth0.5"} 1
node_network_carrier_up_changes_total{device="eth0.5"} 2
node_network_carrier{device="eth0.5"} 1
node_network_dormant{device="eth0.5"} 1
node_network_flags{device="eth0.5"} 69699
node_network_iface_id{device="eth0.5"} 7
node_network_iface_link_mode{device="eth0.5"} 1
node_network_iface_link{device="eth0.5"} 2
node_network_info{address="02:00:ab:00:00:01",broadcast="ff:ff:ff:ff:ff:ff",device="eth0.5",duplex="Full",ifalias="to the lab",operstate="up"} 1
node_network_mtu_bytes{device="eth0.5"} 1500
node_network_net_dev_group{device="eth0.5"} 3
node_network_protocol_type{device="eth0.5"} 1
node_network_speed_bytes{device="eth0.5"} 3.125e+08
node_network_transmit_queue_length{device="eth0.5"} 1000
node_network_up{device="eth0.5"} 1"#;
        let mut lines: Vec<_> = lines.iter().map(String::as_str).collect();
        lines.sort_unstable();
        assert_eq!(lines, want.lines().collect::<Vec<_>>());
    }

    #[test]
    fn counts_are_added_when_asked_for() {
        let (header, rest) = recorded();
        let link = Link::parse(&header, &rest, true).unwrap();
        let lines = page(&families(&[link], &HashMap::new(), true));
        assert!(
            lines.contains(
                &r#"node_network_receive_packets_total{device="eth0.5"} 4.294967296e+09"#.to_owned()
            )
        );
        assert!(lines.contains(&r#"node_network_receive_nohandler_total{device="eth0.5"} 0"#.to_owned()));
        assert_eq!(lines.len(), 17 + N_COUNTS);
    }

    #[test]
    fn what_is_not_known_is_not_invented() {
        assert_eq!(
            parse_mode(&recorded_mode(u32::MAX, 0xff)).unwrap(),
            (7, Mode { megabits: None, duplex: "Unknown" })
        );
        assert_eq!(parse_mode(&recorded_mode(10, 0)).unwrap().1.duplex, "Half");
        assert_eq!(parse_mode(&[]), None);
        let (header, rest) = recorded();
        assert_eq!(Link::parse(&header, &[], true), None, "a device has a name");
        assert_eq!(Link::parse(&header[..6], &rest, true), None);
        let lone = Link::parse(&header, &rest[..12], true).unwrap();
        assert_eq!((lone.name.as_str(), lone.numbers[7], lone.numbers[0]), ("eth0.5", Some(7), None));
    }

    #[test]
    fn this_machines_loopback_is_shown() {
        let mut out = Vec::new();
        collect(&Regex::new("^veth").unwrap(), true, &mut out).unwrap();
        let lines = page(&out);
        assert!(lines.contains(&r#"node_network_protocol_type{device="lo"} 772"#.to_owned()), "{lines:?}");
        assert!(lines.iter().any(|line| line.starts_with("node_network_receive_bytes_total{device=\"lo\"}")));
    }
}
