//! Which address to listen on, and which to tell the others.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::net::{UdpSocket, lookup_host};

use super::ClusterOptions;

/// Returns the address to listen on; `:9094` is every IPv4 address.
pub(super) async fn listen(text: &str) -> io::Result<SocketAddr> {
    first(&if text.starts_with(':') { format!("0.0.0.0{text}") } else { text.to_owned() }).await
}

async fn first(text: &str) -> io::Result<SocketAddr> {
    let mut addresses = lookup_host(text).await?;
    addresses.next().ok_or_else(|| io::Error::other("the name has no address"))
}

/// Returns the address to tell the others: the given one, that of the listener, or the private one that the system would
/// send from.
pub(super) async fn advertised(options: &ClusterOptions, listen: SocketAddr) -> Result<SocketAddr, String> {
    if !options.advertise.is_empty() {
        // The port may be left out: it is that of the listener then.
        let text = match options.advertise.parse::<IpAddr>() {
            Ok(ip) => SocketAddr::new(ip, listen.port()).to_string(),
            Err(_) if !options.advertise.contains(':') => format!("{}:{}", options.advertise, listen.port()),
            Err(_) => options.advertise.clone(),
        };
        let found = first(&text).await;
        return found.map_err(|error| format!("--cluster.advertise-address {}: {error}", options.advertise));
    }
    if !listen.ip().is_unspecified() {
        return Ok(listen);
    }
    let port = listen.port();
    match source().await.filter(|ip| is_private(*ip) || options.allows_public_address) {
        Some(ip) => Ok(SocketAddr::new(ip, port)),
        None if options.peers.is_empty() => {
            tracing::warn!("no private address to tell others: set --cluster.advertise-address");
            Ok(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port))
        }
        None => {
            Err("no private address to tell the other members: set --cluster.advertise-address, or allow a \
                     public one with --cluster.allow-insecure-public-advertise-address-discovery"
                .to_owned())
        }
    }
}

/// Returns the address that the system sends from: a UDP socket is connected, which sends nothing.
async fn source() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await.ok()?;
    socket.connect((Ipv4Addr::new(10, 255, 255, 255), 9)).await.ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}

fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            // 100.64/10 is shared by the customers of one provider (RFC 6598).
            let is_shared = ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64;
            ip.is_private() || ip.is_loopback() || ip.is_link_local() || is_shared
        }
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}
