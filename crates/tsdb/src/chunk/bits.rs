//! Bits, most significant first: appended to a byte vector, read a word at a time at any bit.
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

/// Bits of [`BitReader::peek`] that are real wherever as many are left.
pub const PEEKED: u32 = 57;

/// Reads bits from the front of a byte slice. Past the end there are zeros, and [`BitReader::take`] yields `None`.
#[derive(Clone, Debug)]
pub struct BitReader<'a> {
    bytes: &'a [u8],
    /// The next bit; behind the last one when more was skipped than there was.
    at: usize,
}

impl<'a> BitReader<'a> {
    /// Starts at the first bit of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Returns the next [`PEEKED`] bits at the top of a word: one unaligned load, whatever was read before.
    #[inline(always)]
    pub fn peek(&self) -> u64 {
        let first = self.at / 8;
        let word = match self.bytes.get(first..).and_then(<[u8]>::first_chunk) {
            Some(bytes) => u64::from_be_bytes(*bytes),
            None => self.last_word(first),
        };
        word << (self.at % 8)
    }

    /// Returns the word at byte `first`, of which some bytes are missing.
    #[cold]
    fn last_word(&self, first: usize) -> u64 {
        let rest = self.bytes.get(first..).unwrap_or_default();
        match self.bytes.last_chunk() {
            Some(last) if !rest.is_empty() => u64::from_be_bytes(*last) << (64 - 8 * rest.len()),
            _ => rest.iter().zip(1..).fold(0, |word, (byte, n)| word | u64::from(*byte) << (64 - 8 * n)),
        }
    }

    /// Returns how many bits are left: what a count read from damaged bytes can be held against.
    #[inline]
    pub fn n_left(&self) -> usize {
        (self.bytes.len() * 8).saturating_sub(self.at)
    }

    /// Returns whether more bits were passed over than there are.
    #[inline(always)]
    pub fn is_past_end(&self) -> bool {
        self.at > self.bytes.len() * 8
    }

    /// Passes over `n` bits, there or not; whoever reads fast asks [`BitReader::is_past_end`] afterwards.
    #[inline(always)]
    pub fn pass(&mut self, n: u32) {
        self.at += n as usize;
    }

    /// Drops `n` bits; `None` when fewer are left.
    #[inline]
    pub fn skip(&mut self, n: u32) -> Option<()> {
        self.pass(n);
        (!self.is_past_end()).then_some(())
    }

    /// Takes 1 to 64 bits, zeros behind the end.
    #[inline(always)]
    pub fn pass_value(&mut self, n: u32) -> u64 {
        debug_assert!((1..=64).contains(&n));
        if n <= PEEKED {
            let value = self.peek() >> (64 - n);
            self.pass(n);
            return value;
        }
        let high = self.peek() >> 32;
        self.pass(32);
        let low = self.peek() >> (96 - n);
        self.pass(n - 32);
        high << (n - 32) | low
    }

    /// Takes 1 to 64 bits; `None` when fewer are left.
    #[inline]
    pub fn take(&mut self, n: u32) -> Option<u64> {
        let value = self.pass_value(n);
        (!self.is_past_end()).then_some(value)
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
                prop_assert_eq!(reader.peek() >> (64 - n.min(PEEKED)), masked(value, n) >> n.saturating_sub(PEEKED));
                prop_assert_eq!(reader.take(n), Some(masked(value, n)));
            }
            prop_assert!(reader.n_left() < 8 && reader.peek() == 0);
            prop_assert_eq!(reader.take(8), None);
            prop_assert!(reader.n_left() == 0 && reader.peek() == 0);
        }
    }
}
