//! How little memory an idle exporter or Alertmanager keeps.
//!
//! A scrape is work of milliseconds every quarter of a minute. In between, the process holds what its start and the last
//! scrape touched: free memory that the allocator keeps at hand, and program code that the kernel mapped around each
//! page used. [`Rest`] gives both back when it has been quiet for a second. The next scrape maps some hundred ranges of
//! code again, from the page cache, which costs a fraction of a millisecond.
#![expect(unsafe_code, reason = "neither the allocator's collector nor madvise(2) has a safe wrapper")]

use std::convert::Infallible;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use rustix::mm::{Advice, madvise};
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Without a request for this time the process is idle.
const QUIET: Duration = Duration::from_secs(1);

/// Notices when nobody asks any more. Clones watch the same process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rest {
    answered: Arc<Notify>,
}

impl Rest {
    /// Watches the requests to `router`.
    pub(crate) fn watch(&self, router: Router) -> Router {
        let answered = Arc::clone(&self.answered);
        router.layer(from_fn(move |request: Request, next: Next| {
            let answered = Arc::clone(&answered);
            async move {
                let response = next.run(request).await;
                answered.notify_one();
                response
            }
        }))
    }

    /// Gives memory back after the start, and after each burst of requests, until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) -> Result<(), Infallible> {
        loop {
            while timeout(QUIET, self.answered.notified()).await.is_ok() {}
            release();
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = self.answered.notified() => {}
            }
        }
    }
}

/// Gives back free memory and program code.
fn release() {
    // SAFETY: it frees what the program has freed already, and takes no pointer.
    unsafe { libmimalloc_sys::mi_collect(true) };
    let Ok(maps) = fs::read_to_string("/proc/self/maps") else { return };
    for (start, length) in maps.lines().filter_map(code) {
        // SAFETY: the range is one that `code` found to be a private mapping of a file which is never written to, so
        // its bytes come back from the file, unchanged, when they are read next.
        let given_back =
            unsafe { madvise(std::ptr::with_exposed_provenance_mut(start), length, Advice::LinuxDontNeed) };
        if let Err(error) = given_back {
            tracing::debug!(%error, "the kernel does not take program code back");
        }
    }
}

/// Returns start and length of a line of `/proc/self/maps` when it is a program's or library's code, or its constants: the
/// part that begins with the file's header. Constants that the loader wrote addresses into lie in parts of their own.
fn code(line: &str) -> Option<(usize, usize)> {
    let mut words = line.split_ascii_whitespace();
    let (range, rights, offset) = (words.next()?, words.next()?, words.next()?);
    let (_device, inode, path) = (words.next()?, words.next()?, words.next()?);
    let is_header = || offset.bytes().all(|digit| digit == b'0');
    let is_code = rights == "r-xp" || rights == "r--p" && is_header();
    if !is_code || inode == "0" || !path.starts_with('/') {
        return None;
    }
    let (start, end) = range.split_once('-')?;
    let (start, end) = (usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?);
    Some((start, end.checked_sub(start)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_file_holds_is_given_back() {
        let code = |rest: &str| code(&format!("1000-3000 {rest}"));
        assert_eq!(code("r-xp 0077e000 fe:00 99 /usr/bin/watchfire"), Some((0x1000, 0x2000)));
        assert_eq!(code("r--p 00000000 fe:00 99 /usr/bin/watchfire"), Some((0x1000, 0x2000)));
        for kept in [
            "r--p 01e1c000 fe:00 99 /usr/bin/watchfire",
            "rw-p 00000000 fe:00 99 /usr/bin/watchfire",
            "rwxp 00000000 fe:00 99 /usr/bin/watchfire",
            "r-xs 00000000 fe:00 99 /usr/bin/watchfire",
            "r-xp 00000000 00:00 0 [vdso]",
            "rw-p 00000000 00:00 0",
        ] {
            assert_eq!(code(kept), None, "{kept}");
        }
    }

    #[test]
    fn the_program_goes_on_after_giving_its_code_back() {
        let text = vec!["kept".to_owned(); 1_000];
        release();
        assert!(text.iter().all(|word| word == "kept"));
    }
}
