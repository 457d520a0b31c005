//! The stock rules of Kubernetes over a head of 200,000 series: the CPU that evaluating them takes.
//!
//! Scraping is over before rules begin: some minutes of samples are scraped within less than one, with timestamps of a faster
//! clock that ends now; then each server gets a configuration that scrapes nothing and has the rules. What its process uses
//! from then on is what rules cost.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::Bench;
use super::load::{ASK_EVERY, Loaded};
use crate::process::wait_until_every;
use crate::report::thousands;
use crate::servers::QueryRange;
use crate::sim::{Clock, Profile, Spec};
use crate::{Env, Options, Report, Server, Simulator, Subject, Unit, calibrate, order, progress};

pub(crate) const BENCH: Bench = Bench {
    name: "rules-mixin",
    about: "CPU of the kubernetes-mixin rules on a head [--series 200000 --rounds 12 --interval 15 --seconds 60]",
    run,
};

/// Time between two scrapes, by the clock of the pages and by ours.
const STEP_MS: u64 = 15_000;
const SCRAPE_EVERY_S: u64 = 2;

/// The rule files, in the folder of conformance data.
const RULES: &str = "rule-tests/kubernetes-mixin";
const FILES: [&str; 2] = ["prometheus_rules.yaml", "prometheus_alerts.yaml"];

/// Stands before a group's own interval. Ours takes its place: a group of three minutes would run once or not at all while the
/// clock runs.
const OWN_INTERVAL: &str = "\"interval\":";

/// All that recording rules have made.
const RECORDED: &str = "count by (__name__) ({__name__=~\".+:.+\"})";

/// Longest waits: for a slow server to scrape, for what it scraped to be in, and until every group was evaluated once.
const SCRAPED_WITHIN: Duration = Duration::from_secs(180);
const TAKEN_IN_WITHIN: Duration = Duration::from_secs(30);
const FIRST_WITHIN: Duration = Duration::from_secs(180);

/// Share of the samples that must have come in: a scrape of a slow server may fail.
const TAKEN_IN_MIN: f64 = 0.95;

struct Chosen {
    spec: Spec,
    n_rounds: u64,
    interval_s: u64,
    measured: Duration,
    /// Contents of the rule files.
    rules: Vec<String>,
}

fn run(env: &Env, options: &Options) -> Result<Report> {
    options.only(&["series", "rounds", "interval", "seconds"])?;
    let n_targets = (options.number("series", 200_000)? / Profile::Kubernetes.n_series()).max(1);
    let mut chosen = Chosen {
        spec: format!("kubernetes={n_targets}").parse()?,
        n_rounds: options.number("rounds", 12)?,
        interval_s: options.number("interval", 15)?,
        measured: Duration::from_secs(options.number("seconds", 60)?),
        rules: Vec::new(),
    };
    let mut report = Report::new("rules-mixin", chosen.sentence());
    report.floor("CPU per evaluation of all rules", Subject::Prometheus, 0.25);
    let folder = std::env::var_os("WATCHFIRE_CONFORMANCE").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/conformance")),
        PathBuf::from,
    );
    if !folder.join(RULES).is_dir() {
        report.note(format!("SKIPPED: conformance: there is no {}.", folder.join(RULES).display()));
        return Ok(report);
    }
    for file in FILES {
        let path = folder.join(RULES).join(file);
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        let line = |line: &str| match line.split_once(OWN_INTERVAL) {
            Some((before, _)) => format!("{before}{OWN_INTERVAL} \"{}s\"\n", chosen.interval_s),
            None => format!("{line}\n"),
        };
        let text = text.lines().map(line).collect();
        chosen.rules.push(text);
    }
    let subjects = options.subjects(&[Subject::Watchfire, Subject::Prometheus])?;
    let mut made = None;
    for (_, subject) in order::passes(&subjects, options.passes_or(1)?) {
        report.calibrated(calibrate::run());
        let recorded = measure(env, subject, &chosen, &mut report)
            .with_context(|| format!("measure {}", subject.name()))?;
        let expected = made.get_or_insert_with(|| recorded.clone());
        ensure!(*expected == recorded, "the rules made other series: {expected:?} and then {recorded:?}");
    }
    let n_made: u64 = made.iter().flat_map(BTreeMap::values).sum();
    report.note(format!("The rules make {} series, the same for all.", thousands(n_made)));
    Ok(report)
}

impl Chosen {
    fn sentence(&self) -> String {
        format!(
            "{} series of {} nodes, {} samples each, {} s apart; then nothing is scraped, and the rules of kubernetes-mixin \
             are evaluated every {} s. Measured from the end of everybody's first evaluation on, for {} s.",
            thousands(self.spec.n_series()),
            self.spec.profiles().len(),
            self.n_rounds,
            STEP_MS / 1_000,
            self.interval_s,
            self.measured.as_secs()
        )
    }

    /// Returns the spec with a clock that ends when the last scrape is over.
    fn spec_from(&self, now_ms: u64) -> Spec {
        let start_ms = now_ms - self.n_rounds * (STEP_MS - SCRAPE_EVERY_S * 1_000);
        Spec {
            clock: Clock::Simulated { start_ms, step_ms: STEP_MS },
            rounds: Some(self.n_rounds),
            ..self.spec.clone()
        }
    }

    /// A job and an instance stand on each page, as the rules know them.
    fn scraping(&self, port: u16) -> String {
        let mut text = format!(
            "global: {{scrape_interval: {SCRAPE_EVERY_S}s, scrape_timeout: {SCRAPE_EVERY_S}s}}\nscrape_configs:\n\
             - job_name: kubernetes\n  honor_labels: true\n  static_configs:\n"
        );
        for number in 0..self.spec.profiles().len() {
            text.push_str(&format!(
                "  - {{targets: [\"127.0.0.1:{port}\"], labels: {{__metrics_path__: /t/{number}, page: \"{number}\"}}}}\n"
            ));
        }
        text
    }

    fn evaluating(&self, files: &[String]) -> String {
        let files: Vec<String> = files.iter().map(|file| format!("{file:?}")).collect();
        let (interval_s, files) = (self.interval_s, files.join(", "));
        format!("global: {{evaluation_interval: {interval_s}s}}\nrule_files: [{files}]\nscrape_configs: []\n")
    }
}

/// Measures one server; returns how many series the rules made of each name.
fn measure(
    env: &Env,
    subject: Subject,
    chosen: &Chosen,
    report: &mut Report,
) -> Result<BTreeMap<String, u64>> {
    progress::say(format_args!("{}: scraping {} series", subject.name(), chosen.spec.n_series()));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("read the clock")?;
    let simulator = Simulator::start(&chosen.spec_from(u64::try_from(now.as_millis())?))?;
    let folder = env.fresh_folder(&format!("rules-mixin-{}", subject.name()))?;
    let config = chosen.scraping(simulator.port);
    let server = Server::start(env, subject, &folder.join("data"), &config, &["--web.enable-lifecycle"])?;
    let mut loaded = Loaded { server, simulator };
    loaded.wait_for_scrapes_within(chosen.n_rounds, SCRAPED_WITHIN)?;
    // Pages that stand still are served again: what was served is no measure of what must be in.
    let n_samples = (chosen.n_rounds * chosen.spec.n_series()) as f64;
    loaded.wait_for_samples((n_samples * TAKEN_IN_MIN).floor(), TAKEN_IN_WITHIN)?;
    let mut files = Vec::new();
    for (number, text) in chosen.rules.iter().enumerate() {
        let path = folder.join(format!("rules-{number}.yml"));
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
        files.push(path.display().to_string());
    }
    loaded.server.reload(&chosen.evaluating(&files))?;
    let n_rules = loaded.server.own_metric("prometheus_rule_group_rules")?.context("there are no rules")?;
    let evaluated = |server: &Server| server.own_metric("prometheus_rule_evaluations_total");
    progress::say(format_args!("{}: {n_rules} rules begin", subject.name()));
    wait_until_every(ASK_EVERY, FIRST_WITHIN, "the first evaluation of all rules", || {
        loaded.server.usage()?;
        Ok(evaluated(&loaded.server)?.is_some_and(|evaluated| evaluated >= n_rules))
    })?;
    progress::say(format_args!("{}: measuring for {} s", subject.name(), chosen.measured.as_secs()));
    let (before, n_before) = (loaded.server.usage()?, evaluated(&loaded.server)?.unwrap_or(0.0));
    // Evaluations go on by themselves; what is measured is what this time costs.
    thread::sleep(chosen.measured);
    let (after, n_after) = (loaded.server.usage()?, evaluated(&loaded.server)?.unwrap_or(0.0));
    let n_evaluations = (n_after - n_before) / n_rules;
    ensure!(n_evaluations > 0.0, "no rule was evaluated within the time that was measured");
    let missed = loaded.server.own_metric("prometheus_rule_group_iterations_missed_total")?;
    report.add(
        "CPU per evaluation of all rules",
        Unit::Seconds,
        subject,
        (after.cpu_s - before.cpu_s) / n_evaluations,
    );
    report.add("evaluations", Unit::Count, subject, (n_evaluations * 100.0).round() / 100.0);
    report.add("iterations missed", Unit::Count, subject, missed.unwrap_or(0.0));
    report.add("RSS peak", Unit::Bytes, subject, after.rss_peak_bytes as f64);
    recorded(&loaded.server)
}

/// Asks for what the rules made, and that none of them failed.
fn recorded(server: &Server) -> Result<BTreeMap<String, u64>> {
    let failed = server.own_metric("prometheus_rule_evaluation_failures_total")?.unwrap_or(0.0);
    ensure!(failed == 0.0, "{failed} evaluations of rules failed");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("read the clock")?;
    let (_, body) = server.query(RECORDED, QueryRange::instant(now.as_secs()))?;
    let answer: Value = serde_json::from_str(&body).context("read what the rules made")?;
    let found = answer["data"]["result"].as_array().context("no result")?;
    let count = |one: &Value| {
        let count = one["value"][1].as_str()?.parse().ok()?;
        Some((one["metric"]["__name__"].as_str()?.to_owned(), count))
    };
    let counts: BTreeMap<String, u64> = found.iter().filter_map(count).collect();
    ensure!(!counts.is_empty(), "the rules made nothing");
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_of_the_pages_ends_when_scraping_does() {
        let chosen = Chosen {
            spec: "kubernetes=2".parse().unwrap(),
            n_rounds: 4,
            interval_s: 15,
            measured: Duration::ZERO,
            rules: Vec::new(),
        };
        let spec = chosen.spec_from(1_000_000);
        assert_eq!(spec.clock, Clock::Simulated { start_ms: 948_000, step_ms: 15_000 });
        assert_eq!(chosen.scraping(1).matches("targets:").count(), 2);
    }
}
