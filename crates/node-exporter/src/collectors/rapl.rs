//! `rapl`: energy that CPUs used.

use std::collections::HashMap;
use std::io::ErrorKind;

use wf_exposition::MetricFamily;

use crate::collector::{CollectError, Collector, Sink};
use crate::config::Config;
use crate::context::{Context, names_in};
use crate::parse;

/// The collector.
#[derive(Debug)]
pub struct Rapl {
    has_zone_label: bool,
}

impl Rapl {
    /// Takes its options.
    pub fn new(config: &Config) -> Self {
        Self { has_zone_label: config.rapl_zone_label }
    }
}

impl Collector for Rapl {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let base = ctx.paths.sys.join("class/powercap");
        let mut seen = HashMap::<String, u32>::new();
        let mut zones = Vec::new();
        for entry in names_in(&base, "") {
            let Some(name) = ctx.text(&base.join(&entry).join("name")) else { continue };
            let numbered = name.rsplit_once('-').filter(|(_, number)| number.parse::<u32>().is_ok());
            let (zone, index) = match numbered {
                Some((zone, number)) => (zone.to_owned(), number.to_owned()),
                None => {
                    let count = seen.entry(name.clone()).or_default();
                    let index = count.to_string();
                    *count += 1;
                    (name.clone(), index)
                }
            };
            zones.push((base.join(entry), zone, index));
        }
        if zones.is_empty() {
            return Err(CollectError::NoData { why: "this host does not measure energy".to_owned() });
        }
        let mut sink = Sink::new(out);
        for (dir, zone, index) in zones {
            let text = match std::fs::read(dir.join("energy_uj")) {
                Ok(text) => text,
                Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                    return Err(CollectError::NoData {
                        why: "only root may read energy counters".to_owned(),
                    });
                }
                // Zones that only set limits do not count.
                Err(_) => continue,
            };
            let Some(microjoules) = parse::number(text.trim_ascii()) else { continue };
            let path = dir.display().to_string();
            let help = "Energy used.";
            let labels = [("index", index.as_str()), ("path", &path), ("rapl_zone", &zone)];
            if self.has_zone_label {
                sink.counter("node_rapl_joules_total", help, &labels, microjoules / 1e6);
            } else {
                let name = format!("node_rapl_{}_joules_total", parse::metric_name(&zone));
                sink.counter(name, help, labels.get(..2).unwrap_or_default(), microjoules / 1e6);
            }
        }
        Ok(())
    }
}
