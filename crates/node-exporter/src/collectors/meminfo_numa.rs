//! `meminfo_numa`: memory of each node.

use wf_exposition::MetricFamily;

use crate::collector::{CollectError, Collector, Sink};
use crate::context::{Context, names_in};
use crate::parse;

/// The collector.
#[derive(Debug)]
pub struct MemInfoNuma;

const HELP: &str = "Memory of a node.";

impl Collector for MemInfoNuma {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let base = ctx.paths.sys.join("devices/system/node");
        let nodes = names_in(&base, "node");
        if nodes.is_empty() {
            return Err(CollectError::NoData { why: "this host has no memory nodes".to_owned() });
        }
        let mut sink = Sink::new(out);
        for name in &nodes {
            let node = name.trim_start_matches("node");
            let labels = [("node", node)];
            for line in parse::lines(ctx.file(&base.join(name).join("meminfo"))?) {
                // `Node 0 Active(anon):     691324 kB`
                let words: Vec<_> = parse::words(line).collect();
                let [_, _, field, value, unit @ ..] = &words[..] else { continue };
                let bad = || CollectError::parse("node/meminfo", line);
                let factor = match unit {
                    [] => 1.0,
                    [b"kB"] => 1024.0,
                    _ => return Err(bad()),
                };
                let field = parse::text(field).trim_end_matches(':').replace('(', "_").replace(')', "");
                let value = parse::number(value).ok_or_else(bad)?;
                sink.gauge(format!("node_memory_numa_{field}"), HELP, &labels, value * factor);
            }
            for line in parse::lines(ctx.file(&base.join(name).join("numastat"))?) {
                let mut words = parse::words(line);
                let (Some(field), Some(value)) = (words.next(), words.next().and_then(parse::number)) else {
                    return Err(CollectError::parse("node/numastat", line));
                };
                sink.counter(format!("node_memory_numa_{}_total", parse::text(field)), HELP, &labels, value);
            }
        }
        Ok(())
    }
}
