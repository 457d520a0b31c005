//! `wifi`: wireless interfaces and who they talk to.

mod nl80211;
mod recorded;

use std::path::Path;

use wf_exposition::MetricFamily;

use crate::collector::{CollectError, Collector, Sink};
use crate::config::Config;
use crate::context::Context;

const HELP: &str = "Wireless station statistic.";

/// The collector.
#[derive(Debug)]
pub struct Wifi {
    /// Recorded answers, for tests of the page.
    fixtures: String,
}

/// A wireless interface.
#[derive(Debug, Default, PartialEq)]
struct Interface {
    name: String,
    number: u32,
    /// `enum nl80211_iftype`.
    kind: u32,
    frequency_mhz: f64,
    network: Option<Network>,
    stations: Vec<Station>,
}

/// The network an interface belongs to.
#[derive(Debug, Default, PartialEq)]
struct Network {
    ssid: String,
    bssid: String,
}

/// A peer.
#[derive(Debug, Default, PartialEq)]
struct Station {
    address: String,
    connected_seconds: f64,
    inactive_seconds: f64,
    receive_rate: f64,
    transmit_rate: f64,
    received_bytes: f64,
    transmitted_bytes: f64,
    received_packets: f64,
    transmitted_packets: f64,
    signal_dbm: f64,
    retries: f64,
    failed: f64,
    beacon_loss: f64,
}

/// Six octets as people write them.
fn address(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect::<Vec<_>>().join(":")
}

impl Wifi {
    /// Takes its options.
    pub fn new(config: &Config) -> Self {
        Self { fixtures: config.wifi_fixtures.clone() }
    }
}

impl Collector for Wifi {
    fn collect(&self, _ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let interfaces = match self.fixtures.as_str() {
            "" => nl80211::read()?,
            dir => recorded::read(Path::new(dir))?,
        };
        let mut sink = Sink::new(out);
        // Interfaces without a name are virtual ones of the kernel's own.
        for interface in interfaces.iter().filter(|interface| !interface.name.is_empty()) {
            push(interface, &mut sink);
        }
        Ok(())
    }
}

fn push(interface: &Interface, sink: &mut Sink<'_>) {
    let device = interface.name.as_str();
    let frequency = interface.frequency_mhz * 1e6;
    sink.gauge("node_wifi_interface_frequency_hertz", "Frequency in use.", &[("device", device)], frequency);
    if let Some(network) = &interface.network {
        let mode = match interface.kind {
            1 => "ad-hoc",
            2 => "client",
            _ => "unknown",
        };
        let labels =
            [("bssid", network.bssid.as_str()), ("device", device), ("mode", mode), ("ssid", &network.ssid)];
        sink.gauge("node_wifi_station_info", "The network of an interface.", &labels, 1.0);
    }
    for station in &interface.stations {
        let labels = [("device", device), ("mac_address", station.address.as_str())];
        let mut gauge = |name: &'static str, value| sink.gauge(name, HELP, &labels, value);
        gauge("node_wifi_station_inactive_seconds", station.inactive_seconds);
        gauge("node_wifi_station_receive_bits_per_second", station.receive_rate);
        gauge("node_wifi_station_transmit_bits_per_second", station.transmit_rate);
        gauge("node_wifi_station_signal_dbm", station.signal_dbm);
        let mut counter = |name: &'static str, value| sink.counter(name, HELP, &labels, value);
        counter("node_wifi_station_connected_seconds_total", station.connected_seconds);
        counter("node_wifi_station_receive_bytes_total", station.received_bytes);
        counter("node_wifi_station_transmit_bytes_total", station.transmitted_bytes);
        counter("node_wifi_station_received_packets_total", station.received_packets);
        counter("node_wifi_station_transmitted_packets_total", station.transmitted_packets);
        counter("node_wifi_station_transmit_retries_total", station.retries);
        counter("node_wifi_station_transmit_failed_total", station.failed);
        counter("node_wifi_station_beacon_loss_total", station.beacon_loss);
    }
}
