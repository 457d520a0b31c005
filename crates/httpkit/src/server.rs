//! Serving HTTP: what every listener of Watchfire does, whichever component is behind it.
//!
//! [`Listener::bind`] takes a port or says who has it; [`serve`] answers on it until told to stop. Around the
//! component's router it puts, from the outside in: measuring and the request log, compression, security headers,
//! isolation of panics, authentication, the guard against hostile web pages, and limits on the request body.
//!
//! # Invariants
//! - A panic or a stalled client costs its own request only.
//! - On a loopback listener no request gets in whose `Host` is foreign; nowhere does a request that changes state get
//!   in from a web page of another origin.
//! # Reading order: `listener`, `guard`, `web`, this file, `seats`, `layers`, `measure`, `compress`, `stream`, `owner`.

mod compress;
mod guard;
mod layers;
mod listener;
mod measure;
mod owner;
mod seats;
mod stream;
#[cfg(test)]
mod tests;
pub mod web;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

pub use guard::GuardOptions;
pub use listener::{BindError, Listener};
pub use measure::HttpMetrics;
use seats::{Answered, Seat, Seats, Taken};
pub use web::WebPolicy;

/// How long a client may take to agree on TLS.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How a listener treats its clients.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// How long a client may take to send the head of a request, and how long a connection may be idle.
    /// Default: 5m, as `--web.read-timeout`.
    pub read_timeout: Duration,
    /// How long a client may stall inside a request body or while we write to it. Default: 1m.
    pub stall_timeout: Duration,
    /// Connections served at a time, at least one. When all are taken, one whose client makes us wait is closed for the
    /// next; when none does, more wait in the kernel's queue. Default: 512, as `--web.max-connections`.
    pub connections_max: usize,
    /// Size of a request body; more is answered with 413. Default: 10 MiB.
    pub body_bytes_max: usize,
    /// How long running requests may take after the stop. Default: 10s.
    pub shutdown_deadline: Duration,
    /// Which hosts and origins are trusted.
    pub guard: GuardOptions,
    /// Where requests are counted; none counts nothing.
    pub metrics: Option<HttpMetrics>,
    /// TLS, authentication and headers; none is plain HTTP for everybody.
    pub web: Option<Arc<WebPolicy>>,
    /// Path under which the router is nested, such as `/prometheus`; cut from the `handler` label.
    pub route_prefix: String,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            read_timeout: Duration::from_secs(300),
            stall_timeout: Duration::from_secs(60),
            connections_max: 512,
            body_bytes_max: 10 << 20,
            shutdown_deadline: Duration::from_secs(10),
            guard: GuardOptions::default(),
            metrics: None,
            web: None,
            route_prefix: String::new(),
        }
    }
}

/// Answers requests on `listener` with `router` until `stop` is cancelled, then lets running requests finish. Those
/// that still run at the shutdown deadline are cut, with a warning: a slow client does not make a stop a failure.
/// # Errors
/// None today; components share the form.
pub async fn serve(
    listener: Listener,
    router: Router,
    stop: CancellationToken,
    options: ServerOptions,
) -> io::Result<()> {
    let router = layers::wrap(router, &options, listener.local_addr());
    let graceful = GracefulShutdown::new();
    let connections = TaskTracker::new();
    let abort = CancellationToken::new();
    let server = Arc::new(Connections { options, router, abort: abort.clone() });
    let seats = Seats::new(server.options.connections_max);
    while let Some((taken, (tcp, peer))) = next_client(&listener, &seats, &stop).await {
        let connection = Arc::clone(&server).run(tcp, peer, Arc::clone(&taken.seat), graceful.watcher());
        connections.spawn(async move {
            let leave = taken.seat.leave.clone();
            tokio::select! {
                biased;
                () = leave.cancelled() => {}
                () = connection => {}
            }
            drop(taken);
        });
    }
    drop(listener);
    connections.close();
    let finished = async {
        graceful.shutdown().await;
        connections.wait().await;
    };
    if tokio::time::timeout(server.options.shutdown_deadline, finished).await.is_ok() {
        return Ok(());
    }
    let n_dropped = connections.len();
    abort.cancel();
    connections.wait().await;
    tracing::warn!(n_connections = n_dropped, "connections were busy at the shutdown deadline and were cut");
    Ok(())
}

type Client = (Taken, (TcpStream, SocketAddr));

/// Returns the next client with a seat for it; none once `stop` is cancelled.
async fn next_client(listener: &Listener, seats: &Arc<Seats>, stop: &CancellationToken) -> Option<Client> {
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => return None,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok(client) => {
                // One more than there are seats is held here: only a client that is there can send another away.
                let taken = tokio::select! {
                    biased;
                    () = stop.cancelled() => return None,
                    taken = seats.take() => taken?,
                };
                return Some((taken, client));
            }
            Err(error) => {
                // Mostly "too many open files": accepting again at once would only burn CPU.
                tracing::warn!(%error, address = %listener.local_addr(), "cannot accept connections");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

/// What all connections of a listener share.
struct Connections {
    options: ServerOptions,
    router: Router,
    abort: CancellationToken,
}

impl Connections {
    async fn run(self: Arc<Self>, tcp: TcpStream, peer: SocketAddr, seat: Arc<Seat>, watcher: Watcher) {
        // Nagle only delays small answers; a failure to switch it off is harmless.
        let _ = tcp.set_nodelay(true);
        let (read, stall) = (self.options.read_timeout, self.options.stall_timeout);
        let stream = stream::Stalling::new(tcp, read, stall, Arc::clone(&seat));
        let Some((config, names)) = self.options.web.as_ref().and_then(|web| web.tls()) else {
            return self.answer(stream, peer, seat, watcher).await;
        };
        let accepted = tokio::select! {
            biased;
            () = self.abort.cancelled() => return,
            accepted = tokio::time::timeout(HANDSHAKE_TIMEOUT, TlsAcceptor::from(config).accept(stream)) => accepted,
        };
        let stream = match accepted {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return tracing::debug!(%peer, %error, "TLS handshake failed"),
            Err(_) => return tracing::debug!(%peer, "TLS handshake took too long"),
        };
        let certificate = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        if !names.is_empty() && !certificate.is_some_and(|leaf| web::has_allowed_name(leaf, &names)) {
            return tracing::debug!(%peer, "the client's certificate has none of client_allowed_sans");
        }
        self.answer(stream, peer, seat, watcher).await;
    }

    /// Answers the requests of one connection.
    async fn answer<S>(self: Arc<Self>, stream: S, peer: SocketAddr, seat: Arc<Seat>, watcher: Watcher)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(self.options.read_timeout);
        builder.http2().timer(TokioTimer::new()).keep_alive_interval(self.options.stall_timeout);
        let router = self.router.clone();
        let service = service_fn(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            let answering = seat.begin();
            let answer = router.clone().oneshot(request.map(|body| seat.receive(body)));
            async move { answer.await.map(|answer| answer.map(|body| Answered { body, _answering: answering })) }
        });
        let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
        let result = tokio::select! {
            biased;
            result = watcher.watch(connection) => result,
            () = self.abort.cancelled() => return,
        };
        if let Err(error) = result {
            tracing::debug!(%peer, %error, "connection ended early");
        }
    }
}
