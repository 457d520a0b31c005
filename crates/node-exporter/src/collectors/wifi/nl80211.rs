//! The kernel's own answers, over generic netlink.
//!
//! # Source
//! Linux `linux/nl80211.h`: numbers of commands and attributes.

use super::{Interface, Network, Station, address};
use crate::collector::CollectError;
use crate::netlink::generic::{Family, find};
use crate::netlink::{self, push_attribute, u32_at, u64_at};

const CMD_GET_INTERFACE: u8 = 5;
const CMD_GET_STATION: u8 = 17;
const CMD_GET_SCAN: u8 = 32;
const ATTR_IFINDEX: u16 = 3;
const ATTR_IFNAME: u16 = 4;
const ATTR_IFTYPE: u16 = 5;
const ATTR_MAC: u16 = 6;
const ATTR_STA_INFO: u16 = 21;
const ATTR_WIPHY_FREQ: u16 = 38;
const ATTR_BSS: u16 = 47;

/// Asks for all interfaces with their networks and stations.
pub(super) fn read() -> Result<Vec<Interface>, CollectError> {
    let family = Family::find("nl80211")?;
    let interface = |answer: &Vec<u8>| {
        let number = |kind: u16| find(answer, kind).and_then(|value| u32_at(value, 0)).unwrap_or(0);
        Interface {
            name: find(answer, ATTR_IFNAME).map(netlink::text).unwrap_or_default(),
            number: number(ATTR_IFINDEX),
            kind: number(ATTR_IFTYPE),
            frequency_mhz: f64::from(number(ATTR_WIPHY_FREQ)),
            ..Interface::default()
        }
    };
    let mut interfaces: Vec<_> = ask(&family, CMD_GET_INTERFACE, &[])?.iter().map(interface).collect();
    for interface in &mut interfaces {
        // An interface that is in no network has nothing to tell: not a failure.
        if let Err(error) = complete(&family, interface) {
            tracing::debug!(device = interface.name, %error, "wireless interface does not tell");
        }
    }
    Ok(interfaces)
}

fn complete(family: &Family, interface: &mut Interface) -> Result<(), CollectError> {
    let mut own = Vec::new();
    push_attribute(&mut own, ATTR_IFINDEX, &interface.number.to_ne_bytes());
    let stations = ask(family, CMD_GET_STATION, &own)?;
    let station = |answer: &Vec<u8>| {
        Some(station(find(answer, ATTR_MAC).unwrap_or_default(), find(answer, ATTR_STA_INFO)?))
    };
    interface.stations = stations.iter().filter_map(station).collect();
    let scanned = ask(family, CMD_GET_SCAN, &own)?;
    interface.network = scanned.iter().find_map(|answer| network(find(answer, ATTR_BSS)?));
    Ok(())
}

/// Asks for a list; answers are their attributes.
fn ask(family: &Family, command: u8, own: &[u8]) -> Result<Vec<Vec<u8>>, CollectError> {
    let mut answers = Vec::new();
    family.list(command, own, |answer| answers.push(answer.to_vec()))?;
    Ok(answers)
}

/// The network that is joined, of those that are heard.
fn network(bss: &[u8]) -> Option<Network> {
    const BSSID: u16 = 1;
    const INFORMATION_ELEMENTS: u16 = 6;
    const STATUS: u16 = 9;
    // Present only for the network that the interface authenticated, associated or joined.
    find(bss, STATUS)?;
    Some(Network {
        ssid: find(bss, INFORMATION_ELEMENTS).and_then(ssid).unwrap_or_default(),
        bssid: address(find(bss, BSSID)?),
    })
}

/// Elements are `id u8 | length u8 | value`; the name of the network has id 0.
fn ssid(mut elements: &[u8]) -> Option<String> {
    loop {
        let [id, length, rest @ ..] = elements else { return None };
        let (value, tail) = rest.split_at_checked(usize::from(*length))?;
        if *id == 0 {
            return Some(crate::parse::text(value));
        }
        elements = tail;
    }
}

fn station(hardware: &[u8], info: &[u8]) -> Station {
    let number = |kind: u16| find(info, kind).and_then(|value| u32_at(value, 0)).map_or(0.0, f64::from);
    // Wide counters came with Linux 3.19.
    let bytes = |wide: u16, narrow: u16| match find(info, wide).and_then(|value| u64_at(value, 0)) {
        Some(bytes) => bytes as f64,
        None => number(narrow),
    };
    // In units of 100 kbit/s.
    let rate =
        |kind: u16| find(info, kind).and_then(|rate| u32_at(find(rate, 5)?, 0)).map_or(0.0, f64::from) * 1e5;
    let signal = find(info, 7).and_then(|value| value.first()).map_or(0, |byte| byte.cast_signed());
    Station {
        address: address(hardware),
        connected_seconds: number(16),
        inactive_seconds: number(1) / 1000.0,
        receive_rate: rate(14),
        transmit_rate: rate(8),
        received_bytes: bytes(23, 2),
        transmitted_bytes: bytes(24, 3),
        received_packets: number(9),
        transmitted_packets: number(10),
        signal_dbm: f64::from(signal),
        retries: number(11),
        failed: number(12),
        beacon_loss: number(18),
    }
}
