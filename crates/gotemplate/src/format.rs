//! Go's `fmt`, as far as templates reach it: `print`, `println`, `printf`.

mod number;
mod printf;

pub(crate) use number::shortest;
pub use printf::printf;

use crate::value::Value;

/// Joins operands, with a space between two that are not strings.
pub(crate) fn print(args: &[Value]) -> String {
    let mut out = String::new();
    let is_text = |value: &Value| matches!(value, Value::Text(_));
    for (position, value) in args.iter().enumerate() {
        let previous = position.checked_sub(1).and_then(|at| args.get(at));
        if previous.is_some_and(|previous| !is_text(previous) && !is_text(value)) {
            out.push(' ');
        }
        out.push_str(&value.to_string());
    }
    out
}

/// Joins operands with spaces and ends the line.
pub(crate) fn print_line(args: &[Value]) -> String {
    let words: Vec<String> = args.iter().map(Value::to_string).collect();
    words.join(" ") + "\n"
}
