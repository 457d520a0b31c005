//! A web server that answers as a test says, and remembers what it was asked.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use wf_e2e::process::eventually;

/// An answer.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn json(body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
        Self { status: 200, headers, body: body.into() }
    }

    pub(crate) fn error(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: b"go away".to_vec() }
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// How a server is today.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mood {
    /// It answers as the test says.
    #[default]
    Fine,
    /// Status 500.
    Broken,
    /// Status 200 and nothing that can be read.
    Raving,
    /// It answers when its mood has changed.
    Late,
}

type Answer = dyn Fn(&str) -> Reply + Send + Sync;

/// Listens until dropped.
pub(crate) struct Fake {
    /// `127.0.0.1:port`.
    pub(crate) address: String,
    asked: Arc<Mutex<Vec<String>>>,
    mood: Arc<Mutex<Mood>>,
    stopped: Arc<AtomicBool>,
}

impl Fake {
    /// `answer` gets path and query of a request.
    pub(crate) fn new(answer: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (asked, stopped) = (Arc::<Mutex<Vec<String>>>::default(), Arc::new(AtomicBool::new(false)));
        let mood = Arc::<Mutex<Mood>>::default();
        let now = Arc::clone(&mood);
        let answer: Arc<Answer> = Arc::new(move |path: &str| in_mood(&now, path, &answer));
        let (log, end) = (Arc::clone(&asked), Arc::clone(&stopped));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if end.load(Ordering::SeqCst) {
                    return;
                }
                let (answer, log) = (Arc::clone(&answer), Arc::clone(&log));
                std::thread::spawn(move || serve(stream, &*answer, &log));
            }
        });
        Self { address, asked, mood, stopped }
    }

    /// From now on it is in this mood.
    pub(crate) fn becomes(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// Returns what was asked so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn in_mood(mood: &Mutex<Mood>, path: &str, answer: &dyn Fn(&str) -> Reply) -> Reply {
    let is = |asked: Mood| *mood.lock().unwrap() == asked;
    if is(Mood::Broken) {
        return Reply::error(500);
    }
    if is(Mood::Raving) {
        return Reply::json("{<");
    }
    eventually(Duration::from_secs(60), || !is(Mood::Late));
    answer(path)
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.becomes(Mood::Fine);
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the accepting thread.
        let _ = TcpStream::connect(&self.address);
    }
}

fn serve(mut stream: TcpStream, answer: &Answer, log: &Mutex<Vec<String>>) {
    let Some(path) = read_request(&mut stream) else { return };
    log.lock().unwrap().push(path.clone());
    let Reply { status, headers, body } = answer(&path);
    let mut head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n", body.len());
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    // Whoever asked may have gone.
    let _ = stream.write_all(format!("{head}\r\n").as_bytes()).and_then(|()| stream.write_all(&body));
}

fn read_request(stream: &mut TcpStream) -> Option<String> {
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    let (mut seen, mut byte) = (Vec::new(), [0]);
    while !seen.ends_with(b"\r\n\r\n") && seen.len() < 65_536 && stream.read(&mut byte).ok()? == 1 {
        seen.push(byte[0]);
    }
    let text = String::from_utf8(seen).ok()?;
    text.lines().next()?.split(' ').nth(1).map(str::to_owned)
}
