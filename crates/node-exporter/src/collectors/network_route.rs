//! `network_route`: where packets go.

use std::collections::BTreeMap;
use std::net::IpAddr;

use wf_exposition::MetricFamily;

use crate::collector::{CollectError, Collector, gauge};
use crate::context::Context;
use crate::netlink::{self, attributes, u32_at};

const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;
const RTN_UNICAST: u8 = 1;
/// Length of `struct rtmsg`: family, destination length, source length, tos, table, protocol, scope, type, flags u32.
const HEADER: usize = 12;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_PREFSRC: u16 = 7;
const RTA_MULTIPATH: u16 = 9;
/// Length of `struct rtnexthop`: length u16, flags u8, hops u8, device i32.
const HOP_HEADER: usize = 8;

/// The collector.
#[derive(Debug)]
pub struct NetworkRoute;

/// A way out, with what it inherits from its route.
struct Hop {
    device: u32,
    gateway: String,
    weight: String,
}

impl Collector for NetworkRoute {
    fn collect(&self, _ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let names = netlink::link_names()?;
        let mut info = gauge("node_network_route_info", "A route of the host.");
        let mut n_routes = BTreeMap::<String, u32>::new();
        let request = netlink::Request { kind: RTM_GETROUTE, is_dump: true, body: &[0; HEADER] };
        netlink::ask(None, request, |kind, body| {
            let Some((header, rest)) = body.split_at_checked(HEADER) else { return Ok(()) };
            if kind != RTM_NEWROUTE || header.get(7) != Some(&RTN_UNICAST) {
                return Ok(());
            }
            let attribute =
                |wanted: u16| attributes(rest).find(|(kind, _)| *kind == wanted).map(|(_, value)| value);
            let address = |wanted: u16| attribute(wanted).and_then(address).unwrap_or_default();
            let length = header.get(1).copied().unwrap_or(0);
            let destination = match address(RTA_DST) {
                text if text.is_empty() || length == 0 => "default".to_owned(),
                text => format!("{text}/{length}"),
            };
            let priority = attribute(RTA_PRIORITY).and_then(|value| u32_at(value, 0));
            // The kernel leaves out the default of IPv4's routes.
            let priority = priority.unwrap_or(0).to_string();
            let source = address(RTA_PREFSRC);
            let proto = protocol(header.get(5).copied().unwrap_or(0));
            let hops = match attribute(RTA_MULTIPATH) {
                Some(hops) => read_hops(hops),
                None => {
                    let device = attribute(RTA_OIF).and_then(|value| u32_at(value, 0)).unwrap_or(0);
                    vec![Hop { device, gateway: address(RTA_GATEWAY), weight: String::new() }]
                }
            };
            for hop in hops {
                let device = names.get(&hop.device).map_or("", String::as_str);
                let labels = [
                    ("dest", destination.as_str()),
                    ("device", device),
                    ("gw", &hop.gateway),
                    ("priority", &priority),
                    ("proto", proto),
                    ("src", &source),
                    ("weight", &hop.weight),
                ];
                info.push(&labels, 1.0);
                *n_routes.entry(device.to_owned()).or_default() += 1;
            }
            Ok(())
        })?;
        let mut routes = gauge("node_network_routes", "Routes over the device.");
        for (device, count) in &n_routes {
            routes.push(&[("device", device)], f64::from(*count));
        }
        out.extend([info, routes]);
        Ok(())
    }
}

fn read_hops(mut rest: &[u8]) -> Vec<Hop> {
    let mut hops = Vec::new();
    while let Some((header, _)) = rest.split_at_checked(HOP_HEADER) {
        let length = header.first_chunk().map_or(0, |bytes| usize::from(u16::from_ne_bytes(*bytes)));
        let Some(body) = rest.get(HOP_HEADER..length) else { break };
        let gateway = attributes(body).find(|(kind, _)| *kind == RTA_GATEWAY);
        hops.push(Hop {
            device: u32_at(header, 4).unwrap_or(0),
            gateway: gateway.and_then(|(_, value)| address(value)).unwrap_or_default(),
            weight: (u32::from(header.get(3).copied().unwrap_or(0)) + 1).to_string(),
        });
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    hops
}

fn address(value: &[u8]) -> Option<String> {
    if let Ok(bytes) = <[u8; 4]>::try_from(value) {
        return Some(IpAddr::from(bytes).to_string());
    }
    <[u8; 16]>::try_from(value).ok().map(|bytes| IpAddr::from(bytes).to_string())
}

/// Names of `linux/rtnetlink.h`.
fn protocol(number: u8) -> &'static str {
    match number {
        0 => "unspec",
        1 => "redirect",
        2 => "kernel",
        3 => "boot",
        4 => "static",
        8 => "gated",
        9 => "ra",
        10 => "mrt",
        11 => "zebra",
        12 => "bird",
        13 => "dnrouted",
        14 => "xorp",
        15 => "ntk",
        16 => "dhcp",
        17 => "mrouted",
        42 => "babel",
        186 => "bgp",
        187 => "isis",
        188 => "ospf",
        189 => "rip",
        192 => "eigrp",
        _ => "unknown",
    }
}
