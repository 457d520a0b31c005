//! Who listens on a port: from `/proc`, as far as this process may look.

use std::fs;
use std::path::Path;

/// Returns `name (pid 7)` of the process that listens on `port`, or a phrase that says it is not visible.
pub(super) fn describe(port: u16) -> String {
    let listening =
        |path| fs::read_to_string(path).map(|table| inode_of_listener(&table, port)).ok().flatten();
    let inode = listening("/proc/net/tcp").or_else(|| listening("/proc/net/tcp6"));
    let owner = inode.and_then(|inode| owner_of_socket(&format!("socket:[{inode}]")));
    owner.unwrap_or_else(|| "a process that is not visible from here".to_owned())
}

/// Finds the socket inode of the listener on `port` in a table of `/proc/net/tcp` form.
fn inode_of_listener(table: &str, port: u16) -> Option<u64> {
    const LISTEN: &str = "0A";
    table.lines().skip(1).find_map(|line| {
        let mut columns = line.split_ascii_whitespace();
        let (_, local_port) = columns.nth(1)?.rsplit_once(':')?;
        let is_listener = columns.nth(1)? == LISTEN;
        let is_ours = u16::from_str_radix(local_port, 16).ok()? == port;
        if is_listener && is_ours { columns.nth(5)?.parse().ok() } else { None }
    })
}

fn owner_of_socket(link: &str) -> Option<String> {
    for process in fs::read_dir("/proc").ok()?.flatten() {
        let name = process.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        if has_descriptor(&process.path().join("fd"), link) {
            let command = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some(format!("{} (pid {pid})", command.trim()));
        }
    }
    None
}

/// Whether the process has the socket open. Processes of other users cannot be looked into: then, no.
fn has_descriptor(directory: &Path, link: &str) -> bool {
    let Ok(descriptors) = fs::read_dir(directory) else { return false };
    descriptors.flatten().any(|fd| fs::read_link(fd.path()).is_ok_and(|to| to.as_os_str() == link))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listeners_on_the_port_count() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:2382 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 11 1 0 20 4 30 10 -1
   1: 0100007F:2382 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 42 1 0 100 0 0 10 0";
        assert_eq!(inode_of_listener(table, 9090), Some(42));
        assert_eq!(inode_of_listener(table, 9091), None);
        assert_eq!(inode_of_listener("garbage\n1 2", 9090), None);
    }
}
