//! What the operating system grants this process.

use std::path::Path;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

/// Below this many open files a busy server runs out.
const OPEN_FILES_WANTED: u64 = 4_096;

/// Raises the limit of open files as far as allowed.
pub(crate) fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let current = if raised.is_ok() { limit.maximum } else { limit.current };
    if current.is_some_and(|current| current < OPEN_FILES_WANTED) {
        warn!(
            limit = current,
            wanted = OPEN_FILES_WANTED,
            "few open files are allowed: raise the limit (ulimit -n, LimitNOFILE) before you watch many targets"
        );
    }
}

/// File systems over a network, by the numbers of statfs(2): locks, mapped files and fsync do not hold there what they
/// promise.
const NETWORK_FILE_SYSTEMS: [(u32, &str); 6] = [
    (0x6969, "NFS"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB2"),
    (0x517b, "SMB"),
    (0x5346_414f, "AFS"),
    (0x0102_1997, "9P"),
];

/// Warns when the data directory, or where it will be made, is on another machine's disk.
pub(crate) fn warn_of_network_file_system(data: &Path) {
    let existing = data.ancestors().find(|path| path.exists()).filter(|path| !path.as_os_str().is_empty());
    let Ok(info) = rustix::fs::statfs(existing.unwrap_or(Path::new("."))) else { return };
    // Its width differs between architectures; the numbers have 32 bits.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "see above")]
    let kind = info.f_type as u32;
    if let Some((_, name)) = NETWORK_FILE_SYSTEMS.iter().find(|(number, _)| *number == kind) {
        warn!(
            directory = %data.display(),
            file_system = name,
            "the data directory is on a network file system, which may lose or damage data: use a local disk"
        );
    }
}
