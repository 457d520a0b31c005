//! The network before one member: forwards datagrams and streams, unless the way from their sender is cut.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};

/// Stands before a member until dropped.
pub(super) struct Link {
    /// Where others believe the member to be.
    pub(super) front: SocketAddr,
    /// Senders that do not get through.
    cut: Arc<Mutex<BTreeSet<IpAddr>>>,
    stopped: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Link {
    /// Listens on a port of `ip` and forwards to `to`.
    pub(super) fn start(ip: IpAddr, to: SocketAddr) -> Result<Self> {
        let (udp, tcp) = both(ip)?;
        let front = tcp.local_addr()?;
        udp.set_read_timeout(Some(Duration::from_millis(100)))?;
        let (cut, stopped) = (Arc::new(Mutex::new(BTreeSet::new())), Arc::new(AtomicBool::new(false)));
        let passes = {
            let cut: Arc<Mutex<BTreeSet<IpAddr>>> = Arc::clone(&cut);
            move |from: SocketAddr| !cut.lock().unwrap().contains(&from.ip())
        };
        let threads = vec![
            std::thread::spawn({
                let (stopped, passes) = (Arc::clone(&stopped), passes.clone());
                move || forward_datagrams(&udp, to, &stopped, passes)
            }),
            std::thread::spawn({
                let stopped = Arc::clone(&stopped);
                move || forward_streams(&tcp, to, &stopped, passes)
            }),
        ];
        Ok(Self { front, cut, stopped, threads })
    }

    /// Lets nothing through from `ip` any more, or again.
    pub(super) fn set_cut(&self, ip: IpAddr, is_cut: bool) {
        let mut cut = self.cut.lock().unwrap();
        if is_cut {
            cut.insert(ip);
        } else {
            cut.remove(&ip);
        }
    }
}

/// Takes a port for datagrams and streams.
pub(super) fn both(ip: IpAddr) -> Result<(UdpSocket, TcpListener)> {
    for _ in 0..100 {
        let tcp = TcpListener::bind((ip, 0)).context("bind a stream port")?;
        match UdpSocket::bind(tcp.local_addr()?) {
            Ok(udp) => return Ok((udp, tcp)),
            Err(error) if error.kind() == ErrorKind::AddrInUse => {}
            Err(error) => return Err(error).context("bind a datagram port"),
        }
    }
    anyhow::bail!("no port is free for datagrams and streams")
}

fn forward_datagrams(
    udp: &UdpSocket,
    to: SocketAddr,
    stopped: &AtomicBool,
    passes: impl Fn(SocketAddr) -> bool,
) {
    let mut buffer = vec![0; 64 << 10];
    while !stopped.load(Ordering::SeqCst) {
        if let Ok((length, from)) = udp.recv_from(&mut buffer)
            && passes(from)
        {
            // A member that is dead takes nothing: so it is with networks.
            let _ = udp.send_to(&buffer[..length], to);
        }
    }
}

fn forward_streams(
    tcp: &TcpListener,
    to: SocketAddr,
    stopped: &AtomicBool,
    passes: impl Fn(SocketAddr) -> bool,
) {
    for stream in tcp.incoming() {
        if stopped.load(Ordering::SeqCst) {
            return;
        }
        let Ok(from) = stream else { continue };
        let passed = from.peer_addr().is_ok_and(&passes);
        let Some(onward) = passed.then(|| TcpStream::connect(to).ok()).flatten() else { continue };
        let (Ok(from_copy), Ok(onward_copy)) = (from.try_clone(), onward.try_clone()) else { continue };
        for (mut source, mut sink) in [(from, onward), (onward_copy, from_copy)] {
            std::thread::spawn(move || {
                // Either end may hang up: then the other shall hear of it.
                let _ = std::io::copy(&mut source, &mut sink);
                let _ = sink.shutdown(std::net::Shutdown::Write);
            });
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the accepting thread; that it fails means that it is gone already.
        let _ = TcpStream::connect(self.front);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
