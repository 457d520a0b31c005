//! Files of the kernel that stay open between scrapes: looking a path up, opening and closing cost more than most reads.
//!
//! # Invariants
//! - Only files of procfs and sysfs are kept: any other file may be replaced by one of the same name.
//! - A read that fails is tried once more by path: the kernel removed what the file told about, and may have made it anew.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::Path;

use rustix::buffer::spare_capacity;
use rustix::io::pread;

/// Files kept in each context. Open files are a limited good, and a page needs no more.
const FILES_MAX: usize = 48;

/// A file larger than this is not what we expect; upstream stops at 1 MiB for `/proc/stat`.
pub(crate) const FILE_BYTES_MAX: u64 = 8 << 20;

const STEP_BYTES: usize = 8 << 10;

/// `f_type` of statfs(2).
const PROC_SUPER_MAGIC: u64 = 0x9fa0;
const SYSFS_MAGIC: u64 = 0x6265_6572;

/// Files below one root, by the rest of their path.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    files: HashMap<String, File>,
    /// Known at the first read.
    is_kernels: Option<bool>,
}

impl Kept {
    /// Reads `<root>/<name>` into `buffer`.
    pub(crate) fn read(&mut self, root: &Path, name: &str, buffer: &mut Vec<u8>) -> io::Result<()> {
        if let Some(file) = self.files.get(name) {
            if read_whole(file, buffer).is_ok() {
                return Ok(());
            }
            self.files.remove(name);
        }
        let file = File::open(root.join(name))?;
        read_whole(&file, buffer)?;
        let is_kernels = *self.is_kernels.get_or_insert_with(|| is_kernels(root));
        // Files of single processes come and go by thousands.
        let is_lasting = !name.starts_with(|first: char| first.is_ascii_digit());
        if is_kernels && is_lasting && self.files.len() < FILES_MAX {
            self.files.insert(name.to_owned(), file);
        }
        Ok(())
    }
}

/// Returns whether the kernel itself makes the files below `path`.
pub(crate) fn is_kernels(path: &Path) -> bool {
    rustix::fs::statfs(path).is_ok_and(|stat| {
        u64::try_from(stat.f_type).is_ok_and(|kind| matches!(kind, PROC_SUPER_MAGIC | SYSFS_MAGIC))
    })
}

/// Reads from the file's beginning to its end, whatever was read before.
pub(crate) fn read_whole(file: &File, buffer: &mut Vec<u8>) -> io::Result<()> {
    buffer.clear();
    let mut offset = 0;
    while offset < FILE_BYTES_MAX {
        buffer.reserve(STEP_BYTES);
        match pread(file, spare_capacity(buffer), offset) {
            Ok(0) => break,
            Ok(n_bytes) => offset += n_bytes as u64,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kept: &mut Kept, root: &Path, name: &str) -> io::Result<Vec<u8>> {
        let mut buffer = Vec::new();
        kept.read(root, name, &mut buffer).map(|()| buffer)
    }

    #[test]
    fn a_kernels_file_is_opened_once_and_read_anew() {
        let (mut kept, proc) = (Kept::default(), Path::new("/proc"));
        assert!(!read(&mut kept, proc, "uptime").unwrap().is_empty());
        assert!(!read(&mut kept, proc, "uptime").unwrap().is_empty());
        assert_eq!(kept.files.len(), 1);
        assert!(read(&mut kept, proc, "self/nothing").is_err());
    }

    #[test]
    fn any_other_file_is_opened_each_time() {
        let (mut kept, folder) = (Kept::default(), tempfile::tempdir().unwrap());
        std::fs::write(folder.path().join("a"), "old").unwrap();
        assert_eq!(read(&mut kept, folder.path(), "a").unwrap(), b"old");
        std::fs::write(folder.path().join("b"), "new").unwrap();
        std::fs::rename(folder.path().join("b"), folder.path().join("a")).unwrap();
        assert_eq!(read(&mut kept, folder.path(), "a").unwrap(), b"new");
        assert!(kept.files.is_empty());
    }
}
