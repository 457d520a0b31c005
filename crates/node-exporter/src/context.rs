//! Where collectors read: the roots of `/proc`, `/sys` and the host, and buffers that are reused.

use std::fs::{self, File};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, Mode, OFlags, fstat, openat};
use rustix::io::{Errno, pread};
use rustix::path::Arg;

use crate::collector::CollectError;
use crate::kept::{self, Kept};
use crate::parse;

/// An attribute is at most a page.
const ATTRIBUTE_BYTES_MAX: usize = 4096;

/// Roots of the trees that collectors read; in a container they are mounts of the host's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// `--path.procfs`.
    pub proc: PathBuf,
    /// `--path.sysfs`.
    pub sys: PathBuf,
    /// `--path.rootfs`.
    pub root: PathBuf,
    /// `--path.udev.data`.
    pub udev_data: PathBuf,
}

impl Paths {
    /// Paths below which there is nothing.
    pub fn nowhere() -> Self {
        let nothing = || PathBuf::from("/proc/self/fd/nothing");
        Self { proc: nothing(), sys: nothing(), root: nothing(), udev_data: nothing() }
    }
}

impl Default for Paths {
    fn default() -> Self {
        Self {
            proc: PathBuf::from("/proc"),
            sys: PathBuf::from("/sys"),
            root: PathBuf::from("/"),
            udev_data: PathBuf::from("/run/udev/data"),
        }
    }
}

/// What a collector works with during one scrape: the paths and buffers that live longer than it.
#[derive(Debug, Default)]
pub struct Context {
    /// The roots.
    pub paths: Paths,
    buffer: Vec<u8>,
    /// Apart from `buffer`, so that it need not be cleared for each of thousands of attributes.
    attribute: Vec<u8>,
    /// `/proc/stat` of this scrape: the kernel sums all interrupts of all CPUs to make it, so it is read once.
    stat: Vec<u8>,
    has_stat: bool,
    kept: Kept,
    scrape: Option<Scrape>,
}

/// Which scrape is going on, and when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scrape {
    /// Differs from that of any other scrape of the exporter.
    pub number: u64,
    /// When the page has to be complete.
    pub deadline: Instant,
}

impl Context {
    /// Makes a context with empty buffers.
    pub fn new(paths: Paths) -> Self {
        Self { paths, ..Self::default() }
    }

    /// Prepares for a collector of `scrape`: what was read for another one is forgotten, buffers keep their memory.
    pub fn enter(&mut self, scrape: Scrape) {
        if self.scrape != Some(scrape) {
            self.has_stat = false;
        }
        self.scrape = Some(scrape);
    }

    /// Returns how much time is left for this scrape.
    pub fn time_left(&self) -> Duration {
        self.scrape.map_or(Duration::MAX, |scrape| scrape.deadline.saturating_duration_since(Instant::now()))
    }

    /// Reads `<procfs>/<name>`.
    /// # Errors
    /// Absent files are [`CollectError::NoData`].
    pub fn proc(&mut self, name: &str) -> Result<&[u8], CollectError> {
        let read = self.kept.read(&self.paths.proc, name, &mut self.buffer);
        read.map_err(|source| CollectError::from_io(&self.paths.proc.join(name), source))?;
        Ok(&self.buffer)
    }

    /// Reads `<sysfs>/<name>`.
    /// # Errors
    /// Absent files are [`CollectError::NoData`].
    pub fn sys(&mut self, name: &str) -> Result<&[u8], CollectError> {
        let path = self.paths.sys.join(name);
        self.file(&path)
    }

    /// Reads any file.
    /// # Errors
    /// Absent files are [`CollectError::NoData`].
    pub fn file(&mut self, path: &Path) -> Result<&[u8], CollectError> {
        let read = File::open(path).and_then(|file| kept::read_whole(&file, &mut self.buffer));
        read.map_err(|source| CollectError::from_io(path, source))?;
        Ok(&self.buffer)
    }

    /// Reads `/proc/stat`, once a scrape.
    /// # Errors
    /// When it cannot be read.
    pub fn stat(&mut self) -> Result<&[u8], CollectError> {
        if !self.has_stat {
            let read = self.kept.read(&self.paths.proc, "stat", &mut self.stat);
            read.map_err(|source| CollectError::from_io(&self.paths.proc.join("stat"), source))?;
            self.has_stat = true;
        }
        Ok(&self.stat)
    }

    /// Reads a short file and trims it; none when it cannot be read. For attributes that may be absent.
    pub fn attribute(&mut self, path: &Path) -> Option<&[u8]> {
        self.attribute_at(CWD, path)
    }

    /// Reads the attribute `name` of `dir`.
    pub fn attribute_in(&mut self, dir: &AttributeDir, name: &str) -> Option<&[u8]> {
        self.attribute_at(dir.0.as_fd(), name)
    }

    /// Reads at most `bytes_max` of the attribute `name` of `dir`; only its line ends are taken off.
    pub fn attribute_as_is(&mut self, dir: &AttributeDir, name: &str, bytes_max: usize) -> Option<&[u8]> {
        let bytes = self.read_attribute_at(dir.0.as_fd(), name, bytes_max)?;
        let n_kept = bytes.iter().rposition(|byte| *byte != b'\n').map_or(0, |last| last + 1);
        let bytes = bytes.get(..n_kept).unwrap_or_default();
        let n_ends = bytes.iter().take_while(|byte| **byte == b'\n').count();
        bytes.get(n_ends..)
    }

    /// Reads a short file as text.
    pub fn text(&mut self, path: &Path) -> Option<String> {
        self.attribute(path).map(parse::text)
    }

    /// Reads a short file that holds a number.
    pub fn value(&mut self, path: &Path) -> Option<f64> {
        self.attribute(path).and_then(parse::number)
    }

    /// Reads the attribute `name` of `dir` from `file`, which is opened here first and stays with the caller.
    /// # Errors
    /// When it cannot be read: many a driver refuses what it does not know.
    pub(crate) fn kept_attribute(
        &mut self,
        dir: &AttributeDir,
        name: &str,
        file: &mut Option<OwnedFd>,
    ) -> Result<&[u8], Errno> {
        self.attribute.resize(ATTRIBUTE_BYTES_MAX, 0);
        let file = match file {
            Some(file) => file,
            None => file.insert(openat(&dir.0, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?),
        };
        let n_bytes = pread(&*file, self.attribute.as_mut_slice(), 0)?;
        Ok(self.attribute.get(..n_bytes).unwrap_or_default().trim_ascii())
    }

    fn attribute_at(&mut self, dir: BorrowedFd<'_>, path: impl Arg) -> Option<&[u8]> {
        self.read_attribute_at(dir, path, ATTRIBUTE_BYTES_MAX).map(<[u8]>::trim_ascii)
    }

    fn read_attribute_at(&mut self, dir: BorrowedFd<'_>, path: impl Arg, bytes_max: usize) -> Option<&[u8]> {
        let file = openat(dir, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
        self.attribute.resize(ATTRIBUTE_BYTES_MAX, 0);
        // The kernel gives a whole attribute in one read; asking for its end would double the system calls.
        let n_bytes = rustix::io::read(&file, self.attribute.get_mut(..bytes_max)?).ok()?;
        self.attribute.get(..n_bytes)
    }
}

/// An open directory of attributes: looking up many of them by full path is what costs.
#[derive(Debug)]
pub struct AttributeDir(OwnedFd);

impl AttributeDir {
    /// Opens it; none when there is no such directory.
    pub fn open(path: &Path) -> Option<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        openat(CWD, path, flags, Mode::empty()).ok().map(Self)
    }

    /// Returns the number of the directory itself; a new one of the same name has another. None when it is gone.
    pub(crate) fn number(&self) -> Option<u64> {
        fstat(&self.0).ok().map(|stat| stat.st_ino)
    }
}

/// Lists the names in `dir` that start with `prefix`, sorted; none when there is no such directory.
pub fn names_in(dir: &Path, prefix: &str) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<_> = names.filter(|name| name.starts_with(prefix)).collect();
    names.sort_unstable();
    names
}
