//! Start timestamps inside a chunk: when the counter behind each sample began.
//!
//! One header byte: bit 7 says that the first sample has one; bits 0–6 name the first sample (from 1 on) that is
//! followed by a field, 0 if none is. Before that sample all have the start of the first, which may be none (0). A
//! field is the distance of the start from the sample before, then the change of that distance.
//! # Source
//! `spec/prometheus-core.md` §7.6, XOR2.

use super::bits::{BitReader, BitWriter};
use super::column::Damage;
use super::varbit;

const FIRST_HAS_START: u8 = 0x80;
/// The last sample that the header can name: from it on there is always a field.
const FIELD_AT_MAX: u16 = 127;

/// Writes the fields.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StartWriter {
    header: u8,
    first: i64,
    distance: i64,
}

impl StartWriter {
    /// Returns the header byte as it has to be now.
    pub(crate) fn header(&self) -> u8 {
        self.header
    }

    /// Writes what follows the first sample.
    pub(crate) fn push_first(&mut self, time: i64, start: i64, out: &mut BitWriter) {
        self.first = start;
        if start != 0 {
            self.header = FIRST_HAS_START;
            varbit::push_varint(out, time.wrapping_sub(start));
        }
    }

    /// Writes what follows sample `idx` ≥ 1; `previous` is the time of the sample before it.
    pub(crate) fn push_next(&mut self, idx: u16, previous: i64, start: i64, out: &mut BitWriter) {
        if self.header & 0x7f == 0 {
            if start == self.first && idx < FIELD_AT_MAX {
                return;
            }
            self.header |= u8::try_from(idx.min(FIELD_AT_MAX)).unwrap_or(0x7f);
        }
        let distance = previous.wrapping_sub(start);
        varbit::push_int(out, distance.wrapping_sub(self.distance));
        self.distance = distance;
    }
}

/// Reads the fields.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StartReader {
    header: u8,
    /// Start of the newest sample, 0 for none.
    pub(crate) start: i64,
    distance: i64,
}

impl StartReader {
    pub(crate) fn new(header: u8) -> Self {
        Self { header, start: 0, distance: 0 }
    }

    pub(crate) fn read_first(&mut self, time: i64, bits: &mut BitReader<'_>) -> Result<(), Damage> {
        if self.header & FIRST_HAS_START != 0 {
            let distance = varbit::read_varint(bits).ok_or(Damage::Truncated)?;
            self.start = time.wrapping_sub(distance);
        }
        Ok(())
    }

    #[inline]
    pub(crate) fn read_next(
        &mut self,
        idx: u16,
        previous: i64,
        bits: &mut BitReader<'_>,
    ) -> Result<(), Damage> {
        let field_at = self.header & 0x7f;
        if field_at == 0 || idx < u16::from(field_at) {
            return Ok(());
        }
        let change = varbit::read_int(bits).ok_or(Damage::Truncated)?;
        self.distance = self.distance.wrapping_add(change);
        self.start = previous.wrapping_sub(self.distance);
        Ok(())
    }
}
