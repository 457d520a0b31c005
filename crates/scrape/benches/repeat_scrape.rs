//! What a sample costs: on a repeated page (budget: 200 ns with everything, of which parsing may take about 80), with
//! one line in a hundred lost, and met for the first time.

#![expect(clippy::unwrap_used, reason = "writing to a string cannot fail")]

use std::fmt::Write;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use wf_scrape::bench::RepeatScrape;

/// A page like a host exporter's on a machine with 64 CPUs and 20 disks; counters move with `round`.
fn node_page(round: u64) -> String {
    let mut page = String::new();
    let mut family = |name: &str, kind: &str, lines: &mut dyn FnMut(&mut String)| {
        writeln!(page, "# HELP {name} What the kernel says about {name}.\n# TYPE {name} {kind}").unwrap();
        lines(&mut page);
    };
    family("node_cpu_seconds_total", "counter", &mut |page| {
        for cpu in 0..64_u64 {
            for (idx, mode) in
                (0_u64..).zip(["idle", "iowait", "irq", "nice", "softirq", "steal", "system", "user"])
            {
                let value = (cpu * 1_000 + idx * 77) as f64 * 3.17
                    + if idx % 3 == 0 { round as f64 * 0.25 } else { 0.0 };
                writeln!(page, "node_cpu_seconds_total{{cpu=\"{cpu}\",mode=\"{mode}\"}} {value:.2}").unwrap();
            }
        }
    });
    for metric in
        ["read_bytes_total", "reads_completed_total", "read_time_seconds_total", "written_bytes_total"]
    {
        let name = format!("node_disk_{metric}");
        family(&name, "counter", &mut |page| {
            for disk in 0..20_u64 {
                let value = disk * 123_456_789 + round * 4_096;
                writeln!(page, "{name}{{device=\"sd{disk}\"}} {}", wf_model::float::format_g(value as f64))
                    .unwrap();
            }
        });
    }
    for idx in 0..300_u64 {
        let name = format!("node_memory_Part{idx}_bytes");
        family(&name, "gauge", &mut |page| {
            writeln!(page, "{name} {}", wf_model::float::format_g((idx * 7_919 * 4_096 + round % 3) as f64))
                .unwrap();
        });
    }
    page
}

fn without_each_hundredth(page: &str, phase: usize) -> String {
    let kept = page.lines().enumerate().filter(|(idx, line)| line.starts_with('#') || idx % 100 != phase);
    kept.fold(String::new(), |all, (_, line)| all + line + "\n")
}

fn benches(criterion: &mut Criterion) {
    let pages: Vec<String> = (0..4).map(node_page).collect();
    let n_samples = RepeatScrape::default().scrape(pages[0].as_bytes());
    let mut group = criterion.benchmark_group("scrape");
    group.throughput(Throughput::Elements(n_samples as u64));
    let mut cycle = |name: &str, pages: &[String]| {
        let mut target = RepeatScrape::default();
        let mut round = 0;
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                round += 1;
                black_box(target.scrape(pages[round % pages.len()].as_bytes()))
            });
        });
    };
    cycle("repeat", &pages);
    let lossy: Vec<String> =
        pages.iter().zip(0..).map(|(page, phase)| without_each_hundredth(page, phase)).collect();
    cycle("one_percent_lost", &lossy);
    group.bench_function("first", |bencher| {
        bencher.iter(|| black_box(RepeatScrape::default().scrape(pages[0].as_bytes())));
    });
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
