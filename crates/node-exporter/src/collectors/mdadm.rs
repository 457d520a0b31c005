//! `mdadm`: software RAID.
//!
//! # Source
//! Linux `/proc/mdstat`; an array is a line that starts with its name and the indented lines after it.

use std::path::Path;

use wf_exposition::MetricFamily;

use crate::collector::{CollectError, Collector, gauge};
use crate::context::{Context, names_in};
use crate::parse;

const STATES: [&str; 5] = ["active", "inactive", "recovering", "resync", "check"];

/// The collector.
#[derive(Debug)]
pub struct MdAdm;

impl Collector for MdAdm {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let text = parse::text(ctx.proc("mdstat")?);
        let arrays = parse_arrays(&text)?;
        let mut state = gauge("node_md_state", "Whether the array is in the state.");
        let mut disks = gauge("node_md_disks", "Disks of the array by their state.");
        let mut required = gauge("node_md_disks_required", "Disks the array needs.");
        let mut blocks = gauge("node_md_blocks", "Blocks of the array.");
        let mut synced = gauge("node_md_blocks_synced", "Blocks that are in sync.");
        for array in &arrays {
            let device = array.name;
            for name in STATES {
                let is_in = f64::from(u8::from(array.state == name));
                state.push(&[("device", device), ("state", name)], is_in);
            }
            for (name, count) in [("active", array.active), ("failed", array.failed), ("spare", array.spare)]
            {
                disks.push(&[("device", device), ("state", name)], count);
            }
            required.push(&[("device", device)], array.required);
            blocks.push(&[("device", device)], array.blocks);
            synced.push(&[("device", device)], array.blocks_synced);
        }
        out.extend([state, disks, required, blocks, synced]);
        push_sysfs(ctx, out);
        Ok(())
    }
}

fn push_sysfs(ctx: &mut Context, out: &mut Vec<MetricFamily>) {
    let mut raid_disks = gauge("node_md_raid_disks", "Disks of the array as configured.");
    let mut degraded = gauge("node_md_degraded", "Disks that are missing.");
    let base = ctx.paths.sys.join("block");
    for device in names_in(&base, "md") {
        let dir = base.join(&device).join("md");
        if !dir.is_dir() {
            continue;
        }
        let mut number = |dir: &Path, file: &str| ctx.attribute(&dir.join(file)).and_then(parse::number);
        if let Some(count) = number(&dir, "raid_disks") {
            raid_disks.push(&[("device", &device)], count);
        }
        // Levels without redundancy have no such file: nothing can be missing.
        degraded.push(&[("device", &device)], number(&dir, "degraded").unwrap_or(0.0));
    }
    out.extend([raid_disks, degraded]);
}

#[derive(Debug, Default, PartialEq)]
struct Array<'a> {
    name: &'a str,
    state: &'a str,
    active: f64,
    required: f64,
    failed: f64,
    spare: f64,
    blocks: f64,
    blocks_synced: f64,
}

fn parse_arrays(text: &str) -> Result<Vec<Array<'_>>, CollectError> {
    let mut arrays = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let is_other = ["Personalities", "unused", "read_ahead", " ", "\t"];
        if line.trim().is_empty() || is_other.iter().any(|start| line.starts_with(start)) {
            continue;
        }
        let mut details = Vec::new();
        while let Some(detail) = lines.next_if(|line| line.starts_with([' ', '\t'])) {
            details.push(detail.trim());
        }
        let array = parse_array(line, &details);
        arrays.push(array.ok_or_else(|| CollectError::parse("mdstat", line.as_bytes()))?);
    }
    Ok(arrays)
}

fn parse_array<'a>(line: &'a str, details: &[&'a str]) -> Option<Array<'a>> {
    let (name, rest) = line.split_once(" : ")?;
    let activity = rest.split_ascii_whitespace().next()?;
    let count = |mark: &str| rest.matches(mark).count() as f64;
    let mut array =
        Array { name, state: activity, failed: count("(F)"), spare: count("(S)"), ..Array::default() };
    let size_line = details.first()?;
    array.blocks = size_line.split_ascii_whitespace().next()?.parse().ok()?;
    array.blocks_synced = array.blocks;
    let level = rest.split_ascii_whitespace().find(|word| word.starts_with("raid") || *word == "linear");
    if activity == "inactive" {
        return Some(array);
    }
    if matches!(level, Some("raid0" | "linear")) {
        let n_disks = count("[");
        (array.active, array.required) = (n_disks, n_disks);
        return Some(array);
    }
    // `[4/3]`: needs four, has three.
    // A container of other arrays is named with slashes too, as in `super external:/md127/0`.
    let counts = |part: &str| {
        let (required, active) = part.split_once('/')?;
        Some((required.parse().ok()?, active.parse().ok()?))
    };
    (array.required, array.active) = size_line.split(['[', ']']).find_map(counts)?;
    for detail in details.iter().skip(1).filter(|detail| !detail.starts_with("bitmap")) {
        read_sync(&mut array, detail);
    }
    Some(array)
}

/// `[=>...]  recovery =  8.5% (16775552/195310144) finish=…`, or `resync=DELAYED`.
fn read_sync(array: &mut Array<'_>, line: &str) {
    let words =
        [("recovery", "recovering"), ("reshape", "reshaping"), ("check", "check"), ("resync", "resync")];
    let Some((_, state)) = words.iter().find(|(word, _)| line.contains(word)) else { return };
    array.state = state;
    if line.contains("PENDING") || line.contains("DELAYED") {
        array.blocks_synced = 0.0;
        return;
    }
    let done = line.split_once('(').and_then(|(_, rest)| rest.split_once('/'));
    if let Some(done) = done.and_then(|(done, _)| done.parse().ok()) {
        array.blocks_synced = done;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_are_read_with_their_sync() {
        let text = "Personalities : [raid1]\nmd6 : active raid1 sdb2[2](F) sdc[1](S) sda2[0]\n      \
            195310144 blocks [2/1] [U_]\n      [=>..]  recovery =  8.5% (16775552/195310144) finish=17.0min\n\n\
            unused devices: <none>\n";
        let arrays = parse_arrays(text).unwrap();
        let [array] = &arrays[..] else { panic!("{arrays:?}") };
        assert_eq!((array.name, array.state, array.active, array.required), ("md6", "recovering", 1.0, 2.0));
        assert_eq!((array.failed, array.spare, array.blocks_synced), (1.0, 1.0, 16_775_552.0));
        let text = "md126 : active raid5 sdc[1] sdb[0]\n      1234 blocks super external:/md127/0 level 5, 64k chunk, \
            algorithm 0 [3/2] [UU_]\n\nmd127 : inactive sdb[1](S)\n      5032 blocks super external:imsm\n";
        let arrays = parse_arrays(text).unwrap();
        assert_eq!((arrays[0].required, arrays[0].active, arrays[1].blocks), (3.0, 2.0, 5032.0));
        assert!(parse_arrays("nonsense\n").is_err());
        assert!(parse_arrays("md0 : active raid1 sda[0]\n      x blocks\n").is_err());
        assert!(parse_arrays("md0 : active raid1 sda[0]\n").is_err());
    }
}
