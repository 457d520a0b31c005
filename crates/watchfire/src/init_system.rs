//! What systemd wants to know of a service of `Type=notify`: that it is ready, that it stops, that it is alive.
//!
//! # Source
//! sd_notify(3): datagrams to the socket that `NOTIFY_SOCKET` names. Without that variable nothing is sent.

use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::warn;
use wf_server::Phase;

/// Tells systemd of the phases of the server until `stop`, and that we are alive if it wants to hear that.
pub(crate) async fn tell(mut phase: watch::Receiver<Phase>, stop: CancellationToken) -> std::io::Result<()> {
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET").and_then(|name| open(&name)) else {
        stop.cancelled().await;
        return Ok(());
    };
    let interval = std::env::var("WATCHDOG_USEC").ok().and_then(|text| text.parse().ok()).map(half_of_us);
    let mut beat = tokio::time::interval(interval.unwrap_or(Duration::from_secs(3_600)));
    loop {
        let state = *phase.borrow_and_update();
        send(&socket, words(state));
        loop {
            tokio::select! {
                biased;
                // The server says when it has begun to stop; what comes later is its end.
                changed = phase.changed() => match changed {
                    Ok(()) => break,
                    Err(_) => return Ok(()),
                },
                () = stop.cancelled(), if state == Phase::Stopping => return Ok(()),
                _ = beat.tick(), if interval.is_some() => send(&socket, "WATCHDOG=1"),
            }
        }
    }
}

/// Half of the time after which systemd loses patience.
fn half_of_us(micros: u64) -> Duration {
    Duration::from_micros((micros / 2).max(1_000))
}

fn words(phase: Phase) -> &'static str {
    match phase {
        Phase::Starting => "STATUS=Reading the data directory",
        Phase::Ready => "READY=1\nSTATUS=Ready",
        Phase::Stopping => "STOPPING=1\nSTATUS=Writing what is in memory",
    }
}

/// Connects to a socket of the file system, or, behind `@`, of the abstract namespace.
fn open(name: &OsStr) -> Option<UnixDatagram> {
    let connect = || {
        let address = match name.as_bytes().strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(name)?,
        };
        let socket = UnixDatagram::unbound()?;
        socket.connect_addr(&address)?;
        // A manager that does not read must not stop us.
        socket.set_nonblocking(true)?;
        Ok(socket)
    };
    let connected: std::io::Result<UnixDatagram> = connect();
    connected.map_err(|error| warn!(%error, "cannot reach the socket of NOTIFY_SOCKET")).ok()
}

fn send(socket: &UnixDatagram, text: &str) {
    if let Err(error) = socket.send(text.as_bytes()) {
        warn!(%error, "systemd was not told of our state");
    }
}
