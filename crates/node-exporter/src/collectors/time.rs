//! `time`: the host's clock, its zone and its clock sources.

use std::time::{SystemTime, UNIX_EPOCH};

use wf_exposition::MetricFamily;

use crate::collector::{CollectError, Collector, gauge, push_gauge};
use crate::context::{Context, names_in};
use crate::parse;

/// The collector.
#[derive(Debug)]
pub struct Time;

impl Collector for Time {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        // A clock before 1970 shows as a negative time.
        let now = SystemTime::now();
        let now_seconds = match now.duration_since(UNIX_EPOCH) {
            Ok(since) => since.as_secs_f64(),
            Err(before) => -before.duration().as_secs_f64(),
        };
        push_gauge(out, "node_time_seconds", "System time since the Unix epoch.", now_seconds);
        push_zone(out);
        push_clock_sources(ctx, out);
        Ok(())
    }
}

fn push_zone(out: &mut Vec<MetricFamily>) {
    let now = jiff::Zoned::now();
    let zone = now.time_zone().to_offset_info(now.timestamp());
    let mut family = gauge("node_time_zone_offset_seconds", "Offset of the system's time zone from UTC.");
    family.push(&[("time_zone", zone.abbreviation())], f64::from(zone.offset().seconds()));
    out.push(family);
}

fn push_clock_sources(ctx: &mut Context, out: &mut Vec<MetricFamily>) {
    let mut available =
        gauge("node_time_clocksource_available_info", "Clock sources that the kernel could use.");
    let mut current = gauge("node_time_clocksource_current_info", "Clock source that the kernel uses.");
    let dir = ctx.paths.sys.join("devices/system/clocksource");
    for name in names_in(&dir, "clocksource") {
        let device = name.trim_start_matches("clocksource").to_owned();
        let mut push = |family: &mut MetricFamily, file: &str| {
            let list = ctx.attribute(&dir.join(&name).join(file)).unwrap_or_default();
            for source in parse::words(list) {
                family.push(&[("clocksource", &parse::text(source)), ("device", &device)], 1.0);
            }
        };
        push(&mut available, "available_clocksource");
        push(&mut current, "current_clocksource");
    }
    out.push(available);
    out.push(current);
}
