//! `watchdog`: what resets the host when nobody feeds it.

use wf_exposition::MetricFamily;

use crate::collector::{CollectError, Collector, Sink};
use crate::context::{Context, names_in};

/// Files that are labels of the information metric.
const INFO: [&str; 5] = ["identity", "options", "pretimeout_governor", "state", "status"];

/// File and metric.
const NUMBERS: [(&str, &str); 7] = [
    ("access_cs0", "node_watchdog_access_cs0"),
    ("bootstatus", "node_watchdog_bootstatus"),
    ("fw_version", "node_watchdog_fw_version"),
    ("nowayout", "node_watchdog_nowayout"),
    ("timeleft", "node_watchdog_timeleft_seconds"),
    ("timeout", "node_watchdog_timeout_seconds"),
    ("pretimeout", "node_watchdog_pretimeout_seconds"),
];

/// The collector.
#[derive(Debug)]
pub struct Watchdog;

impl Collector for Watchdog {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let base = ctx.paths.sys.join("class/watchdog");
        if !base.is_dir() {
            return Err(CollectError::NoData { why: "this host has no watchdog".to_owned() });
        }
        let mut sink = Sink::new(out);
        for name in names_in(&base, "") {
            let dir = base.join(&name);
            for (file, metric) in NUMBERS {
                if let Some(value) = ctx.value(&dir.join(file)) {
                    sink.gauge(metric, "Watchdog value.", &[("name", &name)], value);
                }
            }
            let values = INFO.map(|file| ctx.text(&dir.join(file)).unwrap_or_default());
            let mut labels: Vec<_> = INFO.into_iter().zip(values.iter().map(String::as_str)).collect();
            labels.push(("name", &name));
            sink.gauge("node_watchdog_info", "Identity of a watchdog.", &labels, 1.0);
        }
        Ok(())
    }
}
