//! Protocol buffers by hand: the few messages of snapshots need varints, lengths and two fixed forms.
//!
//! Reading is strict about lengths and lenient about unknown fields, as the format wants.
#![expect(clippy::cast_possible_truncation, reason = "field numbers and wire types are small by the format")]

use jiff::Timestamp;

/// Why bytes are not the messages they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed message at byte {at}: {what}")]
pub(crate) struct WireError {
    /// Where, in the message that was being read.
    pub(crate) at: usize,
    /// What is wrong.
    pub(crate) what: &'static str,
}

/// A field's value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Field<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32,
    Bytes(&'a [u8]),
}

/// Walks through the fields of a message.
#[derive(Clone, Debug)]
pub(crate) struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Returns the next field's number and value.
    pub(crate) fn next(&mut self) -> Result<Option<(u32, Field<'a>)>, WireError> {
        if self.at >= self.bytes.len() {
            return Ok(None);
        }
        let key = self.varint()?;
        let number = (key >> 3) as u32;
        let field = match key & 7 {
            0 => Field::Varint(self.varint()?),
            1 => {
                let bytes = self.take(8)?;
                Field::Fixed64(bytes.try_into().map_or(0, u64::from_le_bytes))
            }
            2 => Field::Bytes(self.delimited()?),
            5 => {
                self.take(4)?;
                Field::Fixed32
            }
            _ => return Err(self.fail("unknown wire type")),
        };
        Ok(Some((number, field)))
    }

    /// Returns the next message of a sequence of length-prefixed ones.
    pub(crate) fn next_message(&mut self) -> Result<Option<&'a [u8]>, WireError> {
        if self.at >= self.bytes.len() {
            return Ok(None);
        }
        self.delimited().map(Some)
    }

    fn delimited(&mut self) -> Result<&'a [u8], WireError> {
        let length = usize::try_from(self.varint()?).map_err(|_| self.fail("length beyond memory"))?;
        self.take(length)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], WireError> {
        let end = self.at.checked_add(length);
        let taken =
            end.and_then(|end| self.bytes.get(self.at..end)).ok_or_else(|| self.fail("it is cut off"))?;
        self.at += length;
        Ok(taken)
    }

    pub(crate) fn varint(&mut self) -> Result<u64, WireError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = *self.bytes.get(self.at).ok_or_else(|| self.fail("it is cut off"))?;
            self.at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.fail("a number of more than 64 bits"))
    }

    pub(crate) fn is_over(&self) -> bool {
        self.at >= self.bytes.len()
    }

    fn fail(&self, what: &'static str) -> WireError {
        WireError { at: self.at, what }
    }
}

/// Returns the text of a field; bytes that are none become replacement characters.
pub(crate) fn text(field: Field<'_>) -> String {
    match field {
        Field::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        _ => String::new(),
    }
}

/// Returns the bytes of a field that is a message.
pub(crate) fn message(field: Field<'_>) -> &[u8] {
    match field {
        Field::Bytes(bytes) => bytes,
        _ => &[],
    }
}

/// Reads `Timestamp{1 seconds, 2 nanos}`.
pub(crate) fn timestamp(bytes: &[u8]) -> Result<Timestamp, WireError> {
    let (mut seconds, mut nanos) = (0_i64, 0_i32);
    let mut fields = Fields::new(bytes);
    while let Some((number, field)) = fields.next()? {
        match (number, field) {
            (1, Field::Varint(value)) => seconds = value.cast_signed(),
            (2, Field::Varint(value)) => nanos = value as i32,
            _ => {}
        }
    }
    Timestamp::new(seconds, nanos).map_err(|_| WireError { at: 0, what: "a time beyond the calendar" })
}

/// Writes a message.
#[derive(Clone, Debug, Default)]
pub(crate) struct Writer(pub(crate) Vec<u8>);

impl Writer {
    pub(crate) fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push((value as u8) | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn key(&mut self, number: u32, wire_type: u64) {
        self.varint(u64::from(number) << 3 | wire_type);
    }

    /// Writes bytes, also when there are none: a message that is there but empty.
    pub(crate) fn bytes(&mut self, number: u32, bytes: &[u8]) {
        self.key(number, 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    /// Writes a text unless it is empty.
    pub(crate) fn text(&mut self, number: u32, text: &str) {
        if !text.is_empty() {
            self.bytes(number, text.as_bytes());
        }
    }

    /// Writes a number unless it is zero.
    pub(crate) fn number(&mut self, number: u32, value: u64) {
        if value != 0 {
            self.key(number, 0);
            self.varint(value);
        }
    }

    /// Writes a float.
    pub(crate) fn double(&mut self, number: u32, value: f64) {
        self.key(number, 1);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// Writes a message that `fill` fills.
    pub(crate) fn message(&mut self, number: u32, fill: impl FnOnce(&mut Self)) {
        let mut inner = Self::default();
        fill(&mut inner);
        self.bytes(number, &inner.0);
    }

    pub(crate) fn timestamp(&mut self, number: u32, at: Timestamp) {
        // Nanoseconds count forward in the format.
        let (mut seconds, mut nanos) = (at.as_second(), at.subsec_nanosecond());
        if nanos < 0 {
            (seconds, nanos) = (seconds - 1, nanos + 1_000_000_000);
        }
        self.message(number, |inner| {
            inner.number(1, seconds.cast_unsigned());
            inner.number(2, u64::from(nanos.unsigned_abs()));
        });
    }

    /// Writes numbers packed, unless there are none.
    pub(crate) fn packed(&mut self, number: u32, values: &[u64]) {
        if !values.is_empty() {
            self.message(number, |inner| values.iter().for_each(|value| inner.varint(*value)));
        }
    }

    /// Appends a length-prefixed message.
    pub(crate) fn delimited(&mut self, message: &[u8]) {
        self.varint(message.len() as u64);
        self.0.extend_from_slice(message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_what_is_cut_is_refused() {
        let mut writer = Writer::default();
        writer.text(1, "é");
        writer.number(2, 300);
        writer.packed(3, &[1, u64::MAX]);
        writer.timestamp(4, Timestamp::new(5, 7).unwrap());
        writer.double(5, 1.5);
        let mut fields = Fields::new(&writer.0);
        assert_eq!(text(fields.next().unwrap().unwrap().1), "é");
        assert!(matches!(fields.next(), Ok(Some((2, Field::Varint(300))))));
        assert_eq!(message(fields.next().unwrap().unwrap().1).len(), 11);
        assert_eq!(
            timestamp(message(fields.next().unwrap().unwrap().1)).unwrap(),
            Timestamp::new(5, 7).unwrap()
        );
        assert!(matches!(fields.next(), Ok(Some((5, Field::Fixed64(bits)))) if f64::from_bits(bits) == 1.5));
        assert!(fields.next().unwrap().is_none());
        for length in 1..writer.0.len() {
            let mut fields = Fields::new(&writer.0[..length]);
            while let Ok(Some(_)) = fields.next() {}
        }
        assert!(Fields::new(&[0x0a, 0x05, b'a']).next().is_err());
    }
}
