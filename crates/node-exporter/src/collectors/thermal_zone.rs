//! `thermal_zone`: temperatures and what cools them.

use wf_exposition::MetricFamily;

use crate::collector::{CollectError, Collector, gauge};
use crate::context::{Context, names_in};
use crate::parse;

/// The collector.
#[derive(Debug)]
pub struct ThermalZone;

impl Collector for ThermalZone {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let base = ctx.paths.sys.join("class/thermal");
        let mut temperature = gauge("node_thermal_zone_temp", "Temperature of the zone in degrees Celsius.");
        for name in names_in(&base, "thermal_zone") {
            let dir = base.join(&name);
            let kind = ctx.attribute(&dir.join("type")).map(parse::text).unwrap_or_default();
            // A sensor that does not answer now is left out; the others count.
            if let Some(millidegrees) = ctx.attribute(&dir.join("temp")).and_then(parse::integer) {
                let zone = name.trim_start_matches("thermal_zone");
                temperature.push(&[("type", &kind), ("zone", zone)], millidegrees as f64 / 1000.0);
            }
        }
        let mut current = gauge("node_cooling_device_cur_state", "Present state of the cooling device.");
        let mut highest = gauge("node_cooling_device_max_state", "Highest state of the cooling device.");
        for name in names_in(&base, "cooling_device") {
            let dir = base.join(&name);
            let kind = ctx.attribute(&dir.join("type")).map(parse::text).unwrap_or_default();
            let labels = [("name", name.trim_start_matches("cooling_device")), ("type", &kind)];
            let mut state = |file: &str| ctx.attribute(&dir.join(file)).and_then(parse::integer);
            if let (Some(now), Some(max)) = (state("cur_state"), state("max_state")) {
                current.push(&labels, now as f64);
                highest.push(&labels, max as f64);
            }
        }
        out.extend([temperature, current, highest]);
        Ok(())
    }
}
