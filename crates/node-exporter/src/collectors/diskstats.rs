//! `diskstats`: what block devices did, and what udev knows about them.

mod udev;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use wf_exposition::{MetricFamily, MetricLabels};
use wf_model::MetricType;

use crate::collector::{CollectError, Collector};
use crate::config::{Config, FlagError};
use crate::context::Context;
use crate::filter::Filter;
use crate::parse;

use udev::Properties;

/// Columns behind the device name: metric, help, and how the number becomes the value.
#[rustfmt::skip]
const COLUMNS: [(&str, &str, Unit); 17] = [
    ("node_disk_reads_completed_total", "Reads completed.", Unit::Count),
    ("node_disk_reads_merged_total", "Reads merged.", Unit::Count),
    ("node_disk_read_bytes_total", "Bytes read.", Unit::Sectors),
    ("node_disk_read_time_seconds_total", "Seconds spent by all reads.", Unit::Milliseconds),
    ("node_disk_writes_completed_total", "Writes completed.", Unit::Count),
    ("node_disk_writes_merged_total", "Writes merged.", Unit::Count),
    ("node_disk_written_bytes_total", "Bytes written.", Unit::Sectors),
    ("node_disk_write_time_seconds_total", "Seconds spent by all writes.", Unit::Milliseconds),
    ("node_disk_io_now", "I/Os in progress.", Unit::Now),
    ("node_disk_io_time_seconds_total", "Seconds in which some I/O was in progress.", Unit::Milliseconds),
    ("node_disk_io_time_weighted_seconds_total", "Seconds spent by all I/Os.", Unit::Milliseconds),
    ("node_disk_discards_completed_total", "Discards completed.", Unit::Count),
    ("node_disk_discards_merged_total", "Discards merged.", Unit::Count),
    ("node_disk_discarded_sectors_total", "Sectors discarded.", Unit::Count),
    ("node_disk_discard_time_seconds_total", "Seconds spent by all discards.", Unit::Milliseconds),
    ("node_disk_flush_requests_total", "Flush requests completed.", Unit::Count),
    ("node_disk_flush_requests_time_seconds_total", "Seconds spent by all flush requests.", Unit::Milliseconds),
];

/// Columns that every line has.
const COLUMNS_MIN: usize = 11;

#[derive(Clone, Copy)]
enum Unit {
    Count,
    Sectors,
    Milliseconds,
    Now,
}

impl Unit {
    fn kind(self) -> MetricType {
        if matches!(self, Self::Now) { MetricType::Gauge } else { MetricType::Counter }
    }

    fn value(self, number: f64) -> f64 {
        match self {
            Self::Count | Self::Now => number,
            // Sectors of this file have 512 bytes whatever the device's are.
            Self::Sectors => number * 512.0,
            // Upstream multiplies; dividing would differ in the last bit.
            Self::Milliseconds => number * (1.0 / 1000.0),
        }
    }
}

/// The collector.
#[derive(Debug)]
pub struct DiskStats {
    devices: Filter,
    has_udev: bool,
    /// Whether devices rotate, by name: asked once, it does not change.
    rotational: Mutex<HashMap<String, &'static str>>,
}

impl DiskStats {
    /// Takes its options and looks whether udev's data is there.
    /// # Errors
    /// When a pattern is not a regular expression.
    pub fn new(config: &Config) -> Result<Self, FlagError> {
        let (include, exclude) = (&config.diskstats_include, &config.diskstats_exclude);
        let devices = Filter::new("--collector.diskstats.device", include, exclude)?;
        let has_udev = std::fs::read_dir(&config.paths.udev_data).is_ok();
        if !has_udev {
            let path = config.paths.udev_data.display();
            tracing::info!(%path, "udev data cannot be read: disk metrics carry no model, serial and file system");
        }
        Ok(Self { devices, has_udev, rotational: Mutex::default() })
    }

    fn rotational(&self, ctx: &mut Context, device: &str) -> &'static str {
        let mut known = self.rotational.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = known.get(device) {
            return value;
        }
        let path = ctx.paths.sys.join("block").join(device).join("queue/rotational");
        let value = if ctx.attribute(&path) == Some(b"1") { "1" } else { "0" };
        known.insert(device.to_owned(), value);
        value
    }
}

impl Collector for DiskStats {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let mut families = COLUMNS.map(|(name, help, unit)| MetricFamily::new(name, help, unit.kind()));
        let mut devices = Vec::new();
        for line in parse::lines(ctx.proc("diskstats")?) {
            let bad = || CollectError::parse("diskstats", line);
            let mut words = parse::words(line);
            let (Some(major), Some(minor), Some(name)) = (words.next(), words.next(), words.next()) else {
                continue;
            };
            // Partitions of kernels before 2.6.25 have four columns only, with other meanings.
            if words.clone().count() < COLUMNS_MIN {
                continue;
            }
            if !self.devices.is_wanted(name) {
                continue;
            }
            let device = parse::text(name);
            let labels = MetricLabels::shared(&[("device", &device)]);
            for ((family, (_, _, unit)), word) in families.iter_mut().zip(COLUMNS).zip(words) {
                let number = parse::u64(word).ok_or_else(bad)? as f64;
                family.push_with(labels.clone(), unit.value(number));
            }
            devices.push(Device { name: device, major: parse::text(major), minor: parse::text(minor) });
        }
        out.extend(families);
        let mut infos = udev::Families::new();
        for device in devices {
            let rotational = self.rotational(ctx, &device.name);
            let properties =
                if self.has_udev { Properties::read(ctx, &device) } else { Properties::default() };
            infos.push(&device, rotational, &properties);
        }
        infos.append_to(out);
        Ok(())
    }
}

/// Names of a device.
struct Device {
    name: String,
    major: String,
    minor: String,
}
