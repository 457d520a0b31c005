//! The list of mounts.

use std::path::{Path, PathBuf};

use crate::collector::CollectError;
use crate::context::Context;
use crate::parse;

/// A line of `mountinfo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mount {
    /// As the host sees it: without the prefix under which its tree is mounted for us.
    pub(super) mount_point: String,
    pub(super) device: String,
    pub(super) kind: String,
    pub(super) major: String,
    pub(super) minor: String,
    pub(super) is_read_only: bool,
}

impl Mount {
    /// What makes a label set: two mounts that agree here are shown once.
    pub(super) fn identity(&self) -> [String; 5] {
        [&self.device, &self.mount_point, &self.kind, &self.major, &self.minor].map(String::clone)
    }

    /// Where this process finds the mount.
    pub(super) fn path_below(&self, root: &Path) -> PathBuf {
        root.join(self.mount_point.trim_start_matches('/'))
    }
}

/// Reads the host's mounts: those of process 1, or our own where its are hidden.
pub(super) fn read(ctx: &mut Context, root: &Path) -> Result<Vec<Mount>, CollectError> {
    let first = ctx.proc("1/mountinfo").map(<[u8]>::to_vec);
    let text = match first {
        Err(error) if error.is_no_data() => ctx.proc("self/mountinfo")?.to_vec(),
        first => first?,
    };
    let lines = parse::lines(&text).filter(|line| !line.is_empty());
    lines.map(|line| parse_line(line, root).ok_or_else(|| CollectError::parse("mountinfo", line))).collect()
}

/// `36 35 98:0 /root /mnt rw,noatime master:1 - ext3 /dev/root rw,errors=continue`, with any number of fields before
/// the dash.
fn parse_line(line: &[u8], root: &Path) -> Option<Mount> {
    let fields: Vec<_> = line.split(|byte| *byte == b' ').collect();
    let [_, _, numbers, _, mount_point, options, .., b"-", kind, device, super_options] = fields[..] else {
        return None;
    };
    let numbers = parse::text(numbers);
    let (major, minor) = numbers.split_once(':')?;
    let has = |list: &[u8], option: &[u8]| list.split(|byte| *byte == b',').any(|item| item == option);
    Some(Mount {
        mount_point: strip_root(&unescape(mount_point), root),
        device: parse::text(device),
        kind: parse::text(kind),
        major: major.to_owned(),
        minor: minor.to_owned(),
        is_read_only: has(options, b"ro") || has(super_options, b"ro") || has(super_options, b"emergency_ro"),
    })
}

fn unescape(mount_point: &[u8]) -> String {
    parse::text(mount_point).replace("\\040", " ").replace("\\011", "\t")
}

fn strip_root(mount_point: &str, root: &Path) -> String {
    let root = root.to_string_lossy();
    let root = root.trim_end_matches('/');
    match mount_point.strip_prefix(root) {
        Some("") => "/".to_owned(),
        Some(rest) if rest.starts_with('/') => rest.to_owned(),
        _ => mount_point.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str, root: &str) -> Option<Mount> {
        parse_line(line.as_bytes(), Path::new(root))
    }

    #[test]
    fn lines_are_read_by_their_dash() {
        let line =
            "29 1 259:2 / /a\\040b\\011c rw,relatime shared:1 master:2 - ext4 /dev/nvme0n1p2 ro,discard";
        let mount = parse(line, "/").unwrap();
        assert_eq!((mount.mount_point.as_str(), mount.kind.as_str()), ("/a b\tc", "ext4"));
        assert_eq!((mount.major.as_str(), mount.minor.as_str(), mount.is_read_only), ("259", "2", true));
        assert_eq!(parse("29 1 259:2 / / rw - ext4 /dev/x rw", "/").unwrap().device, "/dev/x");
        for bad in ["", "29 1 259:2 / / rw ext4 /dev/x rw", "a - b c d", "29 1 259 / / rw - ext4 d rw"] {
            assert_eq!(parse(bad, "/"), None, "{bad}");
        }
    }

    #[test]
    fn the_hosts_tree_loses_its_prefix() {
        let check = |mount_point: &str, root: &str, want: &str| {
            let line = format!("1 1 0:1 / {mount_point} rw - ext4 d rw");
            let mount = parse(&line, root).unwrap();
            assert_eq!(mount.mount_point, want);
        };
        check("/host/root", "/host/root", "/");
        check("/host/root/var", "/host/root", "/var");
        check("/host/root/var", "/host/root/", "/var");
        check("/host/rootfs", "/host/root", "/host/rootfs");
        check("/", "/", "/");
        check("/boot", "/", "/boot");
        let mount = parse("1 1 0:1 / /host/root/var rw - ext4 d rw", "/host/root").unwrap();
        assert_eq!(mount.path_below(Path::new("/host/root")), Path::new("/host/root/var"));
    }

    #[test]
    fn an_emergency_makes_a_mount_read_only() {
        assert!(parse("1 1 0:1 / / rw - ext4 d rw,emergency_ro", "/").unwrap().is_read_only);
        assert!(!parse("1 1 0:1 / / rw - ext4 d rw,errors=remount-ro", "/").unwrap().is_read_only);
    }
}
