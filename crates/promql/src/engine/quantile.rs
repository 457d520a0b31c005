//! The quantile of a list of numbers.

use wf_model::float::format_g;

use super::remarks::Remarks;
use crate::ast::Pos;

/// Returns the `q` quantile with linear interpolation, NaN counting as the smallest number. Reorders `values`.
/// # Complexity
/// Linear: the values on both sides of the quantile need no order.
pub(crate) fn quantile_of(q: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    let order = |a: &f64, b: &f64| b.is_nan().cmp(&a.is_nan()).then(a.total_cmp(b));
    let (lower_idx, weight) = rank(q, values.len());
    let (_, lower, above) = values.select_nth_unstable_by(lower_idx, order);
    let upper = above.iter().copied().min_by(order).unwrap_or(*lower);
    *lower * (1.0 - weight) + upper * weight
}

/// Returns the `q` quantile, 0 to 1, of at least one value in order.
pub(crate) fn quantile_of_sorted(q: f64, values: &[f64]) -> f64 {
    let (lower, weight) = rank(q, values.len());
    let upper = (lower + 1).min(values.len() - 1);
    values[lower] * (1.0 - weight) + values[upper] * weight
}

/// Returns the place of the value at or below the quantile, and the weight of the one above.
fn rank(q: f64, n_values: usize) -> (usize, f64) {
    let rank = q * (n_values - 1) as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 <= rank <= len - 1")]
    let lower = rank.floor() as usize;
    (lower, rank - rank.floor())
}

/// Warns of a quantile outside 0 to 1.
pub(crate) fn remark_on_quantile(q: f64, pos: Pos, remarks: &mut Remarks) {
    if !(0.0..=1.0).contains(&q) {
        remarks.warn(pos, format!("quantile value should be between 0 and 1, got {}", format_g(q)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_interpolate_and_clamp() {
        let check = |q: f64, values: &[f64], want: f64| {
            let got = quantile_of(q, &mut values.to_vec());
            assert!(got == want || got.is_nan() && want.is_nan(), "{q} of {values:?}: {got}");
        };
        check(0.5, &[], f64::NAN);
        check(0.5, &[2.0, 0.0, 1.0], 1.0);
        check(0.75, &[0.0, 1.0, 4.0], 2.5);
        check(0.0, &[f64::NAN, 1.0], f64::NAN);
        check(-1.0, &[1.0], f64::NEG_INFINITY);
        check(2.0, &[1.0], f64::INFINITY);
        check(f64::NAN, &[1.0], f64::NAN);
    }
}
