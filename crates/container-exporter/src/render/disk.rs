//! Block devices and file systems of a group.

use std::collections::BTreeSet;

use super::Rows;
use crate::cgroup::DeviceIo;
use crate::config::Config;
use crate::exporter::Snapshot;
use crate::host::{Disk, FileSystem};

const HELP: &str = "Block I/O of the container.";

pub(super) fn push(rows: &mut Rows<'_>, config: &Config, snapshot: &Snapshot) {
    // Only the root's are known: a container's layers belong to its runtime.
    let file_systems = if rows.group.id == "/" { &snapshot.file_systems[..] } else { &[] };
    if config.has("diskIO") {
        let mut seen = BTreeSet::new();
        for (number, io) in &rows.group.stats.io {
            let device = device_name(snapshot, *number);
            push_device(rows, *number, &device, io);
            seen.insert(device);
        }
        for file_system in file_systems {
            // A device that has counts of its own keeps them.
            if let Some(disk) = snapshot.disks.get(&file_system.number) {
                push_disk(rows, &file_system.device, disk, seen.contains(&file_system.device));
            }
        }
    }
    if config.has("disk") {
        for file_system in file_systems {
            push_file_system(rows, file_system);
        }
    }
}

fn device_name(snapshot: &Snapshot, number: (u32, u32)) -> String {
    if let Some(disk) = snapshot.disks.get(&number) {
        return format!("/dev/{}", disk.name);
    }
    let of_number = snapshot.file_systems.iter().find(|file_system| file_system.number == number);
    of_number.map(|file_system| file_system.device.clone()).unwrap_or_default()
}

fn push_device(rows: &mut Rows<'_>, (major, minor): (u32, u32), device: &str, io: &DeviceIo) {
    let own = [("device", device)];
    let mut counter = |name, value: u64| rows.counter(name, HELP, &own, value as f64);
    counter("container_fs_reads_total", io.reads);
    counter("container_fs_writes_total", io.writes);
    counter("container_fs_reads_bytes_total", io.read_bytes);
    counter("container_fs_writes_bytes_total", io.written_bytes);
    if let Some(scheduler) = io.scheduler {
        counter("container_fs_sector_reads_total", scheduler.sectors.0);
        counter("container_fs_sector_writes_total", scheduler.sectors.1);
        counter("container_fs_reads_merged_total", scheduler.merged.0);
        counter("container_fs_writes_merged_total", scheduler.merged.1);
        let (read, write) = scheduler.service_ns;
        rows.counter("container_fs_read_seconds_total", HELP, &own, read as f64 / 1e9);
        rows.counter("container_fs_write_seconds_total", HELP, &own, write as f64 / 1e9);
        rows.gauge("container_fs_io_current", HELP, &own, scheduler.queued as f64);
    }
    if let Some([usage, wait, indebt, indelay]) = io.costs {
        let mut seconds = |name, value_us: u64| rows.counter(name, HELP, &own, value_us as f64 / 1e6);
        seconds("container_fs_io_cost_usage_seconds_total", usage);
        seconds("container_fs_io_cost_wait_seconds_total", wait);
        seconds("container_fs_io_cost_indebt_seconds_total", indebt);
        seconds("container_fs_io_cost_indelay_seconds_total", indelay);
    }
    let (major, minor) = (major.to_string(), minor.to_string());
    for (operation, bytes) in io.operations.iter().filter(|(operation, _)| !operation.is_empty()) {
        let own = [("device", device), ("major", &major), ("minor", &minor), ("operation", operation)];
        rows.counter("container_blkio_device_usage_total", "Bytes of block I/O.", &own, *bytes as f64);
    }
}

/// Row of a file system, by its device's counts. Times are milliseconds: upstream divides them by 10⁹, which makes them
/// a million times too small; here they are seconds, as the names say.
fn push_disk(rows: &mut Rows<'_>, device: &str, disk: &Disk, has_own: bool) {
    let own = [("device", device)];
    let [
        reads,
        reads_merged,
        sectors_read,
        read_ms,
        writes,
        writes_merged,
        sectors_written,
        write_ms,
        now,
        io_ms,
        weighted_ms,
    ] = disk.columns;
    let mut counter = |name, value: u64| rows.counter(name, HELP, &own, value as f64);
    if !has_own {
        counter("container_fs_reads_total", reads);
        counter("container_fs_writes_total", writes);
        counter("container_fs_sector_reads_total", sectors_read);
        counter("container_fs_sector_writes_total", sectors_written);
        counter("container_fs_reads_merged_total", reads_merged);
        counter("container_fs_writes_merged_total", writes_merged);
        let mut seconds = |name, value_ms: u64| rows.counter(name, HELP, &own, value_ms as f64 / 1000.0);
        seconds("container_fs_read_seconds_total", read_ms);
        seconds("container_fs_write_seconds_total", write_ms);
        rows.gauge("container_fs_io_current", HELP, &own, now as f64);
    }
    rows.counter("container_fs_io_time_seconds_total", HELP, &own, io_ms as f64 / 1000.0);
    rows.counter("container_fs_io_time_weighted_seconds_total", HELP, &own, weighted_ms as f64 / 1000.0);
}

fn push_file_system(rows: &mut Rows<'_>, file_system: &FileSystem) {
    let own = [("device", file_system.device.as_str())];
    let used = file_system.capacity.saturating_sub(file_system.free);
    let mut gauge = |name, help, value: u64| rows.gauge(name, help, &own, value as f64);
    gauge("container_fs_limit_bytes", "Bytes the container can use.", file_system.capacity);
    gauge("container_fs_usage_bytes", "Bytes the container uses.", used);
    gauge("container_fs_inodes_total", "File nodes.", file_system.files);
    gauge("container_fs_inodes_free", "Free file nodes.", file_system.files_free);
}
