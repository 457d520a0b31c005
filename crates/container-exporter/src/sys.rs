//! Counters of the CPU and the kernel for one control group: perf_event_open(2). The only unsafe code here.
//!
//! # Source
//! Linux `include/uapi/linux/perf_event.h`: the first 64 bytes of `struct perf_event_attr`.
#![expect(unsafe_code, reason = "perf_event_open(2) has no safe wrapper")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

const ATTRIBUTE_BYTES: usize = 64;
/// `PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING`.
const READ_FORMAT: u64 = 3;
const PERF_FLAG_PID_CGROUP: libc::c_ulong = 4;
const PERF_FLAG_FD_CLOEXEC: libc::c_ulong = 8;

/// What is counted: `type` and `config` of the attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) kind: u32,
    pub(crate) config: u64,
}

/// What a counter says.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Count {
    /// Events; what was missed is extrapolated.
    pub(crate) events: f64,
    /// Part of the time that the counter was at work: the CPU has few, which take turns.
    pub(crate) ratio: f64,
}

/// A counter of one group on one CPU, at work while it lives.
#[derive(Debug)]
pub(crate) struct Counter(OwnedFd);

impl Counter {
    /// Starts to count `event` for the processes below the directory `group`, while they run on `cpu`.
    /// # Errors
    /// `ENOENT` and its like when the CPU lacks the event, `EACCES` without the right.
    pub(crate) fn open(event: Event, group: BorrowedFd<'_>, cpu: i32) -> io::Result<Self> {
        let mut attributes = [0_u64; ATTRIBUTE_BYTES / 8];
        let [kind_and_size, config, _, _, read_format, ..] = &mut attributes;
        let halves = [event.kind.to_ne_bytes(), 64_u32.to_ne_bytes()];
        *kind_and_size = u64::from_ne_bytes(halves.concat().try_into().unwrap_or_default());
        (*config, *read_format) = (event.config, READ_FORMAT);
        let alone: libc::c_int = -1;
        // SAFETY: the attributes live through the call, are as long as they say, and are only read.
        let answer = unsafe {
            libc::syscall(
                libc::SYS_perf_event_open,
                attributes.as_ptr(),
                group.as_raw_fd(),
                cpu,
                alone,
                PERF_FLAG_PID_CGROUP | PERF_FLAG_FD_CLOEXEC,
            )
        };
        let descriptor = i32::try_from(answer).ok().filter(|descriptor| *descriptor >= 0);
        let descriptor = descriptor.ok_or_else(io::Error::last_os_error)?;
        // SAFETY: the kernel has just made it for us, and nobody else knows it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(descriptor) }))
    }

    /// Reads the count.
    /// # Errors
    /// When the kernel refuses.
    pub(crate) fn read(&self) -> io::Result<Count> {
        let mut bytes = [0_u8; 24];
        let n_bytes = rustix::io::read(&self.0, bytes.as_mut_slice())?;
        if n_bytes < bytes.len() {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        let number = |at: usize| {
            let chunk = bytes.get(at..).and_then(|rest| rest.first_chunk());
            chunk.map_or(0.0, |bytes| u64::from_ne_bytes(*bytes) as f64)
        };
        Ok(Count::new(number(0), number(8), number(16)))
    }
}

impl Count {
    fn new(count: f64, enabled: f64, running: f64) -> Self {
        if running > 0.0 && enabled > 0.0 {
            let ratio = running / enabled;
            return Self { events: count / ratio, ratio };
        }
        // Nothing of the group has run on this CPU yet, or the counter never had its turn.
        Self { events: count, ratio: if enabled > 0.0 { 0.0 } else { 1.0 } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_missed_is_extrapolated() {
        assert_eq!(Count::new(100.0, 40.0, 10.0), Count { events: 400.0, ratio: 0.25 });
        assert_eq!(Count::new(0.0, 40.0, 0.0), Count { events: 0.0, ratio: 0.0 });
        assert_eq!(Count::new(0.0, 0.0, 0.0), Count { events: 0.0, ratio: 1.0 });
    }
}
