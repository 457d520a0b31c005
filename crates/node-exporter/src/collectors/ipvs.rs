//! `ipvs`: the kernel's load balancer.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use wf_exposition::MetricFamily;

use crate::collector::{CollectError, Collector, Sink, push_counter};
use crate::config::{Config, FlagError};
use crate::context::Context;
use crate::parse;

/// Labels a backend can have.
const LABELS: [&str; 6] =
    ["local_address", "local_port", "remote_address", "remote_port", "proto", "local_mark"];

/// Totals in the order of the file.
const TOTALS: [(&str, &str); 5] = [
    ("node_ipvs_connections_total", "Connections made."),
    ("node_ipvs_incoming_packets_total", "Packets received."),
    ("node_ipvs_outgoing_packets_total", "Packets sent."),
    ("node_ipvs_incoming_bytes_total", "Bytes received."),
    ("node_ipvs_outgoing_bytes_total", "Bytes sent."),
];

/// The collector.
#[derive(Debug)]
pub struct IpVs {
    labels: Vec<&'static str>,
}

impl IpVs {
    /// Takes its options.
    /// # Errors
    /// When a label is not one of a backend's.
    pub fn new(config: &Config) -> Result<Self, FlagError> {
        let wanted = config.ipvs_backend_labels.split(',').map(str::trim).filter(|name| !name.is_empty());
        let known = |name: &str| LABELS.into_iter().find(|label| *label == name);
        let labels = wanted.map(|name| {
            known(name).ok_or_else(|| FlagError::BadValue {
                flag: "--collector.ipvs.backend-labels".to_owned(),
                value: name.to_owned(),
                wanted: "a list of local_address, local_port, remote_address, remote_port, proto, local_mark",
            })
        });
        Ok(Self { labels: labels.collect::<Result<_, _>>()? })
    }
}

/// A service or a backend of it, in the order of [`LABELS`].
type Identity = [String; 6];

impl Collector for IpVs {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let stats = ctx.proc("net/ip_vs_stats")?;
        let bad = || CollectError::parse("net/ip_vs_stats", stats);
        let totals = parse::lines(stats).nth(2).ok_or_else(bad)?;
        let totals: Option<Vec<_>> = parse::words(totals).map(parse::hex).collect();
        for ((name, help), total) in TOTALS.iter().zip(totals.ok_or_else(bad)?) {
            push_counter(out, name, help, total as f64);
        }
        // Label values to active, inactive, weight: summed where labels are left out.
        let mut backends: BTreeMap<Vec<String>, [f64; 3]> = BTreeMap::new();
        for (identity, numbers) in read_backends(ctx.proc("net/ip_vs")?)? {
            let position = |label: &&str| LABELS.iter().position(|known| known == label);
            let key =
                self.labels.iter().filter_map(|label| identity.get(position(label)?).cloned()).collect();
            let sums = backends.entry(key).or_default();
            for (sum, number) in sums.iter_mut().zip(numbers) {
                *sum += number;
            }
        }
        let mut sink = Sink::new(out);
        for (values, [active, inactive, weight]) in &backends {
            let labels: Vec<_> = self.labels.iter().copied().zip(values.iter().map(String::as_str)).collect();
            let mut push =
                |name: &'static str, help: &'static str, value| sink.gauge(name, help, &labels, value);
            push("node_ipvs_backend_connections_active", "Active connections of a backend.", *active);
            push("node_ipvs_backend_connections_inactive", "Inactive connections of a backend.", *inactive);
            push("node_ipvs_backend_weight", "Weight of a backend.", *weight);
        }
        Ok(())
    }
}

fn read_backends(text: &[u8]) -> Result<Vec<(Identity, [f64; 3])>, CollectError> {
    let mut backends = Vec::new();
    let (mut proto, mut local, mut mark) = (String::new(), (String::new(), "0".to_owned()), String::new());
    for line in parse::lines(text) {
        let words: Vec<_> = parse::words(line).collect();
        let bad = || CollectError::parse("net/ip_vs", line);
        match &words[..] {
            [kind @ (b"TCP" | b"UDP" | b"SCTP"), address, ..] => {
                proto = parse::text(kind);
                local = endpoint(address).ok_or_else(bad)?;
                mark.clear();
            }
            [b"FWM", number, ..] => {
                proto = "FWM".to_owned();
                local = (String::new(), "0".to_owned());
                mark = parse::text(number);
            }
            [b"->", address, _, weight, active, inactive, ..] if !proto.is_empty() => {
                let remote = endpoint(address).ok_or_else(bad)?;
                let number = |word: &[u8]| parse::number(word).ok_or_else(bad);
                let (local, remote, proto, mark) = (local.clone(), remote, proto.clone(), mark.clone());
                let identity = [local.0, local.1, remote.0, remote.1, proto, mark];
                backends.push((identity, [number(active)?, number(inactive)?, number(weight)?]));
            }
            _ => {}
        }
    }
    Ok(backends)
}

/// `C0A80016:0CEA` or `[2001:0db8:…]:0CEA`.
fn endpoint(text: &[u8]) -> Option<(String, String)> {
    let colon = memchr::memrchr(b':', text)?;
    let (address, port) = (text.get(..colon)?, parse::hex(text.get(colon + 1..)?)?);
    let address = match address.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")) {
        Some(inner) => str::from_utf8(inner).ok()?.parse::<std::net::Ipv6Addr>().ok()?.to_string(),
        None => Ipv4Addr::from(u32::try_from(parse::hex(address)?).ok()?).to_string(),
    };
    Some((address, port.to_string()))
}
