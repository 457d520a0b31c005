//! A connection whose client may not stall.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use super::seats::Seat;

/// Fails when the first bytes, or the room to write more, do not come in time.
pub(super) struct Stalling {
    tcp: TcpStream,
    /// Runs until the first bytes have come; hyper's own timers know only what follows them.
    first_read: Option<Pin<Box<Sleep>>>,
    /// Runs while the client takes nothing.
    write_stall: Option<Pin<Box<Sleep>>>,
    stall_timeout: Duration,
    seat: Arc<Seat>,
}

impl Stalling {
    pub(super) fn new(
        tcp: TcpStream,
        read_timeout: Duration,
        stall_timeout: Duration,
        seat: Arc<Seat>,
    ) -> Self {
        Self { tcp, first_read: Some(Box::pin(sleep(read_timeout))), write_stall: None, stall_timeout, seat }
    }

    fn watch_write<T>(&mut self, cx: &mut Context<'_>, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        self.seat.note_write(poll.is_pending());
        if poll.is_ready() {
            self.write_stall = None;
            return poll;
        }
        let stall_timeout = self.stall_timeout;
        let timer = self.write_stall.get_or_insert_with(|| Box::pin(sleep(stall_timeout)));
        match timer.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(timed_out("the client stopped reading its answer"))),
            Poll::Pending => Poll::Pending,
        }
    }
}

fn timed_out(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, why)
}

impl AsyncRead for Stalling {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Poll::Ready(result) = Pin::new(&mut self.tcp).poll_read(cx, buf) {
            self.first_read = None;
            return Poll::Ready(result);
        }
        match self.first_read.as_mut().map(|timer| timer.as_mut().poll(cx)) {
            Some(Poll::Ready(())) => Poll::Ready(Err(timed_out("the client sent nothing"))),
            Some(Poll::Pending) | None => Poll::Pending,
        }
    }
}

impl AsyncWrite for Stalling {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.tcp).poll_write(cx, buf);
        self.watch_write(cx, poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.tcp).poll_write_vectored(cx, bufs);
        self.watch_write(cx, poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
