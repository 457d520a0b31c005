//! Protobuf's wire format: tags, varints, fixed-width numbers, byte strings.
#![expect(
    clippy::cast_possible_truncation,
    reason = "protobuf cuts wider varints down to the width of the field"
)]

/// What is wrong with a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The page ends inside a message.
    #[error("the page ends inside a message")]
    Truncated,
    /// A number has more than 64 bits.
    #[error("a number is longer than 64 bits")]
    LongNumber,
    /// A field has another wire type than its definition, or one that nobody uses.
    #[error("field {0} has an unexpected wire type")]
    WireType(u32),
    /// A string is not UTF-8.
    #[error("field {0} is not valid UTF-8")]
    NotUtf8(u32),
    /// A family without a name.
    #[error("it has no name")]
    NoName,
    /// A label without a name.
    #[error("a label has no name")]
    NoLabelName,
    /// A type number that is not defined.
    #[error("its type {0} is unknown")]
    UnknownType(u64),
}

/// A field's value as it stands on the wire.
#[derive(Clone, Copy, Debug)]
pub(super) enum Field<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32,
}

impl<'a> Field<'a> {
    pub(super) fn varint(self, number: u32) -> Result<u64, WireError> {
        match self {
            Self::Varint(value) => Ok(value),
            _ => Err(WireError::WireType(number)),
        }
    }

    pub(super) fn double(self, number: u32) -> Result<f64, WireError> {
        match self {
            Self::Fixed64(bits) => Ok(canonical(f64::from_bits(bits))),
            _ => Err(WireError::WireType(number)),
        }
    }

    pub(super) fn bytes(self, number: u32) -> Result<&'a [u8], WireError> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            _ => Err(WireError::WireType(number)),
        }
    }

    pub(super) fn text(self, number: u32) -> Result<&'a str, WireError> {
        std::str::from_utf8(self.bytes(number)?).map_err(|_| WireError::NotUtf8(number))
    }

    pub(super) fn int64(self, number: u32) -> Result<i64, WireError> {
        Ok(self.varint(number)?.cast_signed())
    }

    /// A zigzag number of 32 bits.
    pub(super) fn sint32(self, number: u32) -> Result<i32, WireError> {
        Ok(zigzag(self.varint(number)?) as i32)
    }

    /// Adds a repeated zigzag number, packed or not.
    pub(super) fn push_sint64(self, number: u32, out: &mut Vec<i64>) -> Result<(), WireError> {
        match self {
            Self::Varint(value) => out.push(zigzag(value)),
            Self::Bytes(bytes) => {
                let mut wire = Wire::new(bytes);
                while !wire.is_over() {
                    out.push(zigzag(wire.varint()?));
                }
            }
            _ => return Err(WireError::WireType(number)),
        }
        Ok(())
    }

    /// Adds a repeated double, packed or not.
    pub(super) fn push_double(self, number: u32, out: &mut Vec<f64>) -> Result<(), WireError> {
        match self {
            Self::Fixed64(bits) => out.push(canonical(f64::from_bits(bits))),
            Self::Bytes(bytes) => {
                let (chunks, rest) = bytes.as_chunks::<8>();
                if !rest.is_empty() {
                    return Err(WireError::Truncated);
                }
                out.extend(chunks.iter().map(|chunk| canonical(f64::from_le_bytes(*chunk))));
            }
            _ => return Err(WireError::WireType(number)),
        }
        Ok(())
    }
}

/// Any NaN is the ordinary one: a page cannot write stale markers.
fn canonical(value: f64) -> f64 {
    if value.is_nan() { f64::from_bits(wf_model::sample::NORMAL_NAN_BITS) } else { value }
}

fn zigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

/// Walks a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wire<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Wire<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    pub(super) fn is_over(&self) -> bool {
        self.position >= self.bytes.len()
    }

    pub(super) fn position(&self) -> usize {
        self.position
    }

    /// Returns the next field with its number; `None` at the end of the message.
    pub(super) fn next_field(&mut self) -> Result<Option<(u32, Field<'a>)>, WireError> {
        if self.is_over() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let number = (tag >> 3) as u32;
        let field = match tag & 7 {
            0 => Field::Varint(self.varint()?),
            1 => Field::Fixed64(u64::from_le_bytes(self.fixed()?)),
            2 => Field::Bytes(self.length_delimited()?),
            5 => {
                self.fixed::<4>()?;
                Field::Fixed32
            }
            _ => return Err(WireError::WireType(number)),
        };
        Ok(Some((number, field)))
    }

    pub(super) fn varint(&mut self) -> Result<u64, WireError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = *self.bytes.get(self.position).ok_or(WireError::Truncated)?;
            self.position += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(WireError::LongNumber)
    }

    pub(super) fn length_delimited(&mut self) -> Result<&'a [u8], WireError> {
        let len = usize::try_from(self.varint()?).map_err(|_| WireError::Truncated)?;
        let end = self.position.checked_add(len).ok_or(WireError::Truncated)?;
        let bytes = self.bytes.get(self.position..end).ok_or(WireError::Truncated)?;
        self.position = end;
        Ok(bytes)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        let chunk = *rest.first_chunk::<N>().ok_or(WireError::Truncated)?;
        self.position += N;
        Ok(chunk)
    }
}
