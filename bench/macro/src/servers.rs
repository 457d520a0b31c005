//! The three servers as they are compared: flags, configuration, when they are ready, what they counted.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::env::Env;
use crate::http::Client;
use crate::meter::{self, Usage};
use crate::process::{Process, free_port, wait_until};
use crate::sim::Spec;

/// Longest wait for a server to be ready: a peer replays a log of a million series.
const READY_WITHIN: Duration = Duration::from_secs(900);

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// `watchfire server` of this checkout.
    Watchfire,
    /// Debian's prometheus.
    Prometheus,
    /// Debian's victoria-metrics, single node.
    VictoriaMetrics,
}

impl Subject {
    /// All three, ours first.
    pub const ALL: [Self; 3] = [Self::Watchfire, Self::Prometheus, Self::VictoriaMetrics];

    /// Returns the name in tables and options.
    pub fn name(self) -> &'static str {
        match self {
            Self::Watchfire => "watchfire",
            Self::Prometheus => "prometheus",
            Self::VictoriaMetrics => "victoria-metrics",
        }
    }

    /// Returns the program.
    /// # Errors
    /// When it is not there; the message says how to get it.
    pub fn program(self, env: &Env) -> Result<PathBuf> {
        let (path, cure) = match self {
            Self::Watchfire => (env.watchfire.clone(), "cargo build --release -p watchfire"),
            _ => (env.peer(self.name()), "cargo xtask peers"),
        };
        ensure!(path.exists(), "{} is missing: run `{cure}`", path.display());
        Ok(path)
    }

    /// Flags that make the three alike: where data lies, what is scraped, that old data is kept.
    fn arguments(self, data: &Path, config: &Path, port: u16) -> Vec<String> {
        let (data, config) = (data.display(), config.display());
        match self {
            Self::Watchfire => vec![
                "server".to_owned(),
                format!("--config.file={config}"),
                format!("--storage.tsdb.path={data}"),
                format!("--web.listen-address=127.0.0.1:{port}"),
                "--storage.tsdb.retention.time=100d".to_owned(),
                "--log.level=warn".to_owned(),
            ],
            Self::Prometheus => vec![
                format!("--config.file={config}"),
                format!("--storage.tsdb.path={data}"),
                format!("--web.listen-address=127.0.0.1:{port}"),
                "--storage.tsdb.retention.time=100d".to_owned(),
                "--query.timeout=10m".to_owned(),
                "--log.level=warn".to_owned(),
            ],
            Self::VictoriaMetrics => vec![
                format!("-promscrape.config={config}"),
                format!("-storageDataPath={data}"),
                format!("-httpListenAddr=127.0.0.1:{port}"),
                "-retentionPeriod=100d".to_owned(),
                // The page of the cluster's state is near its default of 16 MB.
                "-promscrape.maxScrapeSize=64MB".to_owned(),
                "-search.maxQueryDuration=10m".to_owned(),
                "-loggerLevel=WARN".to_owned(),
            ],
        }
    }

    fn ready_path(self) -> &'static str {
        match self {
            Self::Watchfire | Self::Prometheus => "/-/ready",
            // It listens only after its storage is open.
            Self::VictoriaMetrics => "/health",
        }
    }

    /// Name of the server's own counter of samples it took in.
    fn samples_counter(self) -> &'static str {
        match self {
            Self::Watchfire | Self::Prometheus => "prometheus_tsdb_head_samples_appended_total",
            Self::VictoriaMetrics => "vm_rows_inserted_total",
        }
    }
}

/// A server under test; killed by its id when dropped.
#[derive(Debug)]
pub struct Server {
    /// Who it is.
    pub subject: Subject,
    /// Address of its API, such as `http://127.0.0.1:41234`.
    pub base: String,
    /// Where its data lies.
    pub data: PathBuf,
    /// Time from start to ready.
    pub ready_after: Duration,
    /// CPU time from start to ready, seconds.
    pub ready_cpu_s: f64,
    process: Process,
    client: Client,
}

impl Server {
    /// Starts a server on `data` that scrapes what `config` (text of a prometheus.yml) says, and waits until it is ready.
    /// `more` are further flags.
    /// # Errors
    /// When the program is missing, ends, or is not ready in time; the message holds the end of its log.
    pub fn start(env: &Env, subject: Subject, data: &Path, config: &str, more: &[&str]) -> Result<Self> {
        fs::create_dir_all(data).with_context(|| format!("create {}", data.display()))?;
        let beside = |extension| data.with_extension(extension);
        let config_path = beside("yml");
        fs::write(&config_path, config).with_context(|| format!("write {}", config_path.display()))?;
        let port = free_port()?;
        let mut arguments = subject.arguments(data, &config_path, port);
        arguments.extend(more.iter().map(|flag| (*flag).to_owned()));
        let process = Process::start(&subject.program(env)?, &arguments, &beside("log"))?;
        let mut server = Self {
            subject,
            base: format!("http://127.0.0.1:{port}"),
            data: data.to_owned(),
            ready_after: Duration::ZERO,
            ready_cpu_s: 0.0,
            process,
            client: Client::new(),
        };
        server.wait_ready().with_context(|| format!("start {}", subject.name()))?;
        Ok(server)
    }

    fn wait_ready(&mut self) -> Result<()> {
        let url = format!("{}{}", self.base, self.subject.ready_path());
        let (client, process) = (&self.client, &mut self.process);
        wait_until(READY_WITHIN, "readiness", || {
            process.check()?;
            Ok(client.get(&url).is_ok_and(|answer| answer.status == 200))
        })?;
        self.ready_after = self.process.started.elapsed();
        self.ready_cpu_s = self.usage()?.cpu_s;
        Ok(())
    }

    /// Returns the process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Reads what the server uses now.
    /// # Errors
    /// When it has ended; the message holds the end of its log.
    pub fn usage(&mut self) -> Result<Usage> {
        self.process.check()?;
        meter::usage(self.process.id())
    }

    /// Gives it another configuration, over HTTP: it must have been started with `--web.enable-lifecycle`.
    /// # Errors
    /// When it refuses.
    pub fn reload(&self, config: &str) -> Result<()> {
        let path = self.data.with_extension("yml");
        fs::write(&path, config).with_context(|| format!("write {}", path.display()))?;
        let answer = self.client.post(&format!("{}/-/reload", self.base), b"")?;
        ensure!(answer.status == 200, "reload answered {}: {}", answer.status, answer.body);
        Ok(())
    }

    /// Kills it as `kill -9` does.
    pub fn kill(self) {
        self.process.kill();
    }

    /// Asks it to stop and waits; returns how long that took.
    /// # Errors
    /// When it does not end within two minutes.
    pub fn stop(self) -> Result<Duration> {
        self.process.stop()
    }

    /// Gets `path` of its API.
    /// # Errors
    /// When it does not answer 200.
    pub fn get(&self, path: &str) -> Result<String> {
        let answer = self.client.get(&format!("{}{path}", self.base))?;
        ensure!(answer.status == 200, "{path} answered {}: {}", answer.status, answer.body);
        Ok(answer.body)
    }

    /// Returns the sum over a metric of its own `/metrics`, if it has that metric.
    /// # Errors
    /// When it does not answer.
    pub fn own_metric(&self, name: &str) -> Result<Option<f64>> {
        Ok(sum_of(&self.get("/metrics")?, name))
    }

    /// Returns how many samples it took in since its start, by its own count.
    /// # Errors
    /// When it does not answer or does not count them.
    pub fn samples_appended(&self) -> Result<f64> {
        let name = self.subject.samples_counter();
        self.own_metric(name)?.with_context(|| format!("{} has no {name}", self.subject.name()))
    }

    /// Evaluates a query without caches of answers and returns the elapsed time and the answer's body. Without a step the
    /// query is instant at its end.
    /// # Errors
    /// When it fails.
    pub fn query(&self, expr: &str, range: QueryRange) -> Result<(Duration, String)> {
        self.evaluate(expr, range, &[("nocache", "1")])
    }

    /// Like [`Server::query`], but an answer may come from a cache.
    /// # Errors
    /// When it fails.
    pub fn query_cached(&self, expr: &str, range: QueryRange) -> Result<(Duration, String)> {
        self.evaluate(expr, range, &[])
    }

    fn evaluate(&self, expr: &str, range: QueryRange, more: &[(&str, &str)]) -> Result<(Duration, String)> {
        let (start, end, step) =
            (range.start_s.to_string(), range.end_s.to_string(), range.step_s.to_string());
        if range.step_s == 0 {
            return self.ask("/api/v1/query", &[&[("query", expr), ("time", end.as_str())], more].concat());
        }
        let form = [("query", expr), ("start", &start), ("end", &end), ("step", &step)];
        self.ask("/api/v1/query_range", &[&form, more].concat())
    }

    /// Gets `path` with the parameters `form`; returns the elapsed time and the body.
    /// # Errors
    /// When it does not answer 200.
    pub fn ask(&self, path: &str, form: &[(&str, &str)]) -> Result<(Duration, String)> {
        let started = Instant::now();
        let body = self.client.get_with(&format!("{}{path}", self.base), form)?;
        Ok((started.elapsed(), body))
    }

    /// Asks as [`Server::ask`] does and returns when the first byte of the answer came.
    /// # Errors
    /// When it does not answer 200.
    pub fn first_byte(&self, path: &str, form: &[(&str, &str)]) -> Result<Duration> {
        self.client.first_byte(&format!("{}{path}", self.base), form)
    }

    /// Hands samples in the text format, with timestamps, to VictoriaMetrics, and waits until they can be queried.
    /// # Errors
    /// When it refuses them, or is not VictoriaMetrics: the others read blocks.
    pub fn import_text(&self, page: &[u8]) -> Result<()> {
        self.import("/api/v1/import/prometheus", page)?;
        self.get("/internal/force_flush").map(drop)
    }

    /// Hands lines of JSON, each a series with all its samples, to VictoriaMetrics. They can be queried after a flush.
    /// # Errors
    /// When it refuses them, or is not VictoriaMetrics.
    pub fn import_json(&self, lines: &[u8]) -> Result<()> {
        self.import("/api/v1/import", lines)
    }

    fn import(&self, path: &str, body: &[u8]) -> Result<()> {
        if self.subject != Subject::VictoriaMetrics {
            bail!("{} does not import", self.subject.name());
        }
        let answer = self.client.post(&format!("{}{path}", self.base), body)?;
        ensure!(answer.status == 204, "import answered {}: {}", answer.status, answer.body);
        Ok(())
    }
}

/// When a query is evaluated, seconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryRange {
    /// First step.
    pub start_s: u64,
    /// Last step, or the instant.
    pub end_s: u64,
    /// Between steps; 0 makes it an instant query.
    pub step_s: u64,
}

impl QueryRange {
    /// An instant query at `time_s`.
    pub fn instant(time_s: u64) -> Self {
        Self { start_s: time_s, end_s: time_s, step_s: 0 }
    }
}

/// Adds up the samples of `name` on a text page.
fn sum_of(page: &str, name: &str) -> Option<f64> {
    let values = page.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        let value = if rest.starts_with('{') { rest.rsplit_once('}')?.1 } else { rest };
        value.starts_with(' ').then(|| value.trim().parse::<f64>().ok()).flatten()
    });
    values.fold(None, |sum, value| Some(sum.unwrap_or(0.0) + value))
}

/// Returns a prometheus.yml that scrapes nothing.
pub fn idle_config() -> String {
    "global: {scrape_interval: 1m}\nscrape_configs: []\n".to_owned()
}

/// Returns a prometheus.yml that scrapes all targets of `spec` on `port` every `interval_s` seconds: a job per profile.
pub fn scrape_config(spec: &Spec, port: u16, interval_s: u64) -> String {
    let mut text = format!(
        "global: {{scrape_interval: {interval_s}s, scrape_timeout: {interval_s}s}}\nscrape_configs:\n"
    );
    let mut last = None;
    for (number, profile) in spec.profiles().into_iter().enumerate() {
        let name = profile.name();
        if last != Some(profile) {
            // Writing to a string cannot fail.
            let _ = write!(text, "- job_name: {name}\n  static_configs:\n");
            last = Some(profile);
        }
        let labels = format!("{{__metrics_path__: /t/{number}, instance: \"{name}-{number}:9100\"}}");
        let _ = writeln!(text, "  - {{targets: [\"127.0.0.1:{port}\"], labels: {labels}}}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_summed_over_its_labels() {
        let page = "# TYPE a counter\na{b=\"1\"} 2\na{b=\"} 9\"} 3\na_total 7\nc 1e3\n";
        assert_eq!(sum_of(page, "a"), Some(5.0));
        assert_eq!(sum_of(page, "c"), Some(1_000.0));
        assert_eq!(sum_of(page, "absent"), None);
    }

    #[test]
    fn every_target_is_scraped_once() {
        let config = scrape_config(&"node=2,app=3".parse().unwrap(), 1, 5);
        assert_eq!(config.matches("job_name").count(), 2);
        assert!((0..5).all(|number| config.contains(&format!("/t/{number},"))));
    }
}
