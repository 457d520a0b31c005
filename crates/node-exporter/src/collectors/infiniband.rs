//! `infiniband`: ports of the fabric.

use std::path::Path;

use wf_exposition::MetricFamily;

use crate::collector::{CollectError, Collector, Sink};
use crate::config::{Config, FlagError};
use crate::context::{Context, names_in};
use crate::filter::Filter;

/// The collector.
#[derive(Debug)]
pub struct InfiniBand {
    devices: Filter,
}

/// Octets of data are counted in words of four.
const WORD: f64 = 4.0;

/// File below the port's directory, metric without prefix, factor.
#[rustfmt::skip]
const COUNTERS: [(&str, &str, f64); 59] = [
    ("counters_ext/port_multicast_rcv_packets", "legacy_multicast_packets_received_total", 1.0),
    ("counters_ext/port_multicast_xmit_packets", "legacy_multicast_packets_transmitted_total", 1.0),
    ("counters_ext/port_rcv_data_64", "legacy_data_received_bytes_total", WORD),
    ("counters_ext/port_rcv_packets_64", "legacy_packets_received_total", 1.0),
    ("counters_ext/port_unicast_rcv_packets", "legacy_unicast_packets_received_total", 1.0),
    ("counters_ext/port_unicast_xmit_packets", "legacy_unicast_packets_transmitted_total", 1.0),
    ("counters_ext/port_xmit_data_64", "legacy_data_transmitted_bytes_total", WORD),
    ("counters_ext/port_xmit_packets_64", "legacy_packets_transmitted_total", 1.0),
    ("counters/excessive_buffer_overrun_errors", "excessive_buffer_overrun_errors_total", 1.0),
    ("counters/link_downed", "link_downed_total", 1.0),
    ("counters/link_error_recovery", "link_error_recovery_total", 1.0),
    ("counters/local_link_integrity_errors", "local_link_integrity_errors_total", 1.0),
    ("counters/multicast_rcv_packets", "multicast_packets_received_total", 1.0),
    ("counters/multicast_xmit_packets", "multicast_packets_transmitted_total", 1.0),
    ("counters/port_rcv_constraint_errors", "port_constraint_errors_received_total", 1.0),
    ("counters/port_xmit_constraint_errors", "port_constraint_errors_transmitted_total", 1.0),
    ("counters/port_rcv_data", "port_data_received_bytes_total", WORD),
    ("counters/port_xmit_data", "port_data_transmitted_bytes_total", WORD),
    ("counters/port_rcv_discards", "port_discards_received_total", 1.0),
    ("counters/port_xmit_discards", "port_discards_transmitted_total", 1.0),
    ("counters/port_rcv_errors", "port_errors_received_total", 1.0),
    ("counters/port_rcv_packets", "port_packets_received_total", 1.0),
    ("counters/port_xmit_packets", "port_packets_transmitted_total", 1.0),
    ("counters/port_rcv_remote_physical_errors", "port_receive_remote_physical_errors_total", 1.0),
    ("counters/port_rcv_switch_relay_errors", "port_receive_switch_relay_errors_total", 1.0),
    ("counters/port_xmit_wait", "port_transmit_wait_total", 1.0),
    ("counters/symbol_error", "symbol_error_total", 1.0),
    ("counters/unicast_rcv_packets", "unicast_packets_received_total", 1.0),
    ("counters/unicast_xmit_packets", "unicast_packets_transmitted_total", 1.0),
    ("counters/VL15_dropped", "vl15_dropped_total", 1.0),
    ("hw_counters/duplicate_request", "duplicate_requests_packets_total", 1.0),
    ("hw_counters/implied_nak_seq_err", "implied_nak_seq_errors_total", 1.0),
    ("hw_counters/local_ack_timeout_err", "local_ack_timeout_errors_total", 1.0),
    ("hw_counters/np_cnp_sent", "np_cnp_packets_sent_total", 1.0),
    ("hw_counters/np_ecn_marked_roce_packets", "np_ecn_marked_roce_packets_received_total", 1.0),
    ("hw_counters/out_of_buffer", "out_of_buffer_drops_total", 1.0),
    ("hw_counters/out_of_sequence", "out_of_sequence_packets_received_total", 1.0),
    ("hw_counters/packet_seq_err", "packet_sequence_errors_total", 1.0),
    ("hw_counters/req_cqe_error", "req_cqe_errors_total", 1.0),
    ("hw_counters/req_cqe_flush_error", "req_cqe_flush_errors_total", 1.0),
    ("hw_counters/req_remote_access_errors", "req_remote_access_errors_total", 1.0),
    ("hw_counters/req_remote_invalid_request", "req_remote_invalid_request_errors_total", 1.0),
    ("hw_counters/resp_cqe_error", "resp_cqe_errors_total", 1.0),
    ("hw_counters/resp_cqe_flush_error", "resp_cqe_flush_errors_total", 1.0),
    ("hw_counters/resp_local_length_error", "resp_local_length_errors_total", 1.0),
    ("hw_counters/resp_remote_access_errors", "resp_remote_access_errors_total", 1.0),
    ("hw_counters/rnr_nak_retry_err", "rnr_nak_retry_packets_received_total", 1.0),
    ("hw_counters/roce_adp_retrans", "roce_adp_retransmits_total", 1.0),
    ("hw_counters/roce_adp_retrans_to", "roce_adp_retransmits_timeout_total", 1.0),
    ("hw_counters/roce_slow_restart", "roce_slow_restart_used_total", 1.0),
    ("hw_counters/roce_slow_restart_cnps", "roce_slow_restart_cnps_total", 1.0),
    ("hw_counters/roce_slow_restart_trans", "roce_slow_restart_total", 1.0),
    ("hw_counters/rp_cnp_handled", "rp_cnp_packets_handled_total", 1.0),
    ("hw_counters/rp_cnp_ignored", "rp_cnp_ignored_packets_received_total", 1.0),
    ("hw_counters/rx_atomic_requests", "rx_atomic_requests_total", 1.0),
    ("hw_counters/rx_dct_connect", "rx_dct_connect_requests_total", 1.0),
    ("hw_counters/rx_read_requests", "rx_read_requests_total", 1.0),
    ("hw_counters/rx_write_requests", "rx_write_requests_total", 1.0),
    ("hw_counters/rx_icrc_encapsulated", "rx_icrc_encapsulated_errors_total", 1.0),
];

const HELP: &str = "Port statistic.";

impl InfiniBand {
    /// Takes its options.
    /// # Errors
    /// When a pattern is not a regular expression.
    pub fn new(config: &Config) -> Result<Self, FlagError> {
        Ok(Self { devices: Filter::of("--collector.infiniband.device", &config.infiniband)? })
    }
}

impl Collector for InfiniBand {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let base = ctx.paths.sys.join("class/infiniband");
        let devices = names_in(&base, "");
        if devices.is_empty() {
            return Err(CollectError::NoData { why: "this host has no InfiniBand".to_owned() });
        }
        let mut sink = Sink::new(out);
        for device in devices.iter().filter(|device| self.devices.is_wanted(device.as_bytes())) {
            let dir = base.join(device);
            let mut text = |file: &str| ctx.text(&dir.join(file)).unwrap_or_default();
            let (board, firmware, kind) = (text("board_id"), text("fw_ver"), text("hca_type"));
            let labels = [
                ("board_id", board.as_str()),
                ("device", device),
                ("firmware_version", &firmware),
                ("hca_type", &kind),
            ];
            sink.gauge("node_infiniband_info", "Identity of an adapter.", &labels, 1.0);
            for port in names_in(&dir.join("ports"), "") {
                push_port(
                    ctx,
                    &dir.join("ports").join(&port),
                    [("device", device), ("port", &port)],
                    &mut sink,
                );
            }
        }
        Ok(())
    }
}

fn push_port(ctx: &mut Context, dir: &Path, labels: [(&'static str, &str); 2], sink: &mut Sink<'_>) {
    // `4: ACTIVE`
    let number = |text: String| text.split(':').next().and_then(|number| number.trim().parse::<f64>().ok());
    for (file, name) in
        [("state", "node_infiniband_state_id"), ("phys_state", "node_infiniband_physical_state_id")]
    {
        if let Some(state) = ctx.text(&dir.join(file)).and_then(number) {
            sink.gauge(name, HELP, &labels, state);
        }
    }
    // `40 Gb/sec (4X QDR)`
    let rate = ctx.text(&dir.join("rate")).unwrap_or_default();
    if let Some(gigabits) = rate.split(' ').next().and_then(|rate| rate.parse::<f64>().ok()) {
        sink.gauge("node_infiniband_rate_bytes_per_second", HELP, &labels, gigabits * 125_000_000.0);
    }
    // Some drivers write `N/A` where they do not count.
    for (file, name, factor) in COUNTERS {
        if let Some(count) = ctx.value(&dir.join(file)) {
            sink.counter(format!("node_infiniband_{name}"), HELP, &labels, count * factor);
        }
    }
    if let Some(lifespan_ms) = ctx.attribute(&dir.join("hw_counters/lifespan")).and_then(crate::parse::u64) {
        sink.gauge("node_infiniband_lifespan_seconds", HELP, &labels, (lifespan_ms / 1000) as f64);
    }
}
