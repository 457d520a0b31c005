//! Questions to drivers of network devices: `SIOCETHTOOL`.
//!
//! # Source
//! Linux `include/uapi/linux/ethtool.h`: `struct ethtool_cmd`, `ethtool_drvinfo`, `ethtool_gstrings`, `ethtool_stats`.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

const SIOCETHTOOL: u32 = 0x8946;
const ETHTOOL_GSET: u32 = 0x1;
const ETHTOOL_GDRVINFO: u32 = 0x3;
const ETHTOOL_GSTRINGS: u32 = 0x1b;
const ETHTOOL_GSTATS: u32 = 0x1d;
/// `ETH_SS_STATS`.
const SET_OF_STATISTICS: u32 = 1;

/// Length of a name or a text of the driver's.
pub(crate) const TEXT_BYTES: usize = 32;
const COMMAND_BYTES: usize = 44;
const DRIVER_BYTES: usize = 196;
const STRINGS_HEADER: usize = 12;
const STATISTICS_HEADER: usize = 8;

/// No driver has so many statistics.
const STATISTICS_MAX: usize = 1 << 16;

/// A socket to ask with.
#[derive(Debug)]
pub(crate) struct Ethtool(OwnedFd);

impl Ethtool {
    /// Opens it.
    /// # Errors
    /// When the kernel refuses.
    pub(crate) fn open() -> io::Result<Self> {
        let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
        Ok(Self(socket))
    }

    /// Returns a `struct ethtool_cmd`: the port and link modes in 32 bits.
    /// # Errors
    /// `EOPNOTSUPP` of drivers without such settings.
    pub(crate) fn settings(&self, device: &str) -> io::Result<[u8; COMMAND_BYTES]> {
        let mut command = [0; COMMAND_BYTES];
        self.ask(device, ETHTOOL_GSET, &mut command)?;
        Ok(command)
    }

    /// Returns a `struct ethtool_drvinfo`.
    /// # Errors
    /// `EOPNOTSUPP` of devices without a driver that knows.
    pub(crate) fn driver(&self, device: &str) -> io::Result<[u8; DRIVER_BYTES]> {
        let mut driver = [0; DRIVER_BYTES];
        self.ask(device, ETHTOOL_GDRVINFO, &mut driver)?;
        Ok(driver)
    }

    /// Returns names, each in [`TEXT_BYTES`], and numbers of the `n` statistics that the driver told of.
    /// # Errors
    /// `EOPNOTSUPP` of drivers without statistics.
    pub(crate) fn statistics(&self, device: &str, n: usize) -> io::Result<(Vec<u8>, Vec<u8>)> {
        if n > STATISTICS_MAX {
            return Err(io::Error::other(format!("{n} statistics are more than any driver has")));
        }
        // Their number may grow between two questions, and the kernel writes as many as there are.
        let room = n * 4 + 4096;
        let mut names = vec![0; STRINGS_HEADER + room * TEXT_BYTES];
        put(&mut names, 4, SET_OF_STATISTICS);
        self.ask(device, ETHTOOL_GSTRINGS, &mut names)?;
        let n_names = count(&names, 8).min(room);
        let mut numbers = vec![0; STATISTICS_HEADER + room * 8];
        self.ask(device, ETHTOOL_GSTATS, &mut numbers)?;
        let n_numbers = count(&numbers, 4).min(room);
        names.truncate(STRINGS_HEADER + n_names * TEXT_BYTES);
        numbers.truncate(STATISTICS_HEADER + n_numbers * 8);
        Ok((names.split_off(STRINGS_HEADER), numbers.split_off(STATISTICS_HEADER)))
    }

    fn ask(&self, device: &str, command: u32, buffer: &mut [u8]) -> io::Result<()> {
        put(buffer, 0, command);
        // SAFETY: `ifreq` is plain numbers and a pointer, for which all zeros is a value.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        // The last byte stays zero: a longer name is no device's.
        for (to, from) in request.ifr_name.iter_mut().take(libc::IFNAMSIZ - 1).zip(device.bytes()) {
            *to = libc::c_char::from_ne_bytes([from]);
        }
        request.ifr_ifru.ifru_data = buffer.as_mut_ptr().cast();
        // SAFETY: `request` and `buffer` live through the call. The kernel writes the structure of `command` to
        // `buffer`, which each caller makes as long as that structure, with room to spare where the driver has a say.
        let answer = unsafe { libc::ioctl(self.0.as_raw_fd(), SIOCETHTOOL.into(), &raw mut request) };
        if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

fn put(buffer: &mut [u8], at: usize, number: u32) {
    if let Some(bytes) = buffer.get_mut(at..at + 4) {
        bytes.copy_from_slice(&number.to_ne_bytes());
    }
}

fn count(buffer: &[u8], at: usize) -> usize {
    let number =
        buffer.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| u32::from_ne_bytes(*bytes));
    usize::try_from(number).unwrap_or(0)
}
