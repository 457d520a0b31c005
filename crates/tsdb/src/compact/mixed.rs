//! Chunks of any encoding that have to be written anew: native histograms, start timestamps.

use std::borrow::Cow;

use wf_model::TimeRange;

use super::rewrite::{Input, Output};
use crate::chunk::{self, ChunkError, EncodedChunk, Encoding, Sample, Writer};

/// Samples of a chunk; a histogram chunk ends earlier where its layout changes.
const SAMPLES_MAX: u16 = 120;

/// Merges chunks sample by sample, without what is deleted or outside of `bounds`, and appends new chunks to `out`. Of
/// two samples with the same time that of the earlier chunk counts.
/// # Errors
/// When a chunk is damaged.
pub(crate) fn merge_run(
    run: &[Input<'_>],
    bounds: TimeRange,
    out: &mut Vec<Output<'_>>,
) -> Result<(), ChunkError> {
    let mut samples: Vec<Sample> = Vec::new();
    for input in run {
        let decoded = chunk::samples(input.encoding, &input.data, bounds)?;
        let is_kept = |sample: &Sample| !input.deleted.iter().any(|gone| gone.contains(sample.time_ms));
        samples.extend(decoded.into_iter().filter(is_kept));
    }
    // Stable: the earlier chunk's sample comes first, and stays.
    samples.sort_by_key(|sample| sample.time_ms);
    samples.dedup_by_key(|sample| sample.time_ms);
    let mut writer = Writer::new(SAMPLES_MAX, floats(run));
    for sample in &samples {
        out.extend(writer.push(sample)?.map(output));
    }
    out.extend(writer.finish().map(output));
    Ok(())
}

/// Returns the encoding that loses nothing of what is in the chunks.
fn floats(run: &[Input<'_>]) -> Encoding {
    let has_starts = |input: &Input<'_>| {
        matches!(input.encoding, Encoding::Xor2 | Encoding::HistogramSt | Encoding::FloatHistogramSt)
    };
    if run.iter().any(has_starts) { Encoding::Xor2 } else { Encoding::Xor }
}

fn output(chunk: EncodedChunk) -> Output<'static> {
    let EncodedChunk { encoding, min_time_ms: start_ms, max_time_ms: end_ms, bytes, .. } = chunk;
    Output { span: TimeRange { start_ms, end_ms }, encoding, data: Cow::Owned(bytes) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use wf_model::FloatHistogram;
    use wf_series::HistogramValue;

    use super::*;
    use crate::chunk::Value;

    fn histograms(times: std::ops::Range<i64>) -> EncodedChunk {
        let mut writer = Writer::new(120, Encoding::Xor);
        for time_ms in times {
            let histogram =
                FloatHistogram { sum: time_ms as f64, count: time_ms as f64, ..FloatHistogram::default() };
            let value = Value::Histogram(HistogramValue::Float(Arc::new(histogram)));
            assert!(writer.push(&Sample { time_ms, start_time_ms: 0, value }).unwrap().is_none());
        }
        writer.finish().unwrap()
    }

    #[test]
    fn overlapping_histograms_are_merged_and_deleted_ones_left_out() {
        let chunks = [histograms(1..50), histograms(30..80)];
        let deleted = [TimeRange { start_ms: 10, end_ms: 19 }];
        let input = |chunk: &EncodedChunk| Input {
            span: TimeRange { start_ms: chunk.min_time_ms, end_ms: chunk.max_time_ms },
            encoding: chunk.encoding,
            data: Cow::Owned(chunk.bytes.clone()),
            deleted: &deleted,
        };
        let mut out = Vec::new();
        merge_run(&chunks.each_ref().map(input), TimeRange { start_ms: 1, end_ms: 70 }, &mut out).unwrap();
        let samples = out.iter().flat_map(|c| chunk::samples(c.encoding, &c.data, TimeRange::ALL).unwrap());
        let times: Vec<i64> = samples.map(|sample| sample.time_ms).collect();
        assert_eq!(times, (1..10).chain(20..=70).collect::<Vec<_>>());
    }
}
