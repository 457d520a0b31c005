//! Reading the files at start: verify, report every chunk, pass over what is damaged.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use super::entry::{HEADER_BYTES_MIN, end_unchecked, read_checked};
use super::{
    ChunkMeta, ChunkRef, Corruption, FILE_HEADER, HeadChunks, HeadChunksError, MappedFile, OpenReport,
    file_path, io_error,
};
use crate::disk::Disk;
use crate::mmap::FileMap;

/// Files with higher numbers are not ours: there must be a next number, and references need the highest bit.
const FILE_NUMBER_MAX: u32 = (1 << 31) - 2;

/// Maps the files of `chunks` and visits what is in them.
pub(super) fn open_files(
    chunks: &HeadChunks,
    visit: &mut dyn FnMut(ChunkMeta),
) -> Result<OpenReport, HeadChunksError> {
    let dir = &chunks.dir;
    let mut numbers = list(&*chunks.disk, dir).map_err(io_error("list directory", dir))?;
    let newest = numbers.last().copied().unwrap_or(0);
    let newest_path = file_path(dir, newest);
    if newest > 0 && is_never_begun(&*chunks.disk, &newest_path).map_err(io_error("read", &newest_path))? {
        chunks.disk.remove_file(&newest_path).map_err(io_error("remove", &newest_path))?;
        numbers.pop();
    }
    let mut report = OpenReport::default();
    let mut files = chunks.files.write();
    files.newest_number = newest;
    for &number in &numbers {
        let path = file_path(dir, number);
        let mut newest_ms = i64::MIN;
        let mut visit = |meta: ChunkMeta| {
            newest_ms = newest_ms.max(meta.max_time_ms);
            report.n_chunks += 1;
            visit(meta);
        };
        let (map, scanned) =
            scan_file(&*chunks.disk, &path, number, &mut visit).map_err(io_error("read", &path))?;
        note(&mut report.corruption, number, &scanned);
        let Some(map) = map.filter(|_| scanned.end > 0) else {
            let aside = path.with_extension("damaged");
            chunks.disk.rename(&path, &aside).map_err(io_error("set aside", &path))?;
            continue;
        };
        // What a crash tore off the newest file is in the log; damage elsewhere stays for whoever wants to look.
        if number == newest || scanned.bytes_damaged == 0 {
            trim(chunks, &path, scanned.end);
        }
        files
            .mapped
            .insert(number, (Arc::new(MappedFile { map, len: AtomicUsize::new(scanned.end) }), newest_ms));
    }
    Ok(report)
}

/// What a scan found out.
#[derive(Debug, Default)]
pub(crate) struct Scanned {
    /// Where the readable entries end; 0 when not even the header is readable.
    end: usize,
    /// The first damage.
    pub(super) first_damage: Option<(usize, &'static str)>,
    n_places: usize,
    bytes_damaged: u64,
}

impl Scanned {
    fn damage(&mut self, at: usize, reason: &'static str, n_bytes: usize) {
        self.first_damage.get_or_insert((at, reason));
        self.n_places += 1;
        self.bytes_damaged += n_bytes as u64;
    }
}

/// Adds what was found in one file to what is reported about all.
fn note(corruption: &mut Option<Corruption>, file: u32, scanned: &Scanned) {
    let Some((offset, reason)) = scanned.first_damage else { return };
    let found = corruption.get_or_insert(Corruption {
        file,
        offset,
        reason,
        n_places: 0,
        n_files_removed: 0,
        bytes_removed: 0,
    });
    found.n_places += scanned.n_places;
    found.n_files_removed += usize::from(scanned.end == 0);
    found.bytes_removed += scanned.bytes_damaged;
}

fn scan_file(
    disk: &dyn Disk,
    path: &Path,
    number: u32,
    visit: &mut dyn FnMut(ChunkMeta),
) -> io::Result<(Option<FileMap>, Scanned)> {
    let len = usize::try_from(disk.info(path)?.len).unwrap_or(usize::MAX);
    if len == 0 {
        return Ok((None, scan(&[], number, visit)));
    }
    let map = disk.map_growing(path, len)?;
    let scanned = scan(map.all(len), number, visit);
    Ok((Some(map), scanned))
}

/// Reads the entries of a file. A damaged one is passed over if something whole follows where it should end.
pub(crate) fn scan(bytes: &[u8], number: u32, visit: &mut dyn FnMut(ChunkMeta)) -> Scanned {
    let mut scanned = Scanned::default();
    if bytes.get(..FILE_HEADER.len()) != Some(&FILE_HEADER) {
        scanned.damage(0, "not a head-chunk file of version 1", bytes.len());
        return scanned;
    }
    let mut at = FILE_HEADER.len();
    loop {
        scanned.end = at;
        let rest = bytes.get(at..).unwrap_or_default();
        if is_end(rest) {
            return scanned;
        }
        let entry = u32::try_from(at).map_err(|_| "file is too large");
        let reason = match entry.and_then(|offset| Ok((ChunkRef::new(number, offset), read_checked(rest)?))) {
            Ok((chunk, entry)) => {
                visit(entry.meta(chunk));
                at += entry.end();
                continue;
            }
            Err(reason) => reason,
        };
        let follows_whole = |end: &usize| {
            let after = rest.get(*end..).unwrap_or_default();
            is_end(after) || read_checked(after).is_ok()
        };
        let Some(end) = end_unchecked(rest).filter(follows_whole) else {
            scanned.damage(at, reason, rest.len());
            return scanned;
        };
        scanned.damage(at, reason, end);
        at += end;
    }
}

/// Whether no entry follows. No chunk has reference 0 and both times 0: such a one was allocated and not written.
fn is_end(rest: &[u8]) -> bool {
    let is_zero = |bytes: &[u8]| bytes.iter().all(|byte| *byte == 0);
    rest.len() < HEADER_BYTES_MIN && is_zero(rest) || rest.get(..24).is_some_and(is_zero)
}

/// Returns the numbers of the files in `dir`, ascending.
pub(super) fn list(disk: &dyn Disk, dir: &Path) -> io::Result<Vec<u32>> {
    let mut numbers = Vec::new();
    for entry in disk.list(dir)? {
        let is_number = entry.name.len() >= 6 && entry.name.bytes().all(|byte| byte.is_ascii_digit());
        let number = entry.name.parse::<u32>().ok().filter(|_| is_number);
        numbers.extend(number.filter(|number| *number <= FILE_NUMBER_MAX));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Whether a crash left a file before its magic was written.
fn is_never_begun(disk: &dyn Disk, path: &Path) -> io::Result<bool> {
    let mut magic = [0; 4];
    match io::Read::read_exact(&mut disk.reader(path)?, &mut magic) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(true),
        read => read.map(|()| magic == [0; 4]),
    }
}

/// Gives back what a crash left allocated after the data. Without that the file is merely longer.
fn trim(chunks: &HeadChunks, path: &Path, len: usize) {
    let is_longer = chunks.disk.info(path).is_ok_and(|info| info.len > len as u64);
    if is_longer && let Err(error) = chunks.disk.open(path).and_then(|file| file.set_len(len as u64)) {
        tracing::warn!(path = %path.display(), %error, "cannot cut unused space off a head-chunk file");
    }
}
