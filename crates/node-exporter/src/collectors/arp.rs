//! `arp`: how many neighbours each network device knows.

use std::collections::BTreeMap;

use wf_exposition::MetricFamily;

use crate::collector::{CollectError, Collector, gauge};
use crate::config::{Config, FlagError};
use crate::context::Context;
use crate::filter::Filter;
use crate::{netlink, parse};

const RTM_NEWNEIGH: u16 = 28;
const RTM_GETNEIGH: u16 = 30;
const AF_INET: u8 = 2;
/// Entries that need no resolution, such as loopback's.
const NUD_NOARP: u16 = 0x40;

/// The collector.
#[derive(Debug)]
pub struct Arp {
    devices: Filter,
    is_netlink: bool,
}

impl Arp {
    /// Takes its options.
    /// # Errors
    /// When a pattern is not a regular expression.
    pub fn new(config: &Config) -> Result<Self, FlagError> {
        let devices = Filter::of("--collector.arp.device", &config.arp)?;
        Ok(Self { devices, is_netlink: config.arp_netlink })
    }
}

impl Collector for Arp {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let counts = if self.is_netlink { ask_kernel()? } else { read_table(ctx.proc("net/arp")?) };
        let mut family = gauge("node_arp_entries", "Neighbours known on the device.");
        for (device, count) in counts.iter().filter(|(device, _)| self.devices.is_wanted(device.as_bytes())) {
            family.push(&[("device", device)], f64::from(*count));
        }
        out.push(family);
        Ok(())
    }
}

/// Counts neighbours by the number of their device, then asks for the names of those devices alone: a list of all
/// devices with their statistics is the most expensive answer of the kernel's.
fn ask_kernel() -> Result<BTreeMap<String, u32>, CollectError> {
    let mut by_number = BTreeMap::new();
    // `struct ndmsg`: family u8, padding of 3, device i32, state u16, flags u8, type u8.
    let body = [AF_INET, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let request = netlink::Request { kind: RTM_GETNEIGH, is_dump: true, body: &body };
    let socket = netlink::Socket::open(None)?;
    socket.ask(request, |kind, body| {
        let state = body.get(8..).and_then(|rest| rest.first_chunk()).map(|state| u16::from_ne_bytes(*state));
        if let (RTM_NEWNEIGH, Some(&AF_INET), Some(state), Some(number)) =
            (kind, body.first(), state, netlink::u32_at(body, 4))
            && state & NUD_NOARP == 0
        {
            *by_number.entry(number).or_default() += 1;
        }
        Ok(())
    })?;
    // A device that vanished meanwhile has no name any more, nor neighbours.
    let named =
        by_number.into_iter().filter_map(|(number, count)| Some((socket.name_of_link(number)?, count)));
    Ok(named.collect())
}

fn read_table(text: &[u8]) -> BTreeMap<String, u32> {
    let mut counts = BTreeMap::new();
    for line in parse::lines(text).skip(1) {
        if let Some(device) = parse::words(line).nth(5) {
            *counts.entry(parse::text(device)).or_default() += 1;
        }
    }
    counts
}
