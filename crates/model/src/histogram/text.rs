//! The text of a histogram, as `count_values` makes it a label.

use std::fmt;

use super::FloatHistogram;
use crate::float;

/// Writes `{count:4, sum:5, [-2,-1):1, [-0.1,0.1]:2, (1,2]:1}`; empty buckets are left out.
impl fmt::Display for FloatHistogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{count:{}, sum:{}", float::format_g(self.count), float::format_g(self.sum))?;
        for bucket in self.buckets().filter(|bucket| bucket.count != 0.0) {
            let open = if bucket.is_lower_inclusive { '[' } else { '(' };
            let close = if bucket.is_upper_inclusive { ']' } else { ')' };
            let (lower, upper) = (float::format_g(bucket.lower), float::format_g(bucket.upper));
            write!(f, ", {open}{lower},{upper}{close}:{}", float::format_g(bucket.count))?;
        }
        f.write_str("}")
    }
}
