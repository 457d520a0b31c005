//! From the bytes of a page to a batch, and numbers as Go writes them.

use std::fmt::Write;
use std::hint::black_box;

use anyhow::{Result, ensure};
use wf_model::float::parse_go;
use wf_scrape::bench::RepeatScrape;

use crate::path::{Path, Work, mixed};

pub(crate) const PATHS: &[Path] = &[
    Path { name: "scrape/repeat", unit: "sample", n_rounds: 8, prepare: || scrape_again(&pages()?) },
    Path { name: "scrape/line-lost", unit: "sample", n_rounds: 8, prepare: || scrape_again(&lossy_pages()?) },
    Path { name: "scrape/first", unit: "sample", n_rounds: 4, prepare: scrape_first },
    Path { name: "float/integer", unit: "number", n_rounds: 8, prepare: || parse_floats(|n| n.to_string()) },
    Path { name: "float/decimal", unit: "number", n_rounds: 8, prepare: || parse_floats(decimal) },
    Path { name: "float/exponent", unit: "number", n_rounds: 8, prepare: || parse_floats(exponent) },
];

const N_NUMBERS: usize = 256;

/// A page like a host exporter's: many CPUs whose counters move, disks, gauges of which most stand still.
fn page(round: u64) -> Result<String> {
    let mut page = String::new();
    writeln!(page, "# HELP node_cpu_seconds_total Seconds the CPUs spent in each mode.")?;
    writeln!(page, "# TYPE node_cpu_seconds_total counter")?;
    for cpu in 0..32_u64 {
        for (idx, mode) in
            (0_u64..).zip(["idle", "iowait", "irq", "nice", "softirq", "steal", "system", "user"])
        {
            let moved = if idx % 3 == 0 { round as f64 * 0.25 } else { 0.0 };
            let value = (cpu * 1_000 + idx * 77) as f64 * 3.17 + moved;
            writeln!(page, "node_cpu_seconds_total{{cpu=\"{cpu}\",mode=\"{mode}\"}} {value:.2}")?;
        }
    }
    for metric in ["read_bytes_total", "reads_completed_total", "written_bytes_total"] {
        writeln!(page, "# HELP node_disk_{metric} What the disk did.\n# TYPE node_disk_{metric} counter")?;
        for disk in 0..20_u64 {
            let value = wf_model::float::format_g((disk * 123_456_789 + round * 4_096) as f64);
            writeln!(page, "node_disk_{metric}{{device=\"sd{disk}\"}} {value}")?;
        }
    }
    for idx in 0..180_u64 {
        let value = wf_model::float::format_g((idx * 7_919 * 4_096 + round % 3) as f64);
        writeln!(
            page,
            "# HELP node_memory_Part{idx}_bytes Memory.\n# TYPE node_memory_Part{idx}_bytes gauge"
        )?;
        writeln!(page, "node_memory_Part{idx}_bytes {value}")?;
    }
    Ok(page)
}

fn pages() -> Result<Vec<String>> {
    (0..4).map(page).collect()
}

/// Each page lacks another hundredth of its lines: the order that slots remember is broken there.
fn lossy_pages() -> Result<Vec<String>> {
    let without = |(page, phase): (String, usize)| {
        let kept = page.lines().enumerate().filter(|(idx, line)| line.starts_with('#') || idx % 100 != phase);
        kept.fold(String::new(), |all, (_, line)| all + line + "\n")
    };
    Ok(pages()?.into_iter().zip(0..).map(without).collect())
}

fn scrape_again(pages: &[String]) -> Result<Work> {
    let pages = pages.to_vec();
    let mut target = RepeatScrape::default();
    let n_samples = pages.first().map_or(0, |page| target.scrape(page.as_bytes()));
    ensure!(n_samples > 0, "the page is broken");
    let mut round = 0_usize;
    Ok(Work::new(n_samples, move || {
        round += 1;
        if let Some(page) = pages.get(round % pages.len()) {
            black_box(target.scrape(black_box(page.as_bytes())));
        }
        Ok(())
    }))
}

fn scrape_first() -> Result<Work> {
    let page = page(0)?;
    let n_samples = RepeatScrape::default().scrape(page.as_bytes());
    ensure!(n_samples > 0, "the page is broken");
    Ok(Work::new(n_samples, move || {
        black_box(RepeatScrape::default().scrape(black_box(page.as_bytes())));
        Ok(())
    }))
}

fn decimal(n: u64) -> String {
    format!("{}.{:02}", n % 1_000_000, n % 97)
}

fn exponent(n: u64) -> String {
    format!("{}.{:09}e+{:02}", n % 9 + 1, n % 1_000_000_000, n % 12)
}

fn parse_floats(spell: fn(u64) -> String) -> Result<Work> {
    let texts: Vec<String> = (0..N_NUMBERS as u64).map(|idx| spell(mixed(idx) >> 40)).collect();
    Ok(Work::new(N_NUMBERS, move || {
        for text in &texts {
            black_box(parse_go(black_box(text.as_bytes()))?);
        }
        Ok(())
    }))
}
