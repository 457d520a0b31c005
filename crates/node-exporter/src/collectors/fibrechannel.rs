//! `fibrechannel`: ports of host bus adapters.

use wf_exposition::MetricFamily;

use crate::collector::{CollectError, Collector, Sink};
use crate::context::{Context, names_in};
use crate::parse;

/// The collector.
#[derive(Debug)]
pub struct FibreChannel;

/// Labels that are files; those marked lose their `0x`.
const LABELS: [(&str, bool); 10] = [
    ("dev_loss_tmo", false),
    ("fabric_name", true),
    ("port_id", true),
    ("port_name", true),
    ("port_state", false),
    ("port_type", false),
    ("speed", false),
    ("supported_classes", false),
    ("supported_speeds", false),
    ("symbolic_name", false),
];

/// File below `statistics` and metric.
const COUNTERS: [(&str, &str); 14] = [
    ("dumped_frames", "node_fibrechannel_dumped_frames_total"),
    ("error_frames", "node_fibrechannel_error_frames_total"),
    ("invalid_crc_count", "node_fibrechannel_invalid_crc_total"),
    ("rx_frames", "node_fibrechannel_rx_frames_total"),
    ("rx_words", "node_fibrechannel_rx_words_total"),
    ("tx_frames", "node_fibrechannel_tx_frames_total"),
    ("tx_words", "node_fibrechannel_tx_words_total"),
    ("seconds_since_last_reset", "node_fibrechannel_seconds_since_last_reset_total"),
    ("invalid_tx_word_count", "node_fibrechannel_invalid_tx_words_total"),
    ("link_failure_count", "node_fibrechannel_link_failure_total"),
    ("loss_of_sync_count", "node_fibrechannel_loss_of_sync_total"),
    ("loss_of_signal_count", "node_fibrechannel_loss_of_signal_total"),
    ("nos_count", "node_fibrechannel_nos_total"),
    ("fcp_packet_aborts", "node_fibrechannel_fcp_packet_aborts_total"),
];

impl Collector for FibreChannel {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let base = ctx.paths.sys.join("class/fc_host");
        let hosts = names_in(&base, "host");
        if hosts.is_empty() {
            return Err(CollectError::NoData { why: "this host has no fibre channel".to_owned() });
        }
        let mut sink = Sink::new(out);
        for host in &hosts {
            let dir = base.join(host);
            let mut values = Vec::with_capacity(LABELS.len());
            for (file, is_hex) in LABELS {
                let text = ctx.text(&dir.join(file)).unwrap_or_default();
                let text = if is_hex { text.trim_start_matches("0x").to_owned() } else { text };
                values.push((file, text));
            }
            let mut labels: Vec<_> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
            labels.push(("fc_host", host));
            sink.gauge("node_fibrechannel_info", "Identity of a port.", &labels, 1.0);
            for (file, name) in COUNTERS {
                let count = ctx.attribute(&dir.join("statistics").join(file)).and_then(parse::hex);
                // All ones is how drivers say that they do not count this.
                if let Some(count) = count.filter(|count| *count != u64::MAX) {
                    sink.counter(name, "Port statistic.", &[("fc_host", host)], count as f64);
                }
            }
        }
        Ok(())
    }
}
