//! Many targets that a file lists: how long until all of them are scheduled, and what a reload costs that changes nothing.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::http::Client;
use crate::process::wait_until;
use crate::stats::median;
use crate::{Env, Server, Subject};

/// Longest wait for the targets: Prometheus looks at news every five seconds.
const SCHEDULED_WITHIN: Duration = Duration::from_secs(120);

/// Reloads, of which the median counts.
const N_RELOADS: usize = 5;

/// What was found.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    n_targets: u64,
    /// By server: seconds until the targets were scheduled, seconds of a reload.
    times: Vec<(Subject, f64, f64)>,
}

/// Measures those of `subjects` that count their targets and reload on request.
pub(super) fn measure(env: &Env, subjects: &[Subject], n_targets: u64) -> Result<Listed> {
    let asked = subjects.iter().filter(|subject| **subject != Subject::VictoriaMetrics);
    let times = asked.map(|subject| {
        let (scheduled_s, reload_s) = measure_one(env, *subject, n_targets)
            .with_context(|| format!("list targets for {}", subject.name()))?;
        Ok((*subject, scheduled_s, reload_s))
    });
    Ok(Listed { n_targets, times: times.collect::<Result<_>>()? })
}

fn measure_one(env: &Env, subject: Subject, n_targets: u64) -> Result<(f64, f64)> {
    let folder = env.fresh_folder(&format!("scrape-500-files-{}", subject.name()))?;
    let list = folder.join("targets.json");
    put(&list, "[]")?;
    // Nobody shall be scraped: what is measured is the way to the schedule.
    let config = format!(
        "global: {{scrape_interval: 1h}}\nscrape_configs:\n- job_name: files\n  file_sd_configs: [{{files: ['{}'], refresh_interval: 1h}}]\n",
        list.display()
    );
    let server = Server::start(env, subject, &folder.join("data"), &config, &["--web.enable-lifecycle"])?;
    let text = targets(n_targets);
    let started = Instant::now();
    put(&list, &text)?;
    wait_until(SCHEDULED_WITHIN, "the targets", || has_targets(&server, n_targets))?;
    let scheduled_s = started.elapsed().as_secs_f64();
    let client = Client::new();
    let mut reloads = Vec::new();
    for _ in 0..N_RELOADS {
        let started = Instant::now();
        let answer = client.post(&format!("{}/-/reload", server.base), b"")?;
        reloads.push(started.elapsed().as_secs_f64());
        ensure!(answer.status == 200, "the reload answered {}: {}", answer.status, answer.body);
    }
    ensure!(has_targets(&server, n_targets)?, "targets were lost in a reload");
    Ok((scheduled_s, median(&reloads).unwrap_or(0.0)))
}

/// Puts a file in its place at once: nobody reads half of it.
fn put(path: &Path, text: &str) -> Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, text).with_context(|| format!("write {}", new.display()))?;
    fs::rename(&new, path).with_context(|| format!("rename {}", new.display()))
}

fn targets(n_targets: u64) -> String {
    let mut text = "[".to_owned();
    for number in 0..n_targets {
        let comma = if number == 0 { "" } else { "," };
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            r#"{comma}{{"targets":["127.0.0.1:1"],"labels":{{"instance":"host-{number}","__metrics_path__":"/t/{number}"}}}}"#
        );
    }
    text + "]"
}

fn has_targets(server: &Server, n_targets: u64) -> Result<bool> {
    let scheduled = server.own_metric("prometheus_target_scrape_pool_targets")?;
    Ok(scheduled.is_some_and(|scheduled| scheduled >= n_targets as f64))
}

impl Listed {
    pub(super) fn rows(&self) -> Vec<(String, String)> {
        let n = crate::report::thousands(self.n_targets);
        let row = |(subject, scheduled_s, reload_s): &(Subject, f64, f64)| {
            let name = subject.name();
            [
                (
                    format!("{n} targets, from the file's change until the first is scheduled: {name}"),
                    format!("{scheduled_s:.3} s"),
                ),
                (format!("reload with {n} unchanged targets: {name}"), format!("{reload_s:.3} s")),
            ]
        };
        self.times.iter().flat_map(row).collect()
    }

    pub(super) fn json(&self) -> Value {
        let times = self.times.iter().map(|(subject, scheduled_s, reload_s)| {
            json!({"subject": subject.name(), "scheduled_s": scheduled_s, "reload_s": reload_s})
        });
        json!({"n_targets": self.n_targets, "times": times.collect::<Vec<_>>()})
    }
}
