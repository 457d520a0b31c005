//! What the operating system grants this process.

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
