//! `powersupplyclass`: batteries and mains.

use std::path::Path;

use regex_automata::meta::Regex;
use wf_exposition::MetricFamily;

use crate::collector::{CollectError, Collector, Sink};
use crate::config::{Config, FlagError};
use crate::context::{Context, names_in};
use crate::filter;

/// The collector.
#[derive(Debug)]
pub struct PowerSupply {
    ignored: Regex,
}

/// Label and file of the information metric; empty ones are left out.
const INFO: [&str; 11] = [
    "capacity_level",
    "charge_type",
    "health",
    "manufacturer",
    "model_name",
    "scope",
    "serial_number",
    "status",
    "technology",
    "type",
    "usb_type",
];

/// File, metric without prefix, divisor.
#[rustfmt::skip]
const NUMBERS: [(&str, &str, f64); 49] = [
    ("authentic", "authentic", 1.0),
    ("calibrate", "calibrate", 1.0),
    ("capacity", "capacity", 1.0),
    ("capacity_alert_max", "capacity_alert_max", 1.0),
    ("capacity_alert_min", "capacity_alert_min", 1.0),
    ("cycle_count", "cyclecount", 1.0),
    ("online", "online", 1.0),
    ("present", "present", 1.0),
    ("time_to_empty_now", "time_to_empty_seconds", 1.0),
    ("time_to_full_now", "time_to_full_seconds", 1.0),
    ("current_boot", "current_boot", 1e6),
    ("current_max", "current_max", 1e6),
    ("current_now", "current_ampere", 1e6),
    ("energy_empty", "energy_empty", 1e6),
    ("energy_empty_design", "energy_empty_design", 1e6),
    ("energy_full", "energy_full", 1e6),
    ("energy_full_design", "energy_full_design", 1e6),
    ("energy_now", "energy_watthour", 1e6),
    ("voltage_boot", "voltage_boot", 1e6),
    ("voltage_max", "voltage_max", 1e6),
    ("voltage_max_design", "voltage_max_design", 1e6),
    ("voltage_min", "voltage_min", 1e6),
    ("voltage_min_design", "voltage_min_design", 1e6),
    ("voltage_now", "voltage_volt", 1e6),
    ("voltage_ocv", "voltage_ocv", 1e6),
    ("charge_control_limit", "charge_control_limit", 1e6),
    ("charge_control_limit_max", "charge_control_limit_max", 1e6),
    ("charge_counter", "charge_counter", 1e6),
    ("charge_empty", "charge_empty", 1e6),
    ("charge_empty_design", "charge_empty_design", 1e6),
    ("charge_full", "charge_full", 1e6),
    ("charge_full_design", "charge_full_design", 1e6),
    ("charge_now", "charge_ampere", 1e6),
    ("charge_term_current", "charge_term_current", 1e6),
    ("constant_charge_current", "constant_charge_current", 1e6),
    ("constant_charge_current_max", "constant_charge_current_max", 1e6),
    ("constant_charge_voltage", "constant_charge_voltage", 1e6),
    ("constant_charge_voltage_max", "constant_charge_voltage_max", 1e6),
    ("precharge_current", "precharge_current", 1e6),
    ("input_current_limit", "input_current_limit", 1e6),
    ("power_now", "power_watt", 1e6),
    ("temp", "temp_celsius", 10.0),
    ("temp_alert_max", "temp_alert_max_celsius", 10.0),
    ("temp_alert_min", "temp_alert_min_celsius", 10.0),
    ("temp_ambient", "temp_ambient_celsius", 10.0),
    ("temp_ambient_max", "temp_ambient_max_celsius", 10.0),
    ("temp_ambient_min", "temp_ambient_min_celsius", 10.0),
    ("temp_max", "temp_max_celsius", 10.0),
    ("temp_min", "temp_min_celsius", 10.0),
];

impl PowerSupply {
    /// Takes its options.
    /// # Errors
    /// When a pattern is not a regular expression.
    pub fn new(config: &Config) -> Result<Self, FlagError> {
        let flag = "--collector.powersupply.ignored-supplies";
        Ok(Self { ignored: filter::regex(flag, &config.powersupply_ignored)? })
    }
}

impl Collector for PowerSupply {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let base = ctx.paths.sys.join("class/power_supply");
        if !base.is_dir() {
            return Err(CollectError::NoData { why: "this host has no power supplies".to_owned() });
        }
        let mut sink = Sink::new(out);
        for supply in names_in(&base, "").iter().filter(|name| !self.ignored.is_match(name.as_str())) {
            push(ctx, &base.join(supply), supply, &mut sink);
        }
        Ok(())
    }
}

fn push(ctx: &mut Context, dir: &Path, supply: &str, sink: &mut Sink<'_>) {
    for (file, name, divisor) in NUMBERS {
        if let Some(value) = ctx.value(&dir.join(file)) {
            let name = format!("node_power_supply_{name}");
            sink.gauge(name, "Power supply value.", &[("power_supply", supply)], value / divisor);
        }
    }
    let mut values = Vec::new();
    for name in INFO {
        values.extend(ctx.text(&dir.join(name)).filter(|text| !text.is_empty()).map(|text| (name, text)));
    }
    let mut labels: Vec<_> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
    labels.push(("power_supply", supply));
    sink.gauge("node_power_supply_info", "Identity of a power supply.", &labels, 1.0);
}
