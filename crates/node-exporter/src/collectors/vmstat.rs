//! `vmstat`: counts of the memory manager.

use regex_automata::meta::Regex;
use wf_exposition::MetricFamily;
use wf_model::MetricType;

use crate::collector::{CollectError, Collector};
use crate::config::{Config, FlagError};
use crate::context::Context;
use crate::{filter, parse};

/// The collector.
#[derive(Debug)]
pub struct VmStat {
    fields: Regex,
}

impl VmStat {
    /// Compiles its pattern.
    /// # Errors
    /// When the pattern is not a regular expression.
    pub fn new(config: &Config) -> Result<Self, FlagError> {
        Ok(Self { fields: filter::regex("--collector.vmstat.fields", &config.vmstat_fields)? })
    }
}

impl Collector for VmStat {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        for line in parse::lines(ctx.proc("vmstat")?) {
            let mut words = parse::words(line);
            let Some(field) = words.next().filter(|field| self.fields.is_match(*field)) else { continue };
            let value = words.next().and_then(parse::number);
            let value = value.ok_or_else(|| CollectError::parse("vmstat", line))?;
            let name = format!("node_vmstat_{}", parse::text(field));
            let mut family = MetricFamily::new(name, "Virtual memory statistics field.", MetricType::Unknown);
            family.push(&[], value);
            out.push(family);
        }
        Ok(())
    }
}
