//! `sockstat`: sockets in use.

use wf_exposition::MetricFamily;
use wf_model::MetricType;

use crate::collector::{CollectError, Collector};
use crate::context::Context;
use crate::parse;

/// The collector.
#[derive(Debug)]
pub struct SockStat;

impl Collector for SockStat {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        for path in ["net/sockstat", "net/sockstat6"] {
            match ctx.proc(path) {
                // Absent without IPv6: nothing to tell is not a failure here.
                Err(error) if error.is_no_data() => {}
                text => push_file(path, text?, out)?,
            }
        }
        Ok(())
    }
}

/// Lines `TCP: inuse 4 orphan 0`.
fn push_file(path: &'static str, text: &[u8], out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
    for line in parse::lines(text) {
        let mut words = parse::words(line);
        let Some(protocol) = words.next().and_then(|word| word.strip_suffix(b":")).map(parse::text) else {
            continue;
        };
        let mut push = |field: &str, value: f64| {
            let name = format!("node_sockstat_{protocol}_{field}");
            let mut family = MetricFamily::new(name, "Sockets of the protocol.", MetricType::Gauge);
            family.push(&[], value);
            out.push(family);
        };
        while let Some(field) = words.next().map(parse::text) {
            let value = words.next().and_then(parse::number);
            let value = value.ok_or_else(|| CollectError::parse(path, line))?;
            push(&field, value);
            if field == "mem" {
                push("mem_bytes", value * rustix::param::page_size() as f64);
            }
        }
    }
    Ok(())
}
