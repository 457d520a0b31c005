//! What all histograms of a chunk share: schema, zero threshold, spans, custom bounds.

use wf_model::histogram::{CUSTOM_BUCKETS_SCHEMA, Span};

use crate::chunk::ChunkError;
use crate::chunk::bits::{BitReader, BitWriter};
use crate::chunk::varbit;

/// Precedes a zero threshold that is written in full.
const THRESHOLD_IN_FULL: u8 = 255;
/// The byte of a power of two is its exponent, as `frexp` counts, plus this.
const THRESHOLD_BIAS: u64 = 243;

/// The largest custom bound, times 1,000, that is written as an integer.
const BOUND_MILLIS_MAX: f64 = 33_554_430.0;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Layout {
    pub(crate) schema: i32,
    pub(crate) zero_threshold: f64,
    pub(crate) positive_spans: Vec<Span>,
    pub(crate) negative_spans: Vec<Span>,
    pub(crate) custom_values: Vec<f64>,
}

impl Layout {
    pub(crate) fn push(&self, out: &mut BitWriter) {
        push_threshold(self.zero_threshold, out);
        varbit::push_int(out, i64::from(self.schema));
        push_spans(&self.positive_spans, out);
        push_spans(&self.negative_spans, out);
        if self.schema == CUSTOM_BUCKETS_SCHEMA {
            varbit::push_uint(out, self.custom_values.len() as u64);
            self.custom_values.iter().for_each(|bound| push_bound(*bound, out));
        }
    }

    pub(crate) fn read(bits: &mut BitReader<'_>) -> Result<Self, ChunkError> {
        let cut_off = ChunkError::Layout("it is cut off");
        let zero_threshold = read_threshold(bits).ok_or(cut_off)?;
        let schema = varbit::read_int(bits).ok_or(cut_off)?;
        let schema = i32::try_from(schema).map_err(|_| ChunkError::Layout("the schema exceeds 32 bits"))?;
        let positive_spans = read_spans(bits)?;
        let negative_spans = read_spans(bits)?;
        let custom_values = if schema == CUSTOM_BUCKETS_SCHEMA { read_bounds(bits)? } else { Vec::new() };
        Ok(Self { schema, zero_threshold, positive_spans, negative_spans, custom_values })
    }

    /// Returns how many positive and negative buckets each sample has.
    pub(crate) fn n_buckets(&self) -> (u64, u64) {
        (n_covered(&self.positive_spans), n_covered(&self.negative_spans))
    }

    /// Returns bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        8 * (self.positive_spans.capacity() + self.negative_spans.capacity() + self.custom_values.capacity())
    }
}

fn n_covered(spans: &[Span]) -> u64 {
    spans.iter().fold(0, |n, span| n.saturating_add(u64::from(span.length)))
}

/// A power of two from 2^−243 to 2^10 takes one byte.
fn push_threshold(threshold: f64, out: &mut BitWriter) {
    let bits = threshold.to_bits();
    let (exponent, mantissa) = (bits >> 52, bits & ((1 << 52) - 1));
    if bits == 0 {
        out.push(0, 8);
    } else if mantissa == 0 && (1022 - 242..=1022 + 11).contains(&exponent) {
        out.push(exponent + THRESHOLD_BIAS - 1022, 8);
    } else {
        out.push(u64::from(THRESHOLD_IN_FULL), 8);
        out.push(bits, 64);
    }
}

fn read_threshold(bits: &mut BitReader<'_>) -> Option<f64> {
    Some(match bits.take(8)? {
        0 => 0.0,
        byte if byte == u64::from(THRESHOLD_IN_FULL) => f64::from_bits(bits.take(64)?),
        byte => f64::from_bits((byte + 1022 - THRESHOLD_BIAS) << 52),
    })
}

fn push_spans(spans: &[Span], out: &mut BitWriter) {
    varbit::push_uint(out, spans.len() as u64);
    for span in spans {
        varbit::push_uint(out, u64::from(span.length));
        varbit::push_int(out, i64::from(span.offset));
    }
}

fn read_spans(bits: &mut BitReader<'_>) -> Result<Vec<Span>, ChunkError> {
    // A span takes two bits at least: a count beyond what is left claims no memory.
    let n_spans = read_count(bits, 2)?;
    let mut spans = Vec::with_capacity(n_spans);
    for _ in 0..n_spans {
        let length = varbit::read_uint(bits).ok_or(ChunkError::Layout("it is cut off"))?;
        let offset = varbit::read_int(bits).ok_or(ChunkError::Layout("it is cut off"))?;
        let (Ok(length), Ok(offset)) = (u32::try_from(length), i32::try_from(offset)) else {
            return Err(ChunkError::Layout("a span exceeds 32 bits"));
        };
        spans.push(Span { offset, length });
    }
    Ok(spans)
}

fn read_count(bits: &mut BitReader<'_>, bits_each: usize) -> Result<usize, ChunkError> {
    let count = varbit::read_uint(bits).ok_or(ChunkError::Layout("it is cut off"))?;
    let count = usize::try_from(count).ok().filter(|count| *count <= bits.n_left() / bits_each);
    count.ok_or(ChunkError::Layout("it promises more than the chunk holds"))
}

fn push_bound(bound: f64, out: &mut BitWriter) {
    let millis = (bound * 1000.0).round();
    let is_short =
        (0.0..=BOUND_MILLIS_MAX).contains(&millis) && (millis / 1000.0).to_bits() == bound.to_bits();
    if is_short {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the range was just checked"
        )]
        varbit::push_uint(out, millis as u64 + 1);
    } else {
        out.push(0, 1);
        out.push(bound.to_bits(), 64);
    }
}

fn read_bounds(bits: &mut BitReader<'_>) -> Result<Vec<f64>, ChunkError> {
    let n_bounds = read_count(bits, 5)?;
    let mut bounds = Vec::with_capacity(n_bounds);
    for _ in 0..n_bounds {
        let cut_off = ChunkError::Layout("it is cut off");
        bounds.push(match varbit::read_uint(bits).ok_or(cut_off)? {
            0 => f64::from_bits(bits.take(64).ok_or(cut_off)?),
            millis => (millis - 1) as f64 / 1000.0,
        });
    }
    Ok(bounds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_of_two_take_one_byte() {
        let byte_of = |threshold: f64| {
            let mut out = BitWriter::default();
            push_threshold(threshold, &mut out);
            assert_eq!(
                read_threshold(&mut BitReader::new(&out.bytes)).map(f64::to_bits),
                Some(threshold.to_bits())
            );
            if out.bytes.len() == 1 { Some(out.bytes[0]) } else { None }
        };
        assert_eq!(byte_of(0.0), Some(0));
        assert_eq!(byte_of(2_f64.powi(-243)), Some(1));
        // The default of client libraries, 2^-128, is 0.5 · 2^-127.
        assert_eq!(byte_of(2_f64.powi(-128)), Some(116));
        assert_eq!(byte_of(1.0), Some(244));
        assert_eq!(byte_of(1024.0), Some(254));
        assert_eq!([2048.0, 2_f64.powi(-244), 0.3, -1.0, -0.0].map(byte_of), [None; 5]);
    }

    #[test]
    fn bounds_in_thousandths_are_integers() {
        for (bound, n_bytes) in
            [(0.0, 1), (0.005, 2), (10.0, 4), (33_554.43, 4), (33_554.431, 9), (-1.0, 9), (0.3333, 9)]
        {
            let mut out = BitWriter::default();
            varbit::push_uint(&mut out, 1);
            let n_before = out.bytes.len();
            push_bound(bound, &mut out);
            assert!(out.bytes.len() <= n_before + n_bytes, "{bound}");
            assert_eq!(read_bounds(&mut BitReader::new(&out.bytes)).unwrap(), [bound]);
        }
    }

    #[test]
    fn a_count_that_the_bytes_cannot_hold_is_refused() {
        let mut out = BitWriter::default();
        push_threshold(0.0, &mut out);
        varbit::push_int(&mut out, 0);
        varbit::push_uint(&mut out, 1 << 60);
        out.push_bytes(&[0; 16]);
        let want = ChunkError::Layout("it promises more than the chunk holds");
        assert_eq!(Layout::read(&mut BitReader::new(&out.bytes)), Err(want));
    }
}
