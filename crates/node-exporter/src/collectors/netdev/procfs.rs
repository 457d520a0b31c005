//! Network counts from `/proc/net/dev`.

use super::Device;
use crate::collector::CollectError;
use crate::parse;

/// Metrics in the order of the columns.
pub(super) const NAMES: [&str; 16] = [
    "node_network_receive_bytes_total",
    "node_network_receive_packets_total",
    "node_network_receive_errs_total",
    "node_network_receive_drop_total",
    "node_network_receive_fifo_total",
    "node_network_receive_frame_total",
    "node_network_receive_compressed_total",
    "node_network_receive_multicast_total",
    "node_network_transmit_bytes_total",
    "node_network_transmit_packets_total",
    "node_network_transmit_errs_total",
    "node_network_transmit_drop_total",
    "node_network_transmit_fifo_total",
    "node_network_transmit_colls_total",
    "node_network_transmit_carrier_total",
    "node_network_transmit_compressed_total",
];

/// Reads the table; two lines of headings come first.
pub(super) fn read(text: &[u8]) -> Result<Vec<Device>, CollectError> {
    let mut devices = Vec::new();
    for line in parse::lines(text).skip(2).filter(|line| !line.trim_ascii().is_empty()) {
        let bad = || CollectError::parse("net/dev", line);
        // Names of aliases hold a colon themselves: the last one ends the name.
        let colon = memchr::memrchr(b':', line).ok_or_else(bad)?;
        let (name, columns) = line.split_at(colon);
        let values: Option<Vec<_>> =
            parse::words(columns.get(1..).unwrap_or_default()).map(parse::number).collect();
        let values = values.filter(|values| values.len() == NAMES.len()).ok_or_else(bad)?;
        devices.push(Device { name: parse::text(name.trim_ascii()), alias: String::new(), values });
    }
    Ok(devices)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read_whatever_their_name() {
        let text = "Inter-|   Receive |  Transmit\n face |bytes |bytes\n\
            eth0:0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n  lo:1 0 0 0 0 0 0 0 1 0 0 0 0 0 0 0\n";
        let devices = read(text.as_bytes()).unwrap();
        assert_eq!(devices.iter().map(|device| device.name.as_str()).collect::<Vec<_>>(), ["eth0:0", "lo"]);
        assert_eq!(devices[0].values.last(), Some(&16.0));
        assert!(read(b"h\nh\n eth0: 1 2 3\n").is_err());
    }
}
