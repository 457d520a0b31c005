//! Collectors that read one table of `/proc`: `buddyinfo`, `cgroups`, `lnstat`, `softirqs`, `swap`.

use wf_exposition::MetricFamily;

use crate::collector::{CollectError, Collector, Sink, counter, gauge};
use crate::context::{Context, names_in};
use crate::parse;

/// `buddyinfo`: free memory by the size of its pieces.
#[derive(Debug)]
pub struct BuddyInfo;

impl Collector for BuddyInfo {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let mut family =
            gauge("node_buddyinfo_blocks", "Free blocks by their size, as a power of two pages.");
        for line in parse::lines(ctx.proc("buddyinfo")?) {
            // `Node 0, zone      DMA      1      0 …`
            let words: Vec<_> = parse::words(line).collect();
            let [b"Node", node, b"zone", zone, counts @ ..] = &words[..] else {
                return Err(CollectError::parse("buddyinfo", line));
            };
            let (node, zone) = (parse::text(node.strip_suffix(b",").unwrap_or(node)), parse::text(zone));
            for (size, count) in counts.iter().enumerate() {
                let count = parse::number(count).ok_or_else(|| CollectError::parse("buddyinfo", line))?;
                family.push(&[("node", &node), ("size", &size.to_string()), ("zone", &zone)], count);
            }
        }
        out.push(family);
        Ok(())
    }
}

/// `cgroups`: controllers of the first version.
#[derive(Debug)]
pub struct CGroups;

impl Collector for CGroups {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let mut groups = gauge("node_cgroups_cgroups", "Control groups of the controller.");
        let mut enabled = gauge("node_cgroups_enabled", "Whether the controller is enabled.");
        for line in parse::lines(ctx.proc("cgroups")?).filter(|line| !line.starts_with(b"#")) {
            let words: Vec<_> = parse::words(line).collect();
            let [name, _, count, is_on] = &words[..] else {
                return Err(CollectError::parse("cgroups", line));
            };
            let bad = || CollectError::parse("cgroups", line);
            let name = parse::text(name);
            let labels = [("subsys_name", name.as_str())];
            groups.push(&labels, parse::number(count).ok_or_else(bad)?);
            enabled.push(&labels, parse::number(is_on).ok_or_else(bad)?);
        }
        out.extend([groups, enabled]);
        Ok(())
    }
}

/// `lnstat`: caches of the network stack, CPU by CPU.
#[derive(Debug)]
pub struct LnStat;

impl Collector for LnStat {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let dir = ctx.paths.proc.join("net/stat");
        let files = names_in(&dir, "");
        if files.is_empty() {
            return Err(CollectError::NoData {
                why: "this kernel has no statistics of network caches".to_owned(),
            });
        }
        let mut sink = Sink::new(out);
        for subsystem in &files {
            let text = ctx.file(&dir.join(subsystem))?;
            let mut lines = parse::lines(text);
            let names: Vec<_> = parse::words(lines.next().unwrap_or_default()).map(parse::text).collect();
            for (cpu, line) in lines.enumerate() {
                let cpu = cpu.to_string();
                let labels = [("cpu", cpu.as_str()), ("subsystem", subsystem)];
                for (name, word) in names.iter().zip(parse::words(line)) {
                    let value = parse::hex(word).ok_or_else(|| CollectError::parse("net/stat", line))?;
                    let name = format!("node_lnstat_{}_total", parse::metric_name(name));
                    sink.counter(name, "Statistic of a network cache.", &labels, value as f64);
                }
            }
        }
        Ok(())
    }
}

/// `softirqs`: soft interrupts of each CPU.
#[derive(Debug)]
pub struct SoftIrqs;

impl Collector for SoftIrqs {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let mut family = counter("node_softirqs_functions_total", "Soft interrupts of the CPU.");
        let text = ctx.proc("softirqs")?;
        let mut lines = parse::lines(text);
        let cpus: Vec<_> = parse::words(lines.next().unwrap_or_default())
            .map(|word| parse::text(word.strip_prefix(b"CPU").unwrap_or(word)))
            .collect();
        for line in lines {
            let mut words = parse::words(line);
            let Some(kind) = words.next().and_then(|word| word.strip_suffix(b":")).map(parse::text) else {
                continue;
            };
            for (cpu, word) in cpus.iter().zip(words) {
                let count = parse::number(word).ok_or_else(|| CollectError::parse("softirqs", line))?;
                family.push(&[("cpu", cpu), ("type", &kind)], count);
            }
        }
        out.push(family);
        Ok(())
    }
}

/// `swap`: each device or file that takes pages.
#[derive(Debug)]
pub struct Swap;

impl Collector for Swap {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let mut size = gauge("node_swap_size_bytes", "Size of the swap device.");
        let mut used = gauge("node_swap_used_bytes", "Used bytes of the swap device.");
        let mut priority = gauge("node_swap_priority", "Priority of the swap device.");
        for line in parse::lines(ctx.proc("swaps")?).skip(1) {
            let words: Vec<_> = parse::words(line).collect();
            let [device, kind, numbers @ ..] = &words[..] else { continue };
            let numbers: Option<Vec<_>> = numbers.iter().map(|word| parse::number(word)).collect();
            let Some([kib, kib_used, order]) = numbers.as_deref() else {
                return Err(CollectError::parse("swaps", line));
            };
            let (device, kind) = (parse::text(device), parse::text(kind));
            let labels = [("device", device.as_str()), ("swap_type", &kind)];
            size.push(&labels, kib * 1024.0);
            used.push(&labels, kib_used * 1024.0);
            priority.push(&labels, *order);
        }
        out.extend([size, used, priority]);
        Ok(())
    }
}
