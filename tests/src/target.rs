//! Targets made by tests: a page per request, well-behaved or hostile.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};

/// Answers one connection: gets the number of the request, its head, and the stream behind that.
type Handler = dyn Fn(u64, &str, &mut TcpStream) -> std::io::Result<()> + Send + Sync;

/// A listening target; stops listening when dropped.
#[derive(Debug)]
pub struct Target {
    /// Where it listens.
    pub address: SocketAddr,
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Target {
    /// Serves a text page made for each request from its number, counted from 0.
    /// # Errors
    /// When no port is free.
    pub fn page(page: impl Fn(u64) -> String + Send + Sync + 'static) -> Result<Self> {
        Self::raw(move |number, stream| {
            let body = page(number);
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            )
        })
    }

    /// Serves whatever the handler writes for a path, which comes with its parameters.
    /// # Errors
    /// When no port is free.
    pub fn asked(
        handler: impl Fn(&str, &mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static,
    ) -> Result<Self> {
        Self::listen(move |_, request, stream| handler(request.split(' ').nth(1).unwrap_or(""), stream))
    }

    /// Serves whatever the handler writes.
    /// # Errors
    /// When no port is free.
    pub fn raw(
        handler: impl Fn(u64, &mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static,
    ) -> Result<Self> {
        Self::listen(move |number, _, stream| handler(number, stream))
    }

    fn listen(
        handler: impl Fn(u64, &str, &mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static,
    ) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("bind a target")?;
        let address = listener.local_addr()?;
        let stopped = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let stopped = Arc::clone(&stopped);
            let handler: Arc<Handler> = Arc::new(handler);
            move || accept(&listener, &handler, &stopped)
        });
        Ok(Self { address, stopped, thread: Some(thread) })
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the accepting thread; that it fails means that it is gone already.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn accept(listener: &TcpListener, handler: &Arc<Handler>, stopped: &AtomicBool) {
    let count = AtomicU64::new(0);
    for stream in listener.incoming() {
        if stopped.load(Ordering::SeqCst) {
            return;
        }
        let (Ok(mut stream), handler) = (stream, Arc::clone(handler)) else { continue };
        let number = count.fetch_add(1, Ordering::SeqCst);
        std::thread::spawn(move || {
            // The scraper may hang up first: that is its right.
            let _ = read_request(&mut stream).and_then(|head| handler(number, &head, &mut stream));
        });
    }
}

fn read_request(stream: &mut TcpStream) -> std::io::Result<String> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let (mut seen, mut byte) = (Vec::new(), [0]);
    while !seen.ends_with(b"\r\n\r\n") && seen.len() < 65_536 && stream.read(&mut byte)? == 1 {
        seen.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&seen).into_owned())
}
