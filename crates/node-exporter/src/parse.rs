//! Numbers and words from bytes of the kernel, without panics and without copies.

use std::time::Duration;

/// Iterates over words between spaces and tabs.
pub fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    line.split(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty())
}

/// Iterates over lines without their end.
pub fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    Lines { rest: text }
}

struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let (line, rest) = match memchr::memchr(b'\n', self.rest) {
            Some(end) => (self.rest.get(..end)?, self.rest.get(end + 1..)?),
            None => (self.rest, &[][..]),
        };
        self.rest = rest;
        Some(line)
    }
}

/// Parses decimal digits; none on anything else or overflow.
pub fn u64(word: &[u8]) -> Option<u64> {
    if word.is_empty() {
        return None;
    }
    let mut value = 0_u64;
    for byte in word {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    Some(value)
}

/// Parses a number as a float. Whole numbers, nearly all there are, take a short way.
pub fn number(word: &[u8]) -> Option<f64> {
    match u64(word) {
        Some(value) => Some(value as f64),
        None => str::from_utf8(word).ok()?.trim().parse().ok(),
    }
}

/// Parses hexadecimal digits with or without `0x`.
pub fn hex(word: &[u8]) -> Option<u64> {
    let digits = word.strip_prefix(b"0x").unwrap_or(word);
    u64::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
}

/// Parses a whole number as the kernel writes attributes: decimal, perhaps negative, or hexadecimal with `0x`.
pub fn integer(word: &[u8]) -> Option<i64> {
    match (word.strip_prefix(b"0x"), word.strip_prefix(b"-")) {
        (Some(_), _) => i64::try_from(hex(word)?).ok(),
        (None, Some(digits)) => i64::try_from(u64(digits)?).ok().map(|value| -value),
        (None, None) => i64::try_from(u64(word)?).ok(),
    }
}

/// Returns `bytes` as text; what is not UTF-8 becomes U+FFFD.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Makes a metric's name of any text: each run of other characters, with the underscores beside it, becomes one `_`.
pub fn metric_name(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    for part in text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').enumerate() {
        match part {
            (0, first) => name.push_str(first),
            (_, next) => {
                name.truncate(name.trim_end_matches('_').len());
                name.push('_');
                name.push_str(next.trim_start_matches('_'));
            }
        }
    }
    name
}

/// Parses a duration as Go writes it: `5s`, `3.46608s`, `1m30s`.
pub fn go_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = 0.0;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, behind) = rest.split_at_checked(number_end)?;
        let unit_end = behind.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(behind.len());
        let (unit, behind) = behind.split_at_checked(unit_end)?;
        let seconds = match unit {
            "ns" => 1e-9,
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * seconds;
        rest = behind;
    }
    Duration::try_from_secs_f64(total).ok().filter(|_| !text.is_empty())
}

/// Parses a list of ranges as in `0-2,7`, to at most 65536 numbers.
pub fn ranges(list: &[u8]) -> Option<Vec<u64>> {
    const MAX: u64 = 1 << 16;
    let mut numbers = Vec::new();
    for item in list.trim_ascii().split(|byte| *byte == b',').filter(|item| !item.is_empty()) {
        let (first, last) = match item.iter().position(|byte| *byte == b'-') {
            Some(dash) => (u64(item.get(..dash)?)?, u64(item.get(dash + 1..)?)?),
            None => (u64(item)?, u64(item)?),
        };
        if last.saturating_sub(first) >= MAX || numbers.len() as u64 >= MAX {
            return None;
        }
        numbers.extend(first..=last);
    }
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_or_refused() {
        assert_eq!(
            [u64(b"0"), u64(b"18446744073709551615"), u64(b"18446744073709551616")],
            [Some(0), Some(u64::MAX), None]
        );
        assert_eq!([u64(b""), u64(b"-1"), u64(b"1 ")], [None; 3]);
        assert_eq!([number(b"-1"), number(b"0.21"), number(b"x")], [Some(-1.0), Some(0.21), None]);
        assert_eq!([integer(b"-1"), integer(b"0x1303"), integer(b"7")], [Some(-1), Some(4867), Some(7)]);
        assert_eq!([hex(b"ff"), hex(b"0x10"), hex(b"g")], [Some(255), Some(16), None]);
    }

    #[test]
    fn names_have_one_underscore_for_what_is_no_letter() {
        assert_eq!(metric_name("fs.file-nr"), "fs_file_nr");
        assert_eq!(metric_name("a_ -_b__c"), "a_b__c");
        assert_eq!(metric_name("kernel/x.1"), "kernel_x_1");
    }

    #[test]
    fn durations_are_those_of_go() {
        let ms = |text| go_duration(text).map(|duration| duration.as_millis());
        assert_eq!(
            [ms("5s"), ms("3.46608s"), ms("1m30s"), ms("1ms")],
            [Some(5000), Some(3466), Some(90_000), Some(1)]
        );
        assert_eq!([ms(""), ms("5"), ms("s"), ms("5 s"), ms("-1s"), ms("1y")], [None; 6]);
    }

    #[test]
    fn ranges_expand_within_reason() {
        assert_eq!(ranges(b"1,3-5,9\n"), Some(vec![1, 3, 4, 5, 9]));
        assert_eq!(ranges(b"\n"), Some(vec![]));
        assert_eq!([ranges(b"0-99999999999"), ranges(b"a")], [None, None]);
    }

    #[test]
    fn lines_and_words_keep_nothing_back() {
        assert_eq!(lines(b"a\n\nb").collect::<Vec<_>>(), [&b"a"[..], b"", b"b"]);
        assert_eq!(words(b" a\t b ").collect::<Vec<_>>(), [&b"a"[..], b"b"]);
    }
}
