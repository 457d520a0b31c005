//! `slabinfo`: caches of kernel objects.

use wf_exposition::MetricFamily;

use crate::collector::{CollectError, Collector, gauge};
use crate::config::{Config, FlagError};
use crate::context::Context;
use crate::filter::Filter;
use crate::parse;

/// The collector.
#[derive(Debug)]
pub struct SlabInfo {
    slabs: Filter,
}

const COLUMNS: [(&str, &str); 5] = [
    ("node_slabinfo_active_objects", "Objects in use."),
    ("node_slabinfo_objects", "Objects allocated."),
    ("node_slabinfo_object_size_bytes", "Size of an object."),
    ("node_slabinfo_objects_per_slab", "Objects of a slab."),
    ("node_slabinfo_pages_per_slab", "Pages of a slab."),
];

impl SlabInfo {
    /// Takes its options.
    /// # Errors
    /// When a pattern is not a regular expression.
    pub fn new(config: &Config) -> Result<Self, FlagError> {
        Ok(Self { slabs: Filter::of("--collector.slabinfo.slabs", &config.slabinfo)? })
    }
}

impl Collector for SlabInfo {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let mut families = COLUMNS.map(|(name, help)| gauge(name, help));
        // Version and headings come first.
        for line in parse::lines(ctx.proc("slabinfo")?).skip(2) {
            let mut words = parse::words(line);
            let Some(slab) = words.next().filter(|slab| self.slabs.is_wanted(slab)).map(parse::text) else {
                continue;
            };
            for (family, word) in families.iter_mut().zip(words) {
                let value = parse::number(word).ok_or_else(|| CollectError::parse("slabinfo", line))?;
                family.push(&[("slab", &slab)], value);
            }
        }
        out.extend(families);
        Ok(())
    }
}
