//! `zoneinfo`: pages of each memory zone.

use wf_exposition::MetricFamily;
use wf_model::MetricType::{self, Counter, Gauge};

use crate::collector::{CollectError, Collector, Sink};
use crate::context::Context;
use crate::parse;

/// Key of a line, metric, type.
#[rustfmt::skip]
const FIELDS: [(&str, &str, MetricType); 34] = [
    ("min", "node_zoneinfo_min_pages", Gauge),
    ("low", "node_zoneinfo_low_pages", Gauge),
    ("high", "node_zoneinfo_high_pages", Gauge),
    ("scanned", "node_zoneinfo_scanned_pages", Gauge),
    ("spanned", "node_zoneinfo_spanned_pages", Gauge),
    ("present", "node_zoneinfo_present_pages", Gauge),
    ("managed", "node_zoneinfo_managed_pages", Gauge),
    ("nr_active_anon", "node_zoneinfo_nr_active_anon_pages", Gauge),
    ("nr_inactive_anon", "node_zoneinfo_nr_inactive_anon_pages", Gauge),
    ("nr_isolated_anon", "node_zoneinfo_nr_isolated_anon_pages", Gauge),
    ("nr_anon_pages", "node_zoneinfo_nr_anon_pages", Gauge),
    ("nr_anon_transparent_hugepages", "node_zoneinfo_nr_anon_transparent_hugepages", Gauge),
    ("nr_active_file", "node_zoneinfo_nr_active_file_pages", Gauge),
    ("nr_inactive_file", "node_zoneinfo_nr_inactive_file_pages", Gauge),
    ("nr_isolated_file", "node_zoneinfo_nr_isolated_file_pages", Gauge),
    ("nr_file_pages", "node_zoneinfo_nr_file_pages", Gauge),
    ("nr_slab_reclaimable", "node_zoneinfo_nr_slab_reclaimable_pages", Gauge),
    ("nr_slab_unreclaimable", "node_zoneinfo_nr_slab_unreclaimable_pages", Gauge),
    ("nr_mlock_stack", "node_zoneinfo_nr_mlock_stack_pages", Gauge),
    ("nr_kernel_stack", "node_zoneinfo_nr_kernel_stacks", Gauge),
    ("nr_mapped", "node_zoneinfo_nr_mapped_pages", Gauge),
    ("nr_dirty", "node_zoneinfo_nr_dirty_pages", Gauge),
    ("nr_writeback", "node_zoneinfo_nr_writeback_pages", Gauge),
    ("nr_unevictable", "node_zoneinfo_nr_unevictable_pages", Gauge),
    ("nr_shmem", "node_zoneinfo_nr_shmem_pages", Gauge),
    ("nr_dirtied", "node_zoneinfo_nr_dirtied_total", Counter),
    ("nr_written", "node_zoneinfo_nr_written_total", Counter),
    ("numa_hit", "node_zoneinfo_numa_hit_total", Counter),
    ("numa_miss", "node_zoneinfo_numa_miss_total", Counter),
    ("numa_foreign", "node_zoneinfo_numa_foreign_total", Counter),
    ("numa_interleave", "node_zoneinfo_numa_interleave_total", Counter),
    ("numa_local", "node_zoneinfo_numa_local_total", Counter),
    ("numa_other", "node_zoneinfo_numa_other_total", Counter),
    ("nr_free_pages", "node_zoneinfo_nr_free_pages", Gauge),
];

const HELP: &str = "Statistic of a memory zone.";

/// The collector.
#[derive(Debug)]
pub struct ZoneInfo;

impl Collector for ZoneInfo {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let text = ctx.proc("zoneinfo")?;
        let mut sink = Sink::new(out);
        let (mut node, mut zone) = (String::new(), String::new());
        // Per-CPU lists repeat the words `high` and `count`.
        let mut is_in_lists = false;
        for line in parse::lines(text) {
            let words: Vec<_> = parse::words(line).collect();
            if let [b"Node", number, b"zone", name] = &words[..] {
                node = parse::text(number.strip_suffix(b",").unwrap_or(number));
                zone = parse::text(name);
                is_in_lists = false;
                continue;
            }
            let labels = [("node", node.as_str()), ("zone", &zone)];
            match &words[..] {
                [b"pagesets", ..] => is_in_lists = true,
                [b"protection:", rest @ ..] => push_protection(rest, &labels, &mut sink)?,
                [b"pages", key, value] | [key, value] if !is_in_lists => {
                    push(key, value, &labels, &mut sink)?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn push(
    key: &[u8],
    value: &[u8],
    labels: &[(&'static str, &str)],
    sink: &mut Sink<'_>,
) -> Result<(), CollectError> {
    let Some((_, name, kind)) = FIELDS.iter().find(|(known, ..)| known.as_bytes() == key) else {
        return Ok(());
    };
    let value = parse::number(value).ok_or_else(|| CollectError::parse("zoneinfo", value))?;
    sink.add(*kind, *name, HELP, labels, value);
    Ok(())
}

/// `protection: (0, 2039, 31932, 31932, 31932)`
fn push_protection(
    words: &[&[u8]],
    labels: &[(&'static str, &str)],
    sink: &mut Sink<'_>,
) -> Result<(), CollectError> {
    for (idx, word) in words.iter().enumerate() {
        let digits: Vec<u8> = word.iter().copied().filter(u8::is_ascii_digit).collect();
        let value = parse::number(&digits).ok_or_else(|| CollectError::parse("zoneinfo", word))?;
        sink.gauge(format!("node_zoneinfo_protection_{idx}"), HELP, labels, value);
    }
    Ok(())
}
