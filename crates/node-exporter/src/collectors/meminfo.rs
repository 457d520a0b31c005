//! `meminfo`: how memory is used.

use wf_exposition::MetricFamily;
use wf_model::MetricType;

use crate::collector::{CollectError, Collector};
use crate::context::Context;
use crate::parse;

/// Lines of the file that are exposed and the metric of each. Others, new in some kernel, are left out as upstream
/// does. In the order of the file, so that the search below mostly hits at once.
#[rustfmt::skip]
const FIELDS: &[(&str, &str)] = &[
    ("MemTotal", "node_memory_MemTotal_bytes"),
    ("MemFree", "node_memory_MemFree_bytes"),
    ("MemAvailable", "node_memory_MemAvailable_bytes"),
    ("Buffers", "node_memory_Buffers_bytes"),
    ("Cached", "node_memory_Cached_bytes"),
    ("SwapCached", "node_memory_SwapCached_bytes"),
    ("Active", "node_memory_Active_bytes"),
    ("Inactive", "node_memory_Inactive_bytes"),
    ("Active(anon)", "node_memory_Active_anon_bytes"),
    ("Inactive(anon)", "node_memory_Inactive_anon_bytes"),
    ("Active(file)", "node_memory_Active_file_bytes"),
    ("Inactive(file)", "node_memory_Inactive_file_bytes"),
    ("Unevictable", "node_memory_Unevictable_bytes"),
    ("Mlocked", "node_memory_Mlocked_bytes"),
    ("SwapTotal", "node_memory_SwapTotal_bytes"),
    ("SwapFree", "node_memory_SwapFree_bytes"),
    ("Zswap", "node_memory_Zswap_bytes"),
    ("Zswapped", "node_memory_Zswapped_bytes"),
    ("Dirty", "node_memory_Dirty_bytes"),
    ("Writeback", "node_memory_Writeback_bytes"),
    ("AnonPages", "node_memory_AnonPages_bytes"),
    ("Mapped", "node_memory_Mapped_bytes"),
    ("Shmem", "node_memory_Shmem_bytes"),
    ("Slab", "node_memory_Slab_bytes"),
    ("SReclaimable", "node_memory_SReclaimable_bytes"),
    ("SUnreclaim", "node_memory_SUnreclaim_bytes"),
    ("KernelStack", "node_memory_KernelStack_bytes"),
    ("PageTables", "node_memory_PageTables_bytes"),
    ("NFS_Unstable", "node_memory_NFS_Unstable_bytes"),
    ("Bounce", "node_memory_Bounce_bytes"),
    ("WritebackTmp", "node_memory_WritebackTmp_bytes"),
    ("CommitLimit", "node_memory_CommitLimit_bytes"),
    ("Committed_AS", "node_memory_Committed_AS_bytes"),
    ("VmallocTotal", "node_memory_VmallocTotal_bytes"),
    ("VmallocUsed", "node_memory_VmallocUsed_bytes"),
    ("VmallocChunk", "node_memory_VmallocChunk_bytes"),
    ("Percpu", "node_memory_Percpu_bytes"),
    ("HardwareCorrupted", "node_memory_HardwareCorrupted_bytes"),
    ("AnonHugePages", "node_memory_AnonHugePages_bytes"),
    ("ShmemHugePages", "node_memory_ShmemHugePages_bytes"),
    ("ShmemPmdMapped", "node_memory_ShmemPmdMapped_bytes"),
    ("CmaTotal", "node_memory_CmaTotal_bytes"),
    ("CmaFree", "node_memory_CmaFree_bytes"),
    ("HugePages_Total", "node_memory_HugePages_Total"),
    ("HugePages_Free", "node_memory_HugePages_Free"),
    ("HugePages_Rsvd", "node_memory_HugePages_Rsvd"),
    ("HugePages_Surp", "node_memory_HugePages_Surp"),
    ("Hugepagesize", "node_memory_Hugepagesize_bytes"),
    ("DirectMap4k", "node_memory_DirectMap4k_bytes"),
    ("DirectMap2M", "node_memory_DirectMap2M_bytes"),
    ("DirectMap1G", "node_memory_DirectMap1G_bytes"),
];

/// The collector.
#[derive(Debug)]
pub struct MemInfo;

impl Collector for MemInfo {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        for line in parse::lines(ctx.proc("meminfo")?) {
            let mut words = parse::words(line);
            let Some(key) = words.next().and_then(|word| word.strip_suffix(b":")) else { continue };
            let Some((_, name)) = FIELDS.iter().find(|(field, _)| field.as_bytes() == key) else { continue };
            let bad = || CollectError::parse("meminfo", line);
            let value = words.next().and_then(parse::number).ok_or_else(bad)?;
            let value = match words.next() {
                None => value,
                Some(b"kB") => value * 1024.0,
                Some(_) => return Err(bad()),
            };
            let mut family = MetricFamily::new(*name, "Memory information field.", MetricType::Gauge);
            family.push(&[], value);
            out.push(family);
        }
        Ok(())
    }
}
