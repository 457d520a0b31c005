//! How little memory an idle exporter or Alertmanager keeps.
//!
//! A scrape is work of milliseconds every quarter of a minute. In between, the process holds what its start and the last
//! scrape touched: free memory that the allocator keeps at hand, and program code that the kernel mapped around each
//! page used. [`Rest`] gives some of both back when it has been quiet for a second.
//!
//! Neither is free. Giving all code back after each scrape and mapping it again in the next one made a scrape dearer by
//! half, and memory is cleared before it is handed out again. So no more code is given back than keeps the process below
//! [`REST_BYTES`], and memory only after the start and then rarely.
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
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// Without a request for this time the process is idle.
const QUIET: Duration = Duration::from_secs(1);

/// Free memory is given back at most this often: a scrape needs half a megabyte, and a hundred page faults to get it.
const COLLECT_EVERY: Duration = Duration::from_secs(600);

/// What an idle process may hold: less than half of what the original of the host exporter does.
const REST_BYTES: u64 = 9 << 20;

/// Code is given back in pieces of this size, each in its turn.
const PIECE_BYTES: usize = 2 << 20;

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
        let mut code = Code::find();
        let mut collect_at = Instant::now();
        loop {
            while timeout(QUIET, self.answered.notified()).await.is_ok() {}
            let now = Instant::now();
            if now >= collect_at {
                collect_at = now + COLLECT_EVERY;
                collect();
            }
            code.release_above(REST_BYTES);
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = self.answered.notified() => {}
            }
        }
    }
}

/// Gives back free memory.
fn collect() {
    // SAFETY: it frees what the program has freed already, and takes no pointer.
    unsafe { libmimalloc_sys::mi_collect(true) };
}

/// A part of the address space.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Range {
    start: usize,
    length: usize,
}

/// The program's own code. Libraries, a tenth of it, may be unloaded, so they are left alone.
#[derive(Debug)]
struct Code {
    pieces: Vec<Range>,
    next: usize,
}

impl Code {
    fn find() -> Self {
        let program = fs::read_link("/proc/self/exe").unwrap_or_default();
        let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
        let ranges = maps.lines().filter_map(|line| code(line, program.to_str()?));
        Self { pieces: ranges.flat_map(Range::pieces).collect(), next: 0 }
    }

    /// Gives back one piece after the other until the process holds no more than `bytes`.
    fn release_above(&mut self, bytes: u64) {
        for _ in 0..self.pieces.len() {
            if resident_bytes().is_none_or(|resident| resident <= bytes) {
                return;
            }
            self.next = (self.next + 1) % self.pieces.len();
            if let Some(piece) = self.pieces.get(self.next) {
                piece.release();
            }
        }
    }
}

/// What the process holds now. None when the kernel does not tell.
fn resident_bytes() -> Option<u64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

impl Range {
    fn pieces(self) -> impl Iterator<Item = Self> {
        let piece =
            move |offset| Self { start: self.start + offset, length: PIECE_BYTES.min(self.length - offset) };
        (0..self.length).step_by(PIECE_BYTES).map(piece)
    }

    fn release(self) {
        let start = std::ptr::with_exposed_provenance_mut(self.start);
        // SAFETY: the range is part of one that `code` found to be a private mapping of a file which is never written to,
        // so its bytes come back from the file, unchanged, when they are read next. The program is mapped until it ends.
        let given_back = unsafe { madvise(start, self.length, Advice::LinuxDontNeed) };
        if let Err(error) = given_back {
            tracing::debug!(%error, "the kernel does not take program code back");
        }
    }
}

/// Returns the range of a line of `/proc/self/maps` when it is code of `program`, or its constants: the part that begins
/// with the file's header. Constants that the loader wrote addresses into lie in parts of their own.
fn code(line: &str, program: &str) -> Option<Range> {
    let mut words = line.strip_suffix(program)?.split_ascii_whitespace();
    let (range, rights, offset) = (words.next()?, words.next()?, words.next()?);
    let (Some(_device), Some(inode), None) = (words.next(), words.next(), words.next()) else { return None };
    let is_header = || offset.bytes().all(|digit| digit == b'0');
    let is_code = rights == "r-xp" || rights == "r--p" && is_header();
    if !is_code || inode == "0" || !program.starts_with('/') {
        return None;
    }
    let (start, end) = range.split_once('-')?;
    let (start, end) = (usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?);
    Some(Range { start, length: end.checked_sub(start)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_file_holds_is_given_back() {
        let code = |rest: &str| code(&format!("1000-3000 {rest}"), "/usr/bin/watch fire");
        let range = Some(Range { start: 0x1000, length: 0x2000 });
        assert_eq!(code("r-xp 0077e000 fe:00 99   /usr/bin/watch fire"), range);
        assert_eq!(code("r--p 00000000 fe:00 99   /usr/bin/watch fire"), range);
        for kept in [
            "r--p 01e1c000 fe:00 99 /usr/bin/watch fire",
            "rw-p 00000000 fe:00 99 /usr/bin/watch fire",
            "rwxp 00000000 fe:00 99 /usr/bin/watch fire",
            "r-xs 00000000 fe:00 99 /usr/bin/watch fire",
            "r-xp 00000000 fe:00 99 /other/usr/bin/watch fire",
            "r-xp 00000000 fe:00 99 /usr/lib/libc.so.6",
            "r-xp 00000000 00:00 0 [vdso]",
            "rw-p 00000000 00:00 0",
        ] {
            assert_eq!(code(kept), None, "{kept}");
        }
    }

    #[test]
    fn the_program_goes_on_after_giving_its_code_back() {
        let text = vec!["kept".to_owned(); 1_000];
        let mut code = Code::find();
        let n_bytes: usize = code.pieces.iter().map(|piece| piece.length).sum();
        assert!(n_bytes > PIECE_BYTES, "{code:?}");
        collect();
        code.release_above(0);
        assert!(text.iter().all(|word| word == "kept"));
    }
}
