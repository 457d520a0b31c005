//! An open chunk in a head snapshot.

use super::{Bits, OpenChunk};
use crate::chunk::{Encoding, XorState};
use crate::encoding::{Cursor, DecodeError, put_uvarint, put_varint};
use crate::head::series::{SampleKind, SavedChunk};

const EMPTY: u8 = 0;
const LINE: u8 = 1;
const BITS: u8 = 2;
const CLOSED: u8 = 3;

impl OpenChunk {
    /// Appends the chunk. Its newest sample is the series's to save.
    pub(crate) fn save(&self, out: &mut Vec<u8>) {
        match self {
            Self::Empty(_) => out.push(EMPTY),
            Self::Line { step, n } => {
                out.push(LINE);
                put_varint(out, *step);
                put_uvarint(out, u64::from(*n));
            }
            Self::Bits(bits) => {
                out.push(BITS);
                out.extend_from_slice(&bits.state.save());
                put_uvarint(out, bits.bytes.len() as u64);
                out.extend_from_slice(&bits.bytes);
            }
            Self::Bits2(encoder) => save_closed(out, Encoding::Xor2, encoder.bytes()),
            Self::Histogram(open) => save_closed(out, open.encoding(), open.bytes()),
        }
    }

    /// Reads what [`OpenChunk::save`] wrote; its newest sample is of `kind`, `last_time` and `last_value`.
    /// # Errors
    /// When that is not what it reads.
    pub(crate) fn load(
        cursor: &mut Cursor<'_>,
        kind: SampleKind,
        last_time: i64,
        last_value: u64,
    ) -> Result<SavedChunk, DecodeError> {
        let open = match cursor.u8()? {
            EMPTY => Self::Empty(kind),
            LINE => {
                let step = cursor.varint()?;
                let n = u16::try_from(cursor.uvarint()?).map_err(|_| DecodeError::OutOfRange)?;
                if n == 0 { Self::Empty(kind) } else { Self::Line { step, n } }
            }
            BITS => {
                let saved = cursor.take(XorState::SAVED_BYTES)?;
                let stored = cursor.uvarint_bytes()?;
                let state = XorState::load(saved, stored, last_time, f64::from_bits(last_value))?;
                // Room for the next sample: the buffer is not grown again at once.
                let mut bytes = Vec::with_capacity(super::buffer_len(stored.len()));
                bytes.extend_from_slice(stored);
                Self::Bits(Box::new(Bits { state, bytes }))
            }
            CLOSED => {
                let encoding = Encoding::from_number(cursor.u8()?).ok_or(DecodeError::OutOfRange)?;
                return Ok(SavedChunk::Closed(encoding, cursor.uvarint_bytes()?.to_vec()));
            }
            _ => return Err(DecodeError::OutOfRange),
        };
        Ok(SavedChunk::Open(open))
    }
}

fn save_closed(out: &mut Vec<u8>, encoding: Encoding, bytes: &[u8]) {
    out.push(CLOSED);
    out.push(encoding.number());
    put_uvarint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}
