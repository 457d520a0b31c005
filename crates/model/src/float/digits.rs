//! The shortest decimal digits of a float, laid out as Go does; whole numbers take a shorter way.

/// Longest text that [`Text`] holds: a sign, 21 digits, or a point and five zeros before 17 digits, and room.
const TEXT_BYTES_MAX: usize = 40;

/// Whole numbers up to here are exact, and their digits the shortest.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// A number as text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text {
    bytes: [u8; TEXT_BYTES_MAX],
    len: usize,
}

impl Text {
    fn new() -> Self {
        Self { bytes: [0; TEXT_BYTES_MAX], len: 0 }
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(self.bytes.get(..self.len).unwrap_or_default()).unwrap_or_default()
    }

    #[inline]
    fn push(&mut self, bytes: &[u8]) {
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
        let mut digits = [0; 20];
        let mut rest = number;
        let mut n_digits = 0;
        for slot in digits.as_chunks_mut::<2>().0.iter_mut().rev() {
            *slot = PAIRS.get((rest % 100) as usize).copied().unwrap_or_default();
            n_digits += 2;
            if rest < 100 {
                n_digits -= usize::from(rest < 10);
                break;
            }
            rest /= 100;
        }
        self.push(digits.get(20 - n_digits..).unwrap_or_default());
    }
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

/// Returns a time in seconds: no fraction when whole, else exactly three decimals.
pub(crate) fn seconds(time_ms: i64) -> Text {
    let mut text = Text::new();
    if time_ms < 0 {
        text.push(b"-");
    }
    text.push_whole(time_ms.unsigned_abs() / 1000);
    let rest_ms = time_ms.unsigned_abs() % 1000;
    if rest_ms > 0 {
        let leading: &[u8] = if rest_ms < 10 {
            b".00"
        } else if rest_ms < 100 {
            b".0"
        } else {
            b"."
        };
        text.push(leading);
        text.push_whole(rest_ms);
    }
    text
}

/// Returns a finite number in plain form where its decimal exponent is in `plain`, else with an exponent.
pub(crate) fn shortest(value: f64, plain: std::ops::Range<i32>) -> Text {
    let mut text = Text::new();
    if value.is_sign_negative() {
        text.push(b"-");
    }
    let size = value.abs();
    if size < WHOLE_MAX && size.trunc() == size {
        let mut whole = Text::new();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole, and below 2^53")]
        whole.push_whole(size as u64);
        // Zero has the exponent zero.
        if plain.contains(&i32::try_from(whole.len - 1).unwrap_or(0)) {
            text.push(whole.as_str().as_bytes());
            return text;
        }
    }
    let digits = Digits::of(size);
    let (digits, exponent) = (digits.text.get(..digits.len).unwrap_or_default(), digits.exponent);
    if !plain.contains(&exponent) {
        push_fraction(&mut text, digits, 1);
        text.push(if exponent < 0 { b"e-" } else { b"e+" });
        if exponent.unsigned_abs() < 10 {
            text.push(b"0");
        }
        text.push_whole(u64::from(exponent.unsigned_abs()));
        return text;
    }
    match usize::try_from(exponent) {
        Ok(n_behind_first) => push_fraction(&mut text, digits, n_behind_first + 1),
        Err(_) => {
            text.push(b"0.");
            text.push_zeros(usize::try_from(-exponent - 1).unwrap_or(0));
            text.push(digits);
        }
    }
    text
}

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
    fn of(size: f64) -> Self {
        let mut buffer = zmij::Buffer::new();
        let written = buffer.format_finite(size).as_bytes();
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
        }
    }
}
