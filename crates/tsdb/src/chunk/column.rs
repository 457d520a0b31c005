//! Columns of numbers inside a stream of bits: each knows how to write its first value and every later one.

use super::bits::{BitReader, BitWriter};
use super::varbit;

/// Why bits make no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Damage {
    /// They end too early.
    Truncated,
    /// Leading zeros and significant bits exceed 64.
    BadWindow,
}

/// One field of every sample of a chunk: the state of writer and reader alike.
pub(crate) trait Column: Clone + std::fmt::Debug + Sized {
    type Value: Copy + PartialEq + std::fmt::Debug;

    fn push_first(value: Self::Value, out: &mut BitWriter) -> Self;
    fn push_next(&mut self, value: Self::Value, out: &mut BitWriter);
    /// As [`Column::push_next`], in a sample that marks staleness, whose counts mean nothing.
    fn push_stale(&mut self, value: Self::Value, out: &mut BitWriter);
    fn read_first(bits: &mut BitReader<'_>) -> Result<Self, Damage>;
    fn read_next(&mut self, bits: &mut BitReader<'_>) -> Result<(), Damage>;
    fn value(&self) -> Self::Value;
}

/// A signed number, then its change, then changes of the change.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Steps {
    value: i64,
    step: i64,
}

/// As [`Steps`], the first value unsigned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CountSteps(Steps);

/// A float: its bits, then the XOR with the one before it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct XorFloat {
    bits: u64,
    /// Zeros above and below the significant bits; `NO_WINDOW` before the first change.
    leading: u8,
    trailing: u8,
}

const NO_WINDOW: u8 = 0xff;

impl Column for Steps {
    type Value = i64;

    fn push_first(value: i64, out: &mut BitWriter) -> Self {
        varbit::push_int(out, value);
        Self { value, step: 0 }
    }

    fn push_next(&mut self, value: i64, out: &mut BitWriter) {
        let step = value.wrapping_sub(self.value);
        varbit::push_int(out, step.wrapping_sub(self.step));
        *self = Self { value, step };
    }

    fn push_stale(&mut self, _: i64, out: &mut BitWriter) {
        varbit::push_int(out, 0);
        self.value = self.value.wrapping_add(self.step);
    }

    fn read_first(bits: &mut BitReader<'_>) -> Result<Self, Damage> {
        Ok(Self { value: varbit::read_int(bits).ok_or(Damage::Truncated)?, step: 0 })
    }

    fn read_next(&mut self, bits: &mut BitReader<'_>) -> Result<(), Damage> {
        self.step = self.step.wrapping_add(varbit::read_int(bits).ok_or(Damage::Truncated)?);
        self.value = self.value.wrapping_add(self.step);
        Ok(())
    }

    fn value(&self) -> i64 {
        self.value
    }
}

impl Column for CountSteps {
    type Value = u64;

    fn push_first(value: u64, out: &mut BitWriter) -> Self {
        varbit::push_uint(out, value);
        Self(Steps { value: value.cast_signed(), step: 0 })
    }

    fn push_next(&mut self, value: u64, out: &mut BitWriter) {
        self.0.push_next(value.cast_signed(), out);
    }

    fn push_stale(&mut self, _: u64, out: &mut BitWriter) {
        self.0.push_stale(0, out);
    }

    fn read_first(bits: &mut BitReader<'_>) -> Result<Self, Damage> {
        let value = varbit::read_uint(bits).ok_or(Damage::Truncated)?.cast_signed();
        Ok(Self(Steps { value, step: 0 }))
    }

    fn read_next(&mut self, bits: &mut BitReader<'_>) -> Result<(), Damage> {
        self.0.read_next(bits)
    }

    fn value(&self) -> u64 {
        self.0.value.cast_unsigned()
    }
}

impl XorFloat {
    /// Starts from a value that is not written.
    pub(crate) fn from_bits(bits: u64) -> Self {
        Self { bits, leading: NO_WINDOW, trailing: 0 }
    }

    pub(crate) fn bits(&self) -> u64 {
        self.bits
    }

    /// Whether the XOR of `bits` with the value fits the window that was written last.
    pub(crate) fn fits_window(&self, bits: u64) -> bool {
        let xor = bits ^ self.bits;
        self.leading != NO_WINDOW
            && clamped_leading(xor) >= u32::from(self.leading)
            && xor.trailing_zeros() >= u32::from(self.trailing)
    }

    /// Appends the significant bits of a changed value in the window that was written last.
    pub(crate) fn push_in_window(&mut self, bits: u64, out: &mut BitWriter) {
        let xor = bits ^ self.bits;
        out.push(xor >> self.trailing, 64 - u32::from(self.leading) - u32::from(self.trailing));
        self.bits = bits;
    }

    /// Appends a window and the significant bits of a changed value in it.
    #[expect(clippy::cast_possible_truncation, reason = "both numbers of zeros are below 64")]
    pub(crate) fn push_with_window(&mut self, bits: u64, out: &mut BitWriter) {
        let xor = bits ^ self.bits;
        let (leading, trailing) = (clamped_leading(xor), xor.trailing_zeros());
        let n_bits = 64 - leading - trailing;
        // 64 significant bits are written as 0: a value that changed has at least one.
        out.push(u64::from(leading) << 6 | u64::from(n_bits & 63), 11);
        (self.leading, self.trailing) = (leading as u8, trailing as u8);
        self.push_in_window(bits, out);
    }

    pub(crate) fn read_in_window(&mut self, bits: &mut BitReader<'_>) -> Result<(), Damage> {
        let leading = if self.leading == NO_WINDOW { 0 } else { u32::from(self.leading) };
        let trailing = u32::from(self.trailing);
        let xor = bits.take(64 - leading - trailing).ok_or(Damage::Truncated)?;
        self.bits ^= xor << trailing;
        Ok(())
    }

    #[expect(clippy::cast_possible_truncation, reason = "both numbers of zeros are below 64")]
    pub(crate) fn read_with_window(&mut self, bits: &mut BitReader<'_>) -> Result<(), Damage> {
        let raw = bits.take(11).ok_or(Damage::Truncated)? as u32;
        let (leading, n_bits) = (raw >> 6, if raw & 63 == 0 { 64 } else { raw & 63 });
        let trailing = 64_u32.checked_sub(leading + n_bits).ok_or(Damage::BadWindow)?;
        (self.leading, self.trailing) = (leading as u8, trailing as u8);
        self.read_in_window(bits)
    }
}

/// Five bits hold the leading zeros.
fn clamped_leading(xor: u64) -> u32 {
    xor.leading_zeros().min(31)
}

impl Column for XorFloat {
    type Value = f64;

    fn push_first(value: f64, out: &mut BitWriter) -> Self {
        out.push(value.to_bits(), 64);
        Self::from_bits(value.to_bits())
    }

    fn push_next(&mut self, value: f64, out: &mut BitWriter) {
        let bits = value.to_bits();
        if bits == self.bits {
            out.push(0, 1);
        } else if self.fits_window(bits) {
            out.push(0b10, 2);
            self.push_in_window(bits, out);
        } else {
            out.push(0b11, 2);
            self.push_with_window(bits, out);
        }
    }

    fn push_stale(&mut self, value: f64, out: &mut BitWriter) {
        self.push_next(value, out);
    }

    fn read_first(bits: &mut BitReader<'_>) -> Result<Self, Damage> {
        Ok(Self::from_bits(bits.take(64).ok_or(Damage::Truncated)?))
    }

    fn read_next(&mut self, bits: &mut BitReader<'_>) -> Result<(), Damage> {
        if bits.take(1).ok_or(Damage::Truncated)? == 0 {
            return Ok(());
        }
        if bits.take(1).ok_or(Damage::Truncated)? == 0 {
            self.read_in_window(bits)
        } else {
            self.read_with_window(bits)
        }
    }

    fn value(&self) -> f64 {
        f64::from_bits(self.bits)
    }
}
