//! Samples of series as JSON: what is the same for many is made into text once and copied.
//!
//! The series of one range have the same times, and a value that stands still for some steps, as any does that is scraped
//! less often than it is asked for, has the same text.

use wf_model::float::Text;

use super::JsonWriter;

/// More times than a range has steps are not kept.
const N_TIMES_MAX: usize = 11_001;

/// Longest `,[time,"` that is kept: times of thirteen digits before the point.
const TIME_BYTES_MAX: usize = 23;

/// Longest `value"]`: a sign, `0.00000`, 17 digits.
const VALUE_BYTES_MAX: usize = 32;

/// Samples are put together in a block of so many bytes: copies of a fixed length need no call, and no look at the room left.
const BLOCK_BYTES: usize = 2_048;

/// Writes `[time,"value"]` of one series after the other.
#[derive(Default)]
pub(crate) struct Points {
    times: Times,
    value: ValueText,
}

impl Points {
    /// Begins with another series.
    pub(crate) fn rewind(&mut self) {
        self.times.next = 0;
    }

    /// Writes samples, with commas between them and, unless they are the first of a list, before them. Times ascend until the
    /// next [`rewind`](Self::rewind).
    pub(crate) fn write(&mut self, json: &mut JsonWriter, times_ms: &[i64], values: &[f64], is_first: bool) {
        let mut block = [0; BLOCK_BYTES];
        // The first of a list goes without its comma.
        let (mut start, mut end) = (usize::from(is_first), 0);
        for (time_ms, value) in times_ms.iter().zip(values) {
            if end > BLOCK_BYTES - TIME_BYTES_MAX - VALUE_BYTES_MAX {
                json.text.extend_from_slice(block.get(start..end).unwrap_or_default());
                (start, end) = (0, 0);
            }
            match self.times.text(*time_ms) {
                Some((text, len)) => end += put(&mut block, end, text, len),
                None => {
                    json.text.extend_from_slice(block.get(start..end).unwrap_or_default());
                    let comma = if start > end { "" } else { "," };
                    json.raw(comma).raw("[").timestamp(*time_ms).raw(",\"");
                    (start, end) = (0, 0);
                }
            }
            let (text, len) = self.value.text(*value);
            end += put(&mut block, end, text, len);
        }
        json.text.extend_from_slice(block.get(start..end).unwrap_or_default());
    }
}

/// Copies all of `text`, of which the first `len` bytes count; returns `len`.
#[inline]
fn put<const N: usize>(block: &mut [u8], at: usize, text: &[u8; N], len: u8) -> usize {
    if let Some(room) = block.get_mut(at..at + N) {
        room.copy_from_slice(text);
    }
    usize::from(len)
}

/// The times of a range.
#[derive(Default)]
struct Times {
    known: Vec<TimeText>,
    /// The first that is not before the last one asked for.
    next: usize,
}

struct TimeText {
    time_ms: i64,
    /// `,[time,"`, of which so many bytes count.
    text: [u8; TIME_BYTES_MAX],
    len: u8,
}

impl Times {
    /// Returns the text of a time and how much of it counts; `None` when it cannot be kept.
    #[inline]
    fn text(&mut self, time_ms: i64) -> Option<(&[u8; TIME_BYTES_MAX], u8)> {
        if self.known.get(self.next).is_none_or(|known| known.time_ms != time_ms) {
            self.seek(time_ms);
        }
        let known = self.known.get(self.next).filter(|known| known.time_ms == time_ms)?;
        self.next += 1;
        Some((&known.text, known.len))
    }

    /// Goes to `time_ms`, or where it would be; one that is behind all others is made.
    #[cold]
    fn seek(&mut self, time_ms: i64) {
        let later = self.known.get(self.next..).unwrap_or_default();
        self.next += later.partition_point(|known| known.time_ms < time_ms);
        if self.next < self.known.len() || self.known.len() == N_TIMES_MAX {
            return;
        }
        let mut made = Text::default();
        made.push(b",[");
        made.push_seconds(time_ms);
        made.push(b",\"");
        let mut text = [0; TIME_BYTES_MAX];
        if let Some(len) = copy(made.as_bytes(), &mut text) {
            self.known.push(TimeText { time_ms, text, len });
        }
    }
}

/// The last value and its text.
struct ValueText {
    bits: u64,
    /// `value"]`, of which so many bytes count.
    text: [u8; VALUE_BYTES_MAX],
    len: u8,
}

impl Default for ValueText {
    fn default() -> Self {
        let mut made = Self { bits: 0, text: [0; VALUE_BYTES_MAX], len: 0 };
        made.make(0.0);
        made
    }
}

impl ValueText {
    /// Returns the text of a value and how much of it counts.
    #[inline]
    fn text(&mut self, value: f64) -> (&[u8; VALUE_BYTES_MAX], u8) {
        if value.to_bits() != self.bits {
            self.make(value);
        }
        (&self.text, self.len)
    }

    fn make(&mut self, value: f64) {
        let mut made = Text::default();
        made.push_json(value);
        made.push(b"\"]");
        self.bits = value.to_bits();
        self.len = copy(made.as_bytes(), &mut self.text).expect("no value has more digits");
    }
}

/// Copies what fits as a whole; returns its length.
fn copy<const N: usize>(from: &[u8], to: &mut [u8; N]) -> Option<u8> {
    to.get_mut(..from.len())?.copy_from_slice(from);
    u8::try_from(from.len()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(points: &mut Points, series: &[(i64, f64)]) {
        let (times_ms, values): (Vec<i64>, Vec<f64>) = series.iter().copied().unzip();
        let mut want = JsonWriter::collecting();
        for (idx, (time_ms, value)) in series.iter().enumerate() {
            want.item(idx == 0).sample(*time_ms, *value);
        }
        let want = want.finish();
        for cut in [0, 1, series.len() / 2] {
            let cut = cut.min(series.len());
            points.rewind();
            let mut got = JsonWriter::collecting();
            points.write(&mut got, &times_ms[..cut], &values[..cut], true);
            points.write(&mut got, &times_ms[cut..], &values[cut..], cut == 0);
            assert_eq!(got.finish(), want);
        }
    }

    #[test]
    fn remembered_times_are_written_as_others() {
        let mut points = Points::default();
        for times_ms in [
            &[1_000, 1_500, 2_000][..],
            &[500, 1_500, 2_000, 3_000],
            &[],
            &[-5, 2_000],
            &[1_000, 3_000, 9_000],
            &[i64::MIN, i64::MIN + 1, -1, 9_000, i64::MAX - 1, i64::MAX],
        ] {
            let series: Vec<(i64, f64)> = times_ms.iter().map(|time_ms| (*time_ms, 0.5)).collect();
            check(&mut points, &series);
        }
        let long: Vec<(i64, f64)> = (0..12_000).map(|at| (at * 777, (at / 15) as f64)).collect();
        check(&mut points, &long);
    }

    #[test]
    fn the_longest_values_have_room() {
        let longest =
            [-1.234_567_890_123_456_7e-6, -1.234_567_890_123_456_7e-300, f64::MIN, -9.999_999_999_999_999e20];
        for first_ms in [i64::MIN, -9_999_999_999_999_999] {
            let values = longest.into_iter().cycle();
            check(&mut Points::default(), &(first_ms..).zip(values).take(400).collect::<Vec<_>>());
        }
    }

    #[test]
    fn samples_of_series_with_gaps_are_written_as_one_by_one() {
        let (mut points, mut seed) = (Points::default(), 1_u64);
        let mut random = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        for _ in 0..50 {
            let n_in_ten = random(11);
            let mut series = Vec::new();
            for at in 0..300_i64 {
                let value = match random(4) {
                    0 => 0.0,
                    1 => -0.0,
                    2 => f64::NAN,
                    _ => random(u64::MAX) as f64 / 7.0,
                };
                series.extend((random(10) < n_in_ten).then_some((1_700_000_000_000 + at * 250, value)));
            }
            check(&mut points, &series);
        }
    }
}
