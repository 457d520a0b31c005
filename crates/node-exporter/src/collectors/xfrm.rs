//! `xfrm`: errors of IPsec.

use wf_exposition::MetricFamily;

use crate::collector::{CollectError, Collector, push_counter};
use crate::context::Context;
use crate::parse;

/// Key of the file and metric.
#[rustfmt::skip]
const COUNTERS: [(&str, &str); 28] = [
    ("XfrmInError", "node_xfrm_in_error_packets_total"),
    ("XfrmInBufferError", "node_xfrm_in_buffer_error_packets_total"),
    ("XfrmInHdrError", "node_xfrm_in_hdr_error_packets_total"),
    ("XfrmInNoStates", "node_xfrm_in_no_states_packets_total"),
    ("XfrmInStateProtoError", "node_xfrm_in_state_proto_error_packets_total"),
    ("XfrmInStateModeError", "node_xfrm_in_state_mode_error_packets_total"),
    ("XfrmInStateSeqError", "node_xfrm_in_state_seq_error_packets_total"),
    ("XfrmInStateExpired", "node_xfrm_in_state_expired_packets_total"),
    ("XfrmInStateMismatch", "node_xfrm_in_state_mismatch_packets_total"),
    ("XfrmInStateInvalid", "node_xfrm_in_state_invalid_packets_total"),
    ("XfrmInTmplMismatch", "node_xfrm_in_tmpl_mismatch_packets_total"),
    ("XfrmInNoPols", "node_xfrm_in_no_pols_packets_total"),
    ("XfrmInPolBlock", "node_xfrm_in_pol_block_packets_total"),
    ("XfrmInPolError", "node_xfrm_in_pol_error_packets_total"),
    ("XfrmOutError", "node_xfrm_out_error_packets_total"),
    ("XfrmOutBundleGenError", "node_xfrm_out_bundle_gen_error_packets_total"),
    ("XfrmOutBundleCheckError", "node_xfrm_out_bundle_check_error_packets_total"),
    ("XfrmOutNoStates", "node_xfrm_out_no_states_packets_total"),
    ("XfrmOutStateProtoError", "node_xfrm_out_state_proto_error_packets_total"),
    ("XfrmOutStateModeError", "node_xfrm_out_state_mode_error_packets_total"),
    ("XfrmOutStateSeqError", "node_xfrm_out_state_seq_error_packets_total"),
    ("XfrmOutStateExpired", "node_xfrm_out_state_expired_packets_total"),
    ("XfrmOutPolBlock", "node_xfrm_out_pol_block_packets_total"),
    ("XfrmOutPolDead", "node_xfrm_out_pol_dead_packets_total"),
    ("XfrmOutPolError", "node_xfrm_out_pol_error_packets_total"),
    ("XfrmFwdHdrError", "node_xfrm_fwd_hdr_error_packets_total"),
    ("XfrmOutStateInvalid", "node_xfrm_out_state_invalid_packets_total"),
    ("XfrmAcquireError", "node_xfrm_acquire_error_packets_total"),
];

/// The collector.
#[derive(Debug)]
pub struct Xfrm;

impl Collector for Xfrm {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let text = ctx.proc("net/xfrm_stat")?;
        for line in parse::lines(text) {
            let mut words = parse::words(line);
            let Some(key) = words.next() else { continue };
            let Some((_, name)) = COUNTERS.iter().find(|(known, _)| known.as_bytes() == key) else {
                continue;
            };
            let value = words.next().and_then(parse::number);
            let value = value.ok_or_else(|| CollectError::parse("net/xfrm_stat", line))?;
            push_counter(out, name, "Packets that IPsec dropped.", value);
        }
        Ok(())
    }
}
