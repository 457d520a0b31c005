//! Vector selectors: a name, matchers in braces, or both.

use wf_model::quote::GoQuoted;
use wf_model::{METRIC_NAME, MatchOp, Matcher};

use super::{Parsed, Parser, join};
use crate::ast::{BinaryOp, DurationSpec, Expr, ExprKind, Pos, RangeMode, VectorSelector};
use crate::lexer::TokenKind;

impl Parser<'_> {
    pub(super) fn selector(&mut self) -> Parsed<Expr> {
        let start = self.pos();
        // The second argument of `info` may match everything; its place is known to the caller by the tree around it.
        let inside_call =
            self.at > 0 && self.tokens.get(self.at - 1).is_some_and(|token| token.kind == TokenKind::Comma);
        let selector = self.selector_parts()?;
        let pos = join(start, Pos { start: start.start, end: self.previous_end() });
        let may_match_all = inside_call && selector.name.is_none();
        if !may_match_all {
            self.check_selective(&selector, pos)?;
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
        self.check_selective(&selector, join(start, Pos { start: start.start, end: self.previous_end() }))?;
        Ok(selector)
    }

    fn check_selective(&self, selector: &VectorSelector, pos: Pos) -> Parsed<()> {
        if selector.matchers.iter().all(Matcher::matches_empty) {
            let rule = "vector selector must contain at least one non-empty matcher";
            return Err(self.fault(pos, rule.to_owned()));
        }
        Ok(())
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
            let matcher = self.matcher(name)?;
            if let Some(matcher) = matcher {
                let names_twice = matcher.name() == METRIC_NAME && name.is_some();
                if names_twice {
                    let twice = format!(
                        "metric name must not be set twice: {} or {}",
                        GoQuoted(name.as_deref().unwrap_or_default()),
                        GoQuoted(matcher.value())
                    );
                    return Err(self.fault(join(start, matcher_pos), twice));
                }
                matchers.push(matcher);
            }
            if !self.take(&TokenKind::Comma) {
                self.expect(&TokenKind::RightBrace, "label matching", "\",\" or \"}\"")?;
                break;
            }
        }
        Ok(())
    }

    /// A matcher; a lone string is the metric name instead and goes into `name`.
    fn matcher(&mut self, name: &mut Option<String>) -> Parsed<Option<Matcher>> {
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
            TokenKind::Comma | TokenKind::RightBrace if is_string => {
                if let Some(first) = name {
                    let twice = format!(
                        "metric name must not be set twice: {} or {}",
                        GoQuoted(first),
                        GoQuoted(&label)
                    );
                    return Err(self.fault(pos, twice));
                }
                *name = Some(label);
                return Ok(None);
            }
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
        Ok(Some(matcher))
    }
}
