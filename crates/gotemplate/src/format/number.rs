//! Numbers for `printf`: floats with a precision, integers in a base.

use wf_model::float;

/// Writes a float with the shortest digits that read back to it, as `%v` does.
pub(crate) fn shortest(value: f64) -> String {
    float::format_g(value)
}

/// Writes the magnitude of a float by verb (`e f g`, upper case too) and precision, `None` for the shortest.
pub(super) fn float(value: f64, verb: char, precision: Option<usize>, keeps_zeros: bool) -> String {
    if !value.is_finite() {
        return if value.is_nan() { "NaN".to_owned() } else { "Inf".to_owned() };
    }
    let value = value.abs();
    let text = match (verb.to_ascii_lowercase(), precision) {
        ('f', precision) => format!("{value:.*}", precision.unwrap_or(6)),
        ('e', precision) => exponent_form(value, precision.unwrap_or(6)),
        ('g', None) => float::format_g(value),
        ('g', Some(precision)) => general(value, precision.max(1), keeps_zeros),
        _ => float::format_g(value),
    };
    if verb.is_ascii_uppercase() { text.to_ascii_uppercase() } else { text }
}

/// `1.50e+03`: at least two digits of exponent.
fn exponent_form(value: f64, precision: usize) -> String {
    let text = format!("{value:.precision$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

/// Significant digits: plain, or with an exponent below −4 and from the precision on; trailing zeros are cut.
fn general(value: f64, precision: usize, keeps_zeros: bool) -> String {
    let scientific = exponent_form(value, precision - 1);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let at: i32 = exponent.parse().unwrap_or(0);
    let cut = |digits: &str| match !keeps_zeros && digits.contains('.') {
        true => digits.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => digits.to_owned(),
    };
    let n_digits = i32::try_from(precision).unwrap_or(i32::MAX);
    if value != 0.0 && (at < -4 || at >= n_digits) {
        return format!("{}e{exponent}", cut(mantissa));
    }
    let decimals = usize::try_from(n_digits - 1 - at).unwrap_or(0);
    cut(&format!("{value:.decimals$}"))
}

/// Writes an integer in base 2, 8, 10 or 16.
pub(super) fn integer(magnitude: u64, radix: u32, is_upper: bool) -> String {
    match (radix, is_upper) {
        (2, _) => format!("{magnitude:b}"),
        (8, _) => format!("{magnitude:o}"),
        (16, false) => format!("{magnitude:x}"),
        (16, true) => format!("{magnitude:X}"),
        _ => magnitude.to_string(),
    }
}
