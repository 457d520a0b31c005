//! Netlink: asking the kernel and walking its answers, without copies and without trusting lengths.
//!
//! # Source
//! Linux `netlink(7)`, `rtnetlink(7)`: `struct nlmsghdr`, `struct nlattr`.

pub mod generic;

use std::collections::HashMap;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, bind, netdevice, recv, send,
    socket_with, sockopt,
};

use crate::collector::CollectError;
use crate::parse;

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_DUMP: u16 = 0x300;
const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const IFLA_IFNAME: u16 = 3;
const IFLA_EXT_MASK: u16 = 29;
const RTEXT_FILTER_SKIP_STATS: u32 = 8;

const MESSAGE_HEADER: usize = 16;
const ATTRIBUTE_HEADER: usize = 4;
/// Length of `struct ifinfomsg`.
pub const LINK_HEADER: usize = 16;

/// The kernel fills at most 32 KiB a datagram of a dump.
const DATAGRAM_BYTES: usize = 32 << 10;

/// A question: message type, then the body that follows the header.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// `nlmsg_type`.
    pub kind: u16,
    /// Whether all objects are wanted, not one.
    pub is_dump: bool,
    /// What follows the header.
    pub body: &'a [u8],
}

/// A conversation with the kernel.
#[derive(Debug)]
pub struct Socket(OwnedFd);

/// Asks the kernel over a socket of `protocol` (none: routing) and hands every answer, `(type, body)`, to `on`.
/// # Errors
/// When the kernel refuses, or `on` does.
pub fn ask(
    protocol: Option<Protocol>,
    request: Request<'_>,
    on: impl FnMut(u16, &[u8]) -> Result<(), CollectError>,
) -> Result<(), CollectError> {
    Socket::open(protocol)?.ask(request, on)
}

fn failed(errno: Errno) -> CollectError {
    CollectError::Read { path: "netlink".to_owned(), source: errno.into() }
}

impl Socket {
    /// Opens a socket of `protocol`, none: routing.
    /// # Errors
    /// When the kernel lacks the protocol or refuses.
    pub fn open(protocol: Option<Protocol>) -> Result<Self, CollectError> {
        let absent = |errno: Errno| match errno {
            Errno::PROTONOSUPPORT | Errno::AFNOSUPPORT => {
                CollectError::NoData { why: "this kernel lacks the netlink protocol".to_owned() }
            }
            errno => failed(errno),
        };
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol);
        let socket = socket.map_err(absent)?;
        bind(&socket, &SocketAddrNetlink::new(0, 0)).map_err(failed)?;
        // A kernel that never answers must not hold the collector for ever.
        let patience = Some(std::time::Duration::from_secs(5));
        sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, patience).map_err(failed)?;
        Ok(Self(socket))
    }

    /// Hands every answer, `(type, body)`, to `on`.
    /// # Errors
    /// When the kernel refuses, or `on` does.
    pub fn ask(
        &self,
        request: Request<'_>,
        mut on: impl FnMut(u16, &[u8]) -> Result<(), CollectError>,
    ) -> Result<(), CollectError> {
        // Without an address the message goes to the kernel.
        send(&self.0, &message(request), SendFlags::empty()).map_err(failed)?;
        let mut datagram = vec![0_u8; DATAGRAM_BYTES];
        loop {
            let (n_bytes, _) = match recv(&self.0, datagram.as_mut_slice(), RecvFlags::empty()) {
                Err(Errno::INTR) => continue,
                received => received.map_err(failed)?,
            };
            let received = datagram.get(..n_bytes).unwrap_or_default();
            if n_bytes == 0 || walk(received, &mut on)? == Dump::Complete || !request.is_dump {
                return Ok(());
            }
        }
    }

    /// Returns the name of the network device of this number; none when there is no such device.
    pub fn name_of_link(&self, number: u32) -> Option<String> {
        netdevice::index_to_name(&self.0, number).ok()
    }
}

fn message(request: Request<'_>) -> Vec<u8> {
    let length = u32::try_from(MESSAGE_HEADER + request.body.len()).unwrap_or(0);
    let flags = NLM_F_REQUEST | if request.is_dump { NLM_F_DUMP } else { 0 };
    let mut message = Vec::with_capacity(MESSAGE_HEADER + request.body.len());
    message.extend_from_slice(&length.to_ne_bytes());
    message.extend_from_slice(&request.kind.to_ne_bytes());
    message.extend_from_slice(&flags.to_ne_bytes());
    message.resize(MESSAGE_HEADER, 0);
    message.extend_from_slice(request.body);
    message
}

#[derive(Debug, PartialEq)]
enum Dump {
    Complete,
    MoreComes,
}

fn walk(
    mut rest: &[u8],
    on: &mut impl FnMut(u16, &[u8]) -> Result<(), CollectError>,
) -> Result<Dump, CollectError> {
    while let Some((kind, body, tail)) = split_message(rest) {
        match kind {
            NLMSG_DONE => return Ok(Dump::Complete),
            NLMSG_ERROR => {
                let code = body.first_chunk().map_or(0, |bytes| i32::from_ne_bytes(*bytes));
                if code == 0 {
                    return Ok(Dump::Complete);
                }
                let source = std::io::Error::from_raw_os_error(code.saturating_neg());
                return Err(CollectError::from_io(std::path::Path::new("netlink"), source));
            }
            _ => on(kind, body)?,
        }
        rest = tail;
    }
    Ok(Dump::MoreComes)
}

/// Splits `length u32 | type u16 | flags u16 | sequence u32 | port u32 | body` from the rest; padded to 4 bytes.
fn split_message(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = usize::try_from(u32::from_ne_bytes(*bytes.first_chunk()?)).ok()?;
    let kind = u16::from_ne_bytes(*bytes.get(4..)?.first_chunk()?);
    let body = bytes.get(MESSAGE_HEADER..length)?;
    Some((kind, body, bytes.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

/// Iterates over `(type, value)` of attributes, flags of the type removed.
pub fn attributes(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (kind, value, tail) = split_attribute(rest)?;
        rest = tail;
        // The two highest bits tell about nesting and byte order.
        Some((kind & 0x3fff, value))
    })
}

/// Splits `length u16 | type u16 | value` from the rest; padded to 4 bytes.
fn split_attribute(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = usize::from(u16::from_ne_bytes(*bytes.first_chunk()?));
    let kind = u16::from_ne_bytes(*bytes.get(2..)?.first_chunk()?);
    let value = bytes.get(ATTRIBUTE_HEADER..length)?;
    Some((kind, value, bytes.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

/// Appends an attribute.
pub fn push_attribute(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(ATTRIBUTE_HEADER + value.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&length.to_ne_bytes());
    out.extend_from_slice(&kind.to_ne_bytes());
    out.extend_from_slice(value);
    out.resize(out.len().next_multiple_of(4), 0);
}

/// Reads a number of 32 bits at `offset`.
pub fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(offset..)?.first_chunk()?))
}

/// Reads a number of 64 bits at `offset`.
pub fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(*bytes.get(offset..)?.first_chunk()?))
}

/// A text attribute ends in a zero byte.
pub fn text(value: &[u8]) -> String {
    parse::text(value.split(|byte| *byte == 0).next().unwrap_or_default())
}

/// What is wanted of network devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    /// Everything.
    Whole,
    /// All but counts, which the kernel would sum up over all CPUs.
    WithoutCounts,
}

/// Hands the attributes of every network device, after its `struct ifinfomsg`, to `on`.
/// # Errors
/// When the kernel refuses.
pub fn links(wanted: Links, mut on: impl FnMut(&[u8], &[u8])) -> Result<(), CollectError> {
    let mut body = vec![0; LINK_HEADER];
    if wanted == Links::WithoutCounts {
        push_attribute(&mut body, IFLA_EXT_MASK, &RTEXT_FILTER_SKIP_STATS.to_ne_bytes());
    }
    let request = Request { kind: RTM_GETLINK, is_dump: true, body: &body };
    ask(None, request, |kind, body| {
        if kind == RTM_NEWLINK
            && let Some((header, attributes)) = body.split_at_checked(LINK_HEADER)
        {
            on(header, attributes);
        }
        Ok(())
    })
}

/// Returns the names of network devices by their number.
/// # Errors
/// When the kernel refuses.
pub fn link_names() -> Result<HashMap<u32, String>, CollectError> {
    let mut names = HashMap::new();
    links(Links::WithoutCounts, |header, rest| {
        let name = attributes(rest).find(|(kind, _)| *kind == IFLA_IFNAME);
        if let (Some(number), Some((_, name))) = (u32_at(header, 4), name) {
            names.insert(number, text(name));
        }
    })?;
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_a_loopback_device() {
        assert!(link_names().unwrap().values().any(|name| name == "lo"));
    }

    #[test]
    fn damaged_messages_end_the_walk_without_panic() {
        let bytes = message(Request { kind: RTM_GETLINK, is_dump: true, body: &[0; LINK_HEADER] });
        for cut in 0..32 {
            assert_eq!(walk(&bytes[..cut], &mut |_, _| Ok(())).unwrap(), Dump::MoreComes);
        }
        let lying = [200_u32.to_ne_bytes(), [0; 4], [0; 4], [0; 4]].concat();
        assert_eq!(split_message(&lying), None);
        assert_eq!(split_attribute(&[3, 0, 1, 0]), None);
    }

    #[test]
    fn attributes_are_written_as_they_are_read() {
        let mut bytes = Vec::new();
        push_attribute(&mut bytes, 1, b"abc");
        push_attribute(&mut bytes, 0x8002, b"");
        assert_eq!(attributes(&bytes).collect::<Vec<_>>(), [(1, &b"abc"[..]), (2, b"")]);
    }
}
