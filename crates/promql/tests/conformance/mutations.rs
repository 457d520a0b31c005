//! Scripts that say something wrong do not pass: every evaluation, changed in one way, fails.
#![expect(clippy::string_slice, reason = "lines are cut where ASCII was found")]

use std::fs;

use wf_promql::script;

/// A way to make an evaluation wrong: from its lines, the `eval` first, to other lines.
type Mutation = fn(&[&str]) -> Option<Vec<String>>;

/// Runs every script with all its evaluations changed; returns how many were, and which of them passed all the same.
fn survivors(mutate: Mutation) -> Option<(usize, Vec<String>)> {
    let (mut n_mutated, mut survived) = (0, Vec::new());
    for path in super::scripts(&super::conformance()?) {
        let (text, mutated) = mutated(&fs::read_to_string(&path).expect("read script"), mutate);
        let failed = script::run(&text).failed;
        n_mutated += mutated.len();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for line in mutated {
            if !failed.iter().any(|failure| failure.line == line) {
                let eval = text.lines().nth(line - 1).unwrap_or_default();
                survived.push(format!("{name}: {eval}"));
            }
        }
    }
    Some((n_mutated, survived))
}

/// Returns the changed script, and the lines of the evaluations that were changed.
fn mutated(text: &str, mutate: Mutation) -> (String, Vec<usize>) {
    let (mut out, mut changed) = (Vec::new(), Vec::new());
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let mut rest = lines.as_slice();
    while let [first, ..] = rest {
        let ends = |line: &&str| line.is_empty() || line.starts_with('#');
        let length = rest.iter().position(ends).unwrap_or(rest.len()).max(1);
        let (command, after) = rest.split_at(length);
        match mutate(command).filter(|_| first.starts_with("eval")) {
            Some(lines) => {
                changed.push(out.len() + 1);
                out.extend(lines);
            }
            None => out.extend(command.iter().map(|line| (*line).to_owned())),
        }
        rest = after;
    }
    (out.join("\n"), changed)
}

fn owned(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

fn is_expectation(line: &str) -> bool {
    line.starts_with("expect")
}

/// Whether the evaluation is to fail: then it has no result.
fn fails(lines: &[&str]) -> bool {
    lines[0].starts_with("eval_fail") || lines.iter().any(|line| line.starts_with("expect fail"))
}

/// Where the last result line is.
fn last_result(lines: &[&str]) -> Option<usize> {
    (1..lines.len()).rev().find(|idx| !is_expectation(lines[*idx])).filter(|_| !fails(lines))
}

/// Splits a result line into its series and its values.
fn split(line: &str) -> (&str, &str) {
    let mut quote = None;
    for (at, ch) in line.char_indices() {
        match quote {
            Some(open) if ch == open => quote = None,
            Some(_) => {}
            None if matches!(ch, '"' | '\'' | '`') => quote = Some(ch),
            None if ch == '}' || (ch == ' ' && !line[..at].contains('{')) => return line.split_at(at + 1),
            None => {}
        }
    }
    ("", line)
}

/// Changes one value of a list: the last that can be.
fn changed_values(values: &str) -> Option<String> {
    for key in ["count:", "sum:", "schema:"] {
        if let Some(at) = values.rfind(key) {
            let digits = at + key.len();
            let end = values[digits..].find([' ', '}']).map(|length| digits + length)?;
            let value: f64 = values[digits..end].parse().ok()?;
            let wrong = if value.is_finite() { value * 1.01 + 1_f64.copysign(value) } else { 1.0 };
            return Some(format!("{}{}{}", &values[..digits], wrong.trunc(), &values[end..]));
        }
    }
    if values.contains("{{") {
        return None;
    }
    let mut tokens: Vec<String> = values.split_whitespace().map(str::to_owned).collect();
    for token in tokens.iter_mut().rev() {
        let head = token.char_indices().skip(1).find(|(at, ch)| {
            let after_exponent = token[..*at].ends_with(['e', 'E']);
            *ch == 'x' || (matches!(ch, '+' | '-') && !after_exponent)
        });
        let (number, tail) = token.split_at(head.map_or(token.len(), |(at, _)| at));
        let wrong = match number.parse::<f64>() {
            Ok(value) if value.is_finite() => value * 1.01 + 1_f64.copysign(value),
            Ok(_) => 1.0,
            Err(_) if number == "stale" => 1.0,
            Err(_) => continue,
        };
        *token = format!("{wrong}{tail}");
        return Some(tokens.join(" "));
    }
    None
}

fn wrong_value(lines: &[&str]) -> Option<Vec<String>> {
    let at = last_result(lines)?;
    let (series, values) = split(lines[at]);
    let mut out = owned(lines);
    out[at] = format!("{series} {}", changed_values(values)?);
    Some(out)
}

fn wrong_label(lines: &[&str]) -> Option<Vec<String>> {
    let at = last_result(lines)?;
    let (series, values) = split(lines[at]);
    let series = match series.trim().split_once('{') {
        Some((name, "}")) => format!("{name}{{mutant=\"1\"}}"),
        Some((name, labels)) => format!("{name}{{mutant=\"1\",{labels}"),
        None if series.is_empty() => return None,
        None => format!("{}{{mutant=\"1\"}}", series.trim()),
    };
    let mut out = owned(lines);
    out[at] = format!("{series} {values}");
    Some(out)
}

fn missing_series(lines: &[&str]) -> Option<Vec<String>> {
    let at = last_result(lines)?;
    // A line of gaps stands for nothing.
    let (series, values) = split(lines[at]);
    let is_gap = |token: &str| token.starts_with('_');
    if series.is_empty() || values.split_whitespace().all(is_gap) {
        return None;
    }
    let mut out = owned(lines);
    out.remove(at);
    Some(out)
}

fn additional_series(lines: &[&str]) -> Option<Vec<String>> {
    let is_string = lines.iter().any(|line| line.starts_with("expect string"));
    let is_scalar = last_result(lines).is_some_and(|at| split(lines[at]).0.is_empty());
    if fails(lines) || is_string || is_scalar {
        return None;
    }
    let mut out = owned(lines);
    out.push("{mutant=\"1\"} 1".to_owned());
    Some(out)
}

fn wrong_string(lines: &[&str]) -> Option<Vec<String>> {
    let at = lines.iter().position(|line| line.starts_with("expect string"))?;
    let mut out = owned(lines);
    out[at] = "expect string \"mutant\"".to_owned();
    Some(out)
}

fn failure_not_expected(lines: &[&str]) -> Option<Vec<String>> {
    let is_failure = |line: &&str| line.starts_with("expect fail") || line.starts_with("expected_fail");
    if !fails(lines) {
        return None;
    }
    let mut out: Vec<String> =
        lines.iter().filter(|line| !is_failure(line)).map(|line| (*line).to_owned()).collect();
    out[0] = out[0].replace("eval_fail", "eval");
    Some(out)
}

fn failure_expected(lines: &[&str]) -> Option<Vec<String>> {
    let has_annotations = lines.iter().any(|line| is_expectation(line));
    if fails(lines) || has_annotations || !lines[0].starts_with("eval ") {
        return None;
    }
    Some(vec![lines[0].to_owned(), "expect fail".to_owned()])
}

/// Another text in every message that is spelled out.
fn wrong_message(lines: &[&str]) -> Option<Vec<String>> {
    let mut out = owned(lines);
    let at = out.iter().position(|line| {
        is_expectation(line)
            && (line.contains("msg:") || line.contains("regex:") || line.starts_with("expected_fail"))
    })?;
    out[at].push_str(" mutant");
    Some(out)
}

/// Demands an annotation where none may be, and forbids one where one is.
fn opposite_annotation(lines: &[&str]) -> Option<Vec<String>> {
    let mut out = owned(lines);
    let at = out.iter().position(|line| line.starts_with("expect no_"))?;
    let kind = out[at].trim_start_matches("expect no_").to_owned();
    out[at] = format!("expect {kind}");
    Some(out)
}

fn annotation_forbidden(lines: &[&str]) -> Option<Vec<String>> {
    let kind = ["warn", "info"]
        .into_iter()
        .find(|kind| lines.iter().any(|line| line.starts_with(&format!("expect {kind}"))))?;
    let kept = lines.iter().filter(|line| !line.starts_with(&format!("expect {kind}")));
    let mut out: Vec<String> = kept.map(|line| (*line).to_owned()).collect();
    out.insert(1, format!("expect no_{kind}"));
    Some(out)
}

fn wrong_order(lines: &[&str]) -> Option<Vec<String>> {
    let is_ordered = lines[0].starts_with("eval_ordered") || lines.contains(&"expect ordered");
    let results: Vec<usize> = (1..lines.len()).filter(|idx| !is_expectation(lines[*idx])).collect();
    let [first, .., last] = results.as_slice() else { return None };
    let mut out = owned(lines);
    out.swap(*first, *last);
    is_ordered.then_some(out)
}

#[track_caller]
fn none_passes(mutate: Mutation, at_least: usize) {
    let Some((n_mutated, survived)) = survivors(mutate) else { return };
    assert!(
        survived.is_empty(),
        "{} of {n_mutated} pass all the same:\n{}",
        survived.len(),
        survived.join("\n")
    );
    assert!(n_mutated >= at_least, "only {n_mutated} evaluations were changed");
}

#[test]
fn wrong_results_do_not_pass() {
    none_passes(wrong_value, 1_000);
    none_passes(wrong_label, 900);
    none_passes(missing_series, 900);
    none_passes(additional_series, 1_000);
    none_passes(wrong_string, 1);
    none_passes(wrong_order, 10);
}

#[test]
fn wrong_failures_and_annotations_do_not_pass() {
    none_passes(failure_not_expected, 20);
    none_passes(failure_expected, 300);
    none_passes(wrong_message, 50);
    none_passes(opposite_annotation, 50);
    none_passes(annotation_forbidden, 50);
}
