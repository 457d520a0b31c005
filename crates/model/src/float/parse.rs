//! Floats as Go's `strconv.ParseFloat` reads them: one reader for metric pages, PromQL numbers and configuration.
//!
//! Accepted: decimal (`1`, `1.`, `.5`, `-1e+06`), hexadecimal with a binary exponent (`0x1.8p-3`), `nan`, and `inf` or
//! `infinity` with an optional sign, the words in any case. Refused: underscores, signed NaN, anything around the number.

/// Why a text is not a float.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FloatError {
    /// Not a number in Go's syntax.
    #[error("invalid syntax")]
    Syntax,
    /// A number, but beyond the largest float.
    #[error("value out of range")]
    Range,
}

/// Integers up to 2^53 and powers of ten up to 10^22 are exact floats, so one multiplication or division of the two
/// rounds correctly (Clinger 1990).
const EXACT_INTEGER_MAX: u64 = 1 << 53;
const EXACT_POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];

/// Digits that always fit a `u64`.
const DIGITS_MAX: usize = 19;

/// Reads a float, correctly rounded.
/// # Errors
/// [`FloatError::Syntax`] for what is no number, [`FloatError::Range`] for one that would round to infinity.
#[inline]
pub fn parse_go(text: &[u8]) -> Result<f64, FloatError> {
    match parse_short(text) {
        Some(value) => Ok(value),
        None => parse_any(text),
    }
}

/// Reads what nearly all samples are: at most 19 digits, an optional point, an optional small exponent.
#[inline]
fn parse_short(text: &[u8]) -> Option<f64> {
    let (is_negative, digits) = split_sign(text);
    let mut mantissa = 0;
    let after_integer = take_digits(digits, &mut mantissa);
    let (after_point, rest) = match after_integer {
        [b'.', fraction @ ..] => (fraction, take_digits(fraction, &mut mantissa)),
        rest => (rest, rest),
    };
    let n_fraction = after_point.len() - rest.len();
    let n_digits = digits.len() - after_integer.len() + n_fraction;
    let exponent = match rest {
        [] => 0,
        [b'e' | b'E', exponent @ ..] => parse_short_exponent(exponent)?,
        _ => return None,
    };
    if n_digits == 0 || n_digits > DIGITS_MAX || mantissa > EXACT_INTEGER_MAX {
        return None;
    }
    let scale = exponent - i32::try_from(n_fraction).ok()?;
    let power = *EXACT_POWERS.get(usize::try_from(scale.unsigned_abs()).ok()?)?;
    let magnitude = if scale < 0 { mantissa as f64 / power } else { mantissa as f64 * power };
    Some(if is_negative { -magnitude } else { magnitude })
}

/// Reads leading digits onto `mantissa` and returns the rest. The value wraps beyond 19 digits, which the caller refuses.
#[inline]
fn take_digits<'a>(text: &'a [u8], mantissa: &mut u64) -> &'a [u8] {
    let mut rest = text;
    while let [digit @ b'0'..=b'9', tail @ ..] = rest {
        *mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
        rest = tail;
    }
    rest
}

fn parse_short_exponent(text: &[u8]) -> Option<i32> {
    let (is_negative, digits) = split_sign(text);
    if digits.is_empty() || digits.len() > 4 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let magnitude = digits.iter().fold(0_i32, |sum, digit| sum * 10 + i32::from(digit - b'0'));
    Some(if is_negative { -magnitude } else { magnitude })
}

/// Reads everything else: words, hexadecimal, many digits, large exponents.
#[cold]
fn parse_any(text: &[u8]) -> Result<f64, FloatError> {
    let (is_negative, rest) = split_sign(text);
    let is_signed = rest.len() < text.len();
    let is_word = |word: &[u8]| rest.eq_ignore_ascii_case(word);
    if is_word(b"inf") || is_word(b"infinity") {
        return Ok(if is_negative { f64::NEG_INFINITY } else { f64::INFINITY });
    }
    if is_word(b"nan") && !is_signed {
        return Ok(f64::from_bits(crate::sample::NORMAL_NAN_BITS));
    }
    let magnitude = match rest {
        [b'0', b'x' | b'X', hex @ ..] => parse_hex(hex)?,
        _ => parse_decimal(rest)?,
    };
    if magnitude.is_infinite() {
        return Err(FloatError::Range);
    }
    Ok(if is_negative { -magnitude } else { magnitude })
}

fn parse_decimal(text: &[u8]) -> Result<f64, FloatError> {
    // The standard parser also knows words; they were handled above and have no place here.
    let is_number = text.first().is_some_and(|byte| byte.is_ascii_digit() || *byte == b'.')
        && text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    if !is_number {
        return Err(FloatError::Syntax);
    }
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(FloatError::Syntax)
}

/// Reads `1.8p-3`, what follows `0x`. The exponent is mandatory.
fn parse_hex(text: &[u8]) -> Result<f64, FloatError> {
    let split = text.iter().position(|byte| matches!(byte, b'p' | b'P')).ok_or(FloatError::Syntax)?;
    let (digits, exponent) = text.split_at(split);
    let mut exponent = parse_hex_exponent(exponent.get(1..).unwrap_or_default())?;
    // 60 bits hold a float's 53 and more; a lost non-zero digit only needs to be remembered for rounding.
    let (mut mantissa, mut lost, mut n_digits, mut seen_point) = (0_u64, false, 0_usize, false);
    for byte in digits {
        let digit = match byte {
            b'.' if !seen_point => {
                seen_point = true;
                continue;
            }
            byte => u64::from(char::from(*byte).to_digit(16).ok_or(FloatError::Syntax)?),
        };
        n_digits += 1;
        if mantissa >> 56 == 0 {
            mantissa = mantissa << 4 | digit;
            exponent = exponent.saturating_sub(if seen_point { 4 } else { 0 });
        } else {
            lost |= digit != 0;
            exponent = exponent.saturating_add(if seen_point { 0 } else { 4 });
        }
    }
    if n_digits == 0 {
        return Err(FloatError::Syntax);
    }
    Ok(scale_by_two(mantissa, lost, exponent))
}

fn parse_hex_exponent(text: &[u8]) -> Result<i64, FloatError> {
    let (is_negative, digits) = split_sign(text);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(FloatError::Syntax);
    }
    let magnitude = digits.iter().fold(0_i64, |sum, digit| (sum * 10 + i64::from(digit - b'0')).min(1 << 40));
    Ok(if is_negative { -magnitude } else { magnitude })
}

/// Returns `mantissa · 2^exponent`, rounded to the nearest even float; `lost` says that the mantissa was cut off.
fn scale_by_two(mantissa: u64, lost: bool, exponent: i64) -> f64 {
    if mantissa == 0 {
        return 0.0;
    }
    let n_bits = 64 - i64::from(mantissa.leading_zeros());
    // Weight of the last bit that the result can hold: 2^-1074 for subnormals.
    let last = (exponent + n_bits - 53).max(-1074);
    let drop = last - exponent;
    let (kept, exponent) = match drop {
        ..=0 => (mantissa, exponent),
        1..=63 => {
            let (kept, rest, half) = (mantissa >> drop, mantissa & ((1 << drop) - 1), 1_u64 << (drop - 1));
            let is_up = rest > half || (rest == half && (lost || kept & 1 == 1));
            (kept + u64::from(is_up), last)
        }
        _ => (0, last),
    };
    // `kept` is at most 2^53 and each step below is exact or overflows to infinity.
    let mut value = kept as f64;
    let mut left = exponent.clamp(-1200, 1200);
    while left > 0 && value.is_finite() {
        let step = left.min(1000);
        value *= power_of_two(step);
        left -= step;
    }
    while left < 0 {
        let step = left.max(-1000);
        value *= power_of_two(step);
        left -= step;
    }
    value
}

fn power_of_two(exponent: i64) -> f64 {
    debug_assert!((-1000..=1000).contains(&exponent), "only normal floats are built");
    f64::from_bits(u64::try_from(1023 + exponent).unwrap_or(0) << 52)
}

fn split_sign(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, want: f64) {
        assert_eq!(parse_go(text.as_bytes()).map(f64::to_bits), Ok(want.to_bits()), "{text}");
    }

    #[test]
    fn decimals_read_as_go_reads_them() {
        check("0", 0.0);
        check("-0", -0.0);
        check("+1", 1.0);
        check("1.", 1.0);
        check(".5", 0.5);
        check("007", 7.0);
        check("1e+06", 1e6);
        check("-1.5E-07", -1.5e-7);
        check("1.726839813016302e+09", 1.726839813016302e9);
        check("9007199254740993", 9007199254740992.0);
        check("123456789012345678901234567890", 1.2345678901234568e29);
        check("0.1000000000000000055511151231257827021181583404541015625", 0.1);
        check("4.9e-324", 5e-324);
        check("1e-400", 0.0);
        check("1.7976931348623157e308", f64::MAX);
    }

    #[test]
    fn words_are_read_in_any_case() {
        check("Inf", f64::INFINITY);
        check("+inf", f64::INFINITY);
        check("-INFINITY", f64::NEG_INFINITY);
        assert_eq!(parse_go(b"nAn").unwrap().to_bits(), crate::sample::NORMAL_NAN_BITS);
    }

    #[test]
    fn hexadecimals_need_an_exponent_and_round_correctly() {
        check("0x1p0", 1.0);
        check("0x1.8p-3", 0.1875);
        check("-0X.8P1", -1.0);
        check("0x1p-1074", 5e-324);
        check("0x1p-1075", 0.0);
        check("0x1.8p-1075", 5e-324);
        check("0x1.00000000000008p0", 1.0);
        check("0x1.000000000000081p0", 1.0000000000000002);
        check("0x1.00000000000008000000000000001p0", 1.0000000000000002);
        check("0x1.fffffffffffffp1023", f64::MAX);
        check("0x0p99999", 0.0);
        assert_eq!(parse_go(b"0x1p1024"), Err(FloatError::Range));
        assert_eq!(parse_go(b"0x10"), Err(FloatError::Syntax));
        assert_eq!(parse_go(b"0xp1"), Err(FloatError::Syntax));
    }

    #[test]
    fn what_go_refuses_is_refused() {
        let bad = [
            "", ".", "-", "+", "e5", "1e", "1e+", "1_0", "0x_1p0", "+nan", "-NaN", "infin", " 1", "1 ",
            "1\r", "--1",
        ];
        for text in bad.iter().chain(&["1.2.3", "1f", "0b1", "٣", "in", "+-1"]) {
            assert_eq!(parse_go(text.as_bytes()), Err(FloatError::Syntax), "{text:?}");
        }
        assert_eq!(parse_go(b"1e309"), Err(FloatError::Range));
        assert_eq!(parse_go(b"-1e309"), Err(FloatError::Range));
    }

    proptest! {
        #[test]
        fn every_float_written_reads_back(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(!value.is_nan());
            for text in [super::super::format_g(value), super::super::format_f(value), format!("{value:e}")] {
                prop_assert_eq!(parse_go(text.as_bytes()).map(f64::to_bits), Ok(bits), "{}", text);
            }
        }

        #[test]
        fn short_decimals_equal_the_standard_parser(text in r"[+-]?[0-9]{0,20}(\.[0-9]{0,20})?([eE][+-]?[0-9]{1,3})?") {
            match text.parse::<f64>() {
                Ok(value) if value.is_finite() => {
                    prop_assert_eq!(parse_go(text.as_bytes()).map(f64::to_bits), Ok(value.to_bits()));
                }
                Ok(_) => prop_assert_eq!(parse_go(text.as_bytes()), Err(FloatError::Range)),
                Err(_) => prop_assert_eq!(parse_go(text.as_bytes()), Err(FloatError::Syntax)),
            }
        }

        #[test]
        fn integers_in_hexadecimal_equal_their_conversion(mantissa: u64, exponent in 0..200_u32) {
            let text = format!("0x{mantissa:x}p{exponent}");
            let want = mantissa as f64 * 2_f64.powi(exponent.cast_signed());
            prop_assert_eq!(parse_go(text.as_bytes()).map(f64::to_bits), Ok(want.to_bits()));
        }
    }
}
