//! Mending: a file with damaged entries is written anew without them, so that Prometheus, which deletes the file and
//! all later ones, reads the rest too. The old file is kept beside it as `NNNNNN.damaged`.

use std::path::{Path, PathBuf};

use super::entry::read_checked;
use super::scan::{list, scan};
use super::{ChunkMeta, FILE_HEADER, HeadChunksError, file_path, io_error};
use crate::chunk::Encoding;
use crate::disk::Disk;

/// What was wrong with one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mended {
    pub(crate) path: PathBuf,
    /// Bytes that held no whole chunk.
    pub(crate) bytes_lost: u64,
    /// Whole chunks, all of them kept; without any the file is only set aside.
    pub(crate) n_kept: u64,
}

/// Says whether a whole chunk makes sense.
pub(crate) type IsSound<'a> = &'a dyn Fn(&ChunkMeta, Encoding, &[u8]) -> bool;

/// Finds the damaged files in `dir`, and mends them if `is_applied`. References to chunks in a mended file, and what is
/// bound to it, no longer hold. A crash on the way leaves the file as it was.
/// # Errors
/// When a file cannot be read or written; what was done before stays.
pub(crate) fn mend(
    disk: &dyn Disk,
    dir: &Path,
    is_applied: bool,
    is_sound: IsSound<'_>,
) -> Result<Vec<Mended>, HeadChunksError> {
    let mut mended = Vec::new();
    for number in list(disk, dir).map_err(io_error("list directory", dir))? {
        let path = file_path(dir, number);
        let bytes = disk.read(&path).map_err(io_error("read", &path))?;
        let Some((whole, n_kept)) = whole_entries(&bytes, number, is_sound) else { continue };
        if is_applied {
            let new = (n_kept > 0).then_some(whole.as_slice());
            replace(disk, dir, &path, new)?;
        }
        let bytes_lost = (bytes.len() - whole.len()) as u64;
        mended.push(Mended { path, bytes_lost, n_kept });
    }
    Ok(mended)
}

/// Returns a file of the whole entries of `bytes` and their number, or nothing if all of them are whole.
fn whole_entries(bytes: &[u8], number: u32, is_sound: IsSound<'_>) -> Option<(Vec<u8>, u64)> {
    // The newest file may have been made and never begun: the next start removes it.
    if bytes.is_empty() {
        return None;
    }
    let mut metas = Vec::new();
    let mut is_damaged = scan(bytes, number, &mut |meta| metas.push(meta)).first_damage.is_some();
    let (mut whole, mut n_kept) = (FILE_HEADER.to_vec(), 0);
    for meta in metas {
        let rest = bytes.get(meta.chunk.offset()..).unwrap_or_default();
        let Some(entry) = read_checked(rest).ok().filter(|entry| is_sound(&meta, entry.encoding, entry.data))
        else {
            is_damaged = true;
            continue;
        };
        whole.extend_from_slice(rest.get(..entry.end()).unwrap_or_default());
        n_kept += 1;
    }
    is_damaged.then_some((if n_kept > 0 { whole } else { Vec::new() }, n_kept))
}

/// Sets the file at `path` aside and puts `new`, if there is one, in its place.
fn replace(disk: &dyn Disk, dir: &Path, path: &Path, new: Option<&[u8]>) -> Result<(), HeadChunksError> {
    let aside = path.with_extension("damaged");
    // An older one gives way.
    let _ = disk.remove_file(&aside);
    let Some(new) = new else {
        disk.rename(path, &aside).map_err(io_error("set aside", path))?;
        return disk.sync_dir(dir).map_err(io_error("sync", dir));
    };
    // A file system without links keeps no damaged file.
    let _ = disk.hard_link(path, &aside);
    crate::disk::replace(disk, path, new).map_err(io_error("replace", path))
}
