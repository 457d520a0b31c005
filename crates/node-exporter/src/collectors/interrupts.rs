//! `interrupts`: every line of every CPU.

use wf_exposition::MetricFamily;

use crate::collector::{CollectError, Collector, counter};
use crate::config::{Config, FlagError};
use crate::context::Context;
use crate::filter::Filter;
use crate::parse;

/// The collector.
#[derive(Debug)]
pub struct Interrupts {
    names: Filter,
    has_zeros: bool,
}

impl Interrupts {
    /// Takes its options.
    /// # Errors
    /// When a pattern is not a regular expression.
    pub fn new(config: &Config) -> Result<Self, FlagError> {
        let names = Filter::of("--collector.interrupts.name", &config.interrupts)?;
        Ok(Self { names, has_zeros: config.interrupts_zeros })
    }
}

impl Collector for Interrupts {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let text = ctx.proc("interrupts")?;
        if text.is_empty() {
            return Err(CollectError::parse("interrupts", text));
        }
        let mut lines = parse::lines(text);
        let cpus: Vec<_> = parse::words(lines.next().unwrap_or_default())
            .map(|word| parse::text(word.strip_prefix(b"CPU").unwrap_or(word)))
            .collect();
        let mut family = counter("node_interrupts_total", "Interrupts.");
        for line in lines {
            let words: Vec<_> = parse::words(line).collect();
            // Rows such as ERR are about the whole host: one number, and no words that say what it counts.
            if words.len() < cpus.len() + 2 {
                continue;
            }
            let (Some(kind), Some(counts)) = (words.first(), words.get(1..=cpus.len())) else { continue };
            let Some(kind) = kind.strip_suffix(b":").map(parse::text) else { continue };
            let rest = words.get(cpus.len() + 1..).unwrap_or_default();
            let is_numeric = kind.bytes().all(|byte| byte.is_ascii_digit());
            let (info, devices) = if is_numeric { rest.split_at(rest.len().min(1)) } else { (rest, &[][..]) };
            let (info, devices) = (parse::text(&info.join(&b' ')), parse::text(&devices.join(&b' ')));
            if !self.names.is_wanted(format!("{kind};{info};{devices}").as_bytes()) {
                continue;
            }
            for (cpu, count) in cpus.iter().zip(counts) {
                let Some(count) = parse::number(count) else {
                    return Err(CollectError::parse("interrupts", line));
                };
                if self.has_zeros || count != 0.0 {
                    family.push(
                        &[("cpu", cpu), ("devices", &devices), ("info", &info), ("type", &kind)],
                        count,
                    );
                }
            }
        }
        out.push(family);
        Ok(())
    }
}
