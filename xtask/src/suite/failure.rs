//! What went wrong in a stage, from its log: few lines, for the end of a long one.

/// Lines that are told of a failure, the first ones and the last ones.
const LINES_MAX: usize = 40;
/// Characters of a line.
const CHARS_MAX: usize = 300;
/// Lines of all failures of a stage.
const LINES_OF_ALL_MAX: usize = 120;

/// Returns the names of the tests that failed, from the lines that cargo's test runner writes. What a test prints past its
/// capture stands between its name and the verdict: then it is found in the list at the end.
pub(super) fn tests(log: &str) -> Vec<&str> {
    let mut found: Vec<&str> = Vec::new();
    let mut is_list = false;
    for line in log.lines() {
        match line.strip_prefix("    ") {
            Some(name) if is_list && !found.contains(&name) => found.push(name),
            Some(_) => {}
            // Texts of failures come first, under the same words; they are not indented.
            None => is_list = line == "failures:",
        }
    }
    found
}

/// Returns what the tests that failed had to say; of a stage without tests, or whose tests did not come to an end, its last
/// lines.
pub(super) fn told(log: &str) -> Vec<String> {
    let tests = tests(log);
    let mut lines: Vec<String> = Vec::new();
    for test in &tests {
        lines.push(format!("---- {test}"));
        lines.extend(cut(&panic_of(test, log)));
    }
    if tests.is_empty() {
        let all: Vec<&str> = log.lines().collect();
        lines.extend(all[all.len().saturating_sub(LINES_MAX)..].iter().map(|line| short(line)));
    }
    let n_more = lines.len().saturating_sub(LINES_OF_ALL_MAX);
    lines.truncate(LINES_OF_ALL_MAX);
    if n_more > 0 {
        lines.push(format!("({n_more} more lines are in the stage's log)"));
    }
    lines
}

/// Returns the output of a failed test from its panic on, or all of it.
fn panic_of<'a>(test: &str, log: &'a str) -> Vec<&'a str> {
    let head = format!("---- {test} stdout ----");
    let is_end = |line: &&str| {
        (line.starts_with("---- ") && line.ends_with(" ----"))
            || *line == "failures:"
            || line.starts_with("test result: ")
    };
    let output = log.lines().skip_while(|line| *line != head).skip(1).take_while(|line| !is_end(line));
    let output: Vec<&str> = output.filter(|line| !line.is_empty()).collect();
    let panic = output.iter().position(|line| line.starts_with("thread '") && line.contains("panicked at"));
    output[panic.unwrap_or(0)..].to_vec()
}

/// Keeps the beginning, which says what was wrong, and the end, where sums stand.
fn cut(lines: &[&str]) -> Vec<String> {
    let short_all = |lines: &[&str]| lines.iter().map(|line| short(line)).collect::<Vec<_>>();
    if lines.len() <= LINES_MAX {
        return short_all(lines);
    }
    let half = LINES_MAX / 2;
    let mut kept = short_all(&lines[..half]);
    kept.push(format!("({} lines are in the stage's log)", lines.len() - 2 * half));
    kept.extend(short_all(&lines[lines.len() - half..]));
    kept
}

fn short(line: &str) -> String {
    let mut kept: String = line.chars().take(CHARS_MAX).collect();
    if kept.len() < line.len() {
        kept.push('…');
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As libtest writes it with `--show-output`: one test passed, one failed after it had written past the capture.
    const LOG: &str = "running 3 tests
test a::b ... ok
test a::c ... FIGURE: x: 1
FAILED
test a::d ... FAILED

successes:

---- a::b stdout ----
thread 'other' (7) panicked at harmless

successes:
    a::b

failures:

---- a::c stdout ----
before

thread 'a::c' (8) panicked at x.rs:1:1:
assertion failed
 left: 1

---- a::d stdout ----
no panic

failures:
    a::c
    a::d

test result: FAILED. 1 passed; 2 failed
";

    #[test]
    fn failed_tests_are_named_and_what_they_say_is_told() {
        assert_eq!(tests(LOG), ["a::c", "a::d"]);
        assert_eq!(
            told(LOG),
            [
                "---- a::c",
                "thread 'a::c' (8) panicked at x.rs:1:1:",
                "assertion failed",
                " left: 1",
                "---- a::d",
                "no panic"
            ]
        );
    }

    #[test]
    fn a_stage_without_failed_tests_tells_its_last_lines() {
        let log: String = (0..100).map(|number| format!("line {number}\n")).collect();
        let lines = told(&log);
        assert_eq!((lines.len(), lines[0].as_str()), (LINES_MAX, "line 60"));
    }

    #[test]
    fn long_texts_are_cut_in_the_middle_and_long_lines_at_their_end() {
        let lines: Vec<String> = (0..100).map(|number| number.to_string()).collect();
        let kept = cut(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!((kept[19].as_str(), kept[20].as_str()), ("19", "(60 lines are in the stage's log)"));
        assert_eq!((kept.len(), kept[40].as_str()), (41, "99"));
        assert_eq!(short(&"é".repeat(400)).chars().count(), CHARS_MAX + 1);
    }
}
