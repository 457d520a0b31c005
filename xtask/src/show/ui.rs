//! Issue 10: the web UI. The journeys run in the suite's browser test; the measurements are a script of their own.

use std::fs;
use std::path::Path;

use anyhow::Result;

use super::clone::{Clone, Logs};
use super::{Line, Verdict};

/// What each page is called in the pictures.
const PAGES: [&str; 18] = [
    "host",
    "containers",
    "query",
    "explain",
    "explore",
    "alerts",
    "rules",
    "targets",
    "service-discovery",
    "tsdb-status",
    "status",
    "config",
    "am-alerts",
    "am-why",
    "am-receivers",
    "am-silences",
    "am-silence-form",
    "am-status",
];

pub(super) fn show() -> Result<Vec<Line>> {
    let clone = Clone::fresh()?;
    let suite = clone.suite()?;
    let logs = clone.logs()?;
    Ok(vec![
        journeys(
            &logs,
            "Playwright drives the real binary through every page: content, keyboard, axe-core, 360 px to 2560 px",
            &[
                "the host page is accessible in dark",
                "containers show what they use of what they may, by pod, and one in detail",
                "where no container runs, the page says what was looked for",
                "keys that come faster than the page draws are all there",
                "a query is formatted, doubted with a mend, explained",
                "a metric is found by its help text",
                "a firing alert is found, with its graph",
                "rules show health, cost and error",
                "targets show their pool, health and last scrape",
                "a target's relabeling is shown step by step",
                "the storage page names what is large",
                "status, flags and configuration are there to read",
                "an alert is silenced, the silence edited, expired and made again",
                "why somebody was told of an alert, or was not, is read, and a receiver is tested",
                "links made for the original open, and every page fits a phone",
                "every page fits 360 px",
                "every page fits 2560 px",
            ],
        ),
        pictures(&clone.folder.join("target/screenshots")),
        first_view(&logs),
        measured(&clone)?,
        journeys(
            &logs,
            "nothing from another origin, a strict policy, no injection; a sub-path behind nginx, stripped or kept",
            &[
                "the server sends a strict policy with every page",
                "label values, help texts and annotations are text, never markup",
                "the UI works behind nginx with the prefix stripped",
                "the UI works behind nginx with the prefix kept",
            ],
        ),
        suite,
    ])
}

/// Judges a line by what Playwright said of some journeys.
fn journeys(logs: &Logs, what: &'static str, titles: &[&str]) -> Line {
    let missing: Vec<String> = titles
        .iter()
        .filter(|title| !logs.has_line(|line| line.contains('✓') && line.contains(*title)))
        .map(|title| format!("not passed: {title}"))
        .collect();
    let is_whole = missing.is_empty();
    let figures = if is_whole { vec![format!("journeys of this line: {}", titles.len())] } else { missing };
    Line::new(what, is_whole, figures)
}

/// Every page was photographed in both themes and both languages; people look at them.
fn pictures(folder: &Path) -> Line {
    let names: Vec<String> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    let has = |page: &str, theme: &str, language: &str| {
        let start = format!("{page}-{theme}-{language}");
        names.iter().any(|name| name.starts_with(&start))
    };
    let missing: Vec<String> = PAGES
        .iter()
        .filter(|page| !(has(page, "light", "en") && has(page, "dark", "ko")))
        .map(|page| format!("no picture of {page}"))
        .collect();
    let is_whole = missing.is_empty();
    let figures = if is_whole { vec![format!("pictures: {}", names.len())] } else { missing };
    Line::new("screenshots of every page in both themes and languages", is_whole, figures)
}

fn first_view(logs: &Logs) -> Line {
    let what = "first view at most 200 kB gzip without the editor chunk";
    // The test runner colours its output: the words may stand behind escapes.
    let text = logs.find_line(|line| line.contains("first view: ") && line.contains(" bytes gzip"));
    let bytes: Option<u64> =
        text.and_then(|text| text.split("first view: ").nth(1)?.split(' ').next()?.parse().ok());
    let figure = bytes.map_or_else(|| "not measured".to_owned(), |bytes| format!("bytes: {bytes}"));
    Line::new(what, bytes.is_some_and(|bytes| bytes <= 200_000), vec![figure])
}

/// Runs the measurements against the clone's own binary.
fn measured(clone: &Clone) -> Result<Line> {
    let what = "measured: first chart, 30 charts interactive, typing with 20k names, 10k-series table, memory after an hour";
    if !Path::new("/usr/bin/chromium").exists() {
        return Ok(Line { what, verdict: Verdict::Skipped, figures: vec!["no chromium here".to_owned()] });
    }
    let (succeeded, text) = clone.output("npm", &["--prefix", "ui", "run", "--silent", "measure"])?;
    let figures: Vec<String> =
        text.lines().filter_map(|line| line.split("FIGURE: ui: ").nth(1)).map(str::to_owned).collect();
    Ok(Line::new(what, succeeded && figures.len() >= 5, figures))
}
