//! Memory maps of files: the only unsafe code of this crate.
//!
//! # What it relies on
//! - The file is mapped read-only and shared; only this process writes to it (the data directory is locked).
//! - Bytes below the length that a caller passes to [`FileMap::bytes`] do not change any more: writers append.
//! - Nobody else cuts the file while it is mapped: touching a page past its end would end the process by a signal.
//!   Our own cuts stay at or above the length that readers were told.
#![expect(unsafe_code, reason = "memory-mapped reading of head chunks; see the module's contract")]

use std::fs::File;
use std::io;
use std::ops::{Deref, Range};
use std::sync::Arc;

use memmap2::{MmapOptions, MmapRaw};

/// The bytes of a file from its start, up to a length fixed when it is mapped.
#[derive(Debug)]
pub struct FileMap {
    map: MmapRaw,
}

impl FileMap {
    /// Maps the first `len` ≥ 1 bytes of `file`, which must have as many.
    /// # Errors
    /// Those of mmap(2).
    pub(crate) fn new(file: &File, len: usize) -> io::Result<Self> {
        Ok(Self { map: MmapOptions::new().len(len).map_raw_read_only(file)? })
    }

    /// Returns the bytes of `range`; `None` when it exceeds `len_written`, up to which bytes are final, or the map.
    pub(crate) fn bytes(&self, range: Range<usize>, len_written: usize) -> Option<&[u8]> {
        let len = range.end.checked_sub(range.start)?;
        if range.end > len_written.min(self.map.len()) {
            return None;
        }
        // SAFETY: the range lies inside the mapping, which lives as long as `self`. By the module's contract its bytes
        // were written before and never change, and the file is at least `len_written` long, so that reading them
        // neither races nor faults. No reference to bytes above `len_written` is ever made.
        Some(unsafe { std::slice::from_raw_parts(self.map.as_ptr().add(range.start), len) })
    }

    /// Returns all bytes below `len_written`.
    pub(crate) fn all(&self, len_written: usize) -> &[u8] {
        self.bytes(0..len_written.min(self.map.len()), len_written).unwrap_or_default()
    }
}

/// The bytes of a whole file, mapped; clones share them, and keep them readable after the file was removed.
#[derive(Clone, Debug, Default)]
pub struct Mapped {
    /// `None` for an empty file, which cannot be mapped.
    map: Option<Arc<FileMap>>,
}

impl Mapped {
    /// Takes a map of all bytes of a file, which are final.
    pub(crate) fn whole(map: FileMap) -> Self {
        Self { map: Some(Arc::new(map)) }
    }
}

impl Deref for Mapped {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.map.as_ref().map_or(&[], |map| map.all(map.map.len()))
    }
}
