//! Two servers that read the same blocks must say the same.

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// Numbers may differ by this part of the larger: sums are not taken in the same order.
const TOLERANCE: f64 = 1e-9;

/// Returns whether an answer holds nothing.
pub(super) fn is_empty(body: &str) -> Result<bool> {
    let answer = parse(body)?;
    let results = answer.pointer("/data/result").or_else(|| answer.pointer("/data"));
    Ok(results.and_then(Value::as_array).is_none_or(Vec::is_empty))
}

/// Compares two answers; the order of results does not matter.
/// # Errors
/// Says where they differ.
pub(super) fn check(left: &str, right: &str) -> Result<()> {
    let (left, right) = (results(left)?, results(right)?);
    if left.len() != right.len() {
        bail!("{} results here, {} there", left.len(), right.len());
    }
    for (left, right) in left.iter().zip(&right) {
        same(left, right).with_context(|| format!("at {}", left.get("metric").unwrap_or(&Value::Null)))?;
    }
    Ok(())
}

fn parse(body: &str) -> Result<Value> {
    serde_json::from_str(body).context("read the answer")
}

/// Returns what an answer lists, sorted by labels.
fn results(body: &str) -> Result<Vec<Value>> {
    let mut answer = parse(body)?;
    let at = if answer.pointer("/data/result").is_some() { "/data/result" } else { "/data" };
    let list = answer.pointer_mut(at).map(Value::take).context("an answer without data")?;
    let Value::Array(mut list) = list else { bail!("data is no list") };
    // Objects keep their keys sorted, so their text is a sort key.
    list.sort_by_cached_key(|one| one.get("metric").unwrap_or(one).to_string());
    Ok(list)
}

fn same(left: &Value, right: &Value) -> Result<()> {
    match (left, right) {
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).try_for_each(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) if a.len() == b.len() => a.iter().try_for_each(|(key, a)| {
            let b = b.get(key).with_context(|| format!("{key} is missing"))?;
            same(a, b)
        }),
        _ if left == right || are_near(left, right) => Ok(()),
        _ => bail!("{} and {}", short(left), short(right)),
    }
}

fn are_near(left: &Value, right: &Value) -> bool {
    let number =
        |value: &Value| value.as_str().and_then(|text| text.parse::<f64>().ok()).or_else(|| value.as_f64());
    match (number(left), number(right)) {
        (Some(a), Some(b)) => (a - b).abs() <= TOLERANCE * a.abs().max(b.abs()),
        _ => false,
    }
}

fn short(value: &Value) -> String {
    value.to_string().chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(name: &str, value: &str) -> String {
        format!(
            r#"{{"data":{{"resultType":"matrix","result":[{{"metric":{{"a":"{name}"}},"values":[[3,"{value}"]]}},{{"metric":{{"a":"b"}},"values":[[3,"1"]]}}]}}}}"#
        )
    }

    #[test]
    fn the_last_digit_and_the_order_do_not_matter_and_all_else_does() {
        check(&matrix("a", "1.0000000000001"), &matrix("a", "1")).unwrap();
        check(r#"{"data":["x","y"]}"#, r#"{"data":["y","x"]}"#).unwrap();
        assert!(check(&matrix("a", "1.00001"), &matrix("a", "1")).is_err());
        assert!(check(&matrix("a", "1"), &matrix("c", "1")).is_err());
        assert!(check(r#"{"data":["x"]}"#, r#"{"data":["y"]}"#).is_err());
    }

    #[test]
    fn an_empty_answer_is_known() {
        assert!(is_empty(r#"{"data":{"result":[]}}"#).unwrap() && is_empty(r#"{"data":[]}"#).unwrap());
        assert!(!is_empty(&matrix("a", "1")).unwrap());
    }
}
