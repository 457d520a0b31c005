//! `printf`: never fails; what does not fit is written as `%!d(string=a)`.

use wf_model::quote::GoQuoted;

use super::number;
use crate::value::Value;

/// Widths and precisions beyond this are cut: a format must not fill the memory.
const WIDTH_MAX: usize = 10_000;

/// Writes `args` as `template` says.
pub fn printf(template: &str, args: &[Value]) -> String {
    let mut out = String::new();
    let mut rest = template;
    let mut next = Arguments { args, next: 0 };
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let (directive, verb, after) = Directive::parse(after, &mut next);
        rest = after;
        match verb {
            None => out.push_str("%!(NOVERB)"),
            Some('%') => out.push('%'),
            Some(verb) => match next.take() {
                Some(value) => out.push_str(&directive.format(value, verb)),
                None => out.push_str(&format!("%!{verb}(MISSING)")),
            },
        }
    }
    out.push_str(rest);
    next.write_extra(&mut out);
    out
}

struct Arguments<'a> {
    args: &'a [Value],
    next: usize,
}

impl<'a> Arguments<'a> {
    fn take(&mut self) -> Option<&'a Value> {
        let value = self.args.get(self.next)?;
        self.next += 1;
        Some(value)
    }

    fn write_extra(&self, out: &mut String) {
        let extra = self.args.get(self.next..).unwrap_or_default();
        if extra.is_empty() {
            return;
        }
        let shown: Vec<String> = extra.iter().map(typed).collect();
        out.push_str(&format!("%!(EXTRA {})", shown.join(", ")));
    }
}

/// `type=value`, as complaints show an operand.
fn typed(value: &Value) -> String {
    match value {
        Value::Nil => "<nil>".to_owned(),
        value => format!("{}={value}", value.type_name()),
    }
}

/// Flags, width and precision of one verb.
#[derive(Clone, Debug, Default)]
struct Directive {
    plus: bool,
    minus: bool,
    sharp: bool,
    zero: bool,
    space: bool,
    width: usize,
    precision: Option<usize>,
}

impl Directive {
    /// Reads what follows `%`; returns itself, the verb and the rest.
    fn parse<'t>(text: &'t str, args: &mut Arguments<'_>) -> (Self, Option<char>, &'t str) {
        let mut directive = Self::default();
        let mut rest = text;
        loop {
            let flag = match rest.as_bytes().first() {
                Some(b'+') => &mut directive.plus,
                Some(b'-') => &mut directive.minus,
                Some(b'#') => &mut directive.sharp,
                Some(b'0') => &mut directive.zero,
                Some(b' ') => &mut directive.space,
                _ => break,
            };
            *flag = true;
            rest = rest.get(1..).unwrap_or_default();
        }
        let (width, after) = number_or_star(rest, args);
        rest = after;
        if let Some(width) = width {
            directive.minus |= width < 0;
            directive.width = cut(width.unsigned_abs());
        }
        if let Some(after) = rest.strip_prefix('.') {
            let (precision, after) = number_or_star(after, args);
            directive.precision = Some(cut(precision.unwrap_or(0).unsigned_abs()));
            rest = after;
        }
        let mut chars = rest.chars();
        let verb = chars.next();
        (directive, verb, chars.as_str())
    }

    fn format(&self, value: &Value, verb: char) -> String {
        match (verb, value) {
            ('T', value) => self.pad(value.type_name(), false),
            ('v', Value::Nil) => self.pad("<nil>", false),
            ('v', Value::Text(text)) if self.sharp => self.pad(&GoQuoted(text).to_string(), false),
            ('v', Value::Int(_) | Value::Uint(_)) => self.integer(value, 10, verb),
            ('v', Value::Float(float)) => self.float(*float, 'g', self.precision),
            ('v' | 't', Value::Bool(flag)) => self.pad(if *flag { "true" } else { "false" }, false),
            ('d' | 'b' | 'o' | 'O' | 'x' | 'X' | 'c' | 'q' | 'U', Value::Int(_) | Value::Uint(_)) => {
                self.integer_verb(value, verb)
            }
            ('e' | 'E' | 'f' | 'F', Value::Float(float)) => {
                let verb = if verb == 'F' { 'f' } else { verb };
                self.float(*float, verb, Some(self.precision.unwrap_or(6)))
            }
            ('g' | 'G', Value::Float(float)) => self.float(*float, verb, self.precision),
            ('v', value) => self.pad(&value.to_string(), false),
            (_, value) if value.elements().is_some() && value.as_text().is_none() => {
                let items = value.elements().unwrap_or_default();
                let items: Vec<String> = items.iter().map(|item| self.format(item, verb)).collect();
                format!("[{}]", items.join(" "))
            }
            ('s' | 'q' | 'x' | 'X', Value::Text(_) | Value::Object(_)) => self.text(&value.to_string(), verb),
            (verb, Value::Nil) => format!("%!{verb}(<nil>)"),
            (verb, value) => format!("%!{verb}({})", typed(value)),
        }
    }

    fn text(&self, text: &str, verb: char) -> String {
        let cut: String = match self.precision {
            Some(precision) if matches!(verb, 's' | 'q') => text.chars().take(precision).collect(),
            _ => text.to_owned(),
        };
        match verb {
            'q' if self.sharp && !cut.contains('`') => self.pad(&format!("`{cut}`"), false),
            'q' => self.pad(&GoQuoted(&cut).to_string(), false),
            'x' | 'X' => {
                let hex = cut.bytes().map(|byte| match verb {
                    'x' => format!("{byte:02x}"),
                    _ => format!("{byte:02X}"),
                });
                self.pad(&hex.collect::<String>(), false)
            }
            _ => self.pad(&cut, false),
        }
    }

    fn integer_verb(&self, value: &Value, verb: char) -> String {
        let code = match value {
            Value::Int(value) => u32::try_from(*value).ok(),
            Value::Uint(value) => u32::try_from(*value).ok(),
            _ => None,
        };
        let ch = code.and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER);
        match verb {
            'c' => self.pad(&ch.to_string(), false),
            'q' => self.pad(&format!("'{}'", ch.escape_default()), false),
            'U' => self.pad(&format!("U+{:04X}", code.unwrap_or(0xfffd)), false),
            'b' => self.integer(value, 2, verb),
            'o' | 'O' => self.integer(value, 8, verb),
            'x' | 'X' => self.integer(value, 16, verb),
            _ => self.integer(value, 10, verb),
        }
    }

    fn integer(&self, value: &Value, radix: u32, verb: char) -> String {
        let (is_negative, magnitude) = match value {
            Value::Int(value) => (*value < 0, value.unsigned_abs()),
            Value::Uint(value) => (false, *value),
            _ => (false, 0),
        };
        let mut digits = number::integer(magnitude, radix, verb == 'X');
        if let Some(precision) = self.precision {
            digits = format!("{digits:0>precision$}");
        }
        let prefix = match verb {
            'O' => "0o",
            'x' if self.sharp => "0x",
            'X' if self.sharp => "0X",
            'o' if self.sharp => "0",
            'b' if self.sharp => "0b",
            _ => "",
        };
        self.signed(is_negative, prefix, &digits, self.precision.is_none())
    }

    fn float(&self, value: f64, verb: char, precision: Option<usize>) -> String {
        let digits = number::float(value, verb, precision, self.sharp);
        if value.is_infinite() && value > 0.0 && !self.plus && !self.space {
            return self.pad("+Inf", false);
        }
        self.signed(value.is_sign_negative() && !value.is_nan(), "", &digits, value.is_finite())
    }

    /// Puts sign and prefix before the digits, and zeros between when asked to fill with them.
    fn signed(&self, is_negative: bool, prefix: &str, digits: &str, may_fill: bool) -> String {
        let sign = match is_negative {
            true => "-",
            false if self.plus => "+",
            false if self.space => " ",
            false => "",
        };
        let length = sign.len() + prefix.len() + digits.chars().count();
        if self.zero && !self.minus && may_fill && length < self.width {
            return format!("{sign}{prefix}{}{digits}", "0".repeat(self.width - length));
        }
        self.pad(&format!("{sign}{prefix}{digits}"), true)
    }

    fn pad(&self, text: &str, is_number: bool) -> String {
        let missing = self.width.saturating_sub(text.chars().count());
        if missing == 0 {
            return text.to_owned();
        }
        match self.minus {
            true => format!("{text}{}", " ".repeat(missing)),
            false if self.zero && !is_number => format!("{}{text}", "0".repeat(missing)),
            false => format!("{}{text}", " ".repeat(missing)),
        }
    }
}

/// Reads a number, or takes an argument for `*`.
fn number_or_star<'t>(text: &'t str, args: &mut Arguments<'_>) -> (Option<i64>, &'t str) {
    if let Some(rest) = text.strip_prefix('*') {
        let value = match args.take() {
            Some(Value::Int(value)) => Some(*value),
            _ => None,
        };
        return (value, rest);
    }
    let length = text.find(|ch: char| !ch.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(length);
    (digits.parse().ok(), rest)
}

fn cut(width: u64) -> usize {
    usize::try_from(width).map_or(WIDTH_MAX, |width| width.min(WIDTH_MAX))
}
