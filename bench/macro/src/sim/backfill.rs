//! Hours of samples at once, for tools that make blocks from a file and for servers that import.

use std::io::{self, Write};

use super::Spec;
use super::page::{Dialect, Page};

/// Writes what targets of `spec` expose in `n_rounds` scrapes, round by round, every sample with its labels as scraped and
/// its time. Ends with `# EOF` where the dialect counts seconds, as OpenMetrics wants it. Returns the number of samples.
/// # Errors
/// When `out` refuses.
pub fn write(spec: &Spec, n_rounds: u64, dialect: Dialect, out: &mut impl Write) -> io::Result<u64> {
    let mut pages: Vec<Page> = (0..)
        .zip(spec.profiles())
        .map(|(number, profile)| Page::in_dialect(spec, profile, number, dialect))
        .collect();
    let mut n_samples = 0;
    for round in 1..=n_rounds {
        for page in &mut pages {
            page.step(round);
            out.write_all(page.bytes())?;
            n_samples += page.n_samples();
        }
    }
    if dialect == Dialect::SamplesInSeconds {
        out.write_all(b"# EOF\n")?;
    }
    Ok(n_samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_a_sample_with_its_targets_labels_and_time() {
        let spec: Spec = "app=2;clock=1700000000000/15000".parse().unwrap();
        let mut out = Vec::new();
        assert_eq!(write(&spec, 2, Dialect::SamplesInSeconds, &mut out).unwrap(), 800);
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((lines.len(), lines[800]), (801, "# EOF"));
        assert!(lines[200].contains("instance=\"app-1:9100\",job=\"app\"} "), "{}", lines[200]);
        assert!(lines[0].ends_with(" 1700000000.000") && lines[799].ends_with(" 1700000015.000"));
    }
}
