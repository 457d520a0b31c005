//! Ten thousand alerting rules every 15 s: whether a server keeps up, and what that takes.

use std::fmt::Write;
use std::fs;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::Bench;
use super::load::{ASK_EVERY, Load, Loaded};
use crate::process::wait_until_every;
use crate::report::thousands;
use crate::servers::scrape_config;
use crate::{Env, Options, Report, Server, Subject, Unit, calibrate, order, progress};

pub(crate) const BENCH: Bench = Bench {
    name: "rules-10k",
    about: "10,000 alerting rules every 15 s: missed iterations and CPU [--rules 10000 --interval 15 --seconds 45]",
    run,
};

/// Nodes whose exporters are scraped: some 20,000 series.
const TARGETS: &str = "kubernetes=4";
/// Scrapes of each target before rules begin, and the time between them: rules need samples, not minutes.
const N_WARM: u64 = 3;
const WARM_EVERY_S: u64 = 2;
/// Longest wait for those.
const WARM_WITHIN: Duration = Duration::from_secs(60);
const RULES_PER_GROUP: u64 = 500;
const N_NAMESPACES: u64 = 20;
/// Longest wait until every group was evaluated once, before anything is measured.
const FIRST_WITHIN: Duration = Duration::from_secs(120);

/// Conditions in the manner of rules that a platform makes for each team; the last holds for every pod.
const CONDITIONS: [&str; 5] = [
    "container_memory_working_set_bytes{namespace=\"NS\"} > 1e15",
    "rate(container_cpu_usage_seconds_total{namespace=\"NS\"}[5m]) > 100",
    "kube_deployment_status_replicas_available{namespace=\"NS\"} < kube_deployment_spec_replicas{namespace=\"NS\"}",
    "sum by (pod) (rate(container_network_receive_bytes_total{namespace=\"NS\"}[5m])) > 1e15",
    "kube_pod_status_phase{namespace=\"NS\",phase=\"Running\"} == 1",
];

fn run(env: &Env, options: &Options) -> Result<Report> {
    options.only(&["rules", "interval", "seconds"])?;
    let n_rules = options.number("rules", 10_000)?;
    let interval_s = options.number("interval", 15)?;
    let measured = Duration::from_secs(options.number("seconds", 45)?);
    let load = Load { spec: TARGETS.parse()?, interval_s: WARM_EVERY_S, n_scrapes: N_WARM };
    let sentence = format!(
        "{} alerting rules in groups of {RULES_PER_GROUP} every {interval_s} s over {} series, which are scraped as often. \
         A fifth of them hold, for each pod of a namespace. Measured from the end of the first evaluation on, for {} s.",
        thousands(n_rules),
        thousands(load.spec.n_series()),
        measured.as_secs()
    );
    let mut report = Report::new("rules-10k", sentence);
    let rules = rule_file(n_rules, interval_s);
    let subjects = options.subjects(&[Subject::Watchfire, Subject::Prometheus])?;
    // Once each: what must hold is that none is missed, which no second pass makes truer.
    for (_, subject) in order::passes(&subjects, options.passes_or(1)?) {
        report.calibrated(calibrate::run());
        let chosen = Chosen { rules: &rules, n_rules: n_rules as f64, interval_s, measured };
        measure(env, subject, &load, &chosen, &mut report)
            .with_context(|| format!("measure {}", subject.name()))?;
    }
    if let Some(missed) = report.summary(MISSED, Subject::Watchfire.name()) {
        report.demand("our iterations missed".to_owned(), missed.max, 0.0);
    }
    Ok(report)
}

const MISSED: &str = "iterations missed";

/// Writes `n_rules` rules in groups, as JSON, which is YAML.
fn rule_file(n_rules: u64, interval_s: u64) -> String {
    let mut text = "groups:\n".to_owned();
    for rule in 0..n_rules {
        // Writing to a string cannot fail.
        if rule.is_multiple_of(RULES_PER_GROUP) {
            let group = rule / RULES_PER_GROUP;
            let _ = writeln!(text, "- name: group-{group}\n  interval: {interval_s}s\n  rules:");
        }
        let n_conditions = CONDITIONS.len() as u64;
        let namespace = format!("team-{:02}", rule / n_conditions % N_NAMESPACES);
        let condition = usize::try_from(rule % n_conditions).ok().and_then(|idx| CONDITIONS.get(idx));
        let expr = condition.copied().unwrap_or_default().replace("NS", &namespace);
        let _ = writeln!(
            text,
            "  - alert: Alert{rule}\n    expr: '{expr}'\n    for: 5m\n    labels: {{severity: page}}\n    \
             annotations: {{summary: '{{{{ $labels.pod }}}} is at {{{{ $value | humanize }}}}.'}}"
        );
    }
    text
}

/// What is evaluated, and for how long.
struct Chosen<'a> {
    /// A rule file.
    rules: &'a str,
    n_rules: f64,
    interval_s: u64,
    measured: Duration,
}

fn measure(env: &Env, subject: Subject, load: &Load, chosen: &Chosen<'_>, report: &mut Report) -> Result<()> {
    let (n_rules, measured) = (chosen.n_rules, chosen.measured);
    progress::say(format_args!("{}: scraping", subject.name()));
    let mut loaded = Loaded::start(env, subject, load, "rules-10k", &["--web.enable-lifecycle"])?;
    loaded.wait_for_scrapes_within(N_WARM, WARM_WITHIN)?;
    let path = loaded.server.data.with_extension("rules.yml");
    fs::write(&path, chosen.rules).with_context(|| format!("write {}", path.display()))?;
    let scraping = scrape_config(&load.spec, loaded.simulator.port, chosen.interval_s);
    loaded.server.reload(&format!("{scraping}rule_files: [{:?}]\n", path.display().to_string()))?;
    let evaluated = |server: &Server| {
        Ok::<f64, anyhow::Error>(server.own_metric("prometheus_rule_evaluations_total")?.unwrap_or(0.0))
    };
    progress::say(format_args!("{}: {n_rules} rules begin", subject.name()));
    wait_until_every(ASK_EVERY, FIRST_WITHIN, "the first evaluation of all rules", || {
        loaded.server.usage()?;
        Ok(evaluated(&loaded.server)? >= n_rules)
    })?;
    progress::say(format_args!("{}: measuring for {} s", subject.name(), measured.as_secs()));
    let (before, n_before) = (loaded.server.usage()?, evaluated(&loaded.server)?);
    // Evaluations go on by themselves; what is measured is what this time costs.
    thread::sleep(measured);
    let (after, n_after) = (loaded.server.usage()?, evaluated(&loaded.server)?);
    let failed = loaded.server.own_metric("prometheus_rule_evaluation_failures_total")?.unwrap_or(0.0);
    ensure!(failed == 0.0 && n_after > n_before, "{failed} evaluations failed of {}", n_after - n_before);
    let missed = loaded.server.own_metric("prometheus_rule_group_iterations_missed_total")?.unwrap_or(0.0);
    let cpu_s = after.cpu_s - before.cpu_s;
    report.add(MISSED, Unit::Count, subject, missed);
    report.add("evaluations of a rule", Unit::Count, subject, n_after - n_before);
    report.add(
        "CPU per evaluation of a rule",
        Unit::Nanoseconds,
        subject,
        cpu_s * 1e9 / (n_after - n_before),
    );
    report.add("cores in use", Unit::Count, subject, (cpu_s / measured.as_secs_f64() * 1e4).round() / 1e4);
    report.add("RSS peak", Unit::Bytes, subject, after.rss_peak_bytes as f64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_as_many_as_said_and_in_groups() {
        let text = rule_file(1_200, 15);
        assert_eq!((text.matches("- alert: ").count(), text.matches("- name: ").count()), (1_200, 3));
        assert!(!text.contains("NS"), "{text}");
    }
}
