//! Reading the files at start: verify, mend, report every chunk.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use super::entry::{HEADER_BYTES_MIN, read_checked};
use super::{
    ChunkMeta, ChunkRef, Corruption, FILE_HEADER, HeadChunks, HeadChunksError, MappedFile, OpenReport,
    file_path, io_error,
};
use crate::mmap::FileMap;

/// Maps the files of `chunks` and visits what is in them; removes damaged ones.
pub(super) fn open_files(
    chunks: &HeadChunks,
    visit: &mut dyn FnMut(ChunkMeta),
) -> Result<OpenReport, HeadChunksError> {
    let dir = &chunks.dir;
    let mut numbers = list(dir).map_err(io_error("list directory", dir))?;
    if let Some(&newest) = numbers.last()
        && is_never_begun(&file_path(dir, newest)).map_err(io_error("read", dir))?
    {
        remove(chunks, newest)?;
        numbers.pop();
    }
    let mut report = OpenReport::default();
    let mut files = chunks.files.write();
    let mut expected = numbers.first().copied().unwrap_or(1);
    for (idx, &number) in numbers.iter().enumerate() {
        let path = file_path(dir, number);
        let damage = if number == expected {
            match open_file(&path, number, visit).map_err(io_error("read", &path))? {
                Ok(opened) => {
                    report.n_chunks += opened.n_chunks;
                    trim(chunks, &path, opened.mapped.len());
                    files.mapped.insert(number, (Arc::new(opened.mapped), opened.newest_ms));
                    expected = number.saturating_add(1);
                    continue;
                }
                Err(damage) => damage,
            }
        } else {
            (0, "a file before this one is missing")
        };
        report.corruption = Some(remove_from(chunks, &numbers, idx, damage)?);
        break;
    }
    files.newest_number = expected.saturating_sub(1);
    Ok(report)
}

struct Opened {
    mapped: MappedFile,
    newest_ms: i64,
    n_chunks: u64,
}

/// Where damage was found and what it is.
type Damage = (usize, &'static str);

fn open_file(
    path: &Path,
    number: u32,
    visit: &mut dyn FnMut(ChunkMeta),
) -> io::Result<Result<Opened, Damage>> {
    let file = File::open(path)?;
    let len = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    if len < FILE_HEADER.len() {
        return Ok(Err((0, "file header is cut off")));
    }
    let map = FileMap::new(&file, len)?;
    // Twice: chunks of a file that turns out to be damaged further on must not be reported.
    let len = match scan(map.all(len), number, &mut |_| ()) {
        Ok(len) => len,
        Err(damage) => return Ok(Err(damage)),
    };
    let (mut newest_ms, mut n_chunks) = (i64::MIN, 0);
    let scanned = scan(map.all(len), number, &mut |meta| {
        newest_ms = newest_ms.max(meta.max_time_ms);
        n_chunks += 1;
        visit(meta);
    });
    let mapped = MappedFile { map, len: AtomicUsize::new(len) };
    Ok(scanned.map(|_| Opened { mapped, newest_ms, n_chunks }))
}

/// Reads the entries of a file and returns where they end.
pub(crate) fn scan(bytes: &[u8], number: u32, visit: &mut dyn FnMut(ChunkMeta)) -> Result<usize, Damage> {
    if bytes.get(..FILE_HEADER.len()) != Some(&FILE_HEADER) {
        return Err((0, "not a head-chunk file of version 1"));
    }
    let mut at = FILE_HEADER.len();
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let is_zero = |bytes: &[u8]| bytes.iter().all(|byte| *byte == 0);
        // No chunk has reference 0 and both times 0: after a crash, this is what was allocated and not written.
        if rest.len() < HEADER_BYTES_MIN && is_zero(rest) || rest.get(..24).is_some_and(is_zero) {
            return Ok(at);
        }
        let entry = read_checked(rest).map_err(|reason| (at, reason))?;
        let offset = u32::try_from(at).map_err(|_| (at, "file is too large"))?;
        visit(ChunkMeta {
            chunk: ChunkRef::new(number, offset),
            series: entry.series,
            min_time_ms: entry.min_time_ms,
            max_time_ms: entry.max_time_ms,
            encoding: entry.encoding,
            is_out_of_order: entry.is_out_of_order,
            n_samples: crate::chunk::xor::n_samples(entry.data).unwrap_or(0),
        });
        at += entry.end();
    }
}

fn list(dir: &Path) -> io::Result<Vec<u32>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let is_number = |name: &&str| name.len() >= 6 && name.bytes().all(|byte| byte.is_ascii_digit());
        numbers.extend(name.to_str().filter(is_number).and_then(|name| name.parse::<u32>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Whether a crash left a file before its magic was written.
fn is_never_begun(path: &Path) -> io::Result<bool> {
    let mut magic = [0; 4];
    match io::Read::read_exact(&mut File::open(path)?, &mut magic) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(true),
        read => read.map(|()| magic == [0; 4]),
    }
}

/// Gives back what a crash left allocated after the data. Without that the file is merely longer.
fn trim(chunks: &HeadChunks, path: &Path, len: usize) {
    let is_longer = fs::metadata(path).is_ok_and(|metadata| metadata.len() > len as u64);
    if is_longer && let Err(error) = chunks.disk.open(path).and_then(|file| file.set_len(len as u64)) {
        tracing::warn!(path = %path.display(), %error, "cannot cut unused space off a head-chunk file");
    }
}

fn remove(chunks: &HeadChunks, number: u32) -> Result<u64, HeadChunksError> {
    let path = file_path(&chunks.dir, number);
    let len = fs::metadata(&path).map_or(0, |metadata| metadata.len());
    chunks.disk.remove_file(&path).map_err(io_error("remove", &path))?;
    Ok(len)
}

/// Removes the file at `idx` and all later ones, newest first: a crash in between leaves the same damage, no gap.
fn remove_from(
    chunks: &HeadChunks,
    numbers: &[u32],
    idx: usize,
    (offset, reason): Damage,
) -> Result<Corruption, HeadChunksError> {
    let doomed = numbers.get(idx..).unwrap_or_default();
    let mut bytes_removed = 0;
    for &number in doomed.iter().rev() {
        bytes_removed += remove(chunks, number)?;
    }
    let file = doomed.first().copied().unwrap_or(0);
    Ok(Corruption { file, offset, reason, n_files_removed: doomed.len(), bytes_removed })
}
