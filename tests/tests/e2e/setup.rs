//! Starts servers with a folder of their own.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use wf_e2e::process::{Server, free_port};

/// A folder with configuration, data and log; removed when dropped.
pub(crate) struct Site {
    folder: TempDir,
    port: u16,
}

impl Site {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), port: free_port().unwrap() }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn listen(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Writes a configuration with one job per `(name, address)`.
    pub(crate) fn configure(&self, interval: &str, jobs: &[(&str, String)]) {
        let mut text = format!(
            "global:\n  scrape_interval: {interval}\n  scrape_timeout: {interval}\nscrape_configs:\n"
        );
        for (job, address) in jobs {
            text.push_str(&format!(
                "  - job_name: {job}\n    static_configs:\n      - targets: ['{address}']\n"
            ));
        }
        fs::write(self.path("prometheus.yml"), text).unwrap();
    }

    /// Starts `watchfire server` on the configuration written before.
    pub(crate) fn server(&self, binary: &Path) -> Server {
        self.try_server(binary).unwrap()
    }

    pub(crate) fn try_server(&self, binary: &Path) -> anyhow::Result<Server> {
        let arguments = self.server_arguments();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        Server::start(binary, &arguments, self.port, &self.path("log"))
    }

    pub(crate) fn server_arguments(&self) -> Vec<String> {
        vec![
            "server".to_owned(),
            format!("--config.file={}", self.path("prometheus.yml").display()),
            format!("--storage.tsdb.path={}", self.data().display()),
            format!("--web.listen-address={}", self.listen()),
        ]
    }

    /// Starts `watchfire up` with everything on free ports.
    pub(crate) fn up(&self, binary: &Path) -> Server {
        let data = self.data().display().to_string();
        let exporter = format!("127.0.0.1:{}", free_port().unwrap());
        let arguments = ["up", "--listen", &self.listen(), "--data", &data, "--exporter-listen", &exporter];
        Server::start(binary, &arguments, self.port, &self.path("log")).unwrap()
    }
}
