//! CPU time of a group.

use super::Rows;

pub(super) fn push(rows: &mut Rows<'_>) {
    let Some(cpu) = rows.group.stats.cpu else { return };
    rows.counter("container_cpu_user_seconds_total", "CPU time in user space.", &[], cpu.user);
    rows.counter("container_cpu_system_seconds_total", "CPU time in the kernel.", &[], cpu.system);
    // Of each CPU where that was asked for, and is known; CPUs it never ran on have no row.
    let per_cpu = &rows.group.extra.per_cpu;
    for (number, nanoseconds) in per_cpu.iter().enumerate().filter(|(_, nanoseconds)| **nanoseconds > 0) {
        let own = format!("cpu{number:02}");
        let seconds = *nanoseconds as f64 / 1e9;
        rows.counter("container_cpu_usage_seconds_total", "CPU time.", &[("cpu", &own)], seconds);
    }
    // A group that never ran has no row, as in cAdvisor.
    if cpu.usage > 0.0 && per_cpu.is_empty() {
        rows.counter("container_cpu_usage_seconds_total", "CPU time.", &[("cpu", "total")], cpu.usage);
    }
    // Without a quota nothing can be throttled.
    if cpu.quota_us.is_none() {
        return;
    }
    let mut counter = |name, help, value| rows.counter(name, help, &[], value);
    counter("container_cpu_cfs_periods_total", "Periods with a quota.", cpu.periods as f64);
    let throttled = cpu.throttled_periods as f64;
    counter("container_cpu_cfs_throttled_periods_total", "Periods whose quota was used up.", throttled);
    counter("container_cpu_cfs_throttled_seconds_total", "Time without quota.", cpu.throttled);
    counter(
        "container_cpu_cfs_burst_periods_total",
        "Periods that used saved quota.",
        cpu.burst_periods as f64,
    );
    counter("container_cpu_cfs_burst_seconds_total", "Time of saved quota.", cpu.burst);
}

/// The load reader is off, as in the kubelet: zeros.
pub(super) fn push_load(rows: &mut Rows<'_>) {
    rows.gauge("container_cpu_load_average_10s", "Load of the container over 10 s, times 1000.", &[], 0.0);
    rows.gauge(
        "container_cpu_load_d_average_10s",
        "Waiting tasks of the container over 10 s, times 1000.",
        &[],
        0.0,
    );
    for state in ["sleeping", "running", "stopped", "uninterruptible", "iowaiting"] {
        rows.gauge("container_tasks_state", "Tasks of the container by state.", &[("state", state)], 0.0);
    }
}
