//! `dmmultipath`: disks reached over several paths.

use wf_exposition::MetricFamily;

use crate::collector::{CollectError, Collector, Sink};
use crate::context::{Context, names_in};

/// The collector.
#[derive(Debug)]
pub struct DmMultipath;

const SECTOR_BYTES: f64 = 512.0;

impl Collector for DmMultipath {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let base = ctx.paths.sys.join("block");
        let mut sink = Sink::new(out);
        let mut has_any = false;
        for sysfs_name in names_in(&base, "dm-") {
            let dir = base.join(&sysfs_name);
            let uuid = ctx.text(&dir.join("dm/uuid")).unwrap_or_default();
            if !uuid.starts_with("mpath-") {
                continue;
            }
            has_any = true;
            let device = ctx.text(&dir.join("dm/name")).unwrap_or_default();
            let labels = [("device", device.as_str()), ("sysfs_name", &sysfs_name)];
            let info = [("device", device.as_str()), ("sysfs_name", &sysfs_name), ("uuid", &uuid)];
            sink.gauge("node_dmmultipath_device_info", "Identity of a multipath device.", &info, 1.0);
            let is_suspended = ctx.value(&dir.join("dm/suspended")).is_some_and(|value| value != 0.0);
            let help = "Whether the device takes requests.";
            sink.gauge("node_dmmultipath_device_active", help, &labels, f64::from(u8::from(!is_suspended)));
            let bytes = ctx.value(&dir.join("size")).unwrap_or(0.0) * SECTOR_BYTES;
            sink.gauge("node_dmmultipath_device_size_bytes", "Size of the device.", &labels, bytes);
            let paths = names_in(&dir.join("slaves"), "");
            let mut n_active = 0_u32;
            for path in &paths {
                let state = ctx.text(&base.join(path).join("device/state"));
                let state = state.unwrap_or_else(|| "unknown".to_owned());
                n_active += u32::from(matches!(state.as_str(), "running" | "live"));
                let labels = [("device", device.as_str()), ("path", path), ("state", &state)];
                sink.gauge("node_dmmultipath_path_state", "State of a path.", &labels, 1.0);
            }
            let n_paths = paths.len() as f64;
            let n_active = f64::from(n_active);
            sink.gauge("node_dmmultipath_device_paths", "Paths of the device.", &labels, n_paths);
            sink.gauge("node_dmmultipath_device_paths_active", "Paths that work.", &labels, n_active);
            sink.gauge(
                "node_dmmultipath_device_paths_failed",
                "Paths that do not.",
                &labels,
                n_paths - n_active,
            );
        }
        if has_any {
            return Ok(());
        }
        Err(CollectError::NoData { why: "this host has no multipath devices".to_owned() })
    }
}
