//! Identity and order of label sets as Alertmanager has them: snapshots and receivers depend on these bytes.
//!
//! Source: `spec/alertmanager-pushgateway.md` §A3, §A6.

use std::cmp::Ordering;

use wf_model::Labels;
use wf_model::quote::GoQuoted;

/// Separates names and values in hashes: no UTF-8 text holds this byte.
const SEPARATOR: u8 = 0xff;

/// Returns the FNV-1a hash that names an alert in the API and in webhooks.
pub(crate) fn fingerprint(labels: &Labels) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut take = |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    for (name, value) in labels.iter() {
        name.bytes().for_each(&mut take);
        take(SEPARATOR);
        value.bytes().for_each(&mut take);
        take(SEPARATOR);
    }
    hash
}

/// Returns the hash under which the notification log remembers an alert.
pub(crate) fn log_hash(labels: &Labels) -> u64 {
    let mut bytes = Vec::with_capacity(256);
    for (name, value) in labels.iter() {
        bytes.extend_from_slice(name.as_bytes());
        bytes.push(SEPARATOR);
        bytes.extend_from_slice(value.as_bytes());
        bytes.push(SEPARATOR);
    }
    xxhash_rust::xxh64::xxh64(&bytes, 0)
}

/// Writes `{a="b", c="d"}`: names as they are, values as Go quotes them.
pub(crate) fn group_text(labels: &Labels) -> String {
    let pairs: Vec<String> =
        labels.iter().map(|(name, value)| format!("{name}={}", GoQuoted(value))).collect();
    format!("{{{}}}", pairs.join(", "))
}

/// Orders label sets: fewer labels first; else the first name at which they differ decides, its absence first.
pub(crate) fn order(a: &Labels, b: &Labels) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| {
        let (mut left, mut right) = (a.iter().peekable(), b.iter().peekable());
        loop {
            let (Some((left_name, left_value)), Some((right_name, right_value))) =
                (left.peek(), right.peek())
            else {
                return left.peek().is_some().cmp(&right.peek().is_some());
            };
            match left_name.cmp(right_name) {
                // The set with the smaller name has a label that the other lacks.
                Ordering::Less => return Ordering::Greater,
                Ordering::Greater => return Ordering::Less,
                Ordering::Equal => match left_value.cmp(right_value) {
                    Ordering::Equal => {
                        left.next();
                        right.next();
                    }
                    other => return other,
                },
            }
        }
    })
}

/// Orders alerts: by `job`, then `instance`, each present before absent, then by label set.
pub(crate) fn alert_order(a: &Labels, b: &Labels) -> Ordering {
    for name in ["job", "instance"] {
        let ordering = match (a.get(name), b.get(name)) {
            (Some(left), Some(right)) => left.cmp(right),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        };
        if ordering != Ordering::Equal {
            return ordering;
        }
    }
    order(a, b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        Labels::from_pairs(pairs.iter().copied())
    }

    #[test]
    fn identity_bytes_are_those_of_the_specification() {
        let alert = labels(&[("alertname", "t"), ("team", "a&b")]);
        assert_eq!(format!("{:016x}", fingerprint(&alert)), "d248726d418c6f1c");
        assert_eq!(format!("{:016x}", fingerprint(&Labels::empty())), "cbf29ce484222325");
        assert_eq!(log_hash(&alert), 0xe68d_a734_6607_6eee);
    }

    #[test]
    fn group_text_quotes_values_only() {
        assert_eq!(group_text(&labels(&[("b", "x\ty"), ("a.b", "é")])), "{a.b=\"é\", b=\"x\\ty\"}");
        assert_eq!(group_text(&Labels::empty()), "{}");
    }

    #[test]
    fn sets_are_ordered_by_size_then_by_the_first_difference() {
        let sorted = [
            labels(&[("z", "1")]),
            labels(&[("b", "1"), ("c", "1")]),
            labels(&[("a", "1"), ("c", "1")]),
            labels(&[("a", "2"), ("b", "1")]),
        ];
        assert!(sorted.is_sorted_by(|a, b| order(a, b) == Ordering::Less));
        let with_job = labels(&[("job", "a"), ("x", "1"), ("y", "1")]);
        assert_eq!(alert_order(&with_job, &labels(&[("a", "1")])), Ordering::Less);
    }
}
