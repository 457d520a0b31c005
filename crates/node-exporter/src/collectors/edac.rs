//! `edac`: errors of memory that were corrected, and those that were not.

use std::path::Path;

use wf_exposition::MetricFamily;

use crate::collector::{CollectError, Collector, Sink};
use crate::context::{Context, names_in};

/// The collector.
#[derive(Debug)]
pub struct Edac;

const HELP: &str = "Errors of memory.";
/// File prefix and the word in the metric's name.
const KINDS: [(&str, &str); 2] = [("ce", "correctable"), ("ue", "uncorrectable")];

impl Collector for Edac {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let base = ctx.paths.sys.join("devices/system/edac/mc");
        let mut sink = Sink::new(out);
        for name in numbered(&base, "mc") {
            let dir = base.join(&name);
            let controller = name.trim_start_matches("mc");
            for (file, word) in KINDS {
                if let Some(count) = ctx.value(&dir.join(format!("{file}_count"))) {
                    let name = format!("node_edac_{word}_errors_total");
                    sink.counter(name, HELP, &[("controller", controller)], count);
                }
                if let Some(count) = ctx.value(&dir.join(format!("{file}_noinfo_count"))) {
                    let labels = [("controller", controller), ("csrow", "unknown")];
                    sink.counter(format!("node_edac_csrow_{word}_errors_total"), HELP, &labels, count);
                }
            }
            for row in numbered(&dir, "csrow") {
                push_row(ctx, &dir.join(&row), controller, row.trim_start_matches("csrow"), &mut sink);
            }
        }
        Ok(())
    }
}

fn numbered(dir: &Path, prefix: &str) -> Vec<String> {
    let mut names = names_in(dir, prefix);
    names.retain(|name| name.trim_start_matches(prefix).parse::<u32>().is_ok());
    names
}

fn push_row(ctx: &mut Context, dir: &Path, controller: &str, csrow: &str, sink: &mut Sink<'_>) {
    for (file, word) in KINDS {
        if let Some(count) = ctx.value(&dir.join(format!("{file}_count"))) {
            let labels = [("controller", controller), ("csrow", csrow)];
            sink.counter(format!("node_edac_csrow_{word}_errors_total"), HELP, &labels, count);
        }
        for name in names_in(dir, "ch") {
            let Some(channel) = name.strip_prefix("ch").and_then(|rest| rest.strip_suffix("_count")) else {
                continue;
            };
            let Some(channel) = channel.strip_suffix(file).and_then(|rest| rest.strip_suffix('_')) else {
                continue;
            };
            let Some(count) = ctx.value(&dir.join(&name)) else { continue };
            let labels = [
                ("channel", channel),
                ("controller", controller),
                ("csrow", csrow),
                ("dimm_label", &dimm_label(ctx, &dir.join(format!("ch{channel}_dimm_label")))),
            ];
            sink.counter(format!("node_edac_channel_{word}_errors_total"), HELP, &labels, count);
        }
    }
}

/// `mc#0csrow#0channel#0` reads `mc0_csrow0_channel0`.
fn dimm_label(ctx: &mut Context, path: &Path) -> String {
    match ctx.text(path) {
        Some(text) => text.replace('#', "").replace("csrow", "_csrow").replace("channel", "_channel"),
        None => "unknown".to_owned(),
    }
}
