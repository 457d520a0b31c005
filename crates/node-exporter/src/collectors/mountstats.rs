//! `mountstats`: what NFS clients do.

mod record;

use std::collections::{BTreeMap, BTreeSet};

use wf_exposition::MetricFamily;

use crate::collector::{CollectError, Collector, Sink};
use crate::context::Context;
use crate::parse;

use record::Record;

/// The collector.
#[derive(Debug)]
pub struct MountStats;

const HELP: &str = "NFS client statistic.";

const BYTES: [&str; 8] = [
    "node_mountstats_nfs_read_bytes_total",
    "node_mountstats_nfs_write_bytes_total",
    "node_mountstats_nfs_direct_read_bytes_total",
    "node_mountstats_nfs_direct_write_bytes_total",
    "node_mountstats_nfs_total_read_bytes_total",
    "node_mountstats_nfs_total_write_bytes_total",
    "node_mountstats_nfs_read_pages_total",
    "node_mountstats_nfs_write_pages_total",
];

/// In the order of the file; the empty one, congestion, is not exposed.
#[rustfmt::skip]
const EVENTS: [&str; 27] = [
    "inode_revalidate", "dnode_revalidate", "data_invalidate", "attribute_invalidate", "vfs_open", "vfs_lookup",
    "vfs_access", "vfs_update_page", "vfs_read_page", "vfs_read_pages", "vfs_write_page", "vfs_write_pages",
    "vfs_getdents", "vfs_setattr", "vfs_flush", "vfs_fsync", "vfs_lock", "vfs_file_release", "", "truncation",
    "write_extension", "silly_rename", "short_read", "short_write", "jukebox_delay", "pnfs_read", "pnfs_write",
];

/// Name and whether the number is in milliseconds.
const OPERATIONS: [(&str, bool); 8] = [
    ("requests", false),
    ("transmissions", false),
    ("major_timeouts", false),
    ("sent_bytes", false),
    ("received_bytes", false),
    ("queue_time_seconds", true),
    ("response_time_seconds", true),
    ("request_time_seconds", true),
];

impl Collector for MountStats {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let addresses = addresses(ctx.proc("self/mountinfo")?);
        let text = parse::text(ctx.proc("self/mountstats")?);
        let mut sink = Sink::new(out);
        let mut seen = BTreeSet::new();
        for record in record::read(&text)? {
            let key = (record.device.clone(), record.mount_point.clone(), record.kind.clone());
            let address = addresses.get(&key).map_or("", String::as_str);
            let protocol = record.transports.first().map_or("", |transport| transport.protocol.as_str());
            let labels = [("export", record.device.as_str()), ("mountaddr", address), ("protocol", protocol)];
            let mut info = labels.to_vec();
            info.push(("mountpoint", &record.mount_point));
            sink.gauge("node_mountstats_nfs_mountpoint_info", "Where an export is mounted.", &info, 1.0);
            // Mounts of one export share the numbers.
            if seen.insert(labels.map(|(_, value)| value.to_owned())) {
                push(&record, labels, &mut sink);
            }
        }
        Ok(())
    }
}

/// `addr=` of each NFS mount, by device, mount point and type.
fn addresses(text: &[u8]) -> BTreeMap<(String, String, String), String> {
    let text = parse::text(text);
    let mut found = BTreeMap::new();
    for line in text.lines() {
        let words: Vec<_> = line.split(' ').collect();
        let [.., "-", kind, device, options] = &words[..] else { continue };
        let address = options.split(',').find_map(|option| option.strip_prefix("addr="));
        if let (Some(address), Some(mount_point)) = (address, words.get(4)) {
            found.insert(
                ((*device).to_owned(), (*mount_point).to_owned(), (*kind).to_owned()),
                address.to_owned(),
            );
        }
    }
    found
}

fn push(record: &Record, labels: [(&'static str, &str); 3], sink: &mut Sink<'_>) {
    sink.counter("node_mountstats_nfs_age_seconds_total", HELP, &labels, record.age);
    for (name, value) in BYTES.into_iter().zip(&record.bytes) {
        sink.counter(name, HELP, &labels, *value);
    }
    for (name, value) in EVENTS.iter().zip(&record.events).filter(|(name, _)| !name.is_empty()) {
        sink.counter(format!("node_mountstats_nfs_event_{name}_total"), HELP, &labels, *value);
    }
    for (idx, transport) in record.transports.iter().enumerate() {
        let idx = idx.to_string();
        let mut labels = labels.to_vec();
        labels.push(("transport", &idx));
        for (name, value) in transport.counters() {
            sink.counter(format!("node_mountstats_nfs_transport_{name}_total"), HELP, &labels, value);
        }
        let idle = "node_mountstats_nfs_transport_idle_time_seconds";
        sink.gauge(idle, HELP, &labels, transport.idle_seconds);
        let slots = "node_mountstats_nfs_transport_maximum_rpc_slots";
        sink.gauge(slots, HELP, &labels, transport.max_slots);
    }
    for (operation, numbers) in &record.operations {
        let mut labels = labels.to_vec();
        labels.push(("operation", operation));
        for ((name, is_ms), value) in OPERATIONS.iter().zip(numbers) {
            let value = if *is_ms { value / 1000.0 } else { *value };
            sink.counter(format!("node_mountstats_nfs_operations_{name}_total"), HELP, &labels, value);
        }
    }
}
