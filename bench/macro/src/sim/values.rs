//! How values move: six classes in the shares of a Kubernetes cluster, each with a fixed number of digits.

use super::mixed2;

/// Share of series whose value stands still, in hundredths.
pub const CONSTANT_PERCENT: u64 = 45;

/// How a value moves from scrape to scrape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Integers that grow by a random amount: packets, requests. 20 %.
    Counter,
    /// Two decimals that grow by less than a second per second: CPU time. 15 %.
    Cpu,
    /// Integers that wander: memory, queue lengths. 12 %.
    Walk,
    /// Integers that grow by the same amount: time stamps, uptime. 5 %.
    Monotonic,
    /// Sixteen random digits. 3 %.
    Random,
    /// Cumulative bucket `bucket` of a histogram; slots of one histogram share their id.
    Bucket {
        /// Counted from the lowest boundary; the count has the highest number.
        bucket: u8,
    },
    /// Sum of a histogram's observations, three decimals.
    Sum,
    /// Random hex digits: the trace of an exemplar.
    Trace,
}

/// Buckets of a simulated histogram, `+Inf` included: with sum and count 25 series.
pub const N_BUCKETS: u8 = 23;

impl Class {
    /// Returns the class of the moving series of a family: in 55 families 20, 15, 12, 5 and 3 of each, well mixed.
    pub fn of_family(family: u64) -> Self {
        match family * 34 % 55 {
            0..20 => Self::Counter,
            20..35 => Self::Cpu,
            35..47 => Self::Walk,
            47..52 => Self::Monotonic,
            _ => Self::Random,
        }
    }

    /// Returns whether a family of this class is typed as a counter.
    pub fn is_counter(self) -> bool {
        matches!(self, Self::Counter | Self::Cpu)
    }

    fn fraction_digits(self) -> u8 {
        match self {
            Self::Cpu => 2,
            Self::Sum => 3,
            Self::Random => 16,
            Self::Counter | Self::Walk | Self::Monotonic | Self::Bucket { .. } | Self::Trace => 0,
        }
    }
}

/// A moving value within a page.
#[derive(Clone, Copy, Debug)]
pub struct Moving {
    class: Class,
    /// What makes its randomness its own.
    id: u64,
    /// Digits, the point not counted.
    n_digits: u8,
    /// The value in units of its last digit.
    scaled: u64,
}

impl Moving {
    /// Returns the value `id` before the first scrape.
    pub fn new(class: Class, id: u64) -> Self {
        let dice = mixed2(id, 0);
        let n_digits = match class {
            Class::Counter | Class::Walk => 6 + (dice % 5) as u8,
            Class::Cpu => 7 + (dice % 3) as u8,
            Class::Monotonic => 10,
            Class::Random => 17,
            Class::Bucket { .. } => 8,
            Class::Sum => 11,
            Class::Trace => 16,
        };
        let low = 10_u64.pow(u32::from(n_digits) - 1);
        let scaled = match class {
            Class::Bucket { bucket } => low + u64::from(bucket) * 1_000,
            Class::Sum => low + dice % low,
            Class::Random | Class::Trace => 0,
            Class::Counter | Class::Cpu | Class::Walk | Class::Monotonic => low + dice % (low * 8),
        };
        let mut value = Self { class, id, n_digits, scaled };
        if matches!(class, Class::Random | Class::Trace) {
            value.step(0);
        }
        value
    }

    /// Moves to the value of scrape `round`, counted from 1.
    pub fn step(&mut self, round: u64) {
        let dice = mixed2(self.id, round);
        let low = 10_u64.pow(u32::from(self.n_digits) - 1);
        let high = low * 10;
        self.scaled = match self.class {
            Class::Counter => self.scaled + dice % (low / 1_000).max(2),
            Class::Cpu => self.scaled + dice % 1_500,
            Class::Monotonic => self.scaled + 1 + self.id % 50,
            Class::Walk => walked(self.scaled, dice, low, high),
            Class::Random => 1_000_000_000_000_000 + dice % 9_000_000_000_000_000,
            Class::Trace => dice,
            Class::Bucket { bucket } => {
                let Observed { n, lowest } = observed(dice);
                self.scaled + if u64::from(bucket) >= lowest { n } else { 0 }
            }
            Class::Sum => {
                let Observed { n, lowest } = observed(dice);
                self.scaled + n * lowest * 17
            }
        };
        let grows_on = matches!(self.class, Class::Random | Class::Trace);
        if !grows_on && self.scaled >= high {
            self.scaled = low;
        }
    }

    /// Returns the number of bytes [`Self::write`] writes.
    pub fn n_bytes(&self) -> usize {
        usize::from(self.n_digits) + usize::from(self.class.fraction_digits() > 0)
    }

    /// Writes the digits over `out`, which has [`Self::n_bytes`] bytes.
    pub fn write(&self, out: &mut [u8]) {
        if self.class == Class::Trace {
            return write_hex(out, self.scaled);
        }
        let fraction = usize::from(self.class.fraction_digits());
        if fraction == 0 {
            return write_digits(out, self.scaled);
        }
        let (whole, rest) = out.split_at_mut(out.len().saturating_sub(fraction + 1));
        let scale = 10_u64.pow(u32::from(self.class.fraction_digits()));
        write_digits(whole, self.scaled / scale);
        if let Some((point, digits)) = rest.split_first_mut() {
            *point = b'.';
            write_digits(digits, self.scaled % scale);
        }
    }
}

/// What a histogram saw between two scrapes: every series of it draws the same dice and so agrees.
struct Observed {
    n: u64,
    lowest: u64,
}

fn observed(dice: u64) -> Observed {
    Observed { n: dice % 20, lowest: (dice >> 8) % u64::from(N_BUCKETS) }
}

/// Steps up or down by at most a hundredth of the range, turning at its ends.
fn walked(from: u64, dice: u64, low: u64, high: u64) -> u64 {
    let by = (dice >> 1) % (low / 10).max(2);
    let is_up = dice & 1 == 1;
    match is_up {
        true if from + by < high => from + by,
        false if from >= low + by => from - by,
        true => from.saturating_sub(by).max(low),
        false => (from + by).min(high - 1),
    }
}

/// Writes a number right-aligned over `out`, with zeros before it.
pub fn write_digits(out: &mut [u8], mut number: u64) {
    for byte in out.iter_mut().rev() {
        *byte = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

fn write_hex(out: &mut [u8], mut number: u64) {
    for byte in out.iter_mut().rev() {
        let digit = (number & 15) as u8;
        *byte = if digit < 10 { b'0' + digit } else { b'a' + digit - 10 };
        number >>= 4;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &Moving) -> String {
        let mut out = vec![b' '; value.n_bytes()];
        value.write(&mut out);
        String::from_utf8(out).unwrap()
    }

    const CLASSES: [Class; 5] = [Class::Counter, Class::Cpu, Class::Walk, Class::Monotonic, Class::Random];

    #[test]
    fn values_keep_their_width_and_have_no_leading_zero() {
        for class in CLASSES {
            for id in 0..50 {
                let mut value = Moving::new(class, id);
                for round in 1..2_000 {
                    value.step(round);
                    let text = text(&value);
                    let number: f64 = text.parse().unwrap();
                    let has_zero = text.starts_with('0') && class != Class::Random;
                    assert!(number > 0.0 && !has_zero, "{class:?}: {text}");
                }
            }
        }
    }

    #[test]
    fn counters_rise_but_for_resets() {
        for class in [Class::Counter, Class::Cpu, Class::Monotonic] {
            let mut value = Moving::new(class, 7);
            let (mut before, mut n_resets) = (value.scaled, 0);
            for round in 1..6_000 {
                value.step(round);
                n_resets += i32::from(value.scaled < before);
                before = value.scaled;
            }
            assert!(n_resets <= 3, "{class:?} fell {n_resets} times");
        }
    }

    #[test]
    fn decimals_are_written_with_a_point() {
        let cpu = Moving { class: Class::Cpu, id: 0, n_digits: 6, scaled: 123_456 };
        assert_eq!(text(&cpu), "1234.56");
        let sum = Moving { class: Class::Sum, id: 0, n_digits: 11, scaled: 12_345_678_901 };
        assert_eq!(text(&sum), "12345678.901");
        let random = Moving { class: Class::Random, id: 0, n_digits: 17, scaled: 1_234_567_890_123_456 };
        assert_eq!(text(&random), "0.1234567890123456");
    }

    #[test]
    fn families_have_the_shares_of_a_cluster() {
        let count = |class| (0..55).filter(|family| Class::of_family(*family) == class).count();
        assert_eq!(CLASSES.map(count), [20, 15, 12, 5, 3]);
    }
}
