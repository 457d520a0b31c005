//! CPU profiles: a signal every 10 ms of CPU time notes where the thread is that it interrupts.
//!
//! ```text
//! kernel: SIGPROF → handler: stack → slot | fetch, four times a second: slots → counted stacks | finish: names
//! ```
//! The handler takes no lock and no memory; a slot that is not free is a lost sample, which the profile tells. It stays
//! installed after the first profile: a signal that comes late would end the process otherwise.
#![expect(unsafe_code, reason = "signal handlers, their timer and walking the stack have no safe wrapper")]

use std::collections::HashMap;
use std::ffi::c_void;
use std::fs;
use std::io;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::{Duration, Instant};

use super::format::{Line, Mapping, Place, Profile, Unit};

/// Between two samples, of CPU time of the whole process.
const PERIOD: Duration = Duration::from_millis(10);

/// How often samples are to be fetched.
pub(super) const FETCH_EVERY: Duration = Duration::from_millis(250);

/// Deepest stack noted; what lies further out is left off.
const DEPTH_MAX: usize = 96;

/// Samples between two fetches: more than 64 cores make.
const N_SLOTS: usize = 2_048;

/// A slot is free, being written, or to be fetched.
const FREE: usize = 0;
const BUSY: usize = 1;
const FULL: usize = 2;

/// A sample. All fields are atomic: the handler may come at any time.
struct Slot {
    state: AtomicUsize,
    thread: AtomicUsize,
    depth: AtomicUsize,
    stack: [AtomicUsize; DEPTH_MAX],
}

impl Slot {
    const fn new() -> Self {
        Self {
            state: AtomicUsize::new(FREE),
            thread: AtomicUsize::new(0),
            depth: AtomicUsize::new(0),
            stack: [const { AtomicUsize::new(0) }; DEPTH_MAX],
        }
    }
}

// A handler has no arguments of ours: what it reaches must be static. Pages of it are made when they are first written.
static SLOTS: [Slot; N_SLOTS] = [const { Slot::new() }; N_SLOTS];
static NEXT: AtomicUsize = AtomicUsize::new(0);
static N_LOST: AtomicUsize = AtomicUsize::new(0);
static IS_ON: AtomicBool = AtomicBool::new(false);
/// Whether somebody takes a profile.
static IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// Why no profile can be taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    #[error("cpu profiling already in use")]
    Taken,
    #[error("the operating system refused: {0}")]
    System(#[from] io::Error),
}

/// A profile that is being taken; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Sampling {
    started: Instant,
    /// How often each stack was met, innermost call first, and by which thread.
    counts: HashMap<(usize, Vec<usize>), u64>,
}

impl Sampling {
    /// Begins to take samples.
    /// # Errors
    /// When somebody else does already.
    pub(super) fn start() -> Result<Self, StartError> {
        if IS_TAKEN.swap(true, SeqCst) {
            return Err(StartError::Taken);
        }
        // From here on dropping it gives the right to sample back.
        let mut sampling = Self { started: Instant::now(), counts: HashMap::new() };
        // A first walk loads what walking needs: the handler must not.
        backtrace::trace(|_| false);
        sampling.fetch();
        sampling.counts.clear();
        N_LOST.store(0, Relaxed);
        install_handler()?;
        IS_ON.store(true, SeqCst);
        set_timer(PERIOD)?;
        Ok(sampling)
    }

    /// Takes the samples made so far.
    pub(super) fn fetch(&mut self) {
        for slot in SLOTS.iter().filter(|slot| slot.state.load(Acquire) == FULL) {
            let depth = slot.depth.load(Relaxed).min(DEPTH_MAX);
            let stack = slot.stack[..depth].iter().map(|ip| ip.load(Relaxed)).collect();
            let thread = slot.thread.load(Relaxed);
            slot.state.store(FREE, Release);
            *self.counts.entry((thread, stack)).or_default() += 1;
        }
    }

    /// Ends the profile and finds the names in it.
    pub(super) fn finish(mut self) -> Profile {
        stop();
        self.fetch();
        let period_ns = u64::try_from(PERIOD.as_nanos()).unwrap_or(0);
        let types = [("samples", Unit::Count), ("cpu", Unit::Nanoseconds)];
        let timed = ("cpu", Unit::Nanoseconds, period_ns);
        let mut profile = Profile::new(&types).timed(timed, self.started.elapsed()).mapped(mappings());
        let n_lost = N_LOST.load(Relaxed);
        if n_lost > 0 {
            profile.comment(format!("{n_lost} samples were lost"));
        }
        let mut place_of: HashMap<usize, Place> = HashMap::new();
        let mut stacks: Vec<((usize, Vec<usize>), u64)> = self.counts.drain().collect();
        stacks.sort_unstable();
        for ((thread, stack), n) in stacks {
            let places = stack.into_iter().map(|ip| place_of.entry(ip).or_insert_with(|| place(ip)).clone());
            let places = without_handler(places.collect());
            profile.push(places, &[n, n.saturating_mul(period_ns)], &name_of(thread));
        }
        // What was read of the program's file to find names.
        backtrace::clear_symbol_cache();
        profile
    }
}

impl Drop for Sampling {
    fn drop(&mut self) {
        stop();
        IS_TAKEN.store(false, SeqCst);
    }
}

fn stop() {
    IS_ON.store(false, SeqCst);
    if let Err(error) = set_timer(Duration::ZERO) {
        tracing::warn!(%error, "the timer of CPU profiles goes on");
    }
}

fn install_handler() -> io::Result<()> {
    // SAFETY: all zeros is a valid `sigaction`: no flags, an empty mask.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = on_tick as extern "C" fn(libc::c_int) as usize;
    // Calls that it interrupts go on.
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: `action` is whole, its handler has the signature for a call without SA_SIGINFO and is safe to call at any
    // time; the old action is not asked for.
    if unsafe { libc::sigaction(libc::SIGPROF, &raw const action, std::ptr::null_mut()) } == 0 {
        return Ok(());
    }
    Err(io::Error::last_os_error())
}

/// Lets SIGPROF come each time the process has used `period` of CPU; zero ends that.
fn set_timer(period: Duration) -> io::Result<()> {
    let time = libc::timeval {
        tv_sec: period.as_secs().try_into().unwrap_or(0),
        tv_usec: period.subsec_micros().into(),
    };
    let timer = libc::itimerval { it_interval: time, it_value: time };
    // SAFETY: `timer` lives until the call returns; the old value is not asked for.
    if unsafe { libc::setitimer(libc::ITIMER_PROF, &raw const timer, std::ptr::null_mut()) } == 0 {
        return Ok(());
    }
    Err(io::Error::last_os_error())
}

/// Notes where the thread is. It may have been interrupted anywhere, also while it held a lock or allocated: nothing here does.
#[inline(never)]
extern "C" fn on_tick(_signal: libc::c_int) {
    if !IS_ON.load(Relaxed) {
        return;
    }
    // SAFETY: errno belongs to this thread; the interrupted code finds it as it was.
    let errno = unsafe { *libc::__errno_location() };
    let slot = &SLOTS[NEXT.fetch_add(1, Relaxed) % N_SLOTS];
    if slot.state.compare_exchange(FREE, BUSY, Acquire, Relaxed).is_err() {
        N_LOST.fetch_add(1, Relaxed);
        return;
    }
    let mut depth = 0;
    // SAFETY: unsynchronized means that nobody else may walk by way of the same static state; on Linux walking uses
    // none, it is `_Unwind_Backtrace`, which takes no memory.
    unsafe {
        backtrace::trace_unsynchronized(|frame| {
            if let Some(ip) = slot.stack.get(depth) {
                ip.store(frame.ip().addr(), Relaxed);
                depth += 1;
            }
            depth < DEPTH_MAX
        });
    }
    slot.depth.store(depth, Relaxed);
    // SAFETY: it has no arguments and cannot fail.
    let thread = unsafe { libc::gettid() };
    slot.thread.store(usize::try_from(thread).unwrap_or(0), Relaxed);
    slot.state.store(FULL, Release);
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = errno };
}

/// Returns the functions at an address: what was inlined first. A stripped program has no names.
fn place(ip: usize) -> Place {
    let mut place = Place { address: ip as u64, lines: Vec::new() };
    backtrace::resolve(std::ptr::without_provenance_mut::<c_void>(ip), |symbol| {
        let Some(name) = symbol.name() else { return };
        let file = symbol.filename().map(|file| file.display().to_string());
        let line = symbol.lineno().unwrap_or(0);
        place.lines.push(Line { function: format!("{name:#}"), file: file.unwrap_or_default(), line });
    });
    place
}

/// Returns where code of files lies in memory.
fn mappings() -> Vec<Mapping> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let parse = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let (range, rights, offset) = (words.next()?, words.next()?, words.next()?);
        let file = words.nth(2).filter(|file| file.starts_with('/') && rights.contains('x'))?;
        let (start, end) = range.split_once('-')?;
        let number = |text| u64::from_str_radix(text, 16).ok();
        Some(Mapping {
            start: number(start)?,
            end: number(end)?,
            offset: number(offset)?,
            file: file.to_owned(),
        })
    };
    maps.lines().filter_map(parse).collect()
}

/// Leaves the handler off, and the frame by which the kernel called it.
fn without_handler(mut places: Vec<Place>) -> Vec<Place> {
    let is_handler = |place: &Place| place.lines.iter().any(|line| line.function.ends_with("on_tick"));
    if let Some(at) = places.iter().position(is_handler) {
        places.drain(..(at + 2).min(places.len()));
    }
    places
}

/// Returns the name of a thread, if it still lives.
fn name_of(thread: usize) -> String {
    let name = fs::read_to_string(format!("/proc/self/task/{thread}/comm"));
    name.map_or_else(|_| format!("thread {thread}"), |name| name.trim_end().to_owned())
}

#[cfg(test)]
pub(super) mod tests {
    use rustix::time::{ClockId, clock_gettime};

    /// Keeps this thread busy for 200 ms of its CPU time.
    #[inline(never)]
    pub(in super::super) fn burn_cpu() -> u64 {
        let now_ms = || {
            let now = clock_gettime(ClockId::ThreadCPUTime);
            now.tv_sec * 1_000 + now.tv_nsec / 1_000_000
        };
        let (end_ms, mut sum) = (now_ms() + 200, 0_u64);
        while now_ms() < end_ms {
            for number in 0..1_000 {
                sum = std::hint::black_box(sum.wrapping_add(number));
            }
        }
        sum
    }
}
