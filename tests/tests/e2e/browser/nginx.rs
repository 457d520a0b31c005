//! Debian's nginx in front of two servers: one whose prefix it takes away, one whose prefix it keeps.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;
use wf_e2e::process::{PATIENCE, Server, eventually, free_port};
use wf_e2e::skip::{peer, skip};

use super::sites::Sites;

/// A running nginx, killed by its id when dropped.
pub(super) struct Nginx {
    pub(super) base: String,
    child: Child,
    /// Serves under `/kept`.
    _server: Server,
    _folder: TempDir,
}

impl Nginx {
    /// Starts nginx before the sites' server and another one that knows its prefix, or skips.
    pub(super) fn start(binary: &Path, sites: &Sites) -> Option<Self> {
        let program = program()?;
        let folder = tempfile::tempdir().unwrap();
        let port = free_port().unwrap();
        let base = format!("http://127.0.0.1:{port}");
        let (server, kept) = sites.server_below_kept(binary, &format!("{base}/kept/"));
        let path = folder.path().display();
        // One process as whoever runs the test; answers that do not fit its buffers need no file.
        let config = format!(
            "daemon off; master_process off; pid {path}/pid; error_log {path}/error.log;\n\
             events {{}}\n\
             http {{ access_log off; proxy_max_temp_file_size 0; client_body_temp_path {path}/a; proxy_temp_path {path}/b;\n\
             fastcgi_temp_path {path}/c; uwsgi_temp_path {path}/d; scgi_temp_path {path}/e;\n\
             server {{ listen 127.0.0.1:{port}; proxy_set_header Host $http_host;\n\
             location /stripped/ {{ proxy_pass {}/; }}\n\
             location /kept/ {{ proxy_pass {}; }} }} }}\n",
            sites.server.base, kept
        );
        fs::write(folder.path().join("nginx.conf"), config).unwrap();
        let child = Command::new(program)
            .args(["-p", &path.to_string(), "-e", &format!("{path}/error.log"), "-c"])
            .arg(folder.path().join("nginx.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let nginx = Self { base, child, _server: server, _folder: folder };
        let is_up = || TcpStream::connect(("127.0.0.1", port)).is_ok();
        let log = || fs::read_to_string(nginx._folder.path().join("error.log")).unwrap_or_default();
        assert!(eventually(PATIENCE, is_up), "nginx does not listen: {}", log());
        Some(nginx)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // It may have ended by itself: then there is nothing to kill, and waiting returns at once.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns Debian's nginx, or skips.
fn program() -> Option<PathBuf> {
    let prometheus = peer("prometheus")?;
    let path = prometheus.parent()?.parent()?.join("sbin/nginx");
    if path.exists() {
        return Some(path);
    }
    skip("peers", "Debian's nginx is not unpacked: run `cargo xtask peers`");
    None
}
