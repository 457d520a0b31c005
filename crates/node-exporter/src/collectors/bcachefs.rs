//! `bcachefs`: the file system's caches, compression, errors and devices.

use std::path::Path;

use wf_exposition::MetricFamily;

use crate::collector::{CollectError, Collector, Sink};
use crate::context::{Context, names_in};
use crate::parse;

/// The collector.
#[derive(Debug)]
pub struct BcacheFs;

const HELP: &str = "File system statistic.";

impl Collector for BcacheFs {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let base = ctx.paths.sys.join("fs/bcachefs");
        let uuids = names_in(&base, "");
        if uuids.is_empty() {
            return Err(CollectError::NoData { why: "no bcachefs is mounted".to_owned() });
        }
        let mut sink = Sink::new(out);
        for uuid in &uuids {
            let dir = base.join(uuid);
            if !dir.is_dir() {
                continue;
            }
            sink.gauge("node_bcachefs_info", HELP, &[("uuid", uuid)], 1.0);
            if let Some(bytes) = ctx.attribute(&dir.join("btree_cache_size")).and_then(human) {
                sink.gauge("node_bcachefs_btree_cache_size_bytes", HELP, &[("uuid", uuid)], bytes);
            }
            push_tables(ctx, &dir, uuid, &mut sink);
            push_counters(ctx, &dir.join("counters"), uuid, &mut sink);
            for device in names_in(&dir, "dev-") {
                push_device(ctx, &dir.join(&device), device.trim_start_matches("dev-"), uuid, &mut sink);
            }
        }
        Ok(())
    }
}

/// Lines of a table as words; none when it cannot be read.
fn table(ctx: &mut Context, path: &Path) -> Vec<Vec<String>> {
    let text = ctx.file(path).map(parse::text).unwrap_or_default();
    text.lines().map(|line| line.split_ascii_whitespace().map(str::to_owned).collect()).collect()
}

fn push_tables(ctx: &mut Context, dir: &Path, uuid: &str, sink: &mut Sink<'_>) {
    for row in table(ctx, &dir.join("compression_stats")).iter().skip(1) {
        let [algorithm, compressed, uncompressed, ..] = &row[..] else { continue };
        let labels = [("algorithm", algorithm.as_str()), ("uuid", uuid)];
        for (text, name) in [
            (compressed, "node_bcachefs_compression_compressed_bytes"),
            (uncompressed, "node_bcachefs_compression_uncompressed_bytes"),
        ] {
            if let Some(bytes) = human(text.as_bytes()) {
                sink.gauge(name, HELP, &labels, bytes);
            }
        }
    }
    for row in table(ctx, &dir.join("errors")) {
        let [kind, count, ..] = &row[..] else { continue };
        if let Some(count) = parse::number(count.as_bytes()) {
            sink.counter("node_bcachefs_errors_total", HELP, &[("error_type", kind), ("uuid", uuid)], count);
        }
    }
    for row in table(ctx, &dir.join("btree_write_stats")) {
        let [kind, count, size] = &row[..] else { continue };
        let Some(kind) = kind.strip_suffix(':') else { continue };
        let labels = [("type", kind), ("uuid", uuid)];
        if let Some(count) = parse::number(count.as_bytes()) {
            sink.counter("node_bcachefs_btree_writes_total", HELP, &labels, count);
        }
        if let Some(bytes) = human(size.as_bytes()) {
            sink.gauge("node_bcachefs_btree_write_average_size_bytes", HELP, &labels, bytes);
        }
    }
}

/// `since mount: 475G`, `since filesystem creation: 44.5T`.
fn push_counters(ctx: &mut Context, dir: &Path, uuid: &str, sink: &mut Sink<'_>) {
    for file in names_in(dir, "") {
        let text = ctx.text(&dir.join(&file)).unwrap_or_default();
        let value = text.lines().find_map(|line| line.trim().strip_prefix("since filesystem creation:"));
        if let Some(value) = value.and_then(|value| human(value.trim().as_bytes())) {
            let name = format!("node_bcachefs_{}_total", parse::metric_name(&file));
            sink.counter(name, HELP, &[("uuid", uuid)], value);
        }
    }
}

fn push_device(ctx: &mut Context, dir: &Path, device: &str, uuid: &str, sink: &mut Sink<'_>) {
    let label = ctx.text(&dir.join("label")).unwrap_or_default();
    let state = ctx.text(&dir.join("state")).unwrap_or_default();
    let labels = [("device", device), ("label", &label), ("state", &state), ("uuid", uuid)];
    sink.gauge("node_bcachefs_device_info", HELP, &labels, 1.0);
    for (file, name) in [
        ("bucket_size", "node_bcachefs_device_bucket_size_bytes"),
        ("nbuckets", "node_bcachefs_device_buckets"),
        ("durability", "node_bcachefs_device_durability"),
    ] {
        if let Some(number) = ctx.attribute(&dir.join(file)).and_then(human) {
            sink.gauge(name, HELP, &[("device", device), ("uuid", uuid)], number);
        }
    }
    let mut operation = String::new();
    for line in ctx.text(&dir.join("io_done")).unwrap_or_default().lines() {
        let Some((key, value)) = line.split_once(':') else { continue };
        match parse::number(value.trim().as_bytes()) {
            None => operation = key.trim().to_owned(),
            Some(bytes) => {
                let labels = [
                    ("data_type", key.trim()),
                    ("device", device),
                    ("operation", operation.as_str()),
                    ("uuid", uuid),
                ];
                sink.counter("node_bcachefs_device_io_done_bytes_total", HELP, &labels, bytes);
            }
        }
    }
    // The first section counts since creation; those after it since somebody reset them.
    let errors = ctx.text(&dir.join("io_errors")).unwrap_or_default();
    for line in errors.lines().skip(1).take_while(|line| line.starts_with(' ')) {
        let Some((kind, count)) = line.split_once(':') else { continue };
        if let Some(count) = parse::number(count.trim().as_bytes()) {
            let labels = [("device", device), ("type", kind.trim()), ("uuid", uuid)];
            sink.counter("node_bcachefs_device_io_errors_total", HELP, &labels, count);
        }
    }
}

/// Reads a size such as `48.9G`, rounded down to whole bytes.
fn human(text: &[u8]) -> Option<f64> {
    let text = str::from_utf8(text).ok()?.trim();
    let Some(unit) = text.chars().last().filter(|last| last.is_ascii_alphabetic()) else {
        return parse::number(text.as_bytes());
    };
    let power = i32::try_from("KMGTPE".find(unit.to_ascii_uppercase())?).ok()? + 1;
    let number: f64 = text.strip_suffix(unit)?.parse().ok()?;
    Some((number * 1024_f64.powi(power)).trunc())
}
