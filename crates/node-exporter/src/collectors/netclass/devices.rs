//! Network devices between scrapes: what of them does not change, and files that stay open.
//!
//! A host has thousands of devices at worst and each has two dozen files, so that opening them is most of a scrape.
//! Few devices are the rule: their files stay open. Of all the rest only the numbers that cannot change are kept.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::io::Errno;

use super::{N_FILES, N_FIXED, NUMBERS, SPEED, TEXTS};
use crate::context::{AttributeDir, Context};
use crate::parse;

/// Devices whose files stay open: at most this times [`N_FILES`] files.
const OPEN_MAX: usize = 8;

/// A device as last read.
#[derive(Debug, Default)]
pub(super) struct Device {
    /// As in [`NUMBERS`].
    pub(super) numbers: [Option<i64>; NUMBERS.len()],
    pub(super) speed: Option<i64>,
    /// As in [`TEXTS`].
    pub(super) texts: [String; TEXTS.len()],
    /// Number of its directory; another means another device.
    dir_number: u64,
    open: Option<Box<Open>>,
}

#[derive(Debug)]
struct Open {
    dir: AttributeDir,
    files: [Option<OwnedFd>; N_FILES],
}

/// Devices by name.
#[derive(Debug)]
pub(super) struct Devices {
    known: HashMap<String, Device>,
    /// Devices with open files.
    n_open: usize,
    /// Whether the files are the kernel's: any other may be replaced by one of the same name.
    keeps_files: bool,
}

impl Devices {
    pub(super) fn new(keeps_files: bool) -> Self {
        Self { known: HashMap::new(), n_open: 0, keeps_files }
    }

    /// Begins a scrape: forgets devices that are not among `names`, which are sorted.
    pub(super) fn retain(&mut self, names: &[String]) {
        self.known.retain(|name, _| names.binary_search(name).is_ok());
        self.n_open = self.known.values().filter(|device| device.open.is_some()).count();
    }

    /// Reads a device. None when it is gone.
    pub(super) fn read(&mut self, ctx: &mut Context, base: &Path, name: &str) -> Option<&Device> {
        if !self.known.contains_key(name) {
            self.known.insert(name.to_owned(), Device::default());
        }
        let device = self.known.get_mut(name)?;
        if device.read_open(ctx) {
            return self.known.get(name);
        }
        let open =
            AttributeDir::open(&base.join(name)).map(|dir| Open { dir, files: [const { None }; N_FILES] });
        let Some(mut open) = open else {
            self.known.remove(name);
            return None;
        };
        let keeps_files = self.keeps_files && self.n_open < OPEN_MAX;
        self.n_open += usize::from(keeps_files);
        device.read_from(ctx, &mut open, keeps_files);
        device.open = keeps_files.then(|| Box::new(open));
        self.known.get(name)
    }
}

impl Device {
    /// Reads the files that are open. False when there are none, or the device they belong to is gone.
    fn read_open(&mut self, ctx: &mut Context) -> bool {
        let Some(mut open) = self.open.take() else { return false };
        let is_there = self.read_from(ctx, &mut open, true);
        if is_there {
            self.open = Some(open);
        }
        is_there
    }

    /// Reads all files that may have changed. False when the device is gone.
    fn read_from(&mut self, ctx: &mut Context, open: &mut Open, keeps_files: bool) -> bool {
        let dir_number = open.dir.number().unwrap_or(0);
        let n_known = if dir_number != 0 && dir_number == self.dir_number { N_FIXED } else { 0 };
        self.dir_number = dir_number;
        let mut is_there = true;
        let (dir, files) = (&open.dir, &mut open.files);
        let mut read = |idx: usize, file: &str, take: &mut dyn FnMut(Option<&[u8]>)| {
            let mut short_lived = None;
            let slot = files.get_mut(idx).filter(|_| keeps_files).unwrap_or(&mut short_lived);
            match ctx.kept_attribute(dir, file, slot) {
                Ok(bytes) => take(Some(bytes)),
                Err(error) => {
                    is_there &= error != Errno::NODEV;
                    take(None);
                }
            }
        };
        for (idx, (number, (file, _, _))) in self.numbers.iter_mut().zip(NUMBERS).enumerate().skip(n_known) {
            read(idx, file, &mut |bytes| *number = bytes.map(whole));
        }
        read(NUMBERS.len(), SPEED, &mut |bytes| self.speed = bytes.map(whole));
        for (idx, (text, file)) in self.texts.iter_mut().zip(TEXTS).enumerate() {
            read(NUMBERS.len() + 1 + idx, file, &mut |bytes| set(text, bytes.unwrap_or_default()));
        }
        is_there
    }
}

/// An attribute that is there and holds no number is 0, as in the original.
fn whole(bytes: &[u8]) -> i64 {
    parse::integer(bytes).unwrap_or(0)
}

/// Most texts are the same at every scrape.
fn set(text: &mut String, bytes: &[u8]) {
    if text.as_bytes() != bytes {
        *text = parse::text(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Paths;

    fn write(dir: &Path, index: &str, mtu: &str) {
        std::fs::create_dir_all(dir).unwrap();
        for (file, content) in [("ifindex", index), ("mtu", mtu), ("operstate", "up")] {
            std::fs::write(dir.join(file), content).unwrap();
        }
    }

    #[test]
    fn what_is_kept_belongs_to_the_device_not_to_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let (base, mut ctx) = (folder.path(), Context::new(Paths::nowhere()));
        for keeps_files in [false, true] {
            let mut devices = Devices::new(keeps_files);
            let mut numbers = |ctx: &mut Context| {
                let device = devices.read(ctx, base, "eth0").unwrap();
                let number = |file| NUMBERS.iter().position(|(name, _, _)| *name == file).unwrap();
                (device.numbers[number("ifindex")], device.numbers[number("mtu")])
            };
            write(&base.join("eth0"), "3", "1500");
            assert_eq!(numbers(&mut ctx), (Some(3), Some(1500)));
            write(&base.join("eth0"), "3", "9000");
            assert_eq!(numbers(&mut ctx), (Some(3), Some(9000)), "what may change is read again");
            std::fs::rename(base.join("eth0"), base.join(format!("old{keeps_files}"))).unwrap();
            if !keeps_files {
                write(&base.join("eth0"), "7", "1400");
                assert_eq!(numbers(&mut ctx), (Some(7), Some(1400)), "another device of that name");
            }
            devices.retain(&[]);
            assert!(devices.known.is_empty());
        }
    }
}
