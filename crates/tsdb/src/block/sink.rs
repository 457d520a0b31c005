//! A file written from front to back through a buffer.

use std::path::{Path, PathBuf};

use super::BlockError;
use crate::disk::{Disk, DiskFile};

/// Bytes gathered before they are written.
const BUFFER_BYTES: usize = 256 << 10;

/// A new file, its end, and what is not written yet.
#[derive(Debug)]
pub(crate) struct FileSink {
    path: PathBuf,
    file: Box<dyn DiskFile>,
    buffer: Vec<u8>,
    /// Bytes of the file before the buffer.
    written: u64,
}

impl FileSink {
    pub(crate) fn create(disk: &dyn Disk, path: PathBuf) -> Result<Self, BlockError> {
        let file = disk.create_new(&path).map_err(BlockError::io("create", &path))?;
        Ok(Self { path, file, buffer: Vec::with_capacity(BUFFER_BYTES + 4096), written: 0 })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns where the next byte goes.
    pub(crate) fn position(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    pub(crate) fn put(&mut self, bytes: &[u8]) -> Result<(), BlockError> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    /// Writes zeros up to a multiple of `alignment`, which is a power of two.
    pub(crate) fn pad_to(&mut self, alignment: u64) -> Result<(), BlockError> {
        while self.position() & (alignment - 1) != 0 {
            self.put(&[0])?;
        }
        Ok(())
    }

    /// Replaces bytes that were put before.
    pub(crate) fn patch(&mut self, offset: u64, bytes: &[u8]) -> Result<(), BlockError> {
        self.flush()?;
        self.file.write_all_at(bytes, offset).map_err(BlockError::io("write", &self.path))
    }

    /// Hands what is in the buffer to the operating system.
    pub(crate) fn flush(&mut self) -> Result<(), BlockError> {
        self.file.write_all_at(&self.buffer, self.written).map_err(BlockError::io("write", &self.path))?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Forces the file to the disk.
    pub(crate) fn finish(mut self) -> Result<(), BlockError> {
        self.flush()?;
        self.file.sync().map_err(BlockError::io("sync", &self.path))
    }
}
