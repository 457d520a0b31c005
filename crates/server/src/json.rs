//! JSON written straight into bytes: no value tree between a column and the wire.
//!
//! # Reading order: here (the writer), `points` (the samples of series).
//!
//! # Source
//! Number forms: `spec/prometheus-query.md` §4.1.

mod points;

use std::io::Write as _;

use wf_model::Labels;
use wf_model::float::Text;

pub(crate) use points::Points;

/// Bytes that go to the client in one piece.
pub(crate) const CHUNK_BYTES: usize = 64 * 1024;

/// Writes JSON text. Commas between members are placed by [`JsonWriter::item`].
pub(crate) struct JsonWriter {
    text: Vec<u8>,
}

impl JsonWriter {
    /// Collects everything; take it with [`JsonWriter::finish`].
    pub(crate) fn collecting() -> Self {
        Self { text: Vec::new() }
    }

    /// Collects a chunk.
    pub(crate) fn collecting_chunk() -> Self {
        Self { text: Vec::with_capacity(CHUNK_BYTES + CHUNK_BYTES / 4) }
    }

    /// Ends the text and returns it.
    pub(crate) fn finish(self) -> String {
        String::from_utf8(self.text).expect("all that is written is text")
    }

    /// Ends the text and returns its bytes.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.text
    }

    /// Returns how much is written.
    pub(crate) fn n_bytes(&self) -> usize {
        self.text.len()
    }

    /// Writes text that is JSON already.
    #[inline]
    pub(crate) fn raw(&mut self, json: &str) -> &mut Self {
        self.text.extend_from_slice(json.as_bytes());
        self
    }

    /// Writes a separator unless this is the first member.
    #[inline]
    pub(crate) fn item(&mut self, is_first: bool) -> &mut Self {
        if !is_first {
            self.text.push(b',');
        }
        self
    }

    /// Writes `"name":`.
    pub(crate) fn key(&mut self, name: &str) -> &mut Self {
        self.string(name).raw(":")
    }

    /// Writes a string with its escapes.
    pub(crate) fn string(&mut self, text: &str) -> &mut Self {
        self.text.push(b'"');
        let mut clean = text.as_bytes();
        while let Some(at) = clean.iter().position(|byte| *byte < 0x20 || matches!(byte, b'"' | b'\\')) {
            let (before, rest) = clean.split_at(at);
            self.text.extend_from_slice(before);
            let Some((special, rest)) = rest.split_first() else { break };
            match special {
                b'"' => self.text.extend_from_slice(b"\\\""),
                b'\\' => self.text.extend_from_slice(b"\\\\"),
                b'\n' => self.text.extend_from_slice(b"\\n"),
                b'\r' => self.text.extend_from_slice(b"\\r"),
                b'\t' => self.text.extend_from_slice(b"\\t"),
                control => self.display(format_args!("\\u{control:04x}")),
            }
            clean = rest;
        }
        self.text.extend_from_slice(clean);
        self.text.push(b'"');
        self
    }

    /// Writes a whole number.
    pub(crate) fn integer(&mut self, number: impl Into<i128>) -> &mut Self {
        self.display(format_args!("{}", number.into()));
        self
    }

    /// Writes a duration as seconds.
    pub(crate) fn seconds(&mut self, duration: std::time::Duration) -> &mut Self {
        self.display(format_args!("{}", duration.as_secs_f64()));
        self
    }

    /// Writes `true` or `false`.
    pub(crate) fn boolean(&mut self, value: bool) -> &mut Self {
        self.raw(if value { "true" } else { "false" })
    }

    /// Writes a timestamp in seconds: no fraction when whole, else exactly three decimals.
    #[inline]
    pub(crate) fn timestamp(&mut self, time_ms: i64) -> &mut Self {
        self.short(|text| text.push_seconds(time_ms))
    }

    /// Writes a sample value, a quoted number.
    #[inline]
    pub(crate) fn value(&mut self, value: f64) -> &mut Self {
        self.short(|text| push_value(text, value))
    }

    /// Writes `[time,"value"]`.
    #[inline]
    pub(crate) fn sample(&mut self, time_ms: i64, value: f64) -> &mut Self {
        self.short(|text| {
            text.push(b"[");
            text.push_seconds(time_ms);
            text.push(b",");
            push_value(text, value);
            text.push(b"]");
        })
    }

    #[inline]
    fn short(&mut self, write: impl FnOnce(&mut Text)) -> &mut Self {
        let mut text = Text::default();
        write(&mut text);
        self.text.extend_from_slice(text.as_bytes());
        self
    }

    /// Writes a label set as an object.
    pub(crate) fn labels(&mut self, labels: &Labels) -> &mut Self {
        self.raw("{");
        for (idx, (name, value)) in labels.iter().enumerate() {
            self.item(idx == 0).key(name).string(value);
        }
        self.raw("}")
    }

    /// Writes a list, one call of `write` per item.
    pub(crate) fn list<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        mut write: impl FnMut(&mut Self, T),
    ) -> &mut Self {
        self.raw("[");
        for (idx, item) in items.into_iter().enumerate() {
            write(self.item(idx == 0), item);
        }
        self.raw("]")
    }

    /// Writes a list of strings.
    pub(crate) fn strings<T: AsRef<str>>(&mut self, items: impl IntoIterator<Item = T>) -> &mut Self {
        self.list(items, |json, text| {
            json.string(text.as_ref());
        })
    }

    fn display(&mut self, arguments: std::fmt::Arguments<'_>) {
        self.text.write_fmt(arguments).expect("writing to a vector cannot fail");
    }
}

#[inline]
fn push_value(text: &mut Text, value: f64) {
    text.push(b"\"");
    text.push_json(value);
    text.push(b"\"");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut JsonWriter)) -> String {
        let mut json = JsonWriter::collecting();
        write(&mut json);
        json.finish()
    }

    #[test]
    fn timestamps_have_three_decimals_or_none() {
        let check = |time_ms, want: &str| {
            assert_eq!(
                written(|json| {
                    json.timestamp(time_ms);
                }),
                want
            );
        };
        check(0, "0");
        check(1_000, "1");
        check(1_500, "1.500");
        check(1_005, "1.005");
        check(-1, "-0.001");
        check(-1_500, "-1.500");
        check(1_700_000_000_123, "1700000000.123");
    }

    #[test]
    fn values_are_quoted_in_gos_shortest_form() {
        let check = |value, want: &str| {
            assert_eq!(
                written(|json| {
                    json.sample(1_000, value);
                }),
                format!("[1,\"{want}\"]")
            );
        };
        check(1.0, "1");
        check(-0.0, "-0");
        check(f64::NAN, "NaN");
        check(f64::INFINITY, "+Inf");
        check(f64::NEG_INFINITY, "-Inf");
        check(1e-7, "1e-07");
        check(0.000_001, "0.000001");
        check(1e21, "1e+21");
        check(123_456_789.123, "123456789.123");
    }

    #[test]
    fn strings_are_escaped() {
        let text = "a\"b\\c\n\t\u{1}é";
        assert_eq!(
            written(|json| {
                json.string(text);
            }),
            "\"a\\\"b\\\\c\\n\\t\\u0001é\""
        );
        let parsed: String = serde_json::from_str(&written(|json| {
            json.string(text);
        }))
        .unwrap();
        assert_eq!(parsed, text);
    }
}
