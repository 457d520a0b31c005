//! A histogram as text, as `count_values` names it.

use super::FloatHistogram;
use crate::float::format_g;

impl FloatHistogram {
    /// Writes `{count:4, sum:5, [-2,-1):1, [-0.1,0.1]:2, (1,2]:1}`: populated buckets in ascending order.
    pub fn text(&self) -> String {
        let mut text = format!("{{count:{}, sum:{}", format_g(self.count), format_g(self.sum));
        for bucket in self.buckets().iter().filter(|bucket| bucket.count != 0.0) {
            let open = if bucket.lower_inclusive { '[' } else { '(' };
            let close = if bucket.upper_inclusive { ']' } else { ')' };
            let (lower, upper, count) =
                (format_g(bucket.lower), format_g(bucket.upper), format_g(bucket.count));
            text.push_str(&format!(", {open}{lower},{upper}{close}:{count}"));
        }
        text.push('}');
        text
    }
}
