//! The shortest decimal digits of a float, laid out as Go does; whole numbers and those with few decimals take a shorter way.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    reason = "digits of numbers whose range was checked before"
)]

/// Longest text that [`Text`] holds: a sample of the HTTP API. A number takes at most 40: a sign, 21 digits, or a point and
/// five zeros before 17 digits, and room.
const TEXT_BYTES_MAX: usize = 80;

/// Whole numbers up to here are exact, and their digits the shortest.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// Numbers below this with at most three decimals have at most 15 digits, and no other number has the same.
const THOUSANDTHS_MAX: f64 = 1e12;

/// A short text, made of numbers without a detour over the heap.
#[derive(Clone, Copy, Debug)]
pub struct Text {
    bytes: [u8; TEXT_BYTES_MAX],
    len: usize,
}

impl Default for Text {
    fn default() -> Self {
        Self { bytes: [0; TEXT_BYTES_MAX], len: 0 }
    }
}

impl Text {
    /// Returns what was appended: ASCII, unless somebody appended anything else.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// Appends text; what does not fit is left out.
    #[inline]
    pub fn push(&mut self, bytes: &[u8]) {
        if let Some(room) = self.bytes.get_mut(self.len..self.len + bytes.len()) {
            room.copy_from_slice(bytes);
            self.len += bytes.len();
        }
    }

    fn push_zeros(&mut self, n: usize) {
        (0..n).for_each(|_| self.push(b"0"));
    }

    /// Appends the decimal digits of a whole number.
    #[inline]
    fn push_whole(&mut self, number: u64) {
        self.push_digits(number, n_digits(number));
    }

    /// Appends the last `n` decimal digits of a number, zeros in front included.
    #[inline]
    fn push_digits(&mut self, number: u64, n: usize) {
        let Some(room) = self.bytes.get_mut(self.len..self.len + n) else { return };
        let mut rest = number;
        let mut pairs = room.rchunks_exact_mut(2);
        for pair in &mut pairs {
            pair.copy_from_slice(&PAIRS.get((rest % 100) as usize).copied().unwrap_or_default());
            rest /= 100;
        }
        if let [first] = pairs.into_remainder() {
            *first = b'0' + (rest % 10) as u8;
        }
        self.len += n;
    }

    /// Appends a time as the HTTP API has it, in seconds: no fraction when whole, else exactly three decimals.
    #[inline]
    pub fn push_seconds(&mut self, time_ms: i64) {
        if time_ms < 0 {
            self.push(b"-");
        }
        self.push_whole(time_ms.unsigned_abs() / 1000);
        let rest_ms = time_ms.unsigned_abs() % 1000;
        if rest_ms > 0 {
            self.push(b".");
            self.push_digits(rest_ms, 3);
        }
    }

    /// Appends a finite number in plain form where its decimal exponent is in `plain`, else with an exponent.
    #[inline]
    pub(super) fn push_shortest(&mut self, value: f64, plain: std::ops::Range<i32>) {
        if value.is_sign_negative() {
            self.push(b"-");
        }
        let size = value.abs();
        if !self.push_if_whole(size, &plain) && !self.push_if_thousandths(size, &plain) {
            self.push_any(size, plain);
        }
    }

    #[inline]
    fn push_if_whole(&mut self, size: f64, plain: &std::ops::Range<i32>) -> bool {
        if size >= WHOLE_MAX {
            return false;
        }
        let whole = size as u64;
        let n_digits = n_digits(whole);
        // Zero has the exponent zero.
        if whole as f64 != size || !contains(plain, n_digits) {
            return false;
        }
        self.push_digits(whole, n_digits);
        true
    }

    /// Most numbers that are not whole have few decimals: they came as such a text.
    #[inline]
    fn push_if_thousandths(&mut self, size: f64, plain: &std::ops::Range<i32>) -> bool {
        // Below one the first digit may stand three places behind the point.
        if !(0.001..THOUSANDTHS_MAX).contains(&size) || (size < 1.0 && !plain.contains(&-3)) {
            return false;
        }
        let thousandths = (size * 1000.0 + 0.5) as u64;
        let (whole, rest) = (thousandths / 1000, thousandths % 1000);
        let n_digits = n_digits(whole);
        // The division is exact to the last bit, so this is the one number that the digits read back to.
        if thousandths as f64 / 1000.0 != size || !contains(plain, n_digits) {
            return false;
        }
        self.push_digits(whole, n_digits);
        self.push(b".");
        match (rest % 10, rest % 100) {
            (_, 0) => self.push_digits(rest / 100, 1),
            (0, _) => self.push_digits(rest / 10, 2),
            _ => self.push_digits(rest, 3),
        }
        true
    }

    fn push_any(&mut self, size: f64, plain: std::ops::Range<i32>) {
        let mut buffer = zmij::Buffer::new();
        let written = buffer.format_finite(size).as_bytes();
        if is_laid_out(written, size, &plain) {
            return self.push(written);
        }
        let digits = Digits::of(written);
        let (digits, exponent) = (digits.text.get(..digits.len).unwrap_or_default(), digits.exponent);
        if !plain.contains(&exponent) {
            push_fraction(self, digits, 1);
            self.push(if exponent < 0 { b"e-" } else { b"e+" });
            if exponent.unsigned_abs() < 10 {
                self.push(b"0");
            }
            self.push_whole(u64::from(exponent.unsigned_abs()));
            return;
        }
        match usize::try_from(exponent) {
            Ok(n_behind_first) => push_fraction(self, digits, n_behind_first + 1),
            Err(_) => {
                self.push(b"0.");
                self.push_zeros(usize::try_from(-exponent - 1).unwrap_or(0));
                self.push(digits);
            }
        }
    }
}

/// Whether what the formatter wrote is the plain form already.
fn is_laid_out(written: &[u8], size: f64, plain: &std::ops::Range<i32>) -> bool {
    let below = match plain.end {
        15.. => 1e15,
        6.. => 1e6,
        _ => 0.0,
    };
    plain.start <= -4
        && (1e-4..below).contains(&size)
        && !written.contains(&b'e')
        && !written.ends_with(b".0")
}

#[inline]
fn n_digits(number: u64) -> usize {
    number.checked_ilog10().unwrap_or(0) as usize + 1
}

/// Whether a number with so many digits before its point has a plain form.
#[inline]
fn contains(plain: &std::ops::Range<i32>, n_digits: usize) -> bool {
    plain.start <= 0 && i64::from(plain.end) >= n_digits as i64
}

/// `00` to `99`: half as many divisions as digits.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[b'0'; 2]; 100];
    let mut number = 0_u8;
    while number < 100 {
        pairs[number as usize] = [b'0' + number / 10, b'0' + number % 10];
        number += 1;
    }
    pairs
};

/// Appends digits with a point behind the first `n_before_point`, or zeros up to there.
fn push_fraction(text: &mut Text, digits: &[u8], n_before_point: usize) {
    match digits.split_at_checked(n_before_point) {
        Some((whole, [])) => text.push(whole),
        Some((whole, fraction)) => {
            text.push(whole);
            text.push(b".");
            text.push(fraction);
        }
        None => {
            text.push(digits);
            text.push_zeros(n_before_point - digits.len());
        }
    }
}

/// The shortest digits that read back to a number, without zeros at either end: `d.ddd × 10^exponent`.
struct Digits {
    text: [u8; 20],
    len: usize,
    exponent: i32,
}

impl Digits {
    /// Takes apart what the formatter wrote, in whatever of its layouts.
    fn of(written: &[u8]) -> Self {
        let end = written.iter().position(|byte| *byte == b'e').unwrap_or(written.len());
        let (mantissa, scale) = written.split_at(end);
        let scale = std::str::from_utf8(scale).unwrap_or_default().trim_start_matches(['e', '+']);
        let mut digits = Self { text: [0; 20], len: 0, exponent: scale.parse().unwrap_or(0) };
        let (mut n_kept, mut is_behind_point) = (0, false);
        for byte in mantissa {
            if *byte == b'.' {
                is_behind_point = true;
                continue;
            }
            // Before the first digit that is not zero nothing is kept, but each place behind the point counts.
            let is_leading_zero = n_kept == 0 && *byte == b'0';
            match (is_leading_zero, is_behind_point) {
                (true, false) => continue,
                (true, true) | (false, true) if n_kept == 0 => digits.exponent -= 1,
                (false, false) if n_kept > 0 => digits.exponent += 1,
                _ => {}
            }
            if is_leading_zero {
                continue;
            }
            if let Some(slot) = digits.text.get_mut(n_kept) {
                *slot = *byte;
            }
            n_kept += 1;
            if *byte != b'0' {
                digits.len = n_kept.min(digits.text.len());
            }
        }
        if digits.len == 0 {
            return Self { text: [b'0'; 20], len: 1, exponent: 0 };
        }
        digits
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shortest(value: f64, plain: std::ops::Range<i32>) -> Text {
        let mut text = Text::default();
        text.push_shortest(value, plain);
        text
    }

    fn seconds(time_ms: i64) -> Text {
        let mut text = Text::default();
        text.push_seconds(time_ms);
        text
    }

    /// What the standard library writes: the same digits, laid out by itself.
    fn check(value: f64) {
        let plain = shortest(value, -400..400);
        // Longer ones do not fit, and nobody asks for them in plain form.
        if (1e-6..1e21).contains(&value.abs()) || value == 0.0 {
            assert_eq!(plain.as_str(), format!("{value}"));
        }
        let scientific = shortest(value, 0..0);
        let want = format!("{value:e}");
        let (mantissa, exponent) = want.split_once('e').unwrap();
        let (sign, size) = match exponent.strip_prefix('-') {
            Some(size) => ('-', size),
            None => ('+', exponent),
        };
        assert_eq!(scientific.as_str(), format!("{mantissa}e{sign}{size:0>2}"));
    }

    #[test]
    fn edges_are_laid_out_as_the_standard_library_does() {
        for value in
            [0.0, -0.0, 1.0, 10.0, 100_000.0, 0.1, 1e-6, 123.456, 1e20, 1.5e20, 9_007_199_254_740_993.0]
        {
            check(value);
            check(-value);
        }
        for value in [f64::MAX, f64::MIN_POSITIVE, 5e-324, f64::EPSILON, 1e21, 1e22, 1e23] {
            check(value);
        }
        assert_eq!(seconds(1_700_000_000_000).as_str(), "1700000000");
        assert_eq!(seconds(-1).as_str(), "-0.001");
        assert_eq!(seconds(-1_020).as_str(), "-1.020");
        assert_eq!(seconds(i64::MIN).as_str(), "-9223372036854775.808");
    }

    proptest! {
        #[test]
        fn any_float_is_written_as_the_standard_library_does(bits: u64, whole in -1_000_000_000_i64..1_000_000_000) {
            let value = f64::from_bits(bits);
            if value.is_finite() {
                check(value);
            }
            check(whole as f64);
            check(whole as f64 / 1000.0);
            check(whole as f64 / 10_000.0);
            check(whole as f64 * 1000.0 + 0.5);
            // The neighbours of short numbers are long.
            check((whole as f64 / 100.0).next_up());
            check((whole as f64 / 1000.0).next_down());
        }
    }
}
