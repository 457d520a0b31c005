//! `drbd`: disks mirrored over the network.

use wf_exposition::MetricFamily;
use wf_model::MetricType;

use crate::collector::{CollectError, Collector, Sink};
use crate::context::Context;
use crate::parse;

/// The collector.
#[derive(Debug)]
pub struct Drbd;

/// Key, metric, factor. Received bytes are not scaled, as upstream has it.
#[rustfmt::skip]
const NUMBERS: [(&str, &str, MetricType, f64); 12] = [
    ("ns", "node_drbd_network_sent_bytes_total", MetricType::Counter, 1024.0),
    ("nr", "node_drbd_network_received_bytes_total", MetricType::Counter, 1.0),
    ("dw", "node_drbd_disk_written_bytes_total", MetricType::Counter, 1024.0),
    ("dr", "node_drbd_disk_read_bytes_total", MetricType::Counter, 1024.0),
    ("al", "node_drbd_activitylog_writes_total", MetricType::Counter, 1.0),
    ("bm", "node_drbd_bitmap_writes_total", MetricType::Counter, 1.0),
    ("lo", "node_drbd_local_pending", MetricType::Gauge, 1.0),
    ("pe", "node_drbd_remote_pending", MetricType::Gauge, 1.0),
    ("ua", "node_drbd_remote_unacknowledged", MetricType::Gauge, 1.0),
    ("ap", "node_drbd_application_pending", MetricType::Gauge, 1.0),
    ("ep", "node_drbd_epochs", MetricType::Gauge, 1.0),
    ("oos", "node_drbd_out_of_sync_bytes", MetricType::Gauge, 1024.0),
];

const HELP: &str = "Replication statistic.";

impl Collector for Drbd {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let text = parse::text(ctx.proc("drbd")?);
        let mut sink = Sink::new(out);
        let mut device = String::new();
        for word in text.split_ascii_whitespace() {
            let Some((key, value)) = word.split_once(':') else { continue };
            if value.is_empty() && key.parse::<u32>().is_ok() {
                device = format!("drbd{key}");
            }
            if device.is_empty() {
                continue;
            }
            push(&device, key, value, &mut sink)?;
        }
        Ok(())
    }
}

fn push(device: &str, key: &str, value: &str, sink: &mut Sink<'_>) -> Result<(), CollectError> {
    let labels = [("device", device)];
    if let Some((_, name, kind, factor)) = NUMBERS.iter().find(|(known, ..)| *known == key) {
        let number =
            parse::number(value.as_bytes()).ok_or_else(|| CollectError::parse("drbd", value.as_bytes()))?;
        sink.add(*kind, *name, HELP, &labels, number * factor);
        return Ok(());
    }
    let (name, wanted) = match key {
        "cs" => {
            let is_connected = f64::from(u8::from(value == "Connected"));
            sink.gauge("node_drbd_connected", HELP, &labels, is_connected);
            return Ok(());
        }
        "ro" => ("node_drbd_node_role_is_primary", "Primary"),
        "ds" => ("node_drbd_disk_state_is_up_to_date", "UpToDate"),
        _ => return Ok(()),
    };
    for (node, state) in ["local", "remote"].into_iter().zip(value.split('/')) {
        sink.gauge(name, HELP, &[("device", device), ("node", node)], f64::from(u8::from(state == wanted)));
    }
    Ok(())
}
