//! `loadavg`: how many tasks want to run.

use wf_exposition::MetricFamily;

use crate::collector::{CollectError, Collector, push_gauge};
use crate::context::Context;
use crate::parse;

/// The collector.
#[derive(Debug)]
pub struct LoadAverage;

impl Collector for LoadAverage {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let text = ctx.proc("loadavg")?;
        let mut loads = parse::words(text).take(3).map(parse::number);
        let mut next = || loads.next().flatten().ok_or_else(|| CollectError::parse("loadavg", text));
        let [load1, load5, load15] = [next()?, next()?, next()?];
        push_gauge(out, "node_load1", "1m load average.", load1);
        push_gauge(out, "node_load5", "5m load average.", load5);
        push_gauge(out, "node_load15", "15m load average.", load15);
        Ok(())
    }
}
