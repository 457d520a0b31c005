//! What is simulated, as one line of text: `node=3,app=10;seed=7;churn=0.02/20;clock=1700000000000/15000;rounds=240;gzip`.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Result, bail, ensure};

use super::{Profile, mixed2};

/// Targets and how they behave.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// How many targets of which kind, in the order in which targets are numbered.
    pub targets: Vec<(Profile, u64)>,
    /// Everything random follows from it.
    pub seed: u64,
    /// How pods are replaced, if at all.
    pub churn: Option<Churn>,
    /// Where timestamps come from.
    pub clock: Clock,
    /// Scrapes after which a page stands still (its samples are then duplicates, if its clock is simulated).
    pub rounds: Option<u64>,
    /// Whether pages are compressed for those who accept it. Costs the simulator CPU.
    pub gzip: bool,
}

/// Every `period` scrapes, `fraction` of a target's pods get new names: series end and others begin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Churn {
    /// Of pods, 0 to 1. Hosts, API servers and apps have none and do not churn.
    pub fraction: f64,
    /// Scrapes between two replacements.
    pub period: u64,
}

impl Churn {
    /// Returns how often pod `pod` was replaced up to `epoch`, counted in periods.
    pub(crate) fn generation(self, seed: u64, pod: u64, epoch: u64) -> u64 {
        let is_replaced = |epoch: &u64| {
            let dice = mixed2(mixed2(seed, pod), *epoch) % 1_000_000;
            (dice as f64) < self.fraction * 1e6
        };
        (1..=epoch).filter(is_replaced).count() as u64
    }
}

impl FromStr for Churn {
    type Err = anyhow::Error;

    /// Reads `FRACTION/PERIOD`.
    fn from_str(text: &str) -> Result<Self> {
        let (fraction, period) = text.split_once('/').context("FRACTION/PERIOD is needed")?;
        let churn = Self { fraction: fraction.parse()?, period: period.parse()? };
        ensure!((0.0..=1.0).contains(&churn.fraction) && churn.period > 0, "0 to 1, and at least 1");
        Ok(churn)
    }
}

/// Where the time of samples comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// Pages carry no timestamps: a sample's time is that of its scrape.
    Wall,
    /// Scrape `n`, counted from 0, carries `start_ms + n * step_ms`, however fast scrapes follow each other.
    Simulated {
        /// Since the epoch.
        start_ms: u64,
        /// Simulated time between two scrapes.
        step_ms: u64,
    },
}

impl Spec {
    /// Returns a cluster of about `n_series` series: 45 % of containers, 15 % of hosts, 12 % of cluster state, 10 % of API
    /// servers, each rounded down to whole targets, and apps for the rest.
    pub fn cluster(n_series: u64) -> Self {
        let shares =
            [(Profile::Cadvisor, 45), (Profile::Ksm, 12), (Profile::Apiserver, 10), (Profile::Node, 15)];
        let mut targets: Vec<(Profile, u64)> = shares
            .map(|(profile, percent)| (profile, n_series * percent / 100 / profile.n_series()))
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .collect();
        let covered: u64 = targets.iter().map(|(profile, count)| profile.n_series() * count).sum();
        targets.push((Profile::App, (n_series - covered) / Profile::App.n_series()));
        Self { targets, seed: 1, churn: None, clock: Clock::Wall, rounds: None, gzip: false }
    }

    /// Returns the profile of each target; a target's number is its place.
    pub fn profiles(&self) -> Vec<Profile> {
        self.targets.iter().flat_map(|(profile, count)| (0..*count).map(|_| *profile)).collect()
    }

    /// Returns the number of series all targets expose at a time.
    pub fn n_series(&self) -> u64 {
        self.targets.iter().map(|(profile, count)| profile.n_series() * count).sum()
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let targets: Vec<String> =
            self.targets.iter().map(|(profile, count)| format!("{}={count}", profile.name())).collect();
        write!(out, "{};seed={}", targets.join(","), self.seed)?;
        if let Some(Churn { fraction, period }) = self.churn {
            write!(out, ";churn={fraction}/{period}")?;
        }
        if let Clock::Simulated { start_ms, step_ms } = self.clock {
            write!(out, ";clock={start_ms}/{step_ms}")?;
        }
        if let Some(rounds) = self.rounds {
            write!(out, ";rounds={rounds}")?;
        }
        out.write_str(if self.gzip { ";gzip" } else { "" })
    }
}

impl FromStr for Spec {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut parts = text.split(';');
        let targets =
            parts.next().unwrap_or_default().split(',').map(parse_targets).collect::<Result<_>>()?;
        let mut spec = Self { targets, seed: 1, churn: None, clock: Clock::Wall, rounds: None, gzip: false };
        for part in parts {
            spec.set(part).with_context(|| format!("read `{part}` of the targets' description"))?;
        }
        Ok(spec)
    }
}

impl Spec {
    fn set(&mut self, part: &str) -> Result<()> {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        match key {
            "seed" => self.seed = value.parse()?,
            "churn" => self.churn = Some(value.parse()?),
            "clock" => {
                let (start_ms, step_ms) = value.split_once('/').context("START/STEP is needed")?;
                self.clock = Clock::Simulated { start_ms: start_ms.parse()?, step_ms: step_ms.parse()? };
            }
            "rounds" => self.rounds = Some(value.parse()?),
            "gzip" => self.gzip = true,
            _ => bail!("seed, churn, clock, rounds and gzip are known"),
        }
        Ok(())
    }
}

fn parse_targets(text: &str) -> Result<(Profile, u64)> {
    let (name, count) = text.split_once('=').with_context(|| format!("`{text}`: PROFILE=COUNT is needed"))?;
    let profile = Profile::ALL.into_iter().find(|profile| profile.name() == name);
    Ok((profile.with_context(|| format!("no profile {name}"))?, count.parse().context("count of targets")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_reads_as_it_prints() {
        for text in ["app=1;seed=1", "node=3,app=10;seed=7;churn=0.02/20;clock=17/15;rounds=240;gzip"] {
            assert_eq!(text.parse::<Spec>().unwrap().to_string(), text);
        }
        for broken in ["", "app", "lamp=1", "app=1;churn=2/3", "app=1;churn=0.5/0", "app=1;speed=2"] {
            assert!(broken.parse::<Spec>().is_err(), "{broken}");
        }
    }

    #[test]
    fn a_cluster_has_the_series_asked_for() {
        for n_series in [20_000, 200_000, 1_000_000] {
            let off = n_series - Spec::cluster(n_series).n_series();
            assert!(off < Profile::App.n_series(), "{n_series}: {off} are missing");
        }
        assert_eq!(Spec::cluster(1_000_000).targets.len(), 5);
    }

    #[test]
    fn churn_replaces_the_fraction_and_never_goes_back() {
        let churn = Churn { fraction: 0.25, period: 1 };
        let at = |epoch| (0..4_000).map(|pod| churn.generation(9, pod, epoch)).collect::<Vec<_>>();
        let (first, second) = (at(1), at(2));
        assert!((900..1_100).contains(&first.iter().sum::<u64>()));
        assert!(first.iter().zip(&second).all(|(a, b)| b - a <= 1));
        assert_eq!(at(0).iter().sum::<u64>(), 0);
    }
}
