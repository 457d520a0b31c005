//! `hwmon`: temperatures, fans, voltages.

mod sensor;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use wf_exposition::MetricFamily;

use crate::collector::{CollectError, Collector, Sink};
use crate::config::{Config, FlagError};
use crate::context::{AttributeDir, Context, names_in};
use crate::filter::Filter;
use crate::parse;

/// The collector.
#[derive(Debug)]
pub struct HwMon {
    chips: Filter,
    sensors: Filter,
}

/// Texts of a sensor by property; the bare value has an empty name.
type Properties = BTreeMap<String, String>;

/// A sensor: its type and number.
type Key = (&'static str, String);

impl HwMon {
    /// Takes its options.
    /// # Errors
    /// When a pattern is not a regular expression.
    pub fn new(config: &Config) -> Result<Self, FlagError> {
        Ok(Self {
            chips: Filter::of("--collector.hwmon.chip", &config.hwmon_chip)?,
            sensors: Filter::of("--collector.hwmon.sensor", &config.hwmon_sensor)?,
        })
    }
}

impl Collector for HwMon {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let base = ctx.paths.sys.join("class/hwmon");
        if !base.is_dir() {
            return Err(CollectError::NoData { why: "this host has no hardware monitors".to_owned() });
        }
        let mut sink = Sink::new(out);
        for (chip, entry) in name_chips(ctx, &base) {
            if !self.chips.is_wanted(chip.as_bytes()) {
                continue;
            }
            let dir = base.join(entry);
            if let Some(name) = ctx.text(&dir.join("name")) {
                let name = clean(&name);
                if !name.is_empty() {
                    let labels = [("chip", chip.as_str()), ("chip_name", &name)];
                    sink.gauge("node_hwmon_chip_names", "Name of a chip.", &labels, 1.0);
                }
            }
            let mut sensors = BTreeMap::new();
            read_sensors(ctx, &dir, &mut sensors);
            read_sensors(ctx, &dir.join("device"), &mut sensors);
            for ((kind, number), properties) in &sensors {
                let sensor = format!("{kind}{}", if number.is_empty() { "0" } else { number });
                if self.sensors.is_wanted(format!("{chip};{sensor}").as_bytes()) {
                    sensor::push(&mut sink, kind, properties, &chip, &sensor);
                }
            }
        }
        Ok(())
    }
}

/// What is read of a file at most.
const FILE_BYTES_MAX: usize = 128;

/// Label and directory of each chip. Where several have one label, the name of the driver tells them apart, or else
/// that of the directory.
fn name_chips(ctx: &mut Context, base: &Path) -> Vec<(String, String)> {
    let entries = names_in(base, "");
    let labels: Vec<_> = entries.iter().map(|entry| chip_label(ctx, base, entry)).collect();
    let is_taken =
        |labels: &[String], label: &String| labels.iter().filter(|have| *have == label).count() > 1;
    let mut named: Vec<_> = labels
        .iter()
        .zip(&entries)
        .map(|(label, entry)| {
            if !is_taken(&labels, label) {
                return label.clone();
            }
            let name = ctx.text(&base.join(entry).join("name")).map(|name| clean(&name));
            format!("{label}_{}", name.unwrap_or_else(|| entry.clone()))
        })
        .collect();
    let again: BTreeSet<usize> =
        (0..named.len()).filter(|idx| named.get(*idx).is_some_and(|label| is_taken(&named, label))).collect();
    for idx in again {
        if let (Some(name), Some(label), Some(entry)) =
            (named.get_mut(idx), labels.get(idx), entries.get(idx))
        {
            *name = format!("{label}_{entry}");
        }
    }
    named.into_iter().zip(entries).collect()
}

/// Bus and device, else the driver's name, else the directory's.
fn chip_label(ctx: &mut Context, base: &Path, entry: &str) -> String {
    let dir = base.join(entry);
    if let Ok(device) = dir.join("device").canonicalize() {
        let part = |path: Option<&Path>| {
            path.and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned())
        };
        if let (Some(bus), Some(name)) = (part(device.parent()), part(Some(&device))) {
            let (bus, name) = (clean(&bus), clean(&name));
            if !bus.is_empty() && !name.is_empty() {
                return format!("{bus}_{name}");
            }
        }
    }
    let name = ctx.text(&dir.join("name")).map(|name| clean(&name)).filter(|name| !name.is_empty());
    name.unwrap_or_else(|| entry.to_owned())
}

/// Lower case, and `_` for whatever is not a letter, a digit, `:` or `_`.
fn clean(name: &str) -> String {
    let allowed = |c: char| if c.is_ascii_lowercase() || c.is_ascii_digit() || c == ':' { c } else { '_' };
    let cleaned: String = name.trim().to_lowercase().chars().map(allowed).collect();
    cleaned.trim_matches('_').to_owned()
}

fn read_sensors(ctx: &mut Context, dir: &Path, sensors: &mut BTreeMap<Key, Properties>) {
    let Some(open) = AttributeDir::open(dir) else { return };
    for file in names_in(dir, "") {
        let Some((key, property)) = split_name(&file) else { continue };
        // A sensor that does not answer now is left out.
        if let Some(text) = ctx.attribute_as_is(&open, &file, FILE_BYTES_MAX) {
            sensors.entry(key).or_default().insert(property, parse::text(text));
        }
    }
}

/// `temp1_crit_alarm`: type, number, property.
fn split_name(file: &str) -> Option<(Key, String)> {
    let end = file.find(|c: char| c.is_ascii_digit()).unwrap_or(file.len());
    let (kind, rest) = file.split_at_checked(end)?;
    let kind = sensor::KINDS.iter().find(|known| **known == kind)?;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (number, property) = rest.split_at_checked(end)?;
    if !property.is_empty() && (!property.starts_with('_') || property.len() == 1) {
        return None;
    }
    Some(((kind, number.to_owned()), property.trim_start_matches('_').to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_name_a_sensor_and_a_property() {
        let split = |file| split_name(file).map(|((kind, number), property)| (kind, number, property));
        assert_eq!(split("temp1_crit_alarm"), Some(("temp", "1".to_owned(), "crit_alarm".to_owned())));
        assert_eq!(split("update_interval"), Some(("update_interval", String::new(), String::new())));
        assert_eq!(split("pwm2"), Some(("pwm", "2".to_owned(), String::new())));
        assert_eq!([split("name"), split("device"), split("temp1x")], [None, None, None]);
    }
}
