//! A disk that leaves a directory as it is: what is written goes to another one.
//!
//! Reading back a head writes: it mends its log, starts a segment, moves chunks. Under a [`Sandbox`] it sees its own
//! writes, and the directory it reads stays untouched, even while a server runs on it.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::disk::{DirEntry, Disk, DiskFile, FileInfo, Mapped, OsDisk, Space, list_if_present};
use crate::mmap::FileMap;

/// The operating system's files, except that those below `root` are only read.
#[derive(Clone)]
pub(super) struct Sandbox {
    root: PathBuf,
    /// Takes what is written below `root`, under the same relative path.
    scratch: PathBuf,
    /// Paths below `root` that were removed or renamed away.
    hidden: Arc<Mutex<BTreeSet<PathBuf>>>,
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox")
            .field("root", &self.root)
            .field("scratch", &self.scratch)
            .finish_non_exhaustive()
    }
}

impl Sandbox {
    /// Shows `root`, and keeps what is written in `scratch`, which is empty and not below it.
    pub(super) fn new(root: &Path, scratch: &Path) -> Self {
        Self { root: root.to_owned(), scratch: scratch.to_owned(), hidden: Arc::default() }
    }

    /// Returns where a path below `root` is written.
    fn written(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.root).map_or_else(|_| path.to_owned(), |relative| self.scratch.join(relative))
    }

    fn is_hidden(&self, path: &Path) -> bool {
        let hidden = self.hidden.lock();
        path.ancestors().any(|ancestor| hidden.contains(ancestor))
    }

    /// Returns where a path is read.
    fn seen(&self, path: &Path) -> io::Result<PathBuf> {
        let written = self.written(path);
        match OsDisk.info(&written) {
            Ok(_) => Ok(written),
            Err(_) if self.is_hidden(path) => Err(io::ErrorKind::NotFound.into()),
            Err(_) => Ok(path.to_owned()),
        }
    }

    /// Makes a path writable: what is there is copied first.
    fn copied(&self, path: &Path) -> io::Result<PathBuf> {
        let (seen, written) = (self.seen(path)?, self.written(path));
        if seen != written {
            if OsDisk.info(&seen)?.is_dir {
                OsDisk.create_dir_all(&written)?;
                for entry in OsDisk.list(&seen)? {
                    self.copied(&path.join(&entry.name))?;
                }
            } else {
                self.make_parent(&written)?;
                std::fs::copy(&seen, &written)?;
            }
        }
        Ok(written)
    }

    fn make_parent(&self, written: &Path) -> io::Result<()> {
        written.parent().map_or(Ok(()), |parent| OsDisk.create_dir_all(parent))
    }

    fn hide(&self, path: &Path) {
        self.hidden.lock().insert(path.to_owned());
    }
}

impl Disk for Sandbox {
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        if self.seen(path).and_then(|seen| OsDisk.info(&seen)).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let written = self.written(path);
        self.make_parent(&written)?;
        OsDisk.create_new(&written)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        OsDisk.open(&self.copied(path)?)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        OsDisk.read(&self.seen(path)?)
    }

    fn reader(&self, path: &Path) -> io::Result<Box<dyn io::Read + Send>> {
        OsDisk.reader(&self.seen(path)?)
    }

    fn map(&self, path: &Path) -> io::Result<Mapped> {
        OsDisk.map(&self.seen(path)?)
    }

    fn map_growing(&self, path: &Path, len: usize) -> io::Result<FileMap> {
        OsDisk.map_growing(&self.seen(path)?, len)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        let written = self.written(dir);
        let mut entries = list_if_present(&OsDisk, &written)?;
        let is_new = OsDisk.info(&written).is_ok();
        if written != dir && !self.is_hidden(dir) {
            let below = if is_new { list_if_present(&OsDisk, dir)? } else { OsDisk.list(dir)? };
            let is_visible = |entry: &DirEntry| {
                !self.is_hidden(&entry.path) && entries.iter().all(|other| other.name != entry.name)
            };
            let below: Vec<DirEntry> = below.into_iter().filter(is_visible).collect();
            entries.extend(below);
        } else if !is_new {
            return Err(io::ErrorKind::NotFound.into());
        }
        entries.iter_mut().for_each(|entry| entry.path = dir.join(&entry.name));
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn info(&self, path: &Path) -> io::Result<FileInfo> {
        OsDisk.info(&self.seen(path)?)
    }

    fn space(&self, _dir: &Path) -> io::Result<Space> {
        OsDisk.space(&self.scratch)
    }

    fn sync_dir(&self, _dir: &Path) -> io::Result<()> {
        // Nothing here is to survive.
        Ok(())
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        OsDisk.create_dir_all(&self.written(dir))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let seen = self.seen(path)?;
        self.hide(path);
        if seen == self.written(path) { OsDisk.remove_file(&seen) } else { OsDisk.info(&seen).map(|_| ()) }
    }

    fn remove_dir_all(&self, dir: &Path) -> io::Result<()> {
        let seen = self.seen(dir)?;
        self.hide(dir);
        if seen == self.written(dir) { OsDisk.remove_dir_all(&seen) } else { OsDisk.info(&seen).map(|_| ()) }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let copied = self.copied(from)?;
        self.hide(from);
        let written = self.written(to);
        self.make_parent(&written)?;
        OsDisk.rename(&copied, &written)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let written = self.written(to);
        self.make_parent(&written)?;
        std::fs::copy(self.seen(from)?, &written).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_seen_and_the_directory_stays() {
        let (root, scratch) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let path = |name: &str| root.path().join(name);
        std::fs::create_dir(path("d")).unwrap();
        for name in ["d/cut", "d/gone", "d/kept", "d/moved"] {
            std::fs::write(path(name), name).unwrap();
        }
        let sandbox = Sandbox::new(root.path(), scratch.path());
        sandbox.open(&path("d/cut")).unwrap().set_len(3).unwrap();
        sandbox.remove_file(&path("d/gone")).unwrap();
        sandbox.rename(&path("d/moved"), &path("d/new")).unwrap();
        sandbox.create_new(&path("d/gone")).unwrap().write_all_at(b"back", 0).unwrap();
        assert!(sandbox.create_new(&path("d/kept")).is_err());
        let names: Vec<String> =
            sandbox.list(&path("d")).unwrap().into_iter().map(|entry| entry.name).collect();
        assert_eq!(names, ["cut", "gone", "kept", "new"]);
        let read = |name: &str| String::from_utf8(sandbox.read(&path(name)).unwrap()).unwrap();
        assert_eq!(
            (read("d/cut"), read("d/gone"), read("d/new")),
            ("d/c".into(), "back".into(), "d/moved".into())
        );
        sandbox.remove_dir_all(&path("d")).unwrap();
        assert!(sandbox.list(&path("d")).is_err() && sandbox.read(&path("d/kept")).is_err());
        for name in ["d/cut", "d/gone", "d/kept", "d/moved"] {
            assert_eq!(std::fs::read_to_string(path(name)).unwrap(), name);
        }
    }
}
