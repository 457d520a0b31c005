//! Vector selectors: a name, matchers in braces, or both.

use wf_model::quote::GoQuoted;
use wf_model::{METRIC_NAME, MatchOp, Matcher};

use super::{Parsed, Parser, join};
use crate::ast::{BinaryOp, DurationSpec, Expr, ExprKind, Pos, RangeMode, VectorSelector};
use crate::lexer::TokenKind;

/// What stands between the commas of a selector.
enum Condition {
    Matcher(Matcher),
    /// A lone string.
    Name(String),
}

impl Parser<'_> {
    pub(super) fn selector(&mut self) -> Parsed<Expr> {
        let start = self.pos();
        let may_select_all = std::mem::take(&mut self.may_select_all);
        let selector = self.selector_parts()?;
        let pos = join(start, Pos { start: start.start, end: self.previous_end() });
        if !may_select_all {
            self.check_selective(&selector, pos);
        }
        Ok(Expr { pos, kind: ExprKind::Selector(selector) })
    }

    /// A selector on its own, for `match[]`.
    pub(super) fn selector_only(&mut self) -> Parsed<VectorSelector> {
        let start = self.pos();
        match self.peek() {
            TokenKind::LeftBrace | TokenKind::Identifier | TokenKind::MetricIdentifier => {}
            _ => return Err(self.unexpected("selector", "metric name or \"{\"")),
        }
        let selector = self.selector_parts()?;
        self.check_selective(&selector, join(start, Pos { start: start.start, end: self.previous_end() }));
        Ok(selector)
    }

    fn check_selective(&mut self, selector: &VectorSelector, pos: Pos) {
        if selector.matchers.iter().all(Matcher::matches_empty) {
            let rule = "vector selector must contain at least one non-empty matcher";
            self.complaints.push(self.fault(pos, rule.to_owned()));
        }
    }

    pub(super) fn selector_parts(&mut self) -> Parsed<VectorSelector> {
        let start = self.pos();
        let mut name = None;
        if self.peek() != &TokenKind::LeftBrace {
            name = Some(self.slice(start).to_owned());
            self.advance();
        }
        let mut matchers = Vec::new();
        if self.peek() == &TokenKind::LeftBrace {
            self.braces(&mut name, &mut matchers, start)?;
        }
        if let Some(name) = &name {
            let own = Matcher::equal(METRIC_NAME, name);
            if !matchers.contains(&own) {
                matchers.push(own);
            }
        }
        Ok(VectorSelector {
            name,
            matchers,
            offset: DurationSpec::Fixed(0),
            at: None,
            mode: RangeMode::Plain,
        })
    }

    fn braces(&mut self, name: &mut Option<String>, matchers: &mut Vec<Matcher>, start: Pos) -> Parsed<()> {
        self.advance();
        while !self.take(&TokenKind::RightBrace) {
            let matcher_pos = self.pos();
            match self.matcher() {
                Ok(Condition::Matcher(matcher)) => {
                    if let Some(name) = name.as_ref().filter(|_| matcher.name() == METRIC_NAME) {
                        self.name_set_twice(join(start, matcher_pos), name, matcher.value());
                    }
                    matchers.push(matcher);
                }
                Ok(Condition::Name(second)) => {
                    let earlier = matchers.iter().find(|matcher| matcher.name() == METRIC_NAME);
                    match name.as_deref().or(earlier.map(Matcher::value)) {
                        Some(first) => self.name_set_twice(matcher_pos, first, &second),
                        None => *name = Some(second),
                    }
                }
                Err(fault) => {
                    self.tolerate(fault)?;
                    self.skip_to_delimiter();
                }
            }
            if !self.take(&TokenKind::Comma) {
                self.close(&TokenKind::RightBrace, "label matching", "\",\" or \"}\"")?;
                break;
            }
        }
        Ok(())
    }

    fn name_set_twice(&mut self, pos: Pos, first: &str, second: &str) {
        let (first, second) = (GoQuoted(first), GoQuoted(second));
        let message = format!("metric name must not be set twice: {first} or {second}");
        self.complaints.push(self.fault(pos, message));
    }

    /// A matcher; a lone string is the metric name instead.
    fn matcher(&mut self) -> Parsed<Condition> {
        let pos = self.pos();
        let label = match self.peek().clone() {
            TokenKind::Identifier => self.slice(pos).to_owned(),
            TokenKind::String(text) => text,
            _ => return Err(self.unexpected("label matching", "identifier or \"}\"")),
        };
        let is_string = matches!(self.peek(), TokenKind::String(_));
        self.advance();
        let op = match self.peek() {
            TokenKind::Assign => MatchOp::Equal,
            TokenKind::Operator(BinaryOp::NotEqual) => MatchOp::NotEqual,
            TokenKind::RegexMatch => MatchOp::Regex,
            TokenKind::RegexNotMatch => MatchOp::NotRegex,
            TokenKind::Comma | TokenKind::RightBrace if is_string => return Ok(Condition::Name(label)),
            _ => return Err(self.unexpected("label matching", "label matching operator")),
        };
        self.advance();
        let TokenKind::String(value) = self.peek().clone() else {
            return Err(self.unexpected("label matching", "string"));
        };
        let value_pos = self.pos();
        self.advance();
        let pos = join(pos, value_pos);
        let matcher = Matcher::new(op, &label, &value).map_err(|error| self.fault(pos, error.to_string()))?;
        Ok(Condition::Matcher(matcher))
    }
}
