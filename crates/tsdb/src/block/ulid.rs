//! ULIDs: names of blocks that sort by the time of their making.
//!
//! 48 bits of milliseconds since the epoch, then 80 random bits; written as 26 digits of Crockford's base 32.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::str::FromStr;

const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Digits of a ULID.
const LEN: usize = 26;

/// Name of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ulid([u8; 16]);

/// Why text is not a ULID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a ULID: it takes 26 digits of Crockford's base 32, the first of them at most 7")]
pub struct UlidError;

impl Ulid {
    /// All bits zero: the parent that out-of-order blocks name.
    pub const ZERO: Self = Self([0; 16]);

    /// Builds from a time in ms (its low 48 bits; before the epoch counts as the epoch) and 80 random bits.
    pub fn new(time_ms: i64, random: [u8; 10]) -> Self {
        let mut bytes = [0; 16];
        let time = u64::try_from(time_ms).unwrap_or(0).to_be_bytes();
        bytes[..6].copy_from_slice(&time[2..]);
        bytes[6..].copy_from_slice(&random);
        Self(bytes)
    }

    /// Builds one that nobody else has, for a block made at `now_ms`.
    pub fn generate(now_ms: i64) -> Self {
        // Each `RandomState` has keys of its own, seeded by the operating system: two keyed hashes are 128 random bits.
        let keyed = RandomState::new();
        let bits = u128::from(keyed.hash_one(0_u8)) << 64 | u128::from(keyed.hash_one(1_u8));
        let mut random = [0; 10];
        random.copy_from_slice(&bits.to_be_bytes()[..10]);
        Self::new(now_ms, random)
    }

    /// Returns the time of its making, ms.
    pub fn time_ms(self) -> i64 {
        self.0[..6].iter().fold(0, |time, byte| time << 8 | i64::from(*byte))
    }

    /// Returns the 16 bytes, most significant first.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for Ulid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = u128::from_be_bytes(self.0);
        let mut text = String::with_capacity(LEN);
        for position in (0..LEN).rev() {
            let digit = (bits >> (5 * position)) & 31;
            text.push(DIGITS.get(digit as usize).map_or('0', |byte| char::from(*byte)));
        }
        f.pad(&text)
    }
}

impl FromStr for Ulid {
    type Err = UlidError;

    fn from_str(text: &str) -> Result<Self, UlidError> {
        if text.len() != LEN || text.as_bytes().first().is_none_or(|first| *first > b'7') {
            return Err(UlidError);
        }
        let mut bits = 0_u128;
        for byte in text.bytes() {
            let digit =
                DIGITS.iter().position(|digit| *digit == byte.to_ascii_uppercase()).ok_or(UlidError)?;
            bits = bits << 5 | digit as u128;
        }
        Ok(Self(bits.to_be_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_is_crockfords_base_32() {
        assert_eq!(Ulid::ZERO.to_string(), "00000000000000000000000000");
        // 2^48 - 1 ms and all random bits set.
        assert_eq!(Ulid([0xff; 16]).to_string(), "7ZZZZZZZZZZZZZZZZZZZZZZZZZ");
        // 1 ms = the lowest bit of the tenth digit; random 1 = the lowest of the last.
        let random = [0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        assert_eq!(Ulid::new(1, random).to_string(), "00000000010000000000000001");
        assert_eq!("01DXXFZDYD1MQW6079WK0K6EDQ".parse::<Ulid>().unwrap().time_ms(), 1_578_316_576_717);
    }

    #[test]
    fn what_is_not_a_ulid_is_refused() {
        for text in [
            "",
            "0",
            "80000000000000000000000000",
            "0000000000000000000000000U",
            "0000000000000000000000000é",
        ] {
            assert_eq!(text.parse::<Ulid>(), Err(UlidError), "{text}");
        }
    }

    #[test]
    fn two_of_one_millisecond_differ() {
        assert_ne!(Ulid::generate(7), Ulid::generate(7));
        assert_eq!(Ulid::generate(7).time_ms(), 7);
    }

    proptest! {
        #[test]
        fn text_round_trips_and_sorts_alike(a: [u8; 16], b: [u8; 16]) {
            let (a, b) = (Ulid(a), Ulid(b));
            prop_assert_eq!(a.to_string().parse(), Ok(a));
            prop_assert_eq!(a.to_string().to_lowercase().parse(), Ok(a));
            prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
        }
    }
}
