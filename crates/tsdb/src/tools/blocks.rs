//! Which blocks there are.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::ToolError;
use super::table::{base_2_bytes, go_duration, utc_time, write_table};
use crate::block::{Block, BlockError, Ulid};
use crate::disk::Disk;

/// How numbers are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbers {
    /// Milliseconds and bytes.
    Plain,
    /// Dates and units.
    ForPeople,
}

/// Opens all blocks of a data directory, oldest first, and tells which cannot be opened.
/// # Errors
/// When the directory cannot be listed.
pub fn open_blocks(
    disk: &Arc<dyn Disk>,
    dir: &Path,
) -> Result<(Vec<Arc<Block>>, Vec<BlockError>), BlockError> {
    let (mut blocks, mut broken) = (Vec::new(), Vec::new());
    for entry in disk.list(dir).map_err(BlockError::io("list", dir))? {
        if entry.info.is_dir && entry.name.parse::<Ulid>().is_ok() {
            match Block::open(disk, &entry.path) {
                Ok(block) => blocks.push(block),
                Err(error) => broken.push(error),
            }
        }
    }
    blocks.sort_by_key(|block| (block.meta().min_time, block.meta().max_time, block.meta().ulid));
    Ok((blocks, broken))
}

/// Whether a table begins with the names of its columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heading {
    /// It does.
    Shown,
    /// It does not: it goes on with one printed before.
    Hidden,
}

/// Prints a table of blocks.
/// # Errors
/// When it cannot be written.
pub fn write_blocks(
    out: &mut dyn io::Write,
    blocks: &[Arc<Block>],
    heading: Heading,
    numbers: Numbers,
) -> Result<(), ToolError> {
    let names =
        ["BLOCK ULID", "MIN TIME", "MAX TIME", "DURATION", "NUM SAMPLES", "NUM CHUNKS", "NUM SERIES", "SIZE"];
    let mut rows = Vec::new();
    if heading == Heading::Shown {
        rows.push(names.map(str::to_owned).to_vec());
    }
    for block in blocks {
        let meta = block.meta();
        let time = |ms: i64| if numbers == Numbers::Plain { ms.to_string() } else { utc_time(ms) };
        let size = block.size_bytes();
        rows.push(vec![
            meta.ulid.to_string(),
            time(meta.min_time),
            time(meta.max_time),
            go_duration(meta.max_time.saturating_sub(meta.min_time)),
            meta.stats.n_samples.to_string(),
            meta.stats.n_chunks.to_string(),
            meta.stats.n_series.to_string(),
            if numbers == Numbers::Plain { size.to_string() } else { base_2_bytes(size) },
        ]);
    }
    Ok(write_table(out, &rows)?)
}
