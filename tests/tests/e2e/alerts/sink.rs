//! A webhook that remembers what it was told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use anyhow::{Context, Result};
use serde_json::Value;
use wf_e2e::process::PATIENCE;

/// Listens until dropped.
pub(crate) struct Sink {
    address: SocketAddr,
    bodies: Arc<Mutex<Vec<Value>>>,
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Sink {
    pub(crate) fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("bind a sink")?;
        let address = listener.local_addr()?;
        let (bodies, stopped) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let thread = std::thread::spawn({
            let (bodies, stopped) = (Arc::clone(&bodies), Arc::clone(&stopped));
            move || {
                for stream in listener.incoming() {
                    if stopped.load(Ordering::SeqCst) {
                        return;
                    }
                    let bodies = Arc::clone(&bodies);
                    // A sender may hang up: that is its right.
                    std::thread::spawn(move || stream.map(|stream| take(stream, &bodies)));
                }
            }
        });
        Ok(Self { address, bodies, stopped, thread: Some(thread) })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    pub(crate) fn bodies(&self) -> Vec<Value> {
        self.bodies.lock().unwrap().clone()
    }
}

/// Reads one request, says that it was taken, and remembers it once the sender has heard so: whoever sees it here and stops
/// the sender then stops one that knows that it has told.
fn take(stream: TcpStream, bodies: &Mutex<Vec<Value>>) -> Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 || line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body = serde_json::from_slice(&body)?;
    write!(reader.get_mut(), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
    reader.get_mut().shutdown(Shutdown::Write)?;
    // It hangs up when it has read the answer, however it does.
    let _ = reader.read_to_end(&mut Vec::new());
    bodies.lock().unwrap().push(body);
    Ok(())
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the accepting thread; that it fails means that it is gone already.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
