//! Blocks of a release that mixed up two version numbers.
//!
//! A release of 2017 wrote version 2 into `meta.json`, where 1 belongs, and version 1 into an index of version 2. Such
//! blocks are read for what they are; the repair makes them readable for others, too.

use std::path::Path;
use std::sync::Arc;

use super::BlockError;
use super::index_writer;
use super::meta::BlockMeta;
use crate::disk::{Disk, replace};

/// Corrects both numbers of the block in `dir` if they are wrong; returns whether they were.
/// # Errors
/// Those of the operating system; a `meta.json` that cannot be read. The index goes first, so that an interrupted repair
/// is done again.
pub fn repair_index_version(disk: &Arc<dyn Disk>, dir: &Path) -> Result<bool, BlockError> {
    let mut meta = BlockMeta::read(&**disk, dir)?;
    if meta.version != 2 {
        return Ok(false);
    }
    let path = dir.join(index_writer::FILE_NAME);
    let mut bytes = disk.read(&path).map_err(BlockError::io("read", &path))?;
    if let Some(version) = bytes.get_mut(index_writer::MAGIC.len())
        && *version == 1
    {
        *version = 2;
        replace(&**disk, &path, &bytes).map_err(BlockError::io("write", &path))?;
    }
    meta.version = 1;
    meta.write(&**disk, dir)?;
    Ok(true)
}
