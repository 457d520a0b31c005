//! How fast a page that is known already becomes a batch, beside copying it: no network, no storage.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use wf_scrape::bench::RepeatScrape;

use crate::sim::page::Page;
use crate::sim::{Profile, Spec};

/// Pages that follow each other: values move as they do on a host.
const N_PAGES: u64 = 8;

/// For so long each of both is done.
const MEASURED: Duration = Duration::from_secs(2);

/// What was found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parsed {
    scrape_bytes_per_s: f64,
    copy_bytes_per_s: f64,
    ns_per_sample: f64,
}

/// Scrapes the pages of a host again and again, and copies them again and again.
pub(super) fn measure(spec: &Spec) -> Result<Parsed> {
    let mut page = Page::new(spec, Profile::Node, 0);
    let mut pages = Vec::new();
    for round in 1..=N_PAGES {
        page.step(round);
        pages.push(page.bytes().to_vec());
    }
    let mut target = RepeatScrape::default();
    let n_samples = pages.iter().map(|page| target.scrape(page)).min().unwrap_or(0);
    ensure!(n_samples as u64 == page.n_samples(), "{n_samples} of {} samples were read", page.n_samples());
    let (scraped, scraped_s) = repeat(&pages, |page| {
        black_box(target.scrape(black_box(page)));
    });
    let mut buffer = vec![0; pages.iter().map(Vec::len).max().unwrap_or(0)];
    let (copied, copied_s) = repeat(&pages, |page| {
        if let Some(buffer) = buffer.get_mut(..page.len()) {
            buffer.copy_from_slice(black_box(page));
        }
        black_box(&mut buffer);
    });
    let bytes: usize = pages.iter().map(Vec::len).sum();
    let n_rounds = scraped / bytes as f64;
    Ok(Parsed {
        scrape_bytes_per_s: scraped / scraped_s,
        copy_bytes_per_s: copied / copied_s,
        ns_per_sample: scraped_s * 1e9 / (n_rounds * (N_PAGES * page.n_samples()) as f64),
    })
}

/// Does `work` on page after page; returns the bytes of all of them and the time they took, seconds.
fn repeat(pages: &[Vec<u8>], mut work: impl FnMut(&[u8])) -> (f64, f64) {
    let (started, mut bytes) = (Instant::now(), 0.0);
    while started.elapsed() < MEASURED {
        for page in pages {
            work(page);
            bytes += page.len() as f64;
        }
    }
    (bytes, started.elapsed().as_secs_f64())
}

impl Parsed {
    pub(super) fn rows(self) -> Vec<(String, String)> {
        let Self { scrape_bytes_per_s, copy_bytes_per_s, ns_per_sample } = self;
        let rate = |bytes_per_s: f64| format!("{:.2} GB/s", bytes_per_s / 1e9);
        let scrape = format!("{}, {ns_per_sample:.0} ns per sample", rate(scrape_bytes_per_s));
        let ratio = copy_bytes_per_s / scrape_bytes_per_s;
        vec![
            ("repeat scrape of a host's page, from text to batch".to_owned(), scrape),
            (
                "memcpy of the same pages".to_owned(),
                format!("{}, {ratio:.1} × as fast", rate(copy_bytes_per_s)),
            ),
        ]
    }

    pub(super) fn json(self) -> Value {
        json!({
            "scrape_bytes_per_s": self.scrape_bytes_per_s,
            "copy_bytes_per_s": self.copy_bytes_per_s,
            "ns_per_sample": self.ns_per_sample,
        })
    }
}
