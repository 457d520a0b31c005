//! Sockets that systemd opened for us: `--web.systemd-socket`.
//!
//! # Source
//! sd_listen_fds(3): `LISTEN_PID` and `LISTEN_FDS` say which.

use anyhow::{Context, Result, ensure};
use listenfd::ListenFd;
use wf_httpkit::server::Listener;

/// Takes all of them.
/// # Errors
/// When there is none, or one is no listening TCP socket.
pub(crate) fn inherited() -> Result<Vec<Listener>> {
    let mut passed = ListenFd::from_env();
    let mut listeners = Vec::with_capacity(passed.len());
    for idx in 0..passed.len() {
        let socket =
            passed.take_tcp_listener(idx).with_context(|| format!("take socket {idx} of systemd"))?;
        listeners.extend(socket.map(Listener::from_std).transpose().context("take a socket of systemd")?);
    }
    ensure!(
        !listeners.is_empty(),
        "systemd passed no socket (LISTEN_FDS): start this as the service of a socket unit, or leave --web.systemd-socket out"
    );
    Ok(listeners)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_socket_unit_there_is_nothing_to_take() {
        assert!(inherited().unwrap_err().to_string().contains("LISTEN_FDS"));
    }
}
