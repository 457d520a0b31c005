//! Recorded answers: `interfaces.json`, and for each interface `bss.json` and `stationinfo.json`.

use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use super::{Interface, Network, Station, address};
use crate::collector::CollectError;

pub(super) fn read(dir: &Path) -> Result<Vec<Interface>, CollectError> {
    let list = json(&dir.join("interfaces.json"))?;
    let mut interfaces = Vec::new();
    for entry in list.as_array().into_iter().flatten() {
        let name = text(entry, "name");
        let mut interface = Interface {
            kind: entry
                .get("type")
                .and_then(Value::as_u64)
                .and_then(|kind| kind.try_into().ok())
                .unwrap_or(0),
            frequency_mhz: number(entry, "frequency"),
            ..Interface::default()
        };
        let own = dir.join(&name);
        if !name.is_empty() && own.is_dir() {
            interface.network = json(&own.join("bss.json"))
                .ok()
                .map(|bss| Network { ssid: text(&bss, "ssid"), bssid: hardware_address(&bss, "bssid") });
            let stations = json(&own.join("stationinfo.json"))?;
            interface.stations = stations.as_array().into_iter().flatten().map(station).collect();
        }
        interface.name = name;
        interfaces.push(interface);
    }
    Ok(interfaces)
}

fn json(path: &Path) -> Result<Value, CollectError> {
    let bytes = std::fs::read(path).map_err(|source| CollectError::from_io(path, source))?;
    serde_json::from_slice(&bytes).map_err(|_| CollectError::parse("wifi fixtures", &bytes))
}

fn text(entry: &Value, key: &str) -> String {
    entry.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn number(entry: &Value, key: &str) -> f64 {
    entry.get(key).and_then(Value::as_f64).unwrap_or(0.0)
}

fn hardware_address(entry: &Value, key: &str) -> String {
    address(&BASE64_STANDARD.decode(text(entry, key)).unwrap_or_default())
}

fn station(entry: &Value) -> Station {
    Station {
        address: hardware_address(entry, "hardwareaddr"),
        // Durations are recorded in nanoseconds.
        connected_seconds: number(entry, "connected") / 1e9,
        inactive_seconds: number(entry, "inactive") / 1e9,
        receive_rate: number(entry, "receivebitrate"),
        transmit_rate: number(entry, "transmitbitrate"),
        received_bytes: number(entry, "receivedbytes"),
        transmitted_bytes: number(entry, "transmittedbytes"),
        received_packets: number(entry, "receivedpackets"),
        transmitted_packets: number(entry, "transmittedpackets"),
        signal_dbm: number(entry, "signal"),
        retries: number(entry, "transmitretries"),
        failed: number(entry, "transmitfailed"),
        beacon_loss: number(entry, "beaconloss"),
    }
}
