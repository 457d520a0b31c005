//! `cpufreq`: how fast CPUs run and may run.

use wf_exposition::MetricFamily;

use crate::collector::{CollectError, Collector, gauge};
use crate::context::{Context, names_in};
use crate::parse;

/// File below `/sys/devices/system/cpu/cpu<n>/cpufreq`, in kHz, and metric.
#[rustfmt::skip]
const FREQUENCIES: [(&str, &str, &str); 7] = [
    ("cpuinfo_cur_freq", "node_cpu_frequency_hertz", FREQUENCY_HELP),
    ("cpuinfo_avg_freq", "node_cpu_frequency_avg_hertz", "Average frequency of the CPU."),
    ("cpuinfo_min_freq", "node_cpu_frequency_min_hertz", "Lowest frequency of the CPU."),
    ("cpuinfo_max_freq", "node_cpu_frequency_max_hertz", "Highest frequency of the CPU."),
    ("scaling_cur_freq", "node_cpu_scaling_frequency_hertz", "Frequency the kernel chose."),
    ("scaling_min_freq", "node_cpu_scaling_frequency_min_hertz", "Lowest frequency the kernel may choose."),
    ("scaling_max_freq", "node_cpu_scaling_frequency_max_hertz", "Highest frequency the kernel may choose."),
];

/// Shared with the `cpu` collector, which has series of this family too: one help, so that both are served.
pub(super) const FREQUENCY_HELP: &str = "Current frequency of the CPU.";

/// The collector.
#[derive(Debug)]
pub struct CpuFreq;

impl Collector for CpuFreq {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let base = ctx.paths.sys.join("devices/system/cpu");
        let offline = ctx.attribute(&base.join("offline")).and_then(parse::ranges).unwrap_or_default();
        let mut families = FREQUENCIES.map(|(_, name, help)| gauge(name, help));
        let mut governors = gauge("node_cpu_scaling_governor", "Whether a governor is the one in charge.");
        for name in names_in(&base, "cpu") {
            let Some(cpu) = name.strip_prefix("cpu") else { continue };
            let is_online = parse::u64(cpu.as_bytes()).is_some_and(|number| !offline.contains(&number));
            let dir = base.join(&name).join("cpufreq");
            if !is_online || !dir.is_dir() {
                continue;
            }
            for (family, (file, _, _)) in families.iter_mut().zip(FREQUENCIES) {
                // Some are for root only.
                if let Some(khz) = ctx.attribute(&dir.join(file)).and_then(parse::number) {
                    family.push(&[("cpu", cpu)], khz * 1000.0);
                }
            }
            let mut text = |file: &str| ctx.attribute(&dir.join(file)).map(parse::text).unwrap_or_default();
            let (available, current) = (text("scaling_available_governors"), text("scaling_governor"));
            for governor in available.split_ascii_whitespace() {
                let is_current = f64::from(u8::from(governor == current));
                governors.push(&[("cpu", cpu), ("governor", governor)], is_current);
            }
        }
        out.extend(families);
        out.push(governors);
        Ok(())
    }
}
