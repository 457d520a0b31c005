//! Members and their form in packets.
//!
//! ```text
//! member = name length u8 | name | 4 or 6 u8 | address 4 or 16 bytes | port u16 BE | generation u64 BE
//! ```
//! A member that starts again, or that was declared down and is not, takes a higher generation: the address stays, and the
//! higher generation is believed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use bytes::{Buf, BufMut};
use foca::{Header, Identity, Incarnation, Message, State};

/// A member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) name: Arc<str>,
    pub(super) address: SocketAddr,
    generation: u64,
}

/// Longest name of a member: a packet names up to three members and still has room.
const NAME_BYTES_MAX: usize = 128;

impl Member {
    pub(super) fn new(name: &str, address: SocketAddr) -> Result<Self, String> {
        if name.is_empty() || name.len() > NAME_BYTES_MAX {
            return Err(format!("--cluster.peer-name has {} bytes: {NAME_BYTES_MAX} at most", name.len()));
        }
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let generation = u64::try_from(since.as_millis()).unwrap_or(0);
        Ok(Self { name: name.into(), address, generation })
    }
}

/// Returns a random name: 26 letters and digits, as the original's.
pub(super) fn random_name() -> String {
    const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    (0..26).filter_map(|_| fastrand::choice(DIGITS).map(|digit| char::from(*digit))).collect()
}

impl Identity for Member {
    type Addr = SocketAddr;

    fn renew(&self) -> Option<Self> {
        Some(Self { generation: self.generation.saturating_add(1), ..self.clone() })
    }

    fn addr(&self) -> SocketAddr {
        self.address
    }

    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        (self.generation, &self.name) > (adversary.generation, &adversary.name)
    }
}

/// Why bytes are no packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum CodecError {
    #[error("the packet is cut off")]
    Short,
    #[error("the packet is full")]
    Full,
    #[error("the packet holds an unknown kind of {0}")]
    Unknown(&'static str),
}

/// Writes and reads what the protocol says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Codec;

impl foca::Codec<Member> for Codec {
    type Error = CodecError;

    fn encode_header(&mut self, header: &Header<Member>, buf: impl BufMut) -> Result<(), CodecError> {
        let mut out = Vec::with_capacity(96);
        put_identity(&mut out, &header.src);
        out.put_u16(header.src_incarnation);
        put_identity(&mut out, &header.dst);
        let mut with = |kind: u8, member: Option<&Member>, number: Option<u8>| {
            out.put_u8(kind);
            if let Some(member) = member {
                put_identity(&mut out, member);
            }
            out.extend(number);
        };
        match &header.message {
            Message::Ping(number) => with(0, None, Some(*number)),
            Message::Ack(number) => with(1, None, Some(*number)),
            Message::PingReq { target, probe_number } => with(2, Some(target), Some(*probe_number)),
            Message::IndirectPing { origin, probe_number } => with(3, Some(origin), Some(*probe_number)),
            Message::IndirectAck { target, probe_number } => with(4, Some(target), Some(*probe_number)),
            Message::ForwardedAck { origin, probe_number } => with(5, Some(origin), Some(*probe_number)),
            Message::Announce => with(6, None, None),
            Message::Feed => with(7, None, None),
            Message::Gossip => with(8, None, None),
            Message::Broadcast => with(9, None, None),
            Message::TurnUndead => with(10, None, None),
        }
        put_all(&out, buf)
    }

    fn decode_header(&mut self, mut buf: impl Buf) -> Result<Header<Member>, CodecError> {
        let src = take_identity(&mut buf)?;
        let src_incarnation = buf.try_get_u16().map_err(short)?;
        let dst = take_identity(&mut buf)?;
        let kind = buf.try_get_u8().map_err(short)?;
        let message = match kind {
            0 => Message::Ping(buf.try_get_u8().map_err(short)?),
            1 => Message::Ack(buf.try_get_u8().map_err(short)?),
            2..=5 => {
                let member = take_identity(&mut buf)?;
                let probe_number = buf.try_get_u8().map_err(short)?;
                match kind {
                    2 => Message::PingReq { target: member, probe_number },
                    3 => Message::IndirectPing { origin: member, probe_number },
                    4 => Message::IndirectAck { target: member, probe_number },
                    _ => Message::ForwardedAck { origin: member, probe_number },
                }
            }
            6 => Message::Announce,
            7 => Message::Feed,
            8 => Message::Gossip,
            9 => Message::Broadcast,
            10 => Message::TurnUndead,
            _ => return Err(CodecError::Unknown("message")),
        };
        Ok(Header { src, src_incarnation, dst, message })
    }

    fn encode_member(&mut self, member: &foca::Member<Member>, buf: impl BufMut) -> Result<(), CodecError> {
        let mut out = Vec::with_capacity(64);
        put_member(&mut out, member);
        put_all(&out, buf)
    }

    fn decode_member(&mut self, mut buf: impl Buf) -> Result<foca::Member<Member>, CodecError> {
        take_member(&mut buf)
    }
}

/// Writes a member with what is thought of it: `member | incarnation u16 BE | state u8`.
pub(super) fn put_member(out: &mut Vec<u8>, member: &foca::Member<Member>) {
    put_identity(out, member.id());
    out.put_u16(member.incarnation());
    out.put_u8(match member.state() {
        State::Alive => 0,
        State::Suspect => 1,
        State::Down => 2,
    });
}

/// Reads what [`put_member`] wrote.
pub(super) fn take_member(buf: &mut impl Buf) -> Result<foca::Member<Member>, CodecError> {
    let id = take_identity(buf)?;
    let incarnation: Incarnation = buf.try_get_u16().map_err(short)?;
    let state = match buf.try_get_u8().map_err(short)? {
        0 => State::Alive,
        1 => State::Suspect,
        2 => State::Down,
        _ => return Err(CodecError::Unknown("state")),
    };
    Ok(foca::Member::new(id, incarnation, state))
}

/// All or nothing: a buffer that is too small stays as it was.
fn put_all(bytes: &[u8], mut buf: impl BufMut) -> Result<(), CodecError> {
    if buf.remaining_mut() < bytes.len() {
        return Err(CodecError::Full);
    }
    buf.put_slice(bytes);
    Ok(())
}

fn put_identity(out: &mut Vec<u8>, member: &Member) {
    let name = member.name.as_bytes();
    out.put_u8(u8::try_from(name.len()).unwrap_or(u8::MAX));
    out.extend_from_slice(name);
    match member.address.ip() {
        IpAddr::V4(ip) => {
            out.put_u8(4);
            out.extend_from_slice(&ip.octets());
        }
        IpAddr::V6(ip) => {
            out.put_u8(6);
            out.extend_from_slice(&ip.octets());
        }
    }
    out.put_u16(member.address.port());
    out.put_u64(member.generation);
}

fn take_identity(buf: &mut impl Buf) -> Result<Member, CodecError> {
    let length = usize::from(buf.try_get_u8().map_err(short)?);
    let mut name = vec![0; length];
    buf.try_copy_to_slice(&mut name).map_err(short)?;
    let name = String::from_utf8(name).map_err(|_| CodecError::Unknown("name"))?;
    let ip = match buf.try_get_u8().map_err(short)? {
        4 => IpAddr::V4(Ipv4Addr::from_bits(buf.try_get_u32().map_err(short)?)),
        6 => IpAddr::V6(Ipv6Addr::from_bits(buf.try_get_u128().map_err(short)?)),
        _ => return Err(CodecError::Unknown("address")),
    };
    let port = buf.try_get_u16().map_err(short)?;
    let generation = buf.try_get_u64().map_err(short)?;
    Ok(Member { name: name.into(), address: SocketAddr::new(ip, port), generation })
}

fn short(_: bytes::TryGetError) -> CodecError {
    CodecError::Short
}

#[cfg(test)]
mod tests {
    use foca::Codec as _;

    use super::*;

    fn member(name: &str, address: &str) -> Member {
        Member::new(name, address.parse().unwrap()).unwrap()
    }

    #[test]
    fn headers_are_read_as_written_and_cut_ones_are_refused() {
        let (a, b) = (member("a", "127.0.0.1:1"), member("é", "[::1]:65535"));
        let messages = [
            Message::Ping(7),
            Message::PingReq { target: b.clone(), probe_number: 1 },
            Message::ForwardedAck { origin: a.clone(), probe_number: 2 },
            Message::Feed,
            Message::TurnUndead,
        ];
        for message in messages {
            let header = Header { src: a.clone(), src_incarnation: 3, dst: b.clone(), message };
            let mut bytes = Vec::new();
            Codec.encode_header(&header, &mut bytes).unwrap();
            assert_eq!(Codec.decode_header(&bytes[..]).unwrap(), header);
            for length in 0..bytes.len() {
                assert_eq!(Codec.decode_header(&bytes[..length]), Err(CodecError::Short));
            }
            let mut small = [0_u8; 8];
            assert_eq!(Codec.encode_header(&header, &mut small[..]), Err(CodecError::Full));
        }
    }

    #[test]
    fn a_renewed_member_wins_over_what_it_was() {
        let old = member("a", "127.0.0.1:1");
        let new = old.renew().unwrap();
        assert!(new.win_addr_conflict(&old) && !old.win_addr_conflict(&new));
        assert!(Member::new("", old.address).is_err() && Member::new(&"x".repeat(129), old.address).is_err());
        assert_eq!(random_name().len(), 26);
    }
}
