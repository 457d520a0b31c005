//! Small kernel files, read whole and within bounds.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// More than any file of a control group holds.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// Reads a text file; none when it cannot be read.
pub(crate) fn text(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(FILE_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    // Paths and names may hold anything.
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Reads a file that holds one number; `max` is the largest.
pub(crate) fn number(path: &Path) -> Option<u64> {
    match text(path)?.trim() {
        "max" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

/// Finds `key value` among lines.
pub(crate) fn field(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

/// Lists the names of entries, sorted; directories only if asked.
pub(crate) fn names(dir: &Path, directories_only: bool) -> Vec<String> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let is_wanted =
        |entry: &std::fs::DirEntry| !directories_only || entry.file_type().is_ok_and(|kind| kind.is_dir());
    let mut names: Vec<_> =
        entries.filter(is_wanted).filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort_unstable();
    names
}
