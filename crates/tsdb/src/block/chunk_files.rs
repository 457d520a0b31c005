//! `chunks/NNNNNN`: the samples of a block.
//!
//! ```text
//! file  = magic 85BD40DD | version 1 | 3 zero bytes | entry*        at most 512 MiB, numbered from 1
//! entry = uvarint len(data) | encoding u8 | data | crc32c(encoding, data) u32
//! ref   = (number - 1) << 32 | offset of the entry
//! ```
#![expect(
    clippy::cast_possible_truncation,
    reason = "a codec narrows on purpose, each time after a range check"
)]

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::BlockError;
use super::sink::FileSink;
use crate::chunk::{self, Encoding};
use crate::disk::{self, Disk, Mapped};
use crate::encoding::{Cursor, put_uvarint};

/// Name of the directory in a block's.
pub const DIR_NAME: &str = "chunks";

/// Longest file, bytes.
pub const FILE_BYTES_MAX: u64 = 512 << 20;

/// First bytes of a file.
pub(crate) const HEADER: [u8; 8] = [0x85, 0xbd, 0x40, 0xdd, 1, 0, 0, 0];

/// A chunk to be written.
#[derive(Clone, Copy, Debug)]
pub struct OutChunk<'a> {
    /// Time of its first sample, ms.
    pub min_time: i64,
    /// Time of its last sample, ms.
    pub max_time: i64,
    /// How `data` is to be read.
    pub encoding: Encoding,
    /// The chunk.
    pub data: &'a [u8],
}

/// Returns how many samples the first bytes of a chunk promise; 0 when there are no such bytes.
pub fn n_samples(encoding: Encoding, data: &[u8]) -> u16 {
    chunk::n_samples(encoding, data).unwrap_or(0)
}

/// Writes the files of a new block.
#[derive(Debug)]
pub(crate) struct ChunkFilesWriter {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    file_bytes_max: u64,
    n_files: u32,
    file: Option<FileSink>,
    entry: Vec<u8>,
}

impl ChunkFilesWriter {
    pub(crate) fn new(disk: &Arc<dyn Disk>, dir: PathBuf, file_bytes_max: u64) -> Self {
        Self { disk: Arc::clone(disk), dir, file_bytes_max, n_files: 0, file: None, entry: Vec::new() }
    }

    /// Writes a chunk and returns its reference.
    pub(crate) fn push(&mut self, encoding: Encoding, data: &[u8]) -> Result<u64, BlockError> {
        self.entry.clear();
        put_uvarint(&mut self.entry, data.len() as u64);
        let checked_from = self.entry.len();
        self.entry.push(encoding.number());
        self.entry.extend_from_slice(data);
        let crc = crc32c::crc32c(self.entry.get(checked_from..).unwrap_or_default());
        self.entry.extend_from_slice(&crc.to_be_bytes());
        let is_full = |file: &FileSink| file.position() + self.entry.len() as u64 > self.file_bytes_max;
        if self.file.as_ref().is_none_or(is_full) {
            self.next_file()?;
        }
        let file = self.file.as_mut().expect("the next file was opened just now, or fits");
        let chunk_ref = u64::from(self.n_files - 1) << 32 | file.position();
        file.put(&self.entry)?;
        Ok(chunk_ref)
    }

    fn next_file(&mut self) -> Result<(), BlockError> {
        if let Some(full) = self.file.take() {
            full.finish()?;
        }
        self.n_files += 1;
        let mut file = FileSink::create(&*self.disk, self.dir.join(file_name(self.n_files)))?;
        file.put(&HEADER)?;
        self.file = Some(file);
        Ok(())
    }

    /// Forces files and their names to the disk.
    pub(crate) fn finish(mut self) -> Result<(), BlockError> {
        if let Some(file) = self.file.take() {
            file.finish()?;
        }
        self.disk.sync_dir(&self.dir).map_err(BlockError::io("sync", &self.dir))
    }
}

fn file_name(number: u32) -> String {
    format!("{number:06}")
}

/// The files of a block, mapped when first asked for.
#[derive(Debug)]
pub(crate) struct ChunkFiles {
    disk: Arc<dyn Disk>,
    files: Vec<ChunkFile>,
    bytes: u64,
}

#[derive(Debug)]
struct ChunkFile {
    path: PathBuf,
    map: OnceLock<Mapped>,
}

/// One entry of a file.
pub(crate) struct Entry<'a> {
    pub(crate) encoding: Encoding,
    pub(crate) data: &'a [u8],
    /// Bytes of the whole entry.
    pub(crate) len: usize,
}

impl ChunkFiles {
    /// Lists the files; none when the directory is absent.
    pub(crate) fn open(disk: &Arc<dyn Disk>, block_dir: &Path) -> Result<Self, BlockError> {
        let dir = block_dir.join(DIR_NAME);
        let entries = disk::list_if_present(&**disk, &dir).map_err(BlockError::io("list", &dir))?;
        let mut numbered: Vec<(u32, PathBuf, u64)> = Vec::new();
        for entry in entries {
            if let Ok(number) = entry.name.parse() {
                numbered.push((number, entry.path, entry.info.len));
            }
        }
        numbered.sort_unstable();
        for ((number, path, _), want) in numbered.iter().zip(1..) {
            if *number != want {
                let reason = format!("chunk file {want} is missing before it");
                return Err(BlockError::Damaged { path: path.clone(), offset: 0, reason });
            }
        }
        let bytes = numbered.iter().map(|(.., len)| len).sum();
        let files =
            numbered.into_iter().map(|(_, path, _)| ChunkFile { path, map: OnceLock::new() }).collect();
        Ok(Self { disk: Arc::clone(disk), files, bytes })
    }

    pub(crate) fn size_bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn n_files(&self) -> usize {
        self.files.len()
    }

    pub(crate) fn path(&self, idx: usize) -> &Path {
        self.files.get(idx).map_or(Path::new(""), |file| &file.path)
    }

    /// Returns the bytes of a file, its header checked.
    pub(crate) fn file(&self, idx: usize) -> Result<&[u8], BlockError> {
        let Some(file) = self.files.get(idx) else {
            let path = PathBuf::from(file_name(u32::try_from(idx).unwrap_or(u32::MAX).saturating_add(1)));
            return Err(BlockError::Damaged {
                path,
                offset: 0,
                reason: "this chunk file is missing".to_owned(),
            });
        };
        if let Some(map) = file.map.get() {
            return Ok(map);
        }
        let map = self.disk.map(&file.path).map_err(BlockError::io("map", &file.path))?;
        if !map.starts_with(&HEADER) {
            let reason = "magic number or version is not that of chunks".to_owned();
            return Err(BlockError::Damaged { path: file.path.clone(), offset: 0, reason });
        }
        Ok(file.map.get_or_init(|| map))
    }

    /// Returns a chunk, its checksum compared.
    pub(crate) fn chunk(&self, chunk_ref: u64) -> Result<Entry<'_>, BlockError> {
        let (idx, offset) = ((chunk_ref >> 32) as usize, chunk_ref as u32 as usize);
        let bytes = self.file(idx)?;
        entry_at(bytes, offset).map_err(|reason| self.damaged(chunk_ref, &reason))
    }

    /// Says that a chunk is damaged.
    pub(crate) fn damaged(&self, chunk_ref: u64, reason: &str) -> BlockError {
        BlockError::Damaged {
            path: self.path((chunk_ref >> 32) as usize).to_owned(),
            offset: chunk_ref & u64::from(u32::MAX),
            reason: reason.to_owned(),
        }
    }
}

/// Reads the entry at an offset of a file.
pub(crate) fn entry_at(file: &[u8], offset: usize) -> Result<Entry<'_>, String> {
    let bytes = file.get(offset..).filter(|_| offset >= HEADER.len());
    let bytes = bytes.ok_or("a chunk is said to be here, outside of the file")?;
    let mut cursor = Cursor::new(bytes);
    let truncated = |_| "chunk exceeds the file".to_owned();
    let len = cursor.uvarint().map_err(|error| format!("length of the chunk: {error}"))?;
    // The encoding is checked with the data.
    let len = usize::try_from(len).ok().and_then(|len| len.checked_add(1)).ok_or("chunk exceeds the file")?;
    let checked = cursor.take(len).map_err(truncated)?;
    let crc = cursor.u32().map_err(truncated)?;
    if crc32c::crc32c(checked) != crc {
        return Err("checksum of the chunk does not match".to_owned());
    }
    let (number, data) = checked.split_first().ok_or("chunk exceeds the file")?;
    let encoding =
        Encoding::from_number(*number).ok_or_else(|| format!("chunk encoding {number} is unknown"))?;
    Ok(Entry { encoding, data, len: bytes.len() - cursor.remaining() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::os_disk;
    use proptest::prelude::*;

    #[test]
    fn bytes_are_those_of_the_format_and_files_are_cut_at_the_limit() {
        let dir = tempfile::tempdir().unwrap();
        let chunks = dir.path().join(DIR_NAME);
        std::fs::create_dir(&chunks).unwrap();
        let mut writer = ChunkFilesWriter::new(&os_disk(), chunks.clone(), 26);
        let refs = [writer.push(Encoding::Xor, b"abc").unwrap(), writer.push(Encoding::Xor2, b"d").unwrap()];
        let third = writer.push(Encoding::Xor, b"e").unwrap();
        writer.finish().unwrap();
        assert_eq!((refs, third), ([8, 17], 1 << 32 | 8));
        let mut want = vec![0x85, 0xbd, 0x40, 0xdd, 1, 0, 0, 0, 3, 1, b'a', b'b', b'c'];
        want.extend_from_slice(&crc32c::crc32c(b"\x01abc").to_be_bytes());
        want.extend_from_slice(&[1, 4, b'd']);
        want.extend_from_slice(&crc32c::crc32c(b"\x04d").to_be_bytes());
        assert_eq!(std::fs::read(chunks.join("000001")).unwrap(), want);
        let files = ChunkFiles::open(&os_disk(), dir.path()).unwrap();
        let read = |chunk_ref| files.chunk(chunk_ref).map(|entry| (entry.encoding, entry.data.to_vec()));
        assert_eq!(read(17).unwrap(), (Encoding::Xor2, b"d".to_vec()));
        assert_eq!(read(third).unwrap(), (Encoding::Xor, b"e".to_vec()));
        for missing in [0, 7, 9, 24, 25, 1 << 32 | 9, 2 << 32 | 8, u64::MAX] {
            assert!(read(missing).is_err_and(|error| error.is_damage()), "{missing}");
        }
    }

    #[test]
    fn a_missing_file_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let chunks = dir.path().join(DIR_NAME);
        std::fs::create_dir(&chunks).unwrap();
        for name in ["000001", "000003", "notes"] {
            std::fs::write(chunks.join(name), HEADER).unwrap();
        }
        let error = ChunkFiles::open(&os_disk(), dir.path()).unwrap_err();
        assert!(error.to_string().ends_with("chunk file 2 is missing before it"), "{error}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(body: Vec<u8>, offset in 0..80_usize) {
            let file = [&HEADER[..], &body].concat();
            if let Ok(entry) = entry_at(&file, offset) {
                prop_assert!(offset + entry.len <= file.len());
            }
        }
    }
}
