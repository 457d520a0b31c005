//! `zfs`: caches, transactions and pools.

use std::path::Path;

use wf_exposition::MetricFamily;

use crate::collector::{CollectError, Collector, Sink};
use crate::context::{Context, names_in};
use crate::parse;

/// File and the word in the metrics' names.
const FILES: [(&str, &str); 11] = [
    ("abdstats", "abd"),
    ("arcstats", "arc"),
    ("dbufstats", "dbuf"),
    ("dmu_tx", "dmu_tx"),
    ("dnodestats", "dnode"),
    ("fm", "fm"),
    ("vdev_cache_stats", "vdev_cache"),
    ("vdev_mirror_stats", "vdev_mirror"),
    ("xuio_stats", "xuio"),
    ("zfetchstats", "zfetch"),
    ("zil", "zil"),
];

const STATES: [&str; 7] = ["online", "degraded", "faulted", "offline", "removed", "unavail", "suspended"];

const HELP: &str = "ZFS statistic.";

/// The collector.
#[derive(Debug)]
pub struct Zfs;

impl Collector for Zfs {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let base = ctx.paths.proc.join("spl/kstat/zfs");
        if !base.is_dir() {
            return Err(CollectError::NoData { why: "this host has no ZFS".to_owned() });
        }
        let mut sink = Sink::new(out);
        for (file, word) in FILES {
            let text = match ctx.file(&base.join(file)) {
                Ok(text) => text,
                Err(error) if error.is_no_data() => continue,
                Err(error) => return Err(error),
            };
            for (field, value) in rows(text) {
                sink.untyped(format!("node_zfs_{word}_{field}"), HELP, &[], value);
            }
        }
        for pool in names_in(&base, "") {
            let dir = base.join(&pool);
            if dir.is_dir() {
                push_pool(ctx, &dir, &pool, &mut sink);
            }
        }
        Ok(())
    }
}

/// Name and value of numeric rows: types 3 (signed) and 4 (unsigned).
fn rows(text: &[u8]) -> impl Iterator<Item = (String, f64)> {
    let rows = parse::lines(text).skip_while(|line| !line.starts_with(b"name ")).skip(1);
    rows.filter_map(|line| {
        let mut words = parse::words(line);
        let (name, kind, value) = (words.next()?, words.next()?, words.next()?);
        matches!(kind, b"3" | b"4").then_some(())?;
        Some((parse::text(name).replace('-', "_"), parse::number(value)?))
    })
}

fn push_pool(ctx: &mut Context, dir: &Path, pool: &str, sink: &mut Sink<'_>) {
    let labels = [("zpool", pool)];
    if let Ok(text) = ctx.file(&dir.join("io")) {
        let mut lines = parse::lines(text).skip(1);
        let (names, values) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
        for (name, value) in parse::words(names).zip(parse::words(values)) {
            if let Some(value) = parse::number(value) {
                sink.untyped(format!("node_zfs_zpool_{}", parse::text(name)), HELP, &labels, value);
            }
        }
    }
    for file in names_in(dir, "objset-") {
        // A dataset may vanish while we look.
        let Ok(text) = ctx.file(&dir.join(file)) else { continue };
        // Names of datasets may hold spaces.
        let dataset = parse::lines(text).find_map(|line| {
            let rest = line.strip_prefix(b"dataset_name ")?.trim_ascii_start();
            rest.strip_prefix(b"7 ").map(|name| parse::text(name.trim_ascii()))
        });
        let dataset = dataset.unwrap_or_default();
        for (field, value) in rows(text) {
            let labels = [("dataset", dataset.as_str()), ("zpool", pool)];
            sink.untyped(format!("node_zfs_zpool_dataset_{field}"), HELP, &labels, value);
        }
    }
    if let Some(state) = ctx.text(&dir.join("state")) {
        let state = state.to_lowercase();
        for known in STATES {
            let is_it = f64::from(u8::from(known == state));
            sink.gauge("node_zfs_zpool_state", HELP, &[("state", known), ("zpool", pool)], is_it);
        }
    }
}
