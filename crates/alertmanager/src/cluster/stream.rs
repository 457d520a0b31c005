//! Connections between members: exchanges of everything, changes too large for packets, and packets under TLS.
//!
//! ```text
//! datagram = opening | packet
//! stream   = opening | kind u8 | body+       kind: 1 packets, 2 exchange, 3 a change
//! opening  = "WFAM" | version u8 = 1 | label length u8 | label
//! body     = length u32 BE | bytes
//! ```
//! The answer to an exchange is a body of the same form: `State{1 members, 2 repeated Part}`.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::member::{Member, put_member, take_member};
use super::part::Part;
use super::{Cluster, ClusterOptions, ClusterTls};
use crate::wire::{Fields, WireError, Writer, message};

/// Largest body that is read: hundreds of thousands of entries.
const BODY_BYTES_MAX: usize = 64 << 20;

/// Most streams at a time that others may open.
const N_STREAMS_MAX: usize = 64;

/// Most packets that wait for the stream to their member; more are dropped, as networks do.
const N_PACKETS_MAX: usize = 200;

/// How long a stream of packets may say nothing: probes come every second or so.
const IDLE: Duration = Duration::from_secs(60);

const MAGIC: &[u8; 4] = b"WFAM";
const VERSION: u8 = 1;

const PACKETS: u8 = 1;
const EXCHANGE: u8 = 2;
const CHANGE: u8 = 3;

/// Either kind of connection.
trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// How streams are made.
pub(super) struct Streams {
    opening: Vec<u8>,
    tls: Option<ClusterTls>,
    /// Where streams come from: the listener's address where it has one, so that firewalls see one.
    from: Option<SocketAddr>,
    timeout: Duration,
    /// Under TLS: ways to the streams of packets.
    packets: Arc<Mutex<HashMap<SocketAddr, mpsc::Sender<Vec<u8>>>>>,
}

impl Streams {
    pub(super) fn new(options: &ClusterOptions, listen: SocketAddr) -> Self {
        let label: Vec<u8> = options.label.bytes().take(usize::from(u8::MAX)).collect();
        let mut opening = MAGIC.to_vec();
        opening.push(VERSION);
        opening.push(u8::try_from(label.len()).unwrap_or(u8::MAX));
        opening.extend(label);
        Self {
            opening,
            tls: options.tls.clone(),
            from: (!listen.ip().is_unspecified()).then(|| SocketAddr::new(listen.ip(), 0)),
            timeout: options.tcp_timeout.max(Duration::from_millis(1)),
            packets: Arc::default(),
        }
    }

    /// Returns a packet as a datagram.
    pub(super) fn sealed(&self, packet: &[u8]) -> Vec<u8> {
        [self.opening.as_slice(), packet].concat()
    }

    /// Returns the packet of a datagram of our cluster.
    pub(super) fn opened<'a>(&self, datagram: &'a [u8]) -> Option<&'a [u8]> {
        datagram.strip_prefix(self.opening.as_slice())
    }

    async fn open(&self, to: SocketAddr, kind: u8) -> io::Result<Box<dyn Wire>> {
        let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if let Some(from) = self.from.filter(|from| from.is_ipv4() == to.is_ipv4()) {
            socket.bind(from)?;
        }
        let tcp = socket.connect(to).await?;
        tcp.set_nodelay(true)?;
        let mut wire: Box<dyn Wire> = match &self.tls {
            None => Box::new(tcp),
            Some(tls) => {
                let name = match &tls.server_name {
                    Some(name) => ServerName::try_from(name.clone()).map_err(io::Error::other)?,
                    None => ServerName::from(to.ip()),
                };
                Box::new(TlsConnector::from(Arc::clone(&tls.client)).connect(name, tcp).await?)
            }
        };
        let mut opening = self.opening.clone();
        opening.push(kind);
        wire.write_all(&opening).await?;
        Ok(wire)
    }

    async fn accept(&self, tcp: TcpStream) -> io::Result<(Box<dyn Wire>, u8)> {
        let mut wire: Box<dyn Wire> = match &self.tls {
            None => Box::new(tcp),
            Some(tls) => Box::new(TlsAcceptor::from(Arc::clone(&tls.server)).accept(tcp).await?),
        };
        let mut opening = vec![0; self.opening.len()];
        wire.read_exact(&mut opening).await?;
        if opening != self.opening {
            return Err(io::Error::other("it is no member of our cluster: other version or label"));
        }
        let kind = wire.read_u8().await?;
        Ok((wire, kind))
    }

    /// Sends a packet over the stream to its member, which is made if there is none.
    pub(super) fn send_packet(&self, tasks: &TaskTracker, to: SocketAddr, packet: &[u8]) {
        let mut streams = self.packets.lock();
        let way = streams.entry(to).or_insert_with(|| {
            let (way, packets) = mpsc::channel(N_PACKETS_MAX);
            tasks.spawn(self.clone_for_packets().carry(to, packets));
            way
        });
        // Full, or its stream just ended: lost, as datagrams are.
        if matches!(way.try_send(packet.to_vec()), Err(mpsc::error::TrySendError::Closed(_))) {
            streams.remove(&to);
        }
    }

    fn clone_for_packets(&self) -> Self {
        Self {
            opening: self.opening.clone(),
            tls: self.tls.clone(),
            from: self.from,
            timeout: self.timeout,
            packets: Arc::clone(&self.packets),
        }
    }

    /// Carries packets to a member until there are none for a while, or it is gone.
    async fn carry(self, to: SocketAddr, mut packets: mpsc::Receiver<Vec<u8>>) {
        let opened = tokio::time::timeout(self.timeout, self.open(to, PACKETS)).await;
        if let Ok(Ok(mut wire)) = opened {
            while let Ok(Some(packet)) = tokio::time::timeout(IDLE, packets.recv()).await {
                let written = tokio::time::timeout(self.timeout, write_body(&mut wire, &packet)).await;
                if !matches!(written, Ok(Ok(()))) {
                    break;
                }
            }
            // What is written is on its way; that the other end hears of the end is a courtesy.
            let _ = tokio::time::timeout(self.timeout, wire.shutdown()).await;
        }
        packets.close();
    }

    /// Lets the streams of packets end once what waits is sent.
    pub(super) fn close(&self) {
        self.packets.lock().clear();
    }
}

async fn write_body(wire: &mut Box<dyn Wire>, body: &[u8]) -> io::Result<()> {
    let length = u32::try_from(body.len()).map_err(io::Error::other)?;
    wire.write_u32(length).await?;
    wire.write_all(body).await?;
    wire.flush().await
}

async fn read_body(wire: &mut Box<dyn Wire>) -> io::Result<Vec<u8>> {
    let length = usize::try_from(wire.read_u32().await?).unwrap_or(usize::MAX);
    if length > BODY_BYTES_MAX {
        return Err(io::Error::other(format!("a body of {length} bytes: {BODY_BYTES_MAX} at most")));
    }
    // Memory follows what comes, not what is promised.
    let mut body = Vec::new();
    let read = wire.take(length as u64).read_to_end(&mut body).await?;
    if read < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(body)
}

fn malformed(error: WireError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

impl Cluster {
    /// Exchanges everything with the member at `address`.
    pub(super) async fn exchange(&self, address: SocketAddr) -> io::Result<()> {
        let limit = self.shared.streams.timeout;
        // A second time when the other thought us down: it has to hear that we are not.
        for _ in 0..2 {
            let exchanged = tokio::time::timeout(limit, async {
                let mut wire = self.shared.streams.open(address, EXCHANGE).await?;
                let state = self.state();
                self.shared.metrics.on_sent("full_state", state.len());
                write_body(&mut wire, &state).await?;
                read_body(&mut wire).await
            });
            let answer = exchanged.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
            if !self.take_state(&answer)? {
                break;
            }
        }
        Ok(())
    }

    fn state(&self) -> Vec<u8> {
        let mut members = Vec::new();
        for member in self.shared.gossip.lock().known() {
            put_member(&mut members, &member);
        }
        let mut out = Writer::default();
        out.bytes(1, &members);
        for part in self.shared.replica.get().map(|replica| replica.full_state()).unwrap_or_default() {
            out.bytes(2, &part.encode());
        }
        out.0
    }

    /// Takes over what another knows. Returns whether it thought us down.
    fn take_state(&self, bytes: &[u8]) -> io::Result<bool> {
        self.shared.metrics.on_received("full_state", bytes.len());
        let (mut members, mut parts): (Vec<foca::Member<Member>>, Vec<Part>) = (Vec::new(), Vec::new());
        let mut fields = Fields::new(bytes);
        while let Some((number, field)) = fields.next().map_err(malformed)? {
            let mut inner = message(field);
            match number {
                1 => {
                    while !inner.is_empty() {
                        members.push(take_member(&mut inner).map_err(io::Error::other)?);
                    }
                }
                2 => parts.push(Part::decode(inner).map_err(malformed)?),
                _ => {}
            }
        }
        let was_down = self.with_gossip(|gossip| gossip.learn(members));
        for part in &parts {
            self.take_part(part);
        }
        Ok(was_down)
    }

    /// Takes over what is new, and tells the others of it.
    fn take_part(&self, part: &Part) {
        let Some(replica) = self.shared.replica.get() else { return };
        for news in replica.merge(part) {
            let bytes = news.encode();
            // What is too large for packets came from one who told everybody.
            if bytes.len() <= super::gossip::MESSAGE_BYTES_MAX {
                self.with_gossip(|gossip| gossip.broadcast(&bytes));
            }
        }
    }

    /// Tells every member of a change over a stream.
    pub(super) fn send_oversized(&self, part: &Part, bytes: &[u8]) {
        let shared = &self.shared;
        let key = part.kind.as_str();
        let addresses: Vec<SocketAddr> = shared.gossip.lock().others().map(|other| other.address).collect();
        for address in addresses {
            let Ok(slot) = Arc::clone(&shared.oversized).try_acquire_owned() else {
                // The next exchange brings it.
                shared.metrics.oversized_dropped.with(&[key]).inc();
                continue;
            };
            let (this, bytes) = (self.clone(), bytes.to_vec());
            shared.tasks.spawn(async move {
                let (metrics, streams) = (&this.shared.metrics, &this.shared.streams);
                let started = Instant::now();
                metrics.oversized_sent.with(&[key]).inc();
                metrics.on_sent("oversized", bytes.len());
                let sent = tokio::time::timeout(streams.timeout, async {
                    let mut wire = streams.open(address, CHANGE).await?;
                    write_body(&mut wire, &bytes).await?;
                    wire.shutdown().await
                });
                if !matches!(sent.await, Ok(Ok(()))) {
                    metrics.oversized_failed.with(&[key]).inc();
                }
                metrics.oversized_seconds.with(&[key]).observe(started.elapsed().as_secs_f64());
                drop(slot);
            });
        }
    }

    /// Serves the streams of others.
    pub(super) async fn accept_streams(self, stop: CancellationToken) {
        let Some(listener) = self.shared.listener.lock().take() else { return };
        let slots = Arc::new(Semaphore::new(N_STREAMS_MAX));
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            let (tcp, from) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of descriptors, most likely: a moment helps.
                    tracing::warn!(%error, "cannot accept a member's connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
                tracing::warn!(%from, "too many connections from members: this one is closed");
                continue;
            };
            let (this, stop) = (self.clone(), stop.clone());
            self.shared.tasks.spawn(async move {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => {}
                    served = this.serve_stream(tcp) => if let Err(error) = served {
                        tracing::debug!(%from, %error, "a member's connection failed");
                    }
                }
                drop(slot);
            });
        }
    }

    async fn serve_stream(&self, tcp: TcpStream) -> io::Result<()> {
        let streams = &self.shared.streams;
        let late = |_| io::Error::from(io::ErrorKind::TimedOut);
        let (mut wire, kind) =
            tokio::time::timeout(streams.timeout, streams.accept(tcp)).await.map_err(late)??;
        match kind {
            PACKETS => loop {
                match tokio::time::timeout(IDLE * 2, read_body(&mut wire)).await.map_err(late)? {
                    Ok(packet) => self.on_packet(&packet),
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                    Err(error) => return Err(error),
                }
            },
            EXCHANGE => {
                let exchange = async {
                    let state = read_body(&mut wire).await?;
                    // First what the other knows: the answer shall say that we are not down.
                    self.take_state(&state)?;
                    let state = self.state();
                    self.shared.metrics.on_sent("full_state", state.len());
                    write_body(&mut wire, &state).await?;
                    wire.shutdown().await
                };
                tokio::time::timeout(streams.timeout, exchange).await.map_err(late)?
            }
            CHANGE => {
                let body =
                    tokio::time::timeout(streams.timeout, read_body(&mut wire)).await.map_err(late)??;
                self.shared.metrics.on_received("oversized", body.len());
                self.take_part(&Part::decode(&body).map_err(malformed)?);
                Ok(())
            }
            _ => Err(io::Error::other("an unknown kind of stream")),
        }
    }
}
