//! `xfs`: what the file system did, mount by mount.

use wf_exposition::MetricFamily;

use crate::collector::{CollectError, Collector, Sink};
use crate::context::{Context, names_in};
use crate::parse;

/// Line and metrics, without prefix and suffix, in the order of its numbers.
const LINES: [(&str, &[&str]); 8] = [
    (
        "extent_alloc",
        &[
            "extent_allocation_extents_allocated",
            "extent_allocation_blocks_allocated",
            "extent_allocation_extents_freed",
            "extent_allocation_blocks_freed",
        ],
    ),
    (
        "abt",
        &[
            "allocation_btree_lookups",
            "allocation_btree_compares",
            "allocation_btree_records_inserted",
            "allocation_btree_records_deleted",
        ],
    ),
    (
        "blk_map",
        &[
            "block_mapping_reads",
            "block_mapping_writes",
            "block_mapping_unmaps",
            "block_mapping_extent_list_insertions",
            "block_mapping_extent_list_deletions",
            "block_mapping_extent_list_lookups",
            "block_mapping_extent_list_compares",
        ],
    ),
    (
        "bmbt",
        &[
            "block_map_btree_lookups",
            "block_map_btree_compares",
            "block_map_btree_records_inserted",
            "block_map_btree_records_deleted",
        ],
    ),
    (
        "dir",
        &[
            "directory_operation_lookup",
            "directory_operation_create",
            "directory_operation_remove",
            "directory_operation_getdents",
        ],
    ),
    (
        "ig",
        &[
            "inode_operation_attempts",
            "inode_operation_found",
            "inode_operation_recycled",
            "inode_operation_missed",
            "inode_operation_duplicates",
            "inode_operation_reclaims",
            "inode_operation_attribute_changes",
        ],
    ),
    // Writes come first.
    ("rw", &["write_calls", "read_calls"]),
    (
        "vnodes",
        &[
            "vnode_active",
            "vnode_allocate",
            "vnode_get",
            "vnode_hold",
            "vnode_release",
            "vnode_reclaim",
            "vnode_remove",
        ],
    ),
];

/// The collector.
#[derive(Debug)]
pub struct Xfs;

impl Collector for Xfs {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let base = ctx.paths.sys.join("fs/xfs");
        let mut sink = Sink::new(out);
        for device in names_in(&base, "") {
            let path = base.join(&device).join("stats/stats");
            // Beside one directory a mount there is one that sums them up.
            if device == "stats" || !path.is_file() {
                continue;
            }
            for line in parse::lines(ctx.file(&path)?) {
                let mut words = parse::words(line);
                let Some(key) = words.next() else { continue };
                let Some((_, names)) = LINES.iter().find(|(known, _)| known.as_bytes() == key) else {
                    continue;
                };
                for (name, word) in names.iter().zip(words) {
                    let value = parse::number(word).ok_or_else(|| CollectError::parse("fs/xfs", line))?;
                    let name = format!("node_xfs_{name}_total");
                    sink.counter(name, "File system operations.", &[("device", &device)], value);
                }
            }
        }
        Ok(())
    }
}
