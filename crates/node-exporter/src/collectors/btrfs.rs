//! `btrfs`: how the file system spreads its space.
//!
//! Sizes of devices come from sysfs, as upstream's do where it may not ask the mount point by ioctl.

use std::path::Path;

use wf_exposition::MetricFamily;

use crate::collector::{CollectError, Collector, Sink};
use crate::context::{Context, names_in};
use crate::parse;

/// The collector.
#[derive(Debug)]
pub struct Btrfs;

const HELP: &str = "File system statistic.";
const SECTOR_BYTES: f64 = 512.0;

impl Collector for Btrfs {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let base = ctx.paths.sys.join("fs/btrfs");
        let mut sink = Sink::new(out);
        // Beside one directory a file system there is `features`.
        for uuid in names_in(&base, "").iter().filter(|name| name.matches('-').count() == 4) {
            let dir = base.join(uuid);
            let label = ctx.text(&dir.join("label")).unwrap_or_default();
            sink.gauge("node_btrfs_info", HELP, &[("label", &label), ("uuid", uuid)], 1.0);
            if let Some(bytes) = ctx.value(&dir.join("allocation/global_rsv_size")) {
                sink.gauge("node_btrfs_global_rsv_size_bytes", HELP, &[("uuid", uuid)], bytes);
            }
            let devices = names_in(&dir.join("devices"), "");
            for device in &devices {
                if let Some(sectors) = ctx.value(&dir.join("devices").join(device).join("size")) {
                    let labels = [("device", device.as_str()), ("uuid", uuid)];
                    sink.gauge("node_btrfs_device_size_bytes", HELP, &labels, sectors * SECTOR_BYTES);
                }
            }
            for group in ["data", "metadata", "system"] {
                let dir = dir.join("allocation").join(group);
                push_group(ctx, &dir, group, uuid, devices.len(), &mut sink);
            }
            push_commits(ctx, &dir, uuid, &mut sink);
        }
        Ok(())
    }
}

fn push_group(ctx: &mut Context, dir: &Path, group: &str, uuid: &str, n_devices: usize, sink: &mut Sink<'_>) {
    if let Some(bytes) = ctx.value(&dir.join("bytes_reserved")) {
        let labels = [("block_group_type", group), ("uuid", uuid)];
        sink.gauge("node_btrfs_reserved_bytes", HELP, &labels, bytes);
    }
    // A directory for each way in which blocks of the group are spread.
    for mode in names_in(dir, "").iter().filter(|mode| dir.join(mode).is_dir()) {
        let labels = [("block_group_type", group), ("mode", mode), ("uuid", uuid)];
        for (file, name) in
            [("used_bytes", "node_btrfs_used_bytes"), ("total_bytes", "node_btrfs_size_bytes")]
        {
            if let Some(bytes) = ctx.value(&dir.join(mode).join(file)) {
                sink.gauge(name, HELP, &labels, bytes);
            }
        }
        sink.gauge("node_btrfs_allocation_ratio", HELP, &labels, ratio(mode, n_devices));
    }
}

/// Bytes on devices for each byte stored.
fn ratio(mode: &str, n_devices: usize) -> f64 {
    let n_devices = n_devices as f64;
    match mode {
        "dup" | "raid1" | "raid10" => 2.0,
        "raid1c3" => 3.0,
        "raid1c4" => 4.0,
        "raid5" => n_devices / (n_devices - 1.0),
        "raid6" => n_devices / (n_devices - 2.0),
        _ => 1.0,
    }
}

fn push_commits(ctx: &mut Context, dir: &Path, uuid: &str, sink: &mut Sink<'_>) {
    let text = ctx.text(&dir.join("commit_stats")).unwrap_or_default();
    // A kernel without the file counts as one without commits, as upstream has it.
    let value = |key: &str| {
        let mut words = text.lines().map(|line| line.split_once(' ').unwrap_or((line, "")));
        words
            .find(|(name, _)| *name == key)
            .and_then(|(_, value)| parse::number(value.as_bytes()))
            .unwrap_or(0.0)
    };
    let labels = [("uuid", uuid)];
    sink.counter("node_btrfs_commits_total", HELP, &labels, value("commits"));
    sink.gauge("node_btrfs_last_commit_seconds", HELP, &labels, value("last_commit_ms") / 1000.0);
    sink.gauge("node_btrfs_max_commit_seconds", HELP, &labels, value("max_commit_ms") / 1000.0);
    sink.counter("node_btrfs_commit_seconds_total", HELP, &labels, value("total_commit_ms") / 1000.0);
}
