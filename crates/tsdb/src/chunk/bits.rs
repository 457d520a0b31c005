//! Bits, most significant first: appended to a byte vector, read through a 64-bit window.
#![expect(clippy::cast_possible_truncation, reason = "a codec narrows on purpose, each time after shifting")]

/// Appends the low `n_bits` of `value`; `free` counts the unused low bits of the last byte and is updated.
#[inline(always)]
pub fn push_bits(out: &mut Vec<u8>, free: &mut u8, value: u64, n_bits: u32) {
    debug_assert!((1..=64).contains(&n_bits) && *free < 8);
    // What is left to write sits at the top of `queue`.
    let mut queue = value << (64 - n_bits);
    let mut left = n_bits;
    if *free > 0 {
        if let Some(last) = out.last_mut() {
            *last |= (queue >> 56) as u8 >> (8 - *free);
        }
        let written = left.min(u32::from(*free));
        queue <<= written;
        left -= written;
        *free -= written as u8;
    }
    if left > 0 {
        let n_bytes = left.div_ceil(8);
        let bytes = queue.to_be_bytes();
        out.extend_from_slice(bytes.get(..n_bytes as usize).unwrap_or(&bytes));
        *free = (n_bytes * 8 - left) as u8;
    }
}

/// Appends one bit.
#[inline]
pub fn push_bit(out: &mut Vec<u8>, free: &mut u8, bit: bool) {
    push_bits(out, free, u64::from(bit), 1);
}

/// Bytes under construction, and how many low bits of the last one are still free.
#[derive(Clone, Debug, Default)]
pub struct BitWriter {
    /// What was written; free bits are zero.
    pub bytes: Vec<u8>,
    free: u8,
}

impl BitWriter {
    /// Goes on after `bytes`, all of whose bits are taken.
    pub fn after(bytes: Vec<u8>) -> Self {
        Self { bytes, free: 0 }
    }

    /// Appends the low `n_bits` of `value`, 1 to 64.
    #[inline]
    pub fn push(&mut self, value: u64, n_bits: u32) {
        push_bits(&mut self.bytes, &mut self.free, value, n_bits);
    }

    /// Appends whole bytes, which need not start at a byte's border.
    pub fn push_bytes(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.push(u64::from(*byte), 8));
    }
}

/// Reads bits from the front of a byte slice. Past the end it yields zeros, and [`BitReader::take`] yields `None`.
#[derive(Clone, Debug)]
pub struct BitReader<'a> {
    /// Bytes that are not in the window yet.
    rest: &'a [u8],
    /// The next bits at the top; below the valid ones, zeros.
    window: u64,
    n_valid: u32,
}

impl<'a> BitReader<'a> {
    /// Starts at the first bit of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, window: 0, n_valid: 0 }
    }

    /// Fills the window: afterwards at least 56 bits are valid, or all that are left.
    #[inline]
    pub fn refill(&mut self) {
        if let Some((next, _)) = self.rest.split_first_chunk::<8>() {
            // Whole bytes only: the bits below them are masked away and loaded again next time.
            let n_bytes = (64 - self.n_valid) / 8;
            let n_bits = n_bytes * 8;
            if n_bits == 0 {
                return;
            }
            let loaded = (u64::from_be_bytes(*next) >> (64 - n_bits)) << (64 - n_bits);
            self.window |= loaded >> self.n_valid;
            self.n_valid += n_bits;
            self.rest = self.rest.get(n_bytes as usize..).unwrap_or_default();
        } else {
            self.refill_tail();
        }
    }

    #[cold]
    fn refill_tail(&mut self) {
        while self.n_valid <= 56 {
            let Some((&byte, rest)) = self.rest.split_first() else { return };
            self.window |= u64::from(byte) << (56 - self.n_valid);
            self.n_valid += 8;
            self.rest = rest;
        }
    }

    /// Returns the next bits at the top of a word, zeros below the valid ones.
    #[inline]
    pub fn peek(&self) -> u64 {
        self.window
    }

    /// Returns how many bits are left: what a count read from damaged bytes can be held against.
    pub fn n_left(&self) -> usize {
        self.rest.len().saturating_mul(8).saturating_add(self.n_valid as usize)
    }

    /// Returns how many bits of [`BitReader::peek`] are real.
    #[inline]
    pub fn n_valid(&self) -> u32 {
        self.n_valid
    }

    /// Drops `n` bits; `None` when fewer are in the window. `n` is below 64.
    #[inline]
    pub fn skip(&mut self, n: u32) -> Option<()> {
        debug_assert!(n < 64);
        self.n_valid = self.n_valid.checked_sub(n)?;
        self.window <<= n;
        Some(())
    }

    /// Takes 1 to 56 bits that a [`BitReader::refill`] made available; `None` when they are not there.
    #[inline]
    pub fn take(&mut self, n: u32) -> Option<u64> {
        debug_assert!((1..=56).contains(&n));
        let value = self.window >> (64 - n);
        self.skip(n)?;
        Some(value)
    }

    /// Refills and takes 1 to 64 bits; `None` when fewer are left.
    #[inline]
    pub fn refill_take(&mut self, n: u32) -> Option<u64> {
        self.refill();
        if n <= 56 {
            return self.take(n);
        }
        let high = self.take(32)?;
        self.refill();
        let low = self.take(n - 32)?;
        Some(high << (n - 32) | low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bits_round_trip(fields in prop::collection::vec((any::<u64>(), 1_u32..=64), 0..200)) {
            let (mut out, mut free) = (Vec::new(), 0);
            let masked = |value: u64, n: u32| value << (64 - n) >> (64 - n);
            for &(value, n) in &fields {
                push_bits(&mut out, &mut free, masked(value, n), n);
            }
            let mut reader = BitReader::new(&out);
            for &(value, n) in &fields {
                prop_assert_eq!(reader.refill_take(n), Some(masked(value, n)));
            }
            reader.refill();
            prop_assert!(reader.n_valid() < 8 && reader.peek() == 0);
            prop_assert_eq!(reader.refill_take(8), None);
        }
    }
}
