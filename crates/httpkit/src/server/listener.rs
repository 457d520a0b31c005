//! Taking a port.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};

use super::owner;

/// Why a port could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody listens there.
    #[error("listen on {address}: the port is taken by {owner}; stop it or choose another port with {flag}")]
    Taken {
        /// The address as given.
        address: String,
        /// `name (pid 7)`, as far as we may see.
        owner: String,
        /// The flag that chooses the address.
        flag: &'static str,
    },
    /// Anything else: not an address, not ours, not permitted.
    #[error("listen on {address}")]
    Other {
        /// The address as given.
        address: String,
        /// Why.
        source: io::Error,
    },
}

/// A port that is ours.
#[derive(Debug)]
pub struct Listener {
    tcp: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Takes `address`: `127.0.0.1:9090`, `[::1]:9090`, `localhost:9090`, or `:9090` for all interfaces. Port 0 lets
    /// the system choose. `flag` is named in the error when the port is taken.
    /// # Errors
    /// See [`BindError`].
    pub async fn bind_with_flag(address: &str, flag: &'static str) -> Result<Self, BindError> {
        let tcp = match address.strip_prefix(':') {
            None => TcpListener::bind(address).await,
            // Go's spelling. Both families where the host has them, IPv4 alone where it does not.
            Some(port) => match TcpListener::bind(format!("[::]:{port}")).await {
                Err(error) if is_taken(&error) => Err(error),
                Err(_) => TcpListener::bind(format!("0.0.0.0:{port}")).await,
                Ok(tcp) => Ok(tcp),
            },
        };
        let failed = |source: io::Error| BindError::Other { address: address.to_owned(), source };
        let tcp = tcp.map_err(|error| match (is_taken(&error), port_of(address)) {
            (true, Some(port)) => {
                BindError::Taken { address: address.to_owned(), owner: owner::describe(port), flag }
            }
            _ => failed(error),
        })?;
        let address = tcp.local_addr().map_err(failed)?;
        Ok(Self { tcp, address })
    }

    /// As [`Listener::bind_with_flag`] with Prometheus's flag.
    /// # Errors
    /// See [`BindError`].
    pub async fn bind(address: &str) -> Result<Self, BindError> {
        Self::bind_with_flag(address, "--web.listen-address").await
    }

    /// Takes a socket that listens already, such as one of systemd's. To be called within a runtime.
    /// # Errors
    /// When it is no listening socket.
    pub fn from_std(tcp: std::net::TcpListener) -> io::Result<Self> {
        tcp.set_nonblocking(true)?;
        let address = tcp.local_addr()?;
        Ok(Self { tcp: TcpListener::from_std(tcp)?, address })
    }

    /// Returns the address with the port that was taken.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    pub(super) async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        self.tcp.accept().await
    }
}

fn is_taken(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrInUse
}

fn port_of(address: &str) -> Option<u16> {
    address.rsplit_once(':').and_then(|(_, port)| port.parse().ok())
}
