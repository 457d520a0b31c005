//! Script text to commands.

use regex_automata::meta::Regex;
use wf_model::duration;

use super::Failure;
use super::command::{
    Command, CommandKind, Eval, Expectations, Expected, Load, Pattern, RangeVector, SeriesLine, When,
};
use super::series::{parse_series, parse_start_offsets};
use crate::ast::duration_ms;

/// A line without its blanks, and its number.
type Line<'a> = (usize, &'a str);

/// Reads all commands.
pub(super) fn parse(text: &str) -> Result<Vec<Command>, Failure> {
    let mut commands = Vec::new();
    for block in blocks(text) {
        let Some(((line, head), body)) = block.split_first() else { continue };
        let kind = command(head, body).map_err(|error| match error {
            Fault::Here(message) => Failure { line: *line, message },
            Fault::At(line, message) => Failure { line, message },
        })?;
        commands.push(Command { line: *line, kind });
    }
    Ok(commands)
}

/// Something wrong: in the head of the command, or at a line of its own.
enum Fault {
    Here(String),
    At(usize, String),
}

impl From<String> for Fault {
    fn from(message: String) -> Self {
        Self::Here(message)
    }
}

/// Commands end at a blank line; a comment counts as blank.
fn blocks(text: &str) -> Vec<Vec<Line<'_>>> {
    let mut blocks = vec![Vec::new()];
    for (idx, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            blocks.push(Vec::new());
        } else if let Some(block) = blocks.last_mut() {
            // `clear` has no body: the next line is a new command even without a blank one.
            let is_clear = block.len() == 1 && block.first().is_some_and(|(_, head)| *head == "clear");
            if is_clear { blocks.push(vec![(idx + 1, line)]) } else { block.push((idx + 1, line)) }
        }
    }
    blocks
}

fn command(head: &str, body: &[Line<'_>]) -> Result<CommandKind, Fault> {
    let (word, rest) = split_word(head);
    match word {
        "clear" if rest.is_empty() => Ok(CommandKind::Clear),
        "load" | "load_with_nhcb" => load(rest, word == "load_with_nhcb", body).map(CommandKind::Load),
        "eval" | "eval_fail" | "eval_warn" | "eval_info" | "eval_ordered" => {
            eval(word, rest, body).map(|eval| CommandKind::Eval(Box::new(eval)))
        }
        _ => Err(Fault::Here(format!("unknown command {word:?}, expected load, clear or eval"))),
    }
}

fn load(step: &str, with_nhcb: bool, body: &[Line<'_>]) -> Result<Load, Fault> {
    let step_ms = parse_duration(step)?;
    let mut series: Vec<SeriesLine> = Vec::new();
    let mut pending: Option<(usize, &str, Vec<Option<i64>>)> = None;
    for (line, text) in body {
        if let Some((name, offsets)) = start_line(text) {
            let offsets = parse_start_offsets(offsets).map_err(|message| Fault::At(*line, message))?;
            pending = Some((*line, name, offsets));
            continue;
        }
        let mut parsed = parse_series(*line, text).map_err(|message| Fault::At(*line, message))?;
        if let Some((st_line, name, offsets)) = pending.take() {
            let named =
                parse_series(st_line, &format!("{name} 0")).map_err(|message| Fault::At(st_line, message))?;
            if named.labels != parsed.labels || offsets.len() != parsed.values.len() {
                let message = "start timestamps need the labels and the length of the next line".to_owned();
                return Err(Fault::At(st_line, message));
            }
            parsed.start_offsets_ms = offsets;
        }
        // Of two lines for one series the later wins.
        series.retain(|known| known.labels != parsed.labels);
        series.push(parsed);
    }
    Ok(Load { step_ms, with_nhcb, series })
}

/// Splits `m{a="b"}@st 1s 2s` into its series and its items.
fn start_line(text: &str) -> Option<(&str, &str)> {
    let (name, items) = text.split_once("@st")?;
    let is_item = items.starts_with([' ', '\t']) && !name.contains([' ', '\t']);
    is_item.then_some((name, items))
}

fn eval(word: &str, rest: &str, body: &[Line<'_>]) -> Result<Eval, Fault> {
    let (when, query) = when_and_query(rest)?;
    // What is expected to fail is creating or evaluating a query: one that is none is a mistake of the script.
    crate::parser::parse(query, &crate::parser::ParseOptions::all()).map_err(|error| error.to_string())?;
    let mut expects = Expectations {
        fail: (word == "eval_fail").then_some(Pattern::Any),
        some_warn: word == "eval_warn",
        some_info: word == "eval_info",
        ordered: word == "eval_ordered",
        ..Expectations::default()
    };
    let mut expected = Expected::Series(Vec::new());
    for (line, text) in body {
        let done =
            expectation(text, &mut expects, &mut expected).map_err(|message| Fault::At(*line, message))?;
        if done {
            continue;
        }
        if let Ok(number) = super::series::parse_number(text) {
            expected = Expected::Scalar(number);
            break;
        }
        let series = parse_series(*line, text).map_err(|message| Fault::At(*line, message))?;
        if let Expected::Series(all) = &mut expected {
            all.push(series);
        }
    }
    check_contradictions(&expects)?;
    Ok(Eval { when, query: query.to_owned(), expected, expects })
}

fn check_contradictions(expects: &Expectations) -> Result<(), Fault> {
    if (expects.no_warn && !expects.warn.is_empty()) || (expects.no_info && !expects.info.is_empty()) {
        return Err(Fault::Here("an annotation is expected and excluded at once".to_owned()));
    }
    Ok(())
}

/// `instant at 5m QUERY` or `range from 0 to 10m step 1m QUERY`
fn when_and_query(text: &str) -> Result<(When, &str), Fault> {
    let (kind, rest) = split_word(text);
    match kind {
        "instant" => {
            let (at_ms, query) = keyword_duration(rest, "at")?;
            Ok((When::Instant { at_ms }, query))
        }
        "range" => {
            let (start_ms, rest) = keyword_duration(rest, "from")?;
            let (end_ms, rest) = keyword_duration(rest, "to")?;
            let (step_ms, query) = keyword_duration(rest, "step")?;
            if end_ms < start_ms || step_ms <= 0 {
                return Err(Fault::Here("a range needs from <= to and a positive step".to_owned()));
            }
            Ok((When::Range { start_ms, end_ms, step_ms }, query))
        }
        _ => Err(Fault::Here(format!(
            "unknown evaluation {kind:?}, expected \"instant at\" or \"range from\""
        ))),
    }
}

fn keyword_duration<'a>(text: &'a str, keyword: &str) -> Result<(i64, &'a str), Fault> {
    let (word, rest) = split_word(text);
    if word != keyword {
        return Err(Fault::Here(format!("expected {keyword:?} and a duration, got {word:?}")));
    }
    let (duration, rest) = split_word(rest);
    Ok((parse_duration(duration)?, rest))
}

/// Reads an `expect` or `expected_fail_…` line; returns whether it was one.
fn expectation(text: &str, expects: &mut Expectations, expected: &mut Expected) -> Result<bool, String> {
    let (word, rest) = split_word(text);
    match word {
        "expected_fail_message" => expects.fail = Some(Pattern::Text(rest.to_owned())),
        "expected_fail_regexp" => expects.fail = Some(Pattern::Regex(regex(rest)?)),
        "expect" => expect(rest, expects, expected)?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn expect(text: &str, expects: &mut Expectations, expected: &mut Expected) -> Result<(), String> {
    let (word, rest) = split_word(text);
    match word {
        "fail" if expects.fail.is_some() => return Err("at most one fail line".to_owned()),
        "fail" => expects.fail = Some(pattern(rest)?),
        "warn" => expects.warn.push(pattern(rest)?),
        "info" => expects.info.push(pattern(rest)?),
        "no_warn" => expects.no_warn = true,
        "no_info" => expects.no_info = true,
        "ordered" => expects.ordered = true,
        "string" => *expected = Expected::String(string_literal(rest)?),
        "range" => expects.range_vector = Some(range_vector(rest)?),
        _ => return Err(format!("unknown expectation {word:?}")),
    }
    Ok(())
}

fn pattern(text: &str) -> Result<Pattern, String> {
    match text.split_once(':') {
        Some(("msg", message)) => Ok(Pattern::Text(message.trim().to_owned())),
        Some(("regex", expression)) => Ok(Pattern::Regex(regex(expression.trim())?)),
        _ if text.is_empty() => Ok(Pattern::Any),
        _ => Err(format!("expected msg: or regex:, got {text:?}")),
    }
}

fn regex(text: &str) -> Result<Regex, String> {
    Regex::new(text).map_err(|error| format!("bad expression {text:?}: {error}"))
}

fn string_literal(text: &str) -> Result<String, String> {
    let expr =
        crate::parser::parse(text, &crate::parser::ParseOptions::all()).map_err(|error| error.to_string())?;
    match expr.kind {
        crate::ast::ExprKind::String(value) => Ok(value),
        _ => Err(format!("expected a string literal, got {text:?}")),
    }
}

/// `vector from 0 to 10m step 1m`
fn range_vector(text: &str) -> Result<RangeVector, String> {
    let rest = text.strip_prefix("vector").ok_or("expected \"range vector from A to B step S\"")?;
    let part = |text, keyword| {
        keyword_duration(text, keyword).map_err(|fault| match fault {
            Fault::Here(message) | Fault::At(_, message) => message,
        })
    };
    let (start_ms, rest) = part(rest, "from")?;
    let (end_ms, rest) = part(rest, "to")?;
    let (step_ms, _) = part(rest, "step")?;
    Ok(RangeVector { start_ms, end_ms, step_ms })
}

fn parse_duration(text: &str) -> Result<i64, String> {
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let duration = duration::parse(text).map_err(|error| format!("bad duration {text:?}: {error}"))?;
    Ok(sign * duration_ms(duration))
}

/// The first word and the rest, both without blanks around them.
fn split_word(text: &str) -> (&str, &str) {
    let text = text.trim();
    text.split_once([' ', '\t']).map_or((text, ""), |(word, rest)| (word, rest.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_query_is_a_mistake_of_the_script_even_where_failure_is_expected() {
        let check = |query: &str, want: Option<usize>| {
            let script = format!("load 1m\n  a 1\n\neval instant at 0 {query}\n  expect fail\n");
            assert_eq!(parse(&script).err().map(|failure| failure.line), want, "{query}");
        };
        check("a{__name__=\"b\"}", Some(4));
        check("sum(", Some(4));
        // These are found when the query is built, and evaluated.
        check("a[1m-1m]", None);
        check("topk(1e30, a)", None);
    }
}
