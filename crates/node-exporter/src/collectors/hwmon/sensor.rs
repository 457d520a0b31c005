//! From the files of one sensor to metrics.
//!
//! # Source
//! `spec/exporters-linux.md` A7.

use super::{Properties, clean};
use crate::collector::Sink;
use crate::parse;

/// What sensors measure.
pub(super) const KINDS: [&str; 14] = [
    "vrm",
    "beep_enable",
    "update_interval",
    "in",
    "cpu",
    "fan",
    "pwm",
    "temp",
    "curr",
    "power",
    "energy",
    "humidity",
    "intrusion",
    "freq",
];

const HELP: &str = "Hardware monitor value.";

/// How a value becomes a metric: suffix of the name, and what the number means.
enum Shape {
    Gauge(&'static str, f64),
    GaugeMillionth(&'static str),
    CounterMillionth(&'static str),
}

/// Adds all that is known about one sensor.
pub(super) fn push(sink: &mut Sink<'_>, kind: &str, properties: &Properties, chip: &str, sensor: &str) {
    let labels = [("chip", chip), ("sensor", sensor)];
    let label = properties.get("label");
    if let Some(label) = label {
        let labels = [("chip", chip), ("label", label), ("sensor", sensor)];
        sink.gauge("node_hwmon_sensor_label", "Label of a sensor.", &labels, 1.0);
    }
    let has_bare = properties.contains_key("");
    for (property, text) in properties.iter().filter(|(property, _)| *property != "label") {
        let Some(value) = number(text) else { continue };
        let alone = match kind {
            "beep_enable" => Some(("node_hwmon_beep_enabled", value)),
            "vrm" => Some(("node_hwmon_voltage_regulator_version", value)),
            "update_interval" => Some(("node_hwmon_update_interval_seconds", value * 0.001)),
            _ => None,
        };
        if let Some((name, value)) = alone {
            sink.gauge(name, HELP, &labels, value);
            continue;
        }
        let name = match property.as_str() {
            "" => format!("node_hwmon_{kind}"),
            // The usual file of the value itself; where there is a bare one too the names must differ.
            "input" if !has_bare => format!("node_hwmon_{kind}"),
            property => format!("node_hwmon_{kind}_{}", parse::metric_name(property)),
        };
        if kind == "freq" && property == "input" {
            if let Some(label) = label.map(|label| clean(label)).filter(|label| !label.is_empty()) {
                let labels = [("chip", chip), ("sensor", &label)];
                sink.gauge("node_hwmon_freq_freq_mhz", HELP, &labels, value / 1_000_000.0);
            }
            continue;
        }
        match shape(kind, property) {
            Shape::Gauge(suffix, factor) => sink.gauge(name + suffix, HELP, &labels, value * factor),
            Shape::GaugeMillionth(suffix) => sink.gauge(name + suffix, HELP, &labels, value / 1_000_000.0),
            Shape::CounterMillionth(suffix) => {
                sink.counter(name + suffix, HELP, &labels, value / 1_000_000.0);
            }
        }
    }
}

fn shape(kind: &str, property: &str) -> Shape {
    match (kind, property) {
        (_, "fault" | "alarm") => Shape::Gauge("", 1.0),
        (_, "beep") => Shape::Gauge("_enabled", 1.0),
        ("in" | "cpu", _) => Shape::Gauge("_volts", 0.001),
        ("temp", property) if property != "type" => Shape::Gauge("_celsius", 0.001),
        ("curr", _) => Shape::Gauge("_amps", 0.001),
        ("energy", _) => Shape::CounterMillionth("_joule_total"),
        ("power", "accuracy") => Shape::GaugeMillionth(""),
        ("power", "average_interval" | "average_interval_min" | "average_interval_max") => {
            Shape::Gauge("_seconds", 0.001)
        }
        ("power", _) => Shape::GaugeMillionth("_watt"),
        ("humidity", _) => Shape::GaugeMillionth(""),
        ("fan", "input" | "min" | "max" | "target") => Shape::Gauge("_rpm", 1.0),
        _ => Shape::Gauge("", 1.0),
    }
}

/// The kernel's numbers are whole, drivers outside it are not so strict.
fn number(text: &str) -> Option<f64> {
    text.parse().ok()
}
