//! Memory of a group.

use super::Rows;

pub(super) fn push(rows: &mut Rows<'_>, swap_used: u64) {
    let Some(memory) = rows.group.stats.memory else { return };
    // The root of the second version has no file for it: what the machine has swapped out.
    let swap = if rows.group.id == "/" && memory.limits.is_none() { swap_used } else { memory.swap };
    let gauges = [
        ("container_memory_cache", "Memory of files.", memory.cache),
        ("container_memory_rss", "Anonymous memory.", memory.rss),
        ("container_memory_kernel_usage", "Memory of the kernel.", memory.kernel),
        ("container_memory_mapped_file", "Memory of mapped files.", memory.mapped_file),
        ("container_memory_swap", "Swapped memory.", swap),
        ("container_memory_usage_bytes", "Memory, whatever it is used for.", memory.usage),
        ("container_memory_max_usage_bytes", "Highest memory so far.", memory.max_usage),
        ("container_memory_working_set_bytes", "Memory that cannot be dropped at once.", memory.working_set),
        ("container_memory_total_active_file_bytes", "Memory of files used lately.", memory.active_file),
        (
            "container_memory_total_inactive_file_bytes",
            "Memory of files not used lately.",
            memory.inactive_file,
        ),
        ("container_memory_file_dirty_bytes", "Memory of files to be written.", memory.file_dirty),
        ("container_memory_file_writeback_bytes", "Memory of files being written.", memory.file_writeback),
    ];
    for (name, help, value) in gauges {
        rows.gauge(name, help, &[], value as f64);
    }
    let counters = [
        ("container_memory_failcnt", "Times the limit was hit.", memory.failcnt),
        ("container_memory_events_high_total", "Times memory was above the high mark.", memory.events_high),
        (
            "container_memory_events_max_total",
            "Times memory was about to exceed the limit.",
            memory.events_max,
        ),
        ("container_memory_pgscan_total", "Pages looked at for reclaim.", memory.scanned),
        ("container_memory_pgsteal_total", "Pages reclaimed.", memory.stolen),
        ("container_memory_workingset_refault_file_total", "File pages needed again.", memory.refault_file),
        (
            "container_memory_workingset_refault_anon_total",
            "Anonymous pages needed again.",
            memory.refault_anon,
        ),
    ];
    for (name, help, value) in counters {
        rows.counter(name, help, &[], value as f64);
    }
    for (kind, value) in [("pgfault", memory.faults), ("pgmajfault", memory.major_faults)] {
        for scope in ["container", "hierarchy"] {
            let own = [("failure_type", kind), ("scope", scope)];
            rows.counter("container_memory_failures_total", "Page faults.", &own, value as f64);
        }
    }
}
