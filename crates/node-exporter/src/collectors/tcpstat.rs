//! `tcpstat`: TCP connections by state.

use rustix::net::netlink::SOCK_DIAG;
use wf_exposition::MetricFamily;

use crate::collector::{CollectError, Collector, gauge};
use crate::context::Context;
use crate::netlink::{self, u32_at};

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const IPPROTO_TCP: u8 = 6;
/// Length of `struct inet_diag_req_v2`: family, protocol, extensions and padding u8, states u32, socket id of 48.
const REQUEST: usize = 56;
/// Offsets in `struct inet_diag_msg`.
const STATE_AT: usize = 1;
const RECEIVE_QUEUE_AT: usize = 56;
const TRANSMIT_QUEUE_AT: usize = 60;

/// States by their number, from 1.
const STATES: [&str; 11] = [
    "established",
    "syn_sent",
    "syn_recv",
    "fin_wait1",
    "fin_wait2",
    "time_wait",
    "close",
    "close_wait",
    "last_ack",
    "listen",
    "closing",
];

/// The collector.
#[derive(Debug)]
pub struct TcpStat;

impl Collector for TcpStat {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let mut counts = [0_u64; STATES.len()];
        let (mut received, mut sent) = (0_u64, 0_u64);
        let has_v6 = ctx.paths.proc.join("net/tcp6").exists();
        for family in [AF_INET, AF_INET6].into_iter().take(if has_v6 { 2 } else { 1 }) {
            let mut body = vec![family, IPPROTO_TCP, 0, 0];
            body.extend_from_slice(&u32::MAX.to_ne_bytes());
            body.resize(REQUEST, 0);
            let request = netlink::Request { kind: SOCK_DIAG_BY_FAMILY, is_dump: true, body: &body };
            netlink::ask(Some(SOCK_DIAG), request, |_, body| {
                let state = body.get(STATE_AT).copied().unwrap_or(0);
                // A request that waits to be accepted is shown as received.
                let state = if state == 12 { 3 } else { state };
                if let Some(count) = usize::from(state).checked_sub(1).and_then(|idx| counts.get_mut(idx)) {
                    *count += 1;
                }
                received += u64::from(u32_at(body, RECEIVE_QUEUE_AT).unwrap_or(0));
                sent += u64::from(u32_at(body, TRANSMIT_QUEUE_AT).unwrap_or(0));
                Ok(())
            })?;
        }
        let mut family =
            gauge("node_tcp_connection_states", "TCP connections by state, and bytes in queues.");
        let queues = [("rx_queued_bytes", received), ("tx_queued_bytes", sent)];
        for (state, value) in STATES.into_iter().zip(counts).chain(queues) {
            family.push(&[("state", state)], value as f64);
        }
        out.push(family);
        Ok(())
    }
}
