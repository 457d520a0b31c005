//! Addresses of network devices over rtnetlink.
//!
//! # Source
//! Linux `rtnetlink(7)`: `RTM_GETADDR`, `struct ifaddrmsg`.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use wf_exposition::MetricFamily;

use crate::collector::{CollectError, gauge};
use crate::filter::Filter;
use crate::netlink;

const RTM_NEWADDR: u16 = 20;
const RTM_GETADDR: u16 = 22;
const IFA_ADDRESS: u16 = 1;
/// Our own end of a link between two; without it the address is ours.
const IFA_LOCAL: u16 = 2;

/// `struct ifaddrmsg`: family, prefix length, flags, scope u8, device u32.
const HEADER: usize = 8;

/// An address of a device.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Address {
    device: u32,
    prefix_bits: u8,
    address: IpAddr,
}

/// Asks the kernel for the addresses of the devices that `devices` lets through.
pub(super) fn read(devices: &Filter) -> Result<MetricFamily, CollectError> {
    let socket = netlink::Socket::open(None)?;
    let mut addresses = Vec::new();
    let request = netlink::Request { kind: RTM_GETADDR, is_dump: true, body: &[0; HEADER] };
    socket.ask(request, |kind, body| {
        addresses.extend(Some(body).filter(|_| kind == RTM_NEWADDR).and_then(parse));
        Ok(())
    })?;
    let mut names: BTreeMap<u32, Option<String>> = BTreeMap::new();
    let mut family = gauge("node_network_address_info", "Addresses of network devices.");
    for Address { device, prefix_bits, address } in addresses {
        let name = names.entry(device).or_insert_with(|| socket.name_of_link(device));
        let Some(name) = name.as_deref().filter(|name| devices.is_wanted(name.as_bytes())) else { continue };
        let (address_text, netmask) = (address.to_string(), prefix_bits.to_string());
        let labels = [
            ("address", address_text.as_str()),
            ("device", name),
            ("netmask", &netmask),
            ("scope", scope(address)),
        ];
        family.push(&labels, 1.0);
    }
    Ok(family)
}

fn parse(message: &[u8]) -> Option<Address> {
    let (header, rest) = message.split_at_checked(HEADER)?;
    let find = |wanted| netlink::attributes(rest).find(|(kind, _)| *kind == wanted).map(|(_, value)| value);
    let bytes = find(IFA_LOCAL).or_else(|| find(IFA_ADDRESS))?;
    let address = match bytes.len() {
        4 => IpAddr::V4(Ipv4Addr::from(*bytes.first_chunk::<4>()?)),
        16 => IpAddr::V6(Ipv6Addr::from(*bytes.first_chunk::<16>()?)),
        _ => return None,
    };
    Some(Address { device: netlink::u32_at(header, 4)?, prefix_bits: *header.get(1)?, address })
}

/// How far an address is known, in the original's words: private ranges are global there.
fn scope(address: IpAddr) -> &'static str {
    let is_link_local = match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    let is_interface_local = matches!(address, IpAddr::V6(v6) if v6.segments()[0] & 0xff0f == 0xff01);
    let is_broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    match () {
        () if address.is_loopback() || is_link_local => "link-local",
        () if is_interface_local => "interface-local",
        () if !address.is_multicast() && !address.is_unspecified() && !is_broadcast => "global",
        () => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_end_of_a_link_is_the_address() {
        let mut message = vec![2, 30, 0, 0, 3, 0, 0, 0];
        netlink::push_attribute(&mut message, IFA_ADDRESS, &[10, 0, 0, 1]);
        let address = |last| IpAddr::from([10, 0, 0, last]);
        assert_eq!(parse(&message).map(|found| found.address), Some(address(1)));
        netlink::push_attribute(&mut message, IFA_LOCAL, &[10, 0, 0, 2]);
        let want = Address { device: u32::from_ne_bytes([3, 0, 0, 0]), prefix_bits: 30, address: address(2) };
        assert_eq!(parse(&message), Some(want));
        assert_eq!(parse(&message[..6]), None);
    }

    #[test]
    fn scopes_are_the_originals() {
        let check = |address: &str, want| assert_eq!(scope(address.parse().unwrap()), want, "{address}");
        check("127.0.0.1", "link-local");
        check("fe80::1", "link-local");
        check("169.254.3.4", "link-local");
        check("ff01::1", "interface-local");
        check("10.0.0.1", "global");
        check("fd00::1", "global");
        check("224.0.0.1", "");
        check("0.0.0.0", "");
    }

    #[test]
    fn this_machine_has_an_address_of_its_own() {
        let family = read(&Filter::default()).unwrap();
        let is_loopback = |labels: &[(_, String)]| labels.iter().any(|(_, value)| value == "127.0.0.1");
        assert!(family.metrics.iter().any(|metric| is_loopback(&metric.labels)), "{family:?}");
    }
}
