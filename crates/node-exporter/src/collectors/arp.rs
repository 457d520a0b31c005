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

fn ask_kernel() -> Result<BTreeMap<String, u32>, CollectError> {
    let names = netlink::link_names()?;
    let mut counts = BTreeMap::new();
    // `struct ndmsg`: family u8, padding of 3, device i32, state u16, flags u8, type u8.
    let body = [AF_INET, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let request = netlink::Request { kind: RTM_GETNEIGH, is_dump: true, body: &body };
    netlink::ask(None, request, |kind, body| {
        let state = body.get(8..).and_then(|rest| rest.first_chunk()).map(|state| u16::from_ne_bytes(*state));
        let device = netlink::u32_at(body, 4).and_then(|number| names.get(&number));
        if let (RTM_NEWNEIGH, Some(&AF_INET), Some(state), Some(device)) = (kind, body.first(), state, device)
            && state & NUD_NOARP == 0
        {
            *counts.entry(device.clone()).or_default() += 1;
        }
        Ok(())
    })?;
    Ok(counts)
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
