//! `watchfire tool relabel`: what each rule of a job does to a label set.
//!
//! Every rule is shown with the labels it took away (`-`) and gave (`+`); the rule that drops is the last.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use wf_config::{Config, ScrapeConfig};
use wf_model::relabel::{self, RuleSpec, Step, Verdict};
use wf_model::{Labels, LabelsBuilder, duration};

use crate::say;

/// Options of `tool relabel`.
#[derive(Debug, Args)]
pub(crate) struct RelabelOptions {
    /// Configuration file
    #[arg(long = "config.file", default_value = "prometheus.yml")]
    file: PathBuf,
    /// Name of the scrape job
    #[arg(long)]
    job: String,
    /// Run the rules for series (metric_relabel_configs) rather than those for targets
    #[arg(long)]
    series: bool,
    /// Labels as NAME=VALUE, such as __address__=localhost:9100
    #[arg(required = true)]
    labels: Vec<String>,
}

pub(crate) fn main(options: &RelabelOptions) -> ExitCode {
    let loaded = wf_config::load_file(&options.file).map_err(anyhow::Error::from);
    match loaded.and_then(|config| run(&config, options)) {
        Ok(lines) => {
            for line in lines {
                say(&line);
            }
            ExitCode::SUCCESS
        }
        Err(error) => crate::fail(&error),
    }
}

fn run(config: &Config, options: &RelabelOptions) -> Result<Vec<String>> {
    let job = config.scrape_configs.iter().find(|job| job.job_name == options.job);
    let job = job.with_context(|| format!("{} has no job {:?}", options.file.display(), options.job))?;
    let given = read_labels(&options.labels)?;
    let (rules, labels) = if options.series {
        (&job.metric_relabel, given)
    } else {
        (&job.relabel, with_defaults(&given, job))
    };
    let steps = relabel::trace(rules, &labels);
    let mut lines = vec![format!("{labels}")];
    for (idx, step) in steps.iter().enumerate() {
        lines.push(format!("rule {}: {}", idx + 1, describe(step.rule.spec())));
        lines.extend(changes(step));
    }
    lines.push(match steps.last() {
        Some(Step { verdict: Verdict::Drop, .. }) => "dropped".to_owned(),
        Some(step) => step.after.to_string(),
        None => "there are no rules: the labels stay as they are".to_owned(),
    });
    Ok(lines)
}

fn read_labels(texts: &[String]) -> Result<Labels> {
    let mut labels = LabelsBuilder::default();
    for text in texts {
        let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
        let (name, value) = pair.with_context(|| format!("read label {text:?}: write NAME=VALUE"))?;
        labels.set(name, value);
    }
    Ok(labels.build())
}

/// Adds what discovery would have given besides.
fn with_defaults(given: &Labels, job: &ScrapeConfig) -> Labels {
    let mut labels = LabelsBuilder::default();
    labels.set("job", &job.job_name);
    labels.set("__scheme__", &job.scheme);
    labels.set("__metrics_path__", &job.metrics_path);
    labels.set("__scrape_interval__", &duration::format(job.scrape_interval));
    labels.set("__scrape_timeout__", &duration::format(job.scrape_timeout));
    for (name, value) in given.iter() {
        labels.set(name, value);
    }
    labels.build()
}

/// Shows a rule as it is typed, without what its action has no use for.
fn describe(spec: &RuleSpec) -> String {
    let mut text = format!("action: {}", spec.action.as_str());
    if !spec.source_labels.is_empty() {
        text.push_str(&format!(", source_labels: [{}]", spec.source_labels.join(", ")));
        if spec.separator != ";" {
            text.push_str(&format!(", separator: {:?}", spec.separator));
        }
    }
    if spec.regex != "(.*)" {
        text.push_str(&format!(", regex: {}", spec.regex));
    }
    if spec.modulus > 0 {
        text.push_str(&format!(", modulus: {}", spec.modulus));
    }
    if !spec.target_label.is_empty() {
        text.push_str(&format!(", target_label: {}", spec.target_label));
    }
    if spec.replacement != "$1" {
        text.push_str(&format!(", replacement: {:?}", spec.replacement));
    }
    text
}

fn changes(step: &Step<'_>) -> Vec<String> {
    if step.verdict == Verdict::Drop {
        return vec!["  drops".to_owned()];
    }
    let difference = |from: &Labels, other: &Labels, sign: char| {
        let lost = from.iter().filter(|(name, value)| other.get(name) != Some(*value));
        lost.map(|(name, value)| format!("  {sign} {name}={value:?}")).collect::<Vec<_>>()
    };
    let mut lines = difference(&step.before, &step.after, '-');
    lines.extend(difference(&step.after, &step.before, '+'));
    if lines.is_empty() {
        lines.push("  changes nothing".to_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "\
scrape_configs:
- job_name: web
  relabel_configs:
  - {source_labels: [__address__], regex: '(.*):.*', target_label: host}
  - {action: keepequal, source_labels: [job], target_label: __tmp}
  metric_relabel_configs:
  - {action: labeldrop, regex: id}
";

    fn relabel(is_series: bool, labels: &[&str]) -> Result<Vec<String>> {
        let file = PathBuf::from("prometheus.yml");
        let config = wf_config::load(CONFIG, &file)?;
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        run(&config, &RelabelOptions { file, job: "web".to_owned(), series: is_series, labels })
    }

    #[test]
    fn each_rule_shows_what_it_took_and_gave() {
        let lines = relabel(false, &["__address__=a:1", "__tmp=web"]).unwrap();
        assert_eq!(
            lines[1..5],
            [
                "rule 1: action: replace, source_labels: [__address__], regex: (.*):.*, target_label: host",
                "  + host=\"a\"",
                "rule 2: action: keepequal, source_labels: [job], target_label: __tmp",
                "  changes nothing",
            ]
        );
        assert!(lines[5].contains("host=\"a\"") && lines[5].contains("__scheme__=\"http\""), "{}", lines[5]);
        let lines = relabel(false, &["__address__=a:1"]).unwrap();
        assert_eq!(lines[4..], ["  drops", "dropped"]);
        let lines = relabel(true, &["__name__=m", "id=7"]).unwrap();
        assert_eq!(lines[2..], ["  - id=\"7\"", "{__name__=\"m\"}"]);
        assert!(relabel(false, &["x"]).unwrap_err().to_string().contains("write NAME=VALUE"));
    }
}
