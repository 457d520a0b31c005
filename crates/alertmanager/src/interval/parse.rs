//! How intervals are written.

use jiff::tz::TimeZone;
use wf_config::yaml::Node;
use wf_config::yaml::reader::{FromYaml, Reader, read_fields};

use super::IntervalSpec;

const WEEKDAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

impl FromYaml for IntervalSpec {
    fn from_yaml(node: &Node, reader: &mut Reader) -> Option<Self> {
        let written = crate::json::from_yaml(node).unwrap_or_default();
        let mut this = Self { written, ..Self::default() };
        read_fields(node, reader, "timeinterval.TimeInterval", &[], |name, node, reader| {
            match name {
                "times" => {
                    this.times = reader.read::<Vec<Times>>(node).into_iter().map(|times| times.0).collect();
                }
                "weekdays" => this.weekdays = ranges(node, reader, weekday),
                "days_of_month" => this.days_of_month = ranges(node, reader, day_of_month),
                "months" => this.months = ranges(node, reader, month),
                "years" => this.years = ranges(node, reader, year),
                "location" => this.zone = location(node, reader),
                _ => return false,
            }
            true
        })?;
        Some(this)
    }
}

/// Minutes of the day.
#[derive(Default)]
struct Times((i32, i32));

impl FromYaml for Times {
    fn from_yaml(node: &Node, reader: &mut Reader) -> Option<Self> {
        let (mut start, mut end) = (String::new(), String::new());
        read_fields(node, reader, "timeinterval.yamlTimeRange", &[], |name, node, reader| {
            match name {
                "start_time" => start = reader.read(node),
                "end_time" => end = reader.read(node),
                _ => return false,
            }
            true
        })?;
        let range = match (minute_of_day(&start), minute_of_day(&end)) {
            _ if start.is_empty() || end.is_empty() => {
                Err("both start and end times must be provided".to_owned())
            }
            (Some(from), Some(to)) if from < to => Ok((from, to)),
            (Some(_), Some(_)) => Err("start time cannot be equal or greater than end time".to_owned()),
            (None, _) => Err(format!("couldn't parse timestamp {start}, invalid format: write HH:MM")),
            (_, None) => Err(format!("couldn't parse timestamp {end}, invalid format: write HH:MM")),
        };
        report(node, reader, range).map(Self)
    }
}

fn report<T>(node: &Node, reader: &mut Reader, result: Result<T, String>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(message) => {
            reader.report(node.position, message);
            None
        }
    }
}

/// `HH:MM`, 00:00 to 24:00.
fn minute_of_day(text: &str) -> Option<i32> {
    let two = |digits: &str| match digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        true => digits.parse::<i32>().ok(),
        false => None,
    };
    let (hours, minutes) = text.split_once(':')?;
    let (hours, minutes) = (two(hours)?, two(minutes)?);
    let is_valid = minutes < 60 && (hours < 24 || (hours == 24 && minutes == 0));
    is_valid.then_some(hours * 60 + minutes)
}

type Ranged = Result<(i32, i32), String>;

fn ranges(node: &Node, reader: &mut Reader, parse: fn(&str) -> Ranged) -> Vec<(i32, i32)> {
    let texts: Vec<String> = reader.read(node);
    texts.iter().filter_map(|text| report(node, reader, parse(&text.to_lowercase()))).collect()
}

/// Splits `a:b`; a single value is a range of one.
fn ends(text: &str) -> (&str, &str) {
    text.split_once(':').unwrap_or((text, text))
}

fn ordered(begin: i32, end: i32, text: &str) -> Ranged {
    match begin <= end {
        true => Ok((begin, end)),
        false => Err(format!("start cannot be before end in {text}: ranges do not wrap")),
    }
}

fn named(name: &str, names: &[&str], what: &str) -> Result<i32, String> {
    let found = names.iter().position(|known| *known == name).and_then(|at| i32::try_from(at).ok());
    found.ok_or_else(|| format!("{name} is not a valid {what}"))
}

fn number(text: &str) -> Result<i32, String> {
    text.parse().map_err(|_| format!("{text} is not a number"))
}

fn weekday(text: &str) -> Ranged {
    let (begin, end) = ends(text);
    ordered(named(begin, &WEEKDAYS, "weekday")?, named(end, &WEEKDAYS, "weekday")?, text)
}

fn month(text: &str) -> Ranged {
    let (begin, end) = ends(text);
    let one = |text: &str| match text.parse() {
        Ok(number) => Ok(number),
        Err(_) => named(text, &MONTHS, "month").map(|at| at + 1),
    };
    ordered(one(begin)?, one(end)?, text)
}

fn year(text: &str) -> Ranged {
    let (begin, end) = ends(text);
    ordered(number(begin)?, number(end)?, text)
}

fn day_of_month(text: &str) -> Ranged {
    let (begin, end) = ends(text);
    let (begin, end) = (number(begin)?, number(end)?);
    for day in [begin, end] {
        if day == 0 || !(-31..=31).contains(&day) {
            return Err(format!("{day} is not a valid day of the month: out of range"));
        }
    }
    if begin < 0 && end > 0 {
        return Err("end day must be negative if start day is negative".to_owned());
    }
    // Against the shortest month there is.
    let least = |day: i32| if day < 0 { 28 + day } else { day };
    if least(begin) > least(end) {
        return Err(format!("end day {end} is always before start day {begin}"));
    }
    Ok((begin, end))
}

fn location(node: &Node, reader: &mut Reader) -> Option<TimeZone> {
    let name: String = reader.read(node);
    match name.as_str() {
        "" | "UTC" => None,
        "Local" => Some(TimeZone::system()),
        name => report(
            node,
            reader,
            TimeZone::get(name).map_err(|error| format!("unknown time zone {name}: {error}")),
        ),
    }
}
