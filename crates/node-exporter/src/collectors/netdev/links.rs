//! Network counts over rtnetlink: one question, all devices, 64 bits.
//!
//! # Source
//! Linux `rtnetlink(7)`: `RTM_GETLINK` with `NLM_F_DUMP`; `struct rtnl_link_stats64` of `linux/if_link.h`.

use super::Device;
use crate::collector::CollectError;
use crate::netlink;

const IFLA_IFNAME: u16 = 3;
const IFLA_STATS: u16 = 7;
const IFLA_IFALIAS: u16 = 20;
const IFLA_STATS64: u16 = 23;

/// Counts in the order of the kernel's struct. Older kernels end it sooner: the rest is 0.
pub(in crate::collectors) const N_COUNTS: usize = 24;
pub(in crate::collectors) type Counts = [f64; N_COUNTS];

/// Metrics of [`detailed`].
pub(in crate::collectors) const DETAILED_NAMES: [&str; N_COUNTS] = [
    "node_network_receive_packets_total",
    "node_network_transmit_packets_total",
    "node_network_receive_bytes_total",
    "node_network_transmit_bytes_total",
    "node_network_receive_errors_total",
    "node_network_transmit_errors_total",
    "node_network_receive_dropped_total",
    "node_network_transmit_dropped_total",
    "node_network_multicast_total",
    "node_network_collisions_total",
    "node_network_receive_length_errors_total",
    "node_network_receive_over_errors_total",
    "node_network_receive_crc_errors_total",
    "node_network_receive_frame_errors_total",
    "node_network_receive_fifo_errors_total",
    "node_network_receive_missed_errors_total",
    "node_network_transmit_aborted_errors_total",
    "node_network_transmit_carrier_errors_total",
    "node_network_transmit_fifo_errors_total",
    "node_network_transmit_heartbeat_errors_total",
    "node_network_transmit_window_errors_total",
    "node_network_receive_compressed_total",
    "node_network_transmit_compressed_total",
    "node_network_receive_nohandler_total",
];

/// Metrics of [`legacy`].
pub(super) const LEGACY_NAMES: [&str; 17] = [
    "node_network_receive_bytes_total",
    "node_network_receive_packets_total",
    "node_network_receive_errs_total",
    "node_network_receive_drop_total",
    "node_network_receive_fifo_total",
    "node_network_receive_frame_total",
    "node_network_receive_compressed_total",
    "node_network_receive_multicast_total",
    "node_network_receive_nohandler_total",
    "node_network_transmit_bytes_total",
    "node_network_transmit_packets_total",
    "node_network_transmit_errs_total",
    "node_network_transmit_drop_total",
    "node_network_transmit_fifo_total",
    "node_network_transmit_colls_total",
    "node_network_transmit_carrier_total",
    "node_network_transmit_compressed_total",
];

/// The counts by the kernel's names.
pub(super) fn detailed(counts: &Counts) -> Vec<f64> {
    counts.to_vec()
}

/// The counts as `/proc/net/dev` summed them up.
pub(super) fn legacy(counts: &Counts) -> Vec<f64> {
    let [rx_packets, tx_packets, rx_bytes, tx_bytes, rx_errors, tx_errors, rx_dropped, tx_dropped, rest @ ..] =
        *counts;
    let [multicast, collisions, length, over, crc, frame, rx_fifo, missed, rest @ ..] = rest;
    let [aborted, carrier, tx_fifo, heartbeat, window, rx_compressed, tx_compressed, no_handler] = rest;
    let received = [
        rx_bytes,
        rx_packets,
        rx_errors,
        rx_dropped + missed,
        rx_fifo,
        frame + length + over + crc,
        rx_compressed,
        multicast,
        no_handler,
    ];
    let sent = [
        tx_bytes,
        tx_packets,
        tx_errors,
        tx_dropped,
        tx_fifo,
        collisions,
        carrier + aborted + heartbeat + window,
        tx_compressed,
    ];
    received.into_iter().chain(sent).collect()
}

/// Asks the kernel for all devices.
pub(super) fn read(values: fn(&Counts) -> Vec<f64>) -> Result<Vec<Device>, CollectError> {
    let mut devices = Vec::new();
    netlink::links(netlink::Links::Whole, |_, attributes| devices.extend(parse_link(attributes, values)))?;
    Ok(devices)
}

fn parse_link(attributes: &[u8], values: fn(&Counts) -> Vec<f64>) -> Option<Device> {
    let (mut name, mut alias) = (None, String::new());
    for (kind, value) in netlink::attributes(attributes) {
        match kind {
            IFLA_IFNAME => name = Some(netlink::text(value)),
            IFLA_IFALIAS => alias = netlink::text(value),
            _ => {}
        }
    }
    Some(Device { name: name?, alias, values: values(&parse_counts(attributes)?) })
}

/// Finds the counts among a device's attributes: those of 64 bits, else those of 32.
pub(in crate::collectors) fn parse_counts(attributes: &[u8]) -> Option<Counts> {
    let (mut short, mut long) = (None, None);
    for (kind, value) in netlink::attributes(attributes) {
        match kind {
            IFLA_STATS64 => {
                long = Some(counts(
                    value.chunks_exact(8).map(|c| u64::from_ne_bytes(*c.first_chunk().unwrap_or(&[0; 8]))),
                ));
            }
            IFLA_STATS => {
                let words =
                    value.chunks_exact(4).map(|c| u32::from_ne_bytes(*c.first_chunk().unwrap_or(&[0; 4])));
                short = Some(counts(words.map(u64::from)));
            }
            _ => {}
        }
    }
    long.or(short)
}

fn counts(numbers: impl Iterator<Item = u64>) -> Counts {
    let mut counts = [0.0; N_COUNTS];
    for (count, number) in counts.iter_mut().zip(numbers) {
        *count = number as f64;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_a_loopback_device() {
        let devices = read(detailed).unwrap();
        let loopback = devices.iter().find(|device| device.name == "lo").unwrap();
        assert_eq!(loopback.values.len(), DETAILED_NAMES.len());
        assert_eq!(read(legacy).unwrap().len(), devices.len());
    }

    #[test]
    fn legacy_names_sum_what_the_kernel_split() {
        let mut counts = [0.0; N_COUNTS];
        for (idx, count) in counts.iter_mut().enumerate() {
            *count = f64::from(1_u32 << idx);
        }
        let by_name: Vec<_> = LEGACY_NAMES.iter().zip(legacy(&counts)).collect();
        let value = |name: &str| by_name.iter().find(|(have, _)| have.contains(name)).unwrap().1;
        let bits = |idx: &[u32]| idx.iter().map(|bit| f64::from(1_u32 << bit)).sum::<f64>();
        assert_eq!(value("receive_drop"), bits(&[6, 15]));
        assert_eq!(value("receive_frame"), bits(&[10, 11, 12, 13]));
        assert_eq!(value("transmit_carrier"), bits(&[16, 17, 19, 20]));
        assert_eq!(value("transmit_colls"), bits(&[9]));
        assert_eq!(value("nohandler"), bits(&[23]));
    }
}
