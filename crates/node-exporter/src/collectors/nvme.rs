//! `nvme` and `nvmesubsystem`: solid-state disks and the paths to them.

use std::path::Path;

use wf_exposition::MetricFamily;

use crate::collector::{CollectError, Collector, Sink};
use crate::context::{Context, names_in};

/// `nvme`: controllers and namespaces.
#[derive(Debug)]
pub struct Nvme;

impl Collector for Nvme {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let base = ctx.paths.sys.join("class/nvme");
        if !base.is_dir() {
            return Err(CollectError::NoData { why: "this host has no NVMe devices".to_owned() });
        }
        let mut sink = Sink::new(out);
        for device in names_in(&base, "nvme") {
            let dir = base.join(&device);
            let mut text = |file: &str| ctx.text(&dir.join(file)).unwrap_or_default();
            let values = [
                ("cntlid", text("cntlid")),
                ("firmware_revision", text("firmware_rev")),
                ("model", text("model")),
                ("serial", text("serial")),
                ("state", text("state")),
            ];
            let mut labels: Vec<_> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
            labels.push(("device", &device));
            sink.gauge("node_nvme_info", "Identity of an NVMe controller.", &labels, 1.0);
            for name in names_in(&dir, "nvme") {
                if let Some(nsid) = namespace_of(&name) {
                    push_namespace(ctx, &dir.join(&name), [("device", &device), ("nsid", nsid)], &mut sink);
                }
            }
        }
        Ok(())
    }
}

/// `1` of `nvme0n1` and of `nvme0c2n1`, a path to it.
fn namespace_of(name: &str) -> Option<&str> {
    let (controller, nsid) = name.strip_prefix("nvme")?.rsplit_once('n')?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (is_number(nsid) && controller.split('c').all(is_number)).then_some(nsid)
}

fn push_namespace(ctx: &mut Context, dir: &Path, labels: [(&'static str, &str); 2], sink: &mut Sink<'_>) {
    let state = ctx.text(&dir.join("ana_state")).unwrap_or_else(|| "unknown".to_owned());
    let info = [("ana_state", state.as_str()), labels[0], labels[1]];
    sink.gauge("node_nvme_namespace_info", "State of an NVMe namespace.", &info, 1.0);
    let mut number = |file: &str| ctx.value(&dir.join(file)).unwrap_or(0.0);
    let (block_bytes, size, used) = (number("queue/logical_block_size"), number("size"), number("nuse"));
    let mut push = |name: &'static str, help: &'static str, bytes| sink.gauge(name, help, &labels, bytes);
    // The kernel counts `size` in sectors of 512 bytes; upstream multiplies by the block size, eight times too much
    // on drives with blocks of 4 KiB. Kept, so that both exporters tell the same.
    push("node_nvme_namespace_capacity_bytes", "Capacity of the namespace.", size * block_bytes);
    push("node_nvme_namespace_size_bytes", "Size of the namespace.", size * block_bytes);
    push("node_nvme_namespace_used_bytes", "Used bytes of the namespace.", used * block_bytes);
    push("node_nvme_namespace_logical_block_size_bytes", "Block size of the namespace.", block_bytes);
}

/// `nvmesubsystem`: paths to subsystems.
#[derive(Debug)]
pub struct NvmeSubsystem;

const STATES: [&str; 7] = ["live", "connecting", "resetting", "dead", "deleting", "new", "unknown"];

impl Collector for NvmeSubsystem {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let base = ctx.paths.sys.join("class/nvme-subsystem");
        if !base.is_dir() {
            return Err(CollectError::NoData { why: "this host has no NVMe subsystems".to_owned() });
        }
        let mut sink = Sink::new(out);
        for subsystem in names_in(&base, "nvme-subsys") {
            push_subsystem(ctx, &base.join(&subsystem), &subsystem, &mut sink);
        }
        Ok(())
    }
}

fn push_subsystem(ctx: &mut Context, dir: &Path, subsystem: &str, sink: &mut Sink<'_>) {
    let mut text = |file: &str| ctx.text(&dir.join(file)).unwrap_or_default();
    let (nqn, model) = (text("subsysnqn"), text("model"));
    let (serial, policy) = (text("serial"), text("iopolicy"));
    let info = [
        ("iopolicy", policy.as_str()),
        ("model", &model),
        ("nqn", &nqn),
        ("serial", &serial),
        ("subsystem", subsystem),
    ];
    sink.gauge("node_nvmesubsystem_info", "Identity of an NVMe subsystem.", &info, 1.0);
    let (mut n_paths, mut n_live) = (0_u32, 0_u32);
    for name in names_in(dir, "nvme") {
        if namespace_of(&name).is_some() {
            let labels = [("device", name.as_str()), ("subsystem", subsystem)];
            sink.gauge("node_nvmesubsystem_namespace_info", "A namespace of the subsystem.", &labels, 1.0);
            continue;
        }
        if !name.trim_start_matches("nvme").bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let transport = ctx.text(&dir.join(&name).join("transport")).unwrap_or_default();
        let state = ctx.text(&dir.join(&name).join("state")).unwrap_or_default();
        let state = if state.starts_with("deleting") { "deleting" } else { state.as_str() };
        let state = STATES.into_iter().find(|known| *known == state).unwrap_or("unknown");
        n_paths += 1;
        n_live += u32::from(state == "live");
        for known in STATES {
            let labels = [
                ("controller", name.as_str()),
                ("state", known),
                ("subsystem", subsystem),
                ("transport", &transport),
            ];
            let is_it = f64::from(u8::from(known == state));
            sink.gauge("node_nvmesubsystem_path_state", "State of a path.", &labels, is_it);
        }
    }
    let labels = [("subsystem", subsystem)];
    sink.gauge("node_nvmesubsystem_paths", "Paths to the subsystem.", &labels, f64::from(n_paths));
    sink.gauge("node_nvmesubsystem_paths_live", "Paths that work.", &labels, f64::from(n_live));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_are_told_from_controllers() {
        assert_eq!([namespace_of("nvme0n1"), namespace_of("nvme0c2n13")], [Some("1"), Some("13")]);
        assert_eq!([namespace_of("nvme0"), namespace_of("nvmen1"), namespace_of("nvme0n")], [None; 3]);
    }
}
