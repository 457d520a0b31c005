//! Network counts over rtnetlink: one question, all devices, 64 bits.
//!
//! # Source
//! Linux `rtnetlink(7)`: `RTM_GETLINK` with `NLM_F_DUMP`; `struct rtnl_link_stats64` of `linux/if_link.h`.

use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with};

use super::Device;
use crate::collector::CollectError;
use crate::parse;

const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_DUMP: u16 = 0x300;
const IFLA_IFNAME: u16 = 3;
const IFLA_STATS: u16 = 7;
const IFLA_IFALIAS: u16 = 20;
const IFLA_STATS64: u16 = 23;

const MESSAGE_HEADER: usize = 16;
const LINK_HEADER: usize = 16;
const ATTRIBUTE_HEADER: usize = 4;

/// The kernel fills at most 32 KiB a datagram of a dump.
const DATAGRAM_BYTES: usize = 32 << 10;

/// Counts in the order of the kernel's struct. Older kernels end it sooner: the rest is 0.
const N_COUNTS: usize = 24;
type Counts = [f64; N_COUNTS];

/// Metrics of [`detailed`].
pub(super) const DETAILED_NAMES: [&str; N_COUNTS] = [
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
    let failed = |errno: Errno| CollectError::Read { path: "rtnetlink".to_owned(), source: errno.into() };
    // NETLINK_ROUTE is protocol 0, the default of the family.
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None);
    let socket = socket.map_err(failed)?;
    // Without an address the message goes to the kernel.
    send(&socket, &request(), SendFlags::empty()).map_err(failed)?;
    let mut datagram = vec![0_u8; DATAGRAM_BYTES];
    let mut devices = Vec::new();
    loop {
        let (n_bytes, _) = match recv(&socket, datagram.as_mut_slice(), RecvFlags::empty()) {
            Err(Errno::INTR) => continue,
            received => received.map_err(failed)?,
        };
        let received = datagram.get(..n_bytes).unwrap_or_default();
        if n_bytes == 0 || parse_datagram(received, values, &mut devices)? == Dump::Complete {
            return Ok(devices);
        }
    }
}

/// `struct nlmsghdr` and an empty `struct ifinfomsg`.
fn request() -> Vec<u8> {
    let mut message = Vec::with_capacity(MESSAGE_HEADER + LINK_HEADER);
    message.extend_from_slice(&32_u32.to_ne_bytes());
    message.extend_from_slice(&RTM_GETLINK.to_ne_bytes());
    message.extend_from_slice(&(NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    message.resize(MESSAGE_HEADER + LINK_HEADER, 0);
    message
}

#[derive(Debug, PartialEq)]
enum Dump {
    Complete,
    MoreComes,
}

fn parse_datagram(
    mut rest: &[u8],
    values: fn(&Counts) -> Vec<f64>,
    devices: &mut Vec<Device>,
) -> Result<Dump, CollectError> {
    while let Some((kind, body, tail)) = split_message(rest) {
        match kind {
            NLMSG_DONE => return Ok(Dump::Complete),
            NLMSG_ERROR => return Err(CollectError::parse("rtnetlink", body)),
            RTM_NEWLINK => devices.extend(parse_link(body.get(LINK_HEADER..).unwrap_or_default(), values)),
            _ => {}
        }
        rest = tail;
    }
    Ok(Dump::MoreComes)
}

/// Splits `length u32 | type u16 | flags u16 | sequence u32 | port u32 | body` from the rest; padded to 4 bytes.
fn split_message(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = usize::try_from(u32::from_ne_bytes(*bytes.first_chunk()?)).ok()?;
    let kind = u16::from_ne_bytes(*bytes.get(4..)?.first_chunk()?);
    let body = bytes.get(MESSAGE_HEADER..length)?;
    Some((kind, body, bytes.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

/// Splits `length u16 | type u16 | value` from the rest; padded to 4 bytes.
fn split_attribute(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = usize::from(u16::from_ne_bytes(*bytes.first_chunk()?));
    let kind = u16::from_ne_bytes(*bytes.get(2..)?.first_chunk()?);
    let value = bytes.get(ATTRIBUTE_HEADER..length)?;
    Some((kind, value, bytes.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

fn parse_link(mut rest: &[u8], values: fn(&Counts) -> Vec<f64>) -> Option<Device> {
    let (mut name, mut alias, mut short, mut long) = (None, String::new(), None, None);
    while let Some((kind, value, tail)) = split_attribute(rest) {
        match kind {
            IFLA_IFNAME => name = Some(text(value)),
            IFLA_IFALIAS => alias = text(value),
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
        rest = tail;
    }
    Some(Device { name: name?, alias, values: values(&long.or(short)?) })
}

fn counts(numbers: impl Iterator<Item = u64>) -> Counts {
    let mut counts = [0.0; N_COUNTS];
    for (count, number) in counts.iter_mut().zip(numbers) {
        *count = number as f64;
    }
    counts
}

/// A text attribute ends in a zero byte.
fn text(value: &[u8]) -> String {
    parse::text(value.split(|byte| *byte == 0).next().unwrap_or_default())
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
    fn damaged_messages_end_the_walk_without_panic() {
        for cut in 0..32 {
            let bytes = request();
            let result = parse_datagram(&bytes[..cut], detailed, &mut Vec::new());
            assert_eq!(result.unwrap(), Dump::MoreComes);
        }
        let lying = [200_u32.to_ne_bytes(), [0; 4], [0; 4], [0; 4]].concat();
        assert_eq!(split_message(&lying), None);
        assert_eq!(split_attribute(&[3, 0, 1, 0]), None);
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
