//! The program under test as a process that never outlives its test.

use std::fs::{self, File};
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::http;

/// How long is waited for what has to happen: only a test that fails waits for so long, and a machine that is busy elsewhere
/// shall not make one fail.
pub const PATIENCE: Duration = Duration::from_secs(240);

/// A server process with its log; killed by its id when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Address of its API, such as `http://127.0.0.1:41234`.
    pub base: String,
    log: PathBuf,
}

impl Server {
    /// Starts `program` with `args`, logging to `log`, and waits until `/-/ready` answers 200.
    /// # Errors
    /// When it ends or is not ready within [`PATIENCE`]; the message holds its log.
    pub fn start(program: &Path, args: &[&str], port: u16, log: &Path) -> Result<Self> {
        Self::start_at(program, args, format!("http://127.0.0.1:{port}"), log)
    }

    /// Like [`Server::start`] for a server whose paths begin below `base`.
    /// # Errors
    /// As there.
    pub fn start_at(program: &Path, args: &[&str], base: String, log: &Path) -> Result<Self> {
        Self::start_until(program, args, base, log, 200)
    }

    /// As [`Server::start`], for a server that wants a password even to say whether it is ready: waits until it asks for one.
    /// # Errors
    /// As [`Server::start`].
    pub fn start_guarded(program: &Path, args: &[&str], port: u16, log: &Path) -> Result<Self> {
        Self::start_until(program, args, format!("http://127.0.0.1:{port}"), log, 401)
    }

    fn start_until(program: &Path, args: &[&str], base: String, log: &Path, status: u16) -> Result<Self> {
        let file = File::options().create(true).append(true).open(log).context("open the server's log")?;
        let child = Command::new(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(file.try_clone().context("share the log")?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("start {}", program.display()))?;
        let mut server = Self { child, base, log: log.to_owned() };
        server.wait_for(status)?;
        Ok(server)
    }

    fn wait_for(&mut self, status: u16) -> Result<()> {
        let url = format!("{}/-/ready", self.base);
        let is_up = eventually(PATIENCE, || {
            let ended = self.child.try_wait().ok().flatten().is_some();
            ended || http::get(&url).is_ok_and(|answer| answer.status == status)
        });
        if let Some(status) = self.child.try_wait().context("look at the server")? {
            bail!("the server ended with {status}:\n{}", self.log_text());
        }
        if !is_up {
            bail!("the server does not become ready:\n{}", self.log_text());
        }
        Ok(())
    }

    /// Returns the process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills without warning, as `kill -9` does, and waits.
    pub fn kill(mut self) {
        self.end_now();
    }

    /// Asks to stop with SIGTERM and waits for a clean end.
    /// # Errors
    /// When it does not end within [`PATIENCE`].
    pub fn stop(mut self) -> Result<ExitStatus> {
        terminate(&self.child)?;
        let ended = eventually(PATIENCE, || self.child.try_wait().is_ok_and(|status| status.is_some()));
        if !ended {
            bail!("the server did not stop:\n{}", self.log_text());
        }
        self.child.wait().context("wait for the server")
    }

    /// Returns everything it logged so far.
    pub fn log_text(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn end_now(&mut self) {
        // It may have ended by itself: then there is nothing to kill, and waiting returns at once.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end_now();
    }
}

fn terminate(child: &Child) -> Result<()> {
    let raw = i32::try_from(child.id()).context("process id")?;
    let pid = rustix::process::Pid::from_raw(raw).context("process id is zero")?;
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).context("send SIGTERM")
}

/// Runs `program` to its end (for [`PATIENCE`] at most) and returns exit code, standard output and standard error.
/// # Errors
/// When it cannot be started or does not end.
pub fn run(program: &Path, args: &[&str]) -> Result<(i32, String, String)> {
    let folder = tempfile::tempdir().context("make a folder for output")?;
    let (out, err) = (folder.path().join("out"), folder.path().join("err"));
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(File::create(&out)?)
        .stderr(File::create(&err)?)
        .spawn()
        .with_context(|| format!("start {}", program.display()))?;
    let ended = eventually(PATIENCE, || child.try_wait().is_ok_and(|status| status.is_some()));
    if !ended {
        child.kill().context("kill what does not end")?;
    }
    let status = child.wait().context("wait for the end")?;
    let (out, err) = (fs::read_to_string(out)?, fs::read_to_string(err)?);
    if !ended {
        bail!("{} {} did not end:\n{out}{err}", program.display(), args.join(" "));
    }
    Ok((status.code().unwrap_or(-1), out, err))
}

/// Returns a port nobody listens on at this moment, each time another one, for streams and datagrams.
///
/// It is none of those that the system gives to outgoing connections: between this call and the server's own a connection
/// could take one of them, even a connection of somebody who waits for that server.
/// # Errors
/// When the machine has none.
pub fn free_port() -> Result<u16> {
    static N_GIVEN: AtomicU32 = AtomicU32::new(0);
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let first_ephemeral =
        range.split_whitespace().next().and_then(|text| text.parse().ok()).unwrap_or(32_768);
    let n_ports = u32::saturating_sub(first_ephemeral, FIRST_PORT);
    ensure!(n_ports > 0, "all ports from {FIRST_PORT} on are for outgoing connections");
    for _ in 0..n_ports {
        // Test programs that run at the same time begin far from each other.
        let place =
            std::process::id().wrapping_mul(1_009).wrapping_add(N_GIVEN.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(FIRST_PORT + place % n_ports).context("a port")?;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() && UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("somebody listens on each port from {FIRST_PORT} to {first_ephemeral}")
}

/// Below are ports that services are known by.
const FIRST_PORT: u32 = 10_240;

/// Polls until `condition` holds; returns whether it did before the deadline.
pub fn eventually(deadline: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let started = Instant::now();
    while started.elapsed() < deadline {
        if condition() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    condition()
}
