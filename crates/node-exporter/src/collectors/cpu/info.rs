//! What `/proc/cpuinfo` says about each CPU: only on request, for it is many labels.

use std::collections::BTreeMap;

use regex_automata::meta::Regex;
use wf_exposition::MetricFamily;

use super::super::cpufreq::FREQUENCY_HELP;
use crate::collector::{CollectError, gauge};
use crate::config::{Config, FlagError};
use crate::context::Context;
use crate::filter;

/// Options of the information metrics.
#[derive(Debug)]
pub(super) struct Info {
    /// Upstream's condition: the cpufreq collector runs too.
    has_frequency: bool,
    flags: Option<Regex>,
    bugs: Option<Regex>,
}

type Fields = BTreeMap<String, String>;

impl Info {
    /// None when nothing asks for it.
    pub(super) fn new(config: &Config) -> Result<Option<Self>, FlagError> {
        let compile = |flag: &str, pattern: &str| match pattern {
            "" => Ok(None),
            pattern => filter::regex(flag, pattern).map(Some),
        };
        let flags = compile("--collector.cpu.info.flags-include", &config.cpu_flags_include)?;
        let bugs = compile("--collector.cpu.info.bugs-include", &config.cpu_bugs_include)?;
        let is_on = config.cpu_info || flags.is_some() || bugs.is_some();
        Ok(is_on.then_some(Self { has_frequency: config.collectors.contains("cpufreq"), flags, bugs }))
    }

    pub(super) fn push(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let cpus = parse_cpus(ctx.proc("cpuinfo")?);
        let mut family = gauge("node_cpu_info", "CPU information from /proc/cpuinfo.");
        for cpu in &cpus {
            let field = |name: &str| cpu.get(name).map_or("", String::as_str);
            let labels = [
                ("cachesize", field("cache size")),
                ("core", field("core id")),
                ("cpu", field("processor")),
                ("family", field("cpu family")),
                ("microcode", field("microcode")),
                ("model", field("model")),
                ("model_name", field("model name")),
                ("package", field("physical id")),
                ("stepping", field("stepping")),
                ("vendor", field("vendor_id")),
            ];
            family.push(&labels, 1.0);
        }
        out.push(family);
        if self.has_frequency {
            out.push(frequencies(&cpus));
        }
        let listed = |name: &str| cpus.first().and_then(|cpu| cpu.get(name)).map_or("", String::as_str);
        let flags = gauge("node_cpu_flag_info", "Feature flags of the first CPU that match the pattern.");
        out.push(matching(flags, "flag", listed("flags"), self.flags.as_ref()));
        let bugs = gauge("node_cpu_bug_info", "Hardware bugs of the first CPU that match the pattern.");
        out.push(matching(bugs, "bug", listed("bugs"), self.bugs.as_ref()));
        Ok(())
    }
}

fn frequencies(cpus: &[Fields]) -> MetricFamily {
    let mut family = gauge("node_cpu_frequency_hertz", FREQUENCY_HELP);
    for cpu in cpus {
        let field = |name: &str| cpu.get(name).map_or("", String::as_str);
        if let Ok(megahertz) = field("cpu MHz").parse::<f64>() {
            let labels =
                [("core", field("core id")), ("cpu", field("processor")), ("package", field("physical id"))];
            family.push(&labels, megahertz * 1e6);
        }
    }
    family
}

fn matching(
    mut family: MetricFamily,
    label: &'static str,
    list: &str,
    include: Option<&Regex>,
) -> MetricFamily {
    for item in list.split_ascii_whitespace() {
        if include.is_some_and(|include| include.is_match(item)) {
            family.push(&[(label, item)], 1.0);
        }
    }
    family
}

/// A block of `key : value` lines a CPU.
fn parse_cpus(text: &[u8]) -> Vec<Fields> {
    let text = String::from_utf8_lossy(text);
    let mut cpus: Vec<Fields> = Vec::new();
    for line in text.lines() {
        let Some((key, value)) = line.split_once(':') else { continue };
        let (key, value) = (key.trim(), value.trim());
        if key == "processor" {
            cpus.push(Fields::new());
        }
        if let Some(cpu) = cpus.last_mut() {
            cpu.insert(key.to_owned(), value.to_owned());
        }
    }
    cpus
}
