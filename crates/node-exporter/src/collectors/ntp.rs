//! `ntp`: what the time server of this host thinks of the time.
//!
//! # Source
//! RFC 5905: packet (7.3), on-wire protocol (8), root distance (11.2), limits (7.2).

use std::net::{IpAddr, ToSocketAddrs, UdpSocket};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use wf_exposition::MetricFamily;

use crate::collector::{CollectError, Collector, push_gauge};
use crate::config::{Config, FlagError, NtpConfig};
use crate::context::Context;

const PACKET_BYTES: usize = 48;
const MODE_CLIENT: u8 = 3;
const MODE_SERVER: u8 = 4;
const PATIENCE: Duration = Duration::from_secs(5);

/// Seconds from 1900, where NTP begins, to 1970.
const EPOCH_S: u64 = 2_208_988_800;

/// A leap indicator that says: not synchronised.
const LEAP_ALARM: u8 = 3;
const STRATUM_MAX: u8 = 15;
/// A reference older than two to the seventeenth seconds is no reference.
const AGE_MAX_S: f64 = 131_072.0;

/// The collector.
#[derive(Debug)]
pub struct Ntp {
    config: NtpConfig,
}

impl Ntp {
    /// Takes its options.
    /// # Errors
    /// When the server is not on this host and was not said to be.
    pub fn new(config: &Config) -> Result<Self, FlagError> {
        let config = config.ntp.clone();
        let is_loopback = config.server.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        let bad = |flag: &str, value: String, wanted| FlagError::BadValue {
            flag: format!("--collector.ntp.{flag}"),
            value,
            wanted,
        };
        if !is_loopback && !config.is_local {
            let wanted =
                "the IP address of a server on this host; say --collector.ntp.server-is-local if it is";
            return Err(bad("server", config.server, wanted));
        }
        if !(2..=4).contains(&config.version) {
            return Err(bad("protocol-version", config.version.to_string(), "2, 3 or 4"));
        }
        Ok(Self { config })
    }

    fn ask(&self) -> std::io::Result<([u8; PACKET_BYTES], Exchange)> {
        let port = u16::try_from(self.config.port).map_err(std::io::Error::other)?;
        let address = (self.config.server.as_str(), port).to_socket_addrs()?.next();
        let address = address.ok_or_else(|| std::io::Error::other("the server has no address"))?;
        let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(any)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        if address.is_ipv4() {
            socket.set_ttl(u32::try_from(self.config.ttl).unwrap_or(1))?;
        }
        // From now on the kernel drops what others send.
        socket.connect(address)?;
        let mut request = [0; PACKET_BYTES];
        let version = u8::try_from(self.config.version).unwrap_or(4);
        request[0] = version << 3 | MODE_CLIENT;
        let sent = Stamp::now();
        request[40..].copy_from_slice(&sent.0.to_be_bytes());
        socket.send(&request)?;
        let mut answer = [0; PACKET_BYTES];
        let n_bytes = socket.recv(&mut answer)?;
        let received = Stamp::now();
        let is_answer = n_bytes == PACKET_BYTES
            && answer.first().is_some_and(|first| first & 7 == MODE_SERVER)
            && stamp(&answer, 24) == sent;
        if !is_answer {
            return Err(std::io::Error::other("the answer is none to our question"));
        }
        Ok((answer, Exchange { sent, received }))
    }
}

/// Our clock around an exchange.
#[derive(Clone, Copy, Debug)]
struct Exchange {
    sent: Stamp,
    received: Stamp,
}

/// A time as the protocol writes it: seconds since 1900 in the upper half, their fraction in the lower.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Stamp(u64);

impl Stamp {
    fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let fraction = (u64::from(since.subsec_nanos()) << 32) / 1_000_000_000;
        // The era wraps around in 2036; only differences count.
        Self(since.as_secs().wrapping_add(EPOCH_S) << 32 | fraction)
    }

    /// Seconds from `earlier` to this, right across the end of an era.
    fn since(self, earlier: Self) -> f64 {
        self.0.wrapping_sub(earlier.0).cast_signed() as f64 / 4_294_967_296.0
    }
}

fn stamp(packet: &[u8; PACKET_BYTES], at: usize) -> Stamp {
    Stamp(packet.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| u64::from_be_bytes(*bytes)))
}

/// A short time: 16 bits of seconds, 16 of their fraction.
fn short(packet: &[u8; PACKET_BYTES], at: usize) -> f64 {
    let bytes = packet.get(at..).and_then(|rest| rest.first_chunk());
    bytes.map_or(0.0, |bytes| f64::from(u32::from_be_bytes(*bytes)) / 65_536.0)
}

/// What an answer says.
#[derive(Debug, PartialEq)]
struct Opinion {
    leap: u8,
    stratum: u8,
    round_trip_s: f64,
    offset_s: f64,
    /// When the server's own clock was last set, seconds since 1970; 0 is never.
    reference_s: f64,
    reference_age_s: f64,
    root_delay_s: f64,
    root_dispersion_s: f64,
    /// By how much the two clocks contradict cause and effect.
    error_s: f64,
}

impl Opinion {
    fn of(packet: &[u8; PACKET_BYTES], ours: Exchange) -> Self {
        let (reference, arrived, left) = (stamp(packet, 16), stamp(packet, 32), stamp(packet, 40));
        let (there, back) = (arrived.since(ours.sent), left.since(ours.received));
        let seconds = (reference.0 >> 32) as f64 + (reference.0 & 0xffff_ffff) as f64 / 4_294_967_296.0;
        Self {
            leap: packet[0] >> 6,
            stratum: packet[1],
            round_trip_s: (ours.received.since(ours.sent) - left.since(arrived)).max(0.0),
            offset_s: f64::midpoint(there, back),
            reference_s: if reference.0 == 0 { 0.0 } else { (seconds - EPOCH_S as f64).max(0.0) },
            reference_age_s: left.since(reference),
            root_delay_s: short(packet, 4),
            root_dispersion_s: short(packet, 8),
            error_s: (-there).max(back).max(0.0),
        }
    }

    /// Whether one should believe it.
    fn is_sane(&self, config: &NtpConfig) -> bool {
        let distance = f64::midpoint(self.round_trip_s, self.root_delay_s) + self.root_dispersion_s;
        (1..=STRATUM_MAX).contains(&self.stratum)
            && self.leap != LEAP_ALARM
            && (0.0..=AGE_MAX_S).contains(&self.reference_age_s)
            && distance <= config.distance_max.as_secs_f64()
            && self.error_s <= config.offset_tolerance.as_secs_f64()
    }
}

impl Collector for Ntp {
    fn collect(&self, _ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let failed = |source| CollectError::Read { path: format!("time of {}", self.config.server), source };
        let (packet, exchange) = self.ask().map_err(failed)?;
        let opinion = Opinion::of(&packet, exchange);
        let mut push = |name, help, value| push_gauge(out, name, help, value);
        push("node_ntp_stratum", "Steps from the server to a clock.", f64::from(opinion.stratum));
        push("node_ntp_leap", "Leap indicator: 3 is not synchronised.", f64::from(opinion.leap));
        push("node_ntp_rtt_seconds", "Round trip to the server.", opinion.round_trip_s);
        push("node_ntp_offset_seconds", "Server's clock less ours.", opinion.offset_s);
        let help = "When the server's clock was set, seconds since the epoch.";
        push("node_ntp_reference_timestamp_seconds", help, opinion.reference_s);
        push("node_ntp_root_delay_seconds", "Round trip from the server to the clock.", opinion.root_delay_s);
        push("node_ntp_root_dispersion_seconds", "Error to the clock at most.", opinion.root_dispersion_s);
        let is_sane = f64::from(u8::from(opinion.is_sane(&self.config)));
        push("node_ntp_sanity", "Whether the server's time can be believed.", is_sane);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server whose clock is right and was set ten seconds ago.
    fn serve(stratum: u8, leap: u8) -> u16 {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let mut request = [0; PACKET_BYTES];
            let (_, client) = socket.recv_from(&mut request).unwrap();
            assert_eq!(request[0], 4 << 3 | MODE_CLIENT);
            let now = Stamp::now();
            let mut answer = [0; PACKET_BYTES];
            answer[..4].copy_from_slice(&[leap << 6 | 4 << 3 | MODE_SERVER, stratum, 6, 0xec]);
            answer[4..8].copy_from_slice(&0x8000_u32.to_be_bytes());
            answer[8..12].copy_from_slice(&0x4000_u32.to_be_bytes());
            answer[16..24].copy_from_slice(&(now.0 - (10 << 32)).to_be_bytes());
            answer[24..32].copy_from_slice(&request[40..]);
            answer[32..40].copy_from_slice(&now.0.to_be_bytes());
            answer[40..48].copy_from_slice(&Stamp::now().0.to_be_bytes());
            socket.send_to(&answer, client).unwrap();
        });
        port
    }

    fn opinions(port: u16) -> Vec<(String, f64)> {
        let mut config = Config::default();
        config.ntp.port = usize::from(port);
        let mut families = Vec::new();
        Ntp::new(&config).unwrap().collect(&mut Context::new(config.paths), &mut families).unwrap();
        let value = |family: &MetricFamily| match family.metrics[0].value {
            wf_exposition::MetricValue::Number(value) => value,
            _ => f64::NAN,
        };
        families.iter().map(|family| (family.name.to_string(), value(family))).collect()
    }

    #[test]
    fn a_good_server_is_believed() {
        let opinions = opinions(serve(2, 0));
        let get = |name: &str| opinions.iter().find(|(have, _)| have.ends_with(name)).unwrap().1;
        assert_eq!((get("stratum"), get("leap")), (2.0, 0.0));
        assert_eq!((get("root_delay_seconds"), get("root_dispersion_seconds")), (0.5, 0.25));
        assert!(get("rtt_seconds") >= 0.0 && get("offset_seconds").abs() < 5.0);
        assert!(get("reference_timestamp_seconds") > 1.6e9);
    }

    #[test]
    fn sanity_is_lost_for_each_reason() {
        let good = || Opinion {
            leap: 0,
            stratum: 2,
            round_trip_s: 0.001,
            offset_s: 0.0,
            reference_s: 1.7e9,
            reference_age_s: 10.0,
            root_delay_s: 0.5,
            root_dispersion_s: 0.25,
            error_s: 0.0,
        };
        let config = Config::default().ntp;
        assert!(good().is_sane(&config));
        for bad in [
            Opinion { leap: LEAP_ALARM, ..good() },
            Opinion { stratum: 0, ..good() },
            Opinion { stratum: 16, ..good() },
            Opinion { reference_age_s: -1.0, ..good() },
            Opinion { reference_age_s: 200_000.0, ..good() },
            Opinion { root_dispersion_s: 4.0, ..good() },
            Opinion { error_s: 0.002, ..good() },
        ] {
            assert!(!bad.is_sane(&config), "{bad:?}");
        }
    }

    #[test]
    fn only_a_server_on_this_host_is_asked() {
        let with = |server: &str, is_local: bool| {
            let mut config = Config::default();
            (config.ntp.server, config.ntp.is_local) = (server.to_owned(), is_local);
            Ntp::new(&config).is_ok()
        };
        assert!(with("127.0.0.1", false) && with("::1", false) && with("pool.example", true));
        assert!(!with("192.0.2.1", false) && !with("pool.example", false));
    }
}
