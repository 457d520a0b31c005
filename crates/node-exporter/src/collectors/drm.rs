//! `drm`: graphics cards by amdgpu.

use wf_exposition::MetricFamily;

use crate::collector::{CollectError, Collector, Sink};
use crate::context::{Context, names_in};

/// The collector.
#[derive(Debug)]
pub struct Drm;

/// File and metric.
const NUMBERS: [(&str, &str); 7] = [
    ("gpu_busy_percent", "node_drm_gpu_busy_percent"),
    ("mem_info_gtt_total", "node_drm_memory_gtt_size_bytes"),
    ("mem_info_gtt_used", "node_drm_memory_gtt_used_bytes"),
    ("mem_info_vis_vram_total", "node_drm_memory_vis_vram_size_bytes"),
    ("mem_info_vis_vram_used", "node_drm_memory_vis_vram_used_bytes"),
    ("mem_info_vram_total", "node_drm_memory_vram_size_bytes"),
    ("mem_info_vram_used", "node_drm_memory_vram_used_bytes"),
];

impl Collector for Drm {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let base = ctx.paths.sys.join("class/drm");
        let mut sink = Sink::new(out);
        // Connectors, `card0-HDMI-A-1`, live in the same directory.
        let is_card = |name: &&String| name.trim_start_matches("card").parse::<u32>().is_ok();
        for card in names_in(&base, "card").iter().filter(is_card) {
            let dir = base.join(card).join("device");
            let driver = std::fs::read_link(dir.join("driver")).unwrap_or_default();
            if !driver.ends_with("amdgpu") {
                continue;
            }
            let mut text = |file: &str| ctx.text(&dir.join(file)).unwrap_or_default();
            let labels = [
                ("card", card.clone()),
                ("memory_vendor", text("mem_info_vram_vendor")),
                ("power_performance_level", text("power_dpm_force_performance_level")),
                ("unique_id", text("unique_id")),
                ("vendor", "amd".to_owned()),
            ];
            let labels: Vec<_> = labels.iter().map(|(name, value)| (*name, value.as_str())).collect();
            sink.gauge("node_drm_card_info", "Identity of a graphics card.", &labels, 1.0);
            for (file, name) in NUMBERS {
                if let Some(number) = ctx.value(&dir.join(file)) {
                    sink.gauge(name, "Graphics card statistic.", &[("card", card)], number);
                }
            }
        }
        Ok(())
    }
}
