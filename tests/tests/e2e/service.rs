//! The server as a service: systemd hears when it is ready and when it stops, and what was taken in is there afterwards.

use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread::JoinHandle;

use wf_e2e::http;
use wf_e2e::process::{PATIENCE, eventually, free_port};
use wf_e2e::skip::binary;
use wf_e2e::target::Target;

use crate::setup::Site;

/// Ended by its id, whatever becomes of the test.
struct Service(Child);

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Stands in for systemd: takes messages as they come, whatever the test does meanwhile. A socket holds ten or so, and what is
/// sent to a full one is lost.
struct Manager {
    path: PathBuf,
    messages: Receiver<Vec<u8>>,
    thread: Option<JoinHandle<()>>,
}

impl Manager {
    fn listen(path: PathBuf) -> Self {
        let socket = UnixDatagram::bind(&path).unwrap();
        // A quarter of an hour of messages every 100 ms.
        let (sender, messages) = mpsc::sync_channel(10_000);
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; 4_096];
            while let Ok(n_bytes) = socket.recv(&mut buffer) {
                if n_bytes == 0 || sender.send(buffer[..n_bytes].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { path, messages, thread: Some(thread) }
    }

    /// Takes messages until one begins with `start`.
    fn wait_for(&self, start: &str) {
        while !self.messages.recv_timeout(PATIENCE).expect(start).starts_with(start.as_bytes()) {}
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        // An empty message ends the thread; that it cannot be sent means that the thread has ended.
        let _ = UnixDatagram::unbound().and_then(|socket| socket.send_to(b"", &self.path));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[test]
fn systemd_hears_of_every_phase_and_a_stop_keeps_everything() {
    let Some(binary) = binary() else { return };
    let target = Target::page(|number| format!("counted {number}\n")).unwrap();
    let site = Site::new();
    site.configure("1s", &[("one", target.address.to_string())]);
    let manager = Manager::listen(site.path("notify"));
    let port = free_port().unwrap();
    let start = || {
        let child = Command::new(&binary)
            .args(site.server_arguments())
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .env("NOTIFY_SOCKET", site.path("notify"))
            .env("WATCHDOG_USEC", "200000")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Service(child.unwrap())
    };
    let base = format!("http://127.0.0.1:{port}");
    let samples = || http::query(&base, "count_over_time(counted[1h])", None).unwrap_or_default();
    let mut service = start();
    manager.wait_for("READY=1");
    assert!(eventually(PATIENCE, || !samples().is_empty()));
    manager.wait_for("WATCHDOG=1");
    let before: f64 = samples()[0]["value"][1].as_str().unwrap().parse().unwrap();
    let pid = rustix::process::Pid::from_raw(i32::try_from(service.0.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    manager.wait_for("STOPPING=1");
    assert!(eventually(PATIENCE, || service.0.try_wait().unwrap().is_some()));
    assert!(service.0.wait().unwrap().success());
    let _again = start();
    manager.wait_for("READY=1");
    assert!(eventually(PATIENCE, || !samples().is_empty()), "what was taken in is gone");
    let after: f64 = samples()[0]["value"][1].as_str().unwrap().parse().unwrap();
    assert!(after >= before, "{after} of {before}");
}
