//! CPU times that do not run backwards.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::collector::CollectError;
use crate::parse;

/// Modes in the order of the columns; guest and guest_nice follow them.
pub(super) const MODES: [&str; 8] = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"];
const COLUMNS: usize = MODES.len() + 2;
const IDLE: usize = 3;

/// Idle time that falls by this much means that the CPU was unplugged and came back with fresh counters.
const HOTPLUG_SECONDS: f64 = 3.0;

/// Last known seconds of each CPU.
#[derive(Debug, Default)]
pub(super) struct Times {
    cpus: BTreeMap<u64, [f64; COLUMNS]>,
}

impl Times {
    /// Takes the per-CPU lines of `/proc/stat`.
    pub(super) fn update(&mut self, stat: &[u8]) -> Result<(), CollectError> {
        let mut seen = Vec::new();
        // The CPU lines come first; the long interrupt line behind them is not looked at.
        let lines = parse::lines(stat).take_while(|line| line.starts_with(b"cpu"));
        for line in lines.filter(|line| line.get(3).is_some_and(u8::is_ascii_digit)) {
            let (cpu, fresh) = parse_line(line).ok_or_else(|| CollectError::parse("stat", line))?;
            seen.push(cpu);
            match self.cpus.entry(cpu) {
                Entry::Vacant(entry) => {
                    entry.insert(fresh);
                }
                Entry::Occupied(mut entry) => merge(entry.get_mut(), &fresh),
            }
        }
        if seen.len() < self.cpus.len() {
            self.cpus.retain(|cpu, _| seen.contains(cpu));
        }
        Ok(())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&u64, &[f64; COLUMNS])> {
        self.cpus.iter()
    }
}

fn merge(known: &mut [f64; COLUMNS], fresh: &[f64; COLUMNS]) {
    if known[IDLE] - fresh[IDLE] >= HOTPLUG_SECONDS {
        *known = *fresh;
        return;
    }
    for (known, fresh) in known.iter_mut().zip(fresh) {
        *known = known.max(*fresh);
    }
}

/// Old kernels have fewer columns; those are zero.
fn parse_line(line: &[u8]) -> Option<(u64, [f64; COLUMNS])> {
    let mut words = parse::words(line);
    let cpu = parse::u64(words.next()?.strip_prefix(b"cpu")?)?;
    let mut seconds = [0.0; COLUMNS];
    for (slot, word) in seconds.iter_mut().zip(words) {
        *slot = parse::number(word)? / 100.0;
    }
    Some((cpu, seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(times: &mut Times, lines: &str) -> Vec<(u64, f64, f64)> {
        times.update(lines.as_bytes()).unwrap();
        times.iter().map(|(cpu, seconds)| (*cpu, seconds[0], seconds[IDLE])).collect()
    }

    #[test]
    fn times_do_not_fall_unless_the_cpu_was_replaced() {
        let mut times = Times::default();
        let first = "cpu  1 2 3 4\ncpu0 1000 0 0 50000 0 0 0 0 0 0\ncpu1 7 0 0 100\nintr 5";
        assert_eq!(update(&mut times, first), [(0, 10.0, 500.0), (1, 0.07, 1.0)]);
        let jitter = "cpu0 1100 0 0 49999\ncpu1 7 0 0 100\n";
        assert_eq!(update(&mut times, jitter), [(0, 11.0, 500.0), (1, 0.07, 1.0)]);
        let replugged = "cpu0 1 0 0 10\n";
        assert_eq!(update(&mut times, replugged), [(0, 0.01, 0.1)]);
    }

    #[test]
    fn a_damaged_line_is_an_error() {
        for line in ["cpu0 x", "cpu0x 1", "cpu0 1 2 -"] {
            assert!(Times::default().update(line.as_bytes()).is_err(), "{line}");
        }
    }
}
