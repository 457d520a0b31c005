//! What follows an operand: ranges, subqueries, `offset`, `@`, `anchored`, `smoothed`.

use super::{Fault, Parsed, Parser, check, join};
use crate::ast::{
    AtModifier, DurationSpec, Expr, ExprKind, Pos, RangeMode, RangeSelector, Subquery, ValueType,
    VectorSelector,
};
use crate::lexer::TokenKind;

/// The latest time there is, as the API has it, ms: far from what an i64 can hold, so that windows can be added.
const AT_MS_MAX: f64 = 9_223_309_901_257_974_000.0;

impl Parser<'_> {
    pub(super) fn postfix(&mut self) -> Parsed<Expr> {
        let mut expr = self.primary()?;
        let mut chain = 0;
        loop {
            expr = match self.peek() {
                TokenKind::LeftBracket => self.range_or_subquery(expr)?,
                TokenKind::At => self.at_modifier(expr)?,
                TokenKind::Identifier => match self.word_at(0).to_ascii_lowercase().as_str() {
                    "offset" => self.offset(expr)?,
                    "anchored" => self.mode(expr, RangeMode::Anchored)?,
                    "smoothed" => self.mode(expr, RangeMode::Smoothed)?,
                    _ => break,
                },
                _ => break,
            };
            self.deeper(1)?;
            chain += 1;
        }
        self.depth -= chain;
        Ok(expr)
    }

    fn range_or_subquery(&mut self, expr: Expr) -> Parsed<Expr> {
        let bracket = self.pos();
        self.advance();
        let range = self.or_no_duration(|parser| parser.positive_duration("subquery or range selector"))?;
        if self.take(&TokenKind::Colon) {
            let step = match self.peek() {
                TokenKind::RightBracket => None,
                _ => Some(self.or_no_duration(|parser| parser.positive_duration("subquery selector"))?),
            };
            let end = self.close(&TokenKind::RightBracket, "subquery selector", "\"]\"")?;
            return Ok(self.subquery(expr, range, step, end));
        }
        let end = self.close(&TokenKind::RightBracket, "subquery or range", "\":\" or \"]\"")?;
        self.range(expr, range, bracket, end)
    }

    fn subquery(&mut self, expr: Expr, range: DurationSpec, step: Option<DurationSpec>, end: Pos) -> Expr {
        let found = expr.value_type();
        if found != ValueType::Vector {
            let rule = "subquery is only allowed on instant vector";
            let message = format!("{rule}, got {} instead", check::type_name(found));
            self.check(Err(Fault { pos: expr.pos, message }), &[&expr]);
        }
        let pos = join(expr.pos, end);
        let subquery = Subquery { expr, range, step, offset: DurationSpec::Fixed(0), at: None };
        Expr { pos, kind: ExprKind::Subquery(Box::new(subquery)) }
    }

    fn range(&mut self, expr: Expr, range: DurationSpec, bracket: Pos, end: Pos) -> Parsed<Expr> {
        let ExprKind::Selector(selector) = expr.kind else {
            let rule = "ranges only allowed for vector selectors";
            self.tolerate(self.fault(join(bracket, end), rule.to_owned()))?;
            return Ok(expr);
        };
        let earlier = match (&selector.offset, &selector.at) {
            (DurationSpec::Fixed(0), None) => None,
            (DurationSpec::Fixed(0), Some(_)) => Some("no @ modifiers allowed before range"),
            _ => Some("no offset modifiers allowed before range"),
        };
        if let Some(rule) = earlier {
            self.tolerate(self.fault(join(bracket, end), rule.to_owned()))?;
        }
        let pos = join(expr.pos, end);
        Ok(Expr { pos, kind: ExprKind::Range(RangeSelector { selector, selector_pos: expr.pos, range }) })
    }

    fn offset(&mut self, mut expr: Expr) -> Parsed<Expr> {
        let keyword = self.pos();
        self.advance();
        let duration = self.offset_duration()?;
        let Some((offset, _)) = time_modifiers(&mut expr) else {
            let rule = "offset modifier must be preceded by an instant vector selector or range vector selector or a subquery";
            self.tolerate(self.fault(join(expr.pos, keyword), rule.to_owned()))?;
            return Ok(expr);
        };
        if offset.fixed_ms() != Some(0) {
            let rule = "offset may not be set multiple times";
            self.tolerate(self.fault(join(expr.pos, keyword), rule.to_owned()))?;
            return Ok(expr);
        }
        *offset = duration;
        expr.pos.end = self.previous_end();
        Ok(expr)
    }

    fn at_modifier(&mut self, mut expr: Expr) -> Parsed<Expr> {
        let sign = self.pos();
        self.advance();
        let at = self.at_time()?;
        let Some((_, slot)) = time_modifiers(&mut expr) else {
            let rule = "@ modifier must be preceded by an instant vector selector or range vector selector or a subquery";
            self.tolerate(self.fault(join(expr.pos, sign), rule.to_owned()))?;
            return Ok(expr);
        };
        if slot.is_some() {
            let rule = "@ <timestamp> may not be set multiple times";
            self.tolerate(self.fault(join(expr.pos, sign), rule.to_owned()))?;
            return Ok(expr);
        }
        *slot = Some(at);
        expr.pos.end = self.previous_end();
        Ok(expr)
    }

    fn at_time(&mut self) -> Parsed<AtModifier> {
        let edge = match self.word_at(0).to_ascii_lowercase().as_str() {
            "start" => Some(AtModifier::Start),
            "end" => Some(AtModifier::End),
            _ => None,
        };
        if let Some(edge) = edge {
            self.advance();
            self.expect(&TokenKind::LeftParen, "@", "timestamp")?;
            self.expect(&TokenKind::RightParen, "@", "timestamp")?;
            return Ok(edge);
        }
        let pos = self.pos();
        let seconds = self.signed_number("@", "timestamp")?;
        let ms = (seconds * 1000.0).round();
        if !ms.is_finite() || ms.abs() > AT_MS_MAX {
            let message =
                format!("timestamp out of bounds for @ modifier: {}", wf_model::float::format_f(seconds));
            return Err(self.fault(pos, message));
        }
        #[expect(clippy::cast_possible_truncation, reason = "checked to lie inside")]
        Ok(AtModifier::Time(ms as i64))
    }

    fn mode(&mut self, mut expr: Expr, mode: RangeMode) -> Parsed<Expr> {
        let keyword = self.pos();
        if !self.options.extended_range_selectors {
            let rule = "anchored and smoothed modifiers are experimental and not enabled";
            self.tolerate(self.fault(keyword, rule.to_owned()))?;
        }
        self.advance();
        let name = if mode == RangeMode::Anchored { "anchored" } else { "smoothed" };
        let instant_is_fine = mode == RangeMode::Smoothed;
        let Some(selector) = range_mode_of(&mut expr, instant_is_fine) else {
            self.tolerate(self.fault(keyword, format!("{name} modifier not allowed here")))?;
            return Ok(expr);
        };
        if selector.mode != RangeMode::Plain {
            let rule = "anchored and smoothed modifiers cannot be combined";
            self.tolerate(self.fault(keyword, rule.to_owned()))?;
            return Ok(expr);
        }
        selector.mode = mode;
        expr.pos.end = self.previous_end();
        Ok(expr)
    }
}

/// The `offset` and `@` of an expression that can have them.
fn time_modifiers(expr: &mut Expr) -> Option<(&mut DurationSpec, &mut Option<AtModifier>)> {
    match &mut expr.kind {
        ExprKind::Selector(selector) => Some((&mut selector.offset, &mut selector.at)),
        ExprKind::Range(range) => Some((&mut range.selector.offset, &mut range.selector.at)),
        ExprKind::Subquery(subquery) => Some((&mut subquery.offset, &mut subquery.at)),
        _ => None,
    }
}

fn range_mode_of(expr: &mut Expr, instant_is_fine: bool) -> Option<&mut VectorSelector> {
    match &mut expr.kind {
        ExprKind::Selector(selector) if instant_is_fine => Some(selector),
        ExprKind::Range(range) => Some(&mut range.selector),
        _ => None,
    }
}
