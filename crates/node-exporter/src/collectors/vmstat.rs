//! `vmstat`: counts of the memory manager.

use wf_exposition::MetricFamily;
use wf_model::MetricType;

use crate::collector::{CollectError, Collector};
use crate::config::{Config, FlagError};
use crate::context::Context;
use crate::filter::FieldFilter;
use crate::parse;

/// The collector.
#[derive(Debug)]
pub struct VmStat {
    fields: FieldFilter,
}

impl VmStat {
    /// Compiles its pattern.
    /// # Errors
    /// When the pattern is not a regular expression.
    pub fn new(config: &Config) -> Result<Self, FlagError> {
        let flag = "--collector.vmstat.fields";
        Ok(Self { fields: FieldFilter::new(flag, &config.vmstat_fields, "node_vmstat_")? })
    }
}

impl Collector for VmStat {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        for line in parse::lines(ctx.proc("vmstat")?) {
            let mut words = parse::words(line);
            let Some(name) = words.next().and_then(|field| self.fields.metric_name(field)) else { continue };
            let value = words.next().and_then(parse::number);
            let value = value.ok_or_else(|| CollectError::parse("vmstat", line))?;
            let mut family = MetricFamily::new(name, "Virtual memory statistics field.", MetricType::Unknown);
            family.push(&[], value);
            out.push(family);
        }
        Ok(())
    }
}
