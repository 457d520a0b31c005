//! Floats as Go's `strconv.FormatFloat` writes them with the shortest digits that read back to the same value.
//!
//! The HTTP API, PromQL's printer and the exposition formats are compared literally with Go programs.
//! [`parse_go`] is the way back.

mod digits;
pub mod parse;

pub use digits::Text;
pub use parse::{FloatError, parse_go};

use std::fmt::{self, Write};

/// Writes `value` in Go's `'f'` form, precision −1: plain decimal, `NaN`, `+Inf`, `-Inf`.
pub fn write_f(out: &mut impl Write, value: f64) -> fmt::Result {
    if let Some(special) = special(value) {
        return out.write_str(special);
    }
    // Rust's `Display` for floats is the shortest plain decimal form; it never switches to an exponent.
    write!(out, "{value}")
}

/// Writes `value` in Go's `'e'` form, precision −1: `1e+00`, `1.5e-07`.
pub fn write_e(out: &mut impl Write, value: f64) -> fmt::Result {
    write_shortest(out, value, 0, 0)
}

/// Writes `value` in Go's `'g'` form, precision −1 (what `%v` prints and the text format uses): exponent form below
/// 1e-4 and from 1e6 on.
pub fn write_g(out: &mut impl Write, value: f64) -> fmt::Result {
    write_shortest(out, value, -4, 6)
}

/// Writes `value` as the HTTP API does: exponent form for 0 < |v| < 1e-6 and |v| ≥ 1e21.
pub fn write_json(out: &mut impl Write, value: f64) -> fmt::Result {
    write_shortest(out, value, JSON_PLAIN.start, JSON_PLAIN.end)
}

/// Decimal exponents of numbers that the HTTP API writes in plain form.
const JSON_PLAIN: std::ops::Range<i32> = -6..21;

/// Returns [`write_f`] as a string.
pub fn format_f(value: f64) -> String {
    format_with(value, write_f)
}

/// Returns [`write_e`] as a string.
pub fn format_e(value: f64) -> String {
    format_with(value, write_e)
}

/// Returns [`write_g`] as a string.
pub fn format_g(value: f64) -> String {
    format_with(value, write_g)
}

/// Returns [`write_json`] as a string.
pub fn format_json(value: f64) -> String {
    format_with(value, write_json)
}

fn format_with(value: f64, write: fn(&mut String, f64) -> fmt::Result) -> String {
    let mut text = String::new();
    write(&mut text, value).expect("writing to a string cannot fail");
    text
}

fn write_shortest(out: &mut impl Write, value: f64, plain_from: i32, plain_below: i32) -> fmt::Result {
    match special(value) {
        Some(special) => out.write_str(special),
        None => {
            let mut text = Text::default();
            text.push_shortest(value, plain_from..plain_below);
            out.write_str(text.as_str())
        }
    }
}

impl Text {
    /// Appends a value as the HTTP API has it; see [`write_json`].
    #[inline]
    pub fn push_json(&mut self, value: f64) {
        match special(value) {
            Some(special) => self.push(special.as_bytes()),
            None => self.push_shortest(value, JSON_PLAIN),
        }
    }
}

#[inline]
fn special(value: f64) -> Option<&'static str> {
    if value.is_finite() {
        None
    } else if value.is_nan() {
        Some("NaN")
    } else if value > 0.0 {
        Some("+Inf")
    } else {
        Some("-Inf")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_equal_gos() {
        let check = |value: f64, f: &str, e: &str, g: &str, json: &str| {
            assert_eq!(
                [&format_f(value), &format_e(value), &format_g(value), &format_json(value)],
                [f, e, g, json]
            );
        };
        check(0.0, "0", "0e+00", "0", "0");
        check(-0.0, "-0", "-0e+00", "-0", "-0");
        check(1.0, "1", "1e+00", "1", "1");
        check(0.1, "0.1", "1e-01", "0.1", "0.1");
        check(123456.789, "123456.789", "1.23456789e+05", "123456.789", "123456.789");
        check(1e6, "1000000", "1e+06", "1e+06", "1000000");
        check(999999.5, "999999.5", "9.999995e+05", "999999.5", "999999.5");
        check(1e-5, "0.00001", "1e-05", "1e-05", "0.00001");
        check(1e-7, "0.0000001", "1e-07", "1e-07", "1e-07");
        check(1e20, "100000000000000000000", "1e+20", "1e+20", "100000000000000000000");
        check(1e21, "1000000000000000000000", "1e+21", "1e+21", "1e+21");
        check(f64::INFINITY, "+Inf", "+Inf", "+Inf", "+Inf");
        check(f64::NAN, "NaN", "NaN", "NaN", "NaN");
    }
}
