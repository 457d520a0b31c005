//! The server as a service: systemd hears when it is ready and when it stops, and what was taken in is there afterwards.

use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use wf_e2e::http;
use wf_e2e::process::{eventually, free_port};
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

/// Receives until a message begins with `start`.
fn wait_for(socket: &UnixDatagram, start: &str) {
    let mut buffer = [0; 4_096];
    loop {
        let n_bytes = socket.recv(&mut buffer).expect(start);
        if buffer[..n_bytes].starts_with(start.as_bytes()) {
            return;
        }
    }
}

#[test]
fn systemd_hears_of_every_phase_and_a_stop_keeps_everything() {
    let Some(binary) = binary() else { return };
    let target = Target::page(|number| format!("counted {number}\n")).unwrap();
    let site = Site::new();
    site.configure("1s", &[("one", target.address.to_string())]);
    let socket = UnixDatagram::bind(site.path("notify")).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
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
    wait_for(&socket, "READY=1");
    assert!(eventually(Duration::from_secs(60), || !samples().is_empty()));
    wait_for(&socket, "WATCHDOG=1");
    let before: f64 = samples()[0]["value"][1].as_str().unwrap().parse().unwrap();
    let pid = rustix::process::Pid::from_raw(i32::try_from(service.0.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    wait_for(&socket, "STOPPING=1");
    assert!(eventually(Duration::from_secs(60), || service.0.try_wait().unwrap().is_some()));
    assert!(service.0.wait().unwrap().success());
    let _again = start();
    wait_for(&socket, "READY=1");
    let after: f64 = samples()[0]["value"][1].as_str().unwrap().parse().unwrap();
    assert!(after >= before, "{after} of {before}");
}
