//! `cpu_vulnerabilities`: which flaws of the CPU concern this host.

use wf_exposition::MetricFamily;

use crate::collector::{CollectError, Collector, gauge};
use crate::context::{Context, names_in};

/// The collector.
#[derive(Debug)]
pub struct CpuVulnerabilities;

impl Collector for CpuVulnerabilities {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let dir = ctx.paths.sys.join("devices/system/cpu/vulnerabilities");
        let names = names_in(&dir, "");
        if names.is_empty() {
            return Err(CollectError::NoData { why: "this kernel does not tell about flaws".to_owned() });
        }
        let mut family = gauge("node_cpu_vulnerabilities_info", "State of a flaw of the CPU.");
        for codename in &names {
            let Some(text) = ctx.text(&dir.join(codename)) else { continue };
            let (state, mitigation) = judge(&text);
            family.push(&[("codename", codename), ("mitigation", mitigation), ("state", state)], 1.0);
        }
        out.push(family);
        Ok(())
    }
}

/// State and mitigation as the labels want them.
fn judge(text: &str) -> (&'static str, &str) {
    let lower = text.to_lowercase();
    let rest = || text.split_once(' ').map_or("", |(_, rest)| rest.trim());
    if lower.starts_with("not affected") {
        return ("not affected", "");
    }
    for state in ["vulnerable", "mitigation", "unknown"] {
        if lower.starts_with(state) {
            return (state, rest());
        }
    }
    ("unknown", text)
}
