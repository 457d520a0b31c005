//! `selinux`: whether mandatory access control is on.

use wf_exposition::MetricFamily;

use crate::collector::{CollectError, Collector, push_gauge};
use crate::context::Context;
use crate::parse;

/// The collector.
#[derive(Debug)]
pub struct SeLinux;

impl Collector for SeLinux {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let enforce = ctx.paths.sys.join("fs/selinux/enforce");
        let current = ctx.value(&enforce);
        let is_enabled = f64::from(u8::from(current.is_some()));
        push_gauge(out, "node_selinux_enabled", "Whether SELinux is enabled.", is_enabled);
        let Some(current) = current else { return Ok(()) };
        let root = ctx.paths.root.clone();
        let config = ctx.file(&root.join("etc/selinux/config")).map(parse::text).unwrap_or_default();
        let mode = config.lines().find_map(|line| line.trim().strip_prefix("SELINUX="));
        let configured = match mode.map(str::trim) {
            Some("enforcing") => 1.0,
            Some("permissive") => 0.0,
            _ => -1.0,
        };
        push_gauge(out, "node_selinux_config_mode", "Mode that is configured.", configured);
        push_gauge(out, "node_selinux_current_mode", "Mode that is in force.", current);
        Ok(())
    }
}
