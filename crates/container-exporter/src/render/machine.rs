//! The machine, and the exporter itself.

use std::borrow::Cow;

use wf_exposition::LabelPair;
use wf_model::MetricType::Gauge;

use super::{Labels, Page};
use crate::exporter::Snapshot;
use crate::host::Machine;

pub(super) fn push(page: &mut Page, machine: &Machine, snapshot: &Snapshot) {
    let version = [
        ("cadvisorRevision", ""),
        ("cadvisorVersion", env!("CARGO_PKG_VERSION")),
        ("dockerVersion", ""),
        ("kernelVersion", machine.kernel.as_str()),
        ("osVersion", &machine.os),
    ];
    let help = "Versions of kernel, system and exporter.";
    page.add(Gauge, ("cadvisor_version_info", help), owned(&version), 1.0, None);
    let failed = f64::from(u8::from(snapshot.has_failed));
    page.add(
        Gauge,
        ("container_scrape_error", "Whether containers could not be listed."),
        Vec::new(),
        failed,
        None,
    );
    page.add(
        Gauge,
        ("machine_scrape_error", "Whether the machine could not be read."),
        Vec::new(),
        0.0,
        None,
    );
    let mut add =
        |name, help, own: Labels<'_>, value: f64| self::add(page, machine, (name, help), own, value);
    add("machine_cpu_cores", "Logical CPUs.", &[], machine.cores as f64);
    add("machine_cpu_physical_cores", "Cores.", &[], machine.physical_cores as f64);
    add("machine_cpu_sockets", "CPU packages.", &[], machine.sockets as f64);
    add("machine_cpu_books", "Books, on mainframes.", &[], 0.0);
    add("machine_cpu_drawers", "Drawers, on mainframes.", &[], 0.0);
    add("machine_memory_bytes", "Memory.", &[], machine.memory as f64);
    add("machine_swap_bytes", "Swap.", &[], machine.swap as f64);
    for mode in ["memory_mode", "app_direct_mode"] {
        add("machine_nvm_capacity", "Persistent memory by mode.", &[("mode", mode)], 0.0);
    }
    add("machine_nvm_avg_power_budget_watts", "Power budget of persistent memory.", &[], 0.0);
    for (kind, (count, bytes)) in &machine.dimms {
        add("machine_dimm_count", "Memory modules by type.", &[("type", kind)], *count as f64);
        add("machine_dimm_capacity_bytes", "Memory of modules by type.", &[("type", kind)], *bytes as f64);
    }
}

fn owned(labels: Labels<'_>) -> Vec<LabelPair> {
    labels.iter().map(|(name, value)| (Cow::Borrowed(*name), (*value).to_owned())).collect()
}

/// Adds a number of the machine, which is told by three ids.
pub(super) fn add(
    page: &mut Page,
    machine: &Machine,
    name_and_help: (&'static str, &'static str),
    own: Labels<'_>,
    value: f64,
) {
    let mut labels = vec![
        ("boot_id", machine.boot_id.as_str()),
        ("machine_id", &machine.machine_id),
        ("system_uuid", &machine.system_uuid),
    ];
    labels.extend_from_slice(own);
    let taken = page.taken_ms;
    page.add(Gauge, name_and_help, owned(&labels), value, Some(taken));
}
