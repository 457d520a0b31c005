//! Aggregations: the clause may stand before or behind the arguments.

use super::{Parsed, Parser, check, is_experimental, join};
use crate::ast::{AggregateExpr, AggregateOp, Expr, ExprKind};
use crate::lexer::TokenKind;

/// Returns the aggregation operator called `word`, in lower case.
pub(super) fn operator(word: &str) -> Option<AggregateOp> {
    use AggregateOp as Op;
    const OPERATORS: [AggregateOp; 14] = [
        Op::Sum,
        Op::Avg,
        Op::Count,
        Op::Min,
        Op::Max,
        Op::Group,
        Op::Stddev,
        Op::Stdvar,
        Op::Topk,
        Op::Bottomk,
        Op::Quantile,
        Op::CountValues,
        Op::Limitk,
        Op::LimitRatio,
    ];
    OPERATORS.into_iter().find(|op| op.as_str() == word)
}

impl Parser<'_> {
    pub(super) fn aggregation(&mut self, op: AggregateOp) -> Parsed<Expr> {
        let start = self.pos();
        self.advance();
        self.n_aggregations += 1;
        let body = self.aggregation_body();
        self.n_aggregations -= 1;
        let (mut args, without, grouping) = body?;
        let mut end = start;
        end.end = self.previous_end();
        let pos = join(start, end);
        if is_experimental(op) && !self.options.experimental_functions {
            let hint =
                "is experimental and must be enabled with --enable-feature=promql-experimental-functions";
            self.tolerate(self.fault(start, format!("{}() {hint}", op.as_str())))?;
        }
        if args.is_empty() {
            self.tolerate(self.fault(pos, "no arguments for aggregate expression provided".to_owned()))?;
        }
        let wanted = if op.has_param() { 2 } else { 1 };
        if !args.is_empty() && args.len() != wanted {
            let what = "wrong number of arguments for aggregate expression provided";
            self.tolerate(self.fault(pos, format!("{what}, expected {wanted}, got {}", args.len())))?;
        }
        // Counts differ only when recovering.
        args.truncate(wanted);
        let expr = args.pop().unwrap_or_else(|| self.hole());
        let param = args.pop().or_else(|| op.has_param().then(|| self.hole()));
        let checked = check::aggregation(op, &expr, param.as_ref());
        self.check(checked, &[&expr, param.as_ref().unwrap_or(&expr)]);
        let aggregate = AggregateExpr { op, expr, param, grouping, without };
        Ok(Expr { pos, kind: ExprKind::Aggregate(Box::new(aggregate)) })
    }

    /// The arguments, and the clause before or behind them.
    fn aggregation_body(&mut self) -> Parsed<(Vec<Expr>, bool, Vec<String>)> {
        let clause_before = self.grouping_clause()?;
        let args = self.arguments(None)?;
        let clause_behind = if clause_before.is_none() { self.grouping_clause()? } else { None };
        let (without, grouping) = clause_before.or(clause_behind).unwrap_or_default();
        Ok((args, without, grouping))
    }

    /// `by (…)` or `without (…)`: whether it is `without`, and the labels.
    fn grouping_clause(&mut self) -> Parsed<Option<(bool, Vec<String>)>> {
        let without = self.is_keyword("without");
        if !without && !self.is_keyword("by") {
            return Ok(None);
        }
        self.advance();
        Ok(Some((without, self.label_list()?)))
    }

    /// `(a, b)`: expressions, no trailing comma. Argument number `select_all` may be a selector of everything.
    pub(super) fn arguments(&mut self, select_all: Option<usize>) -> Parsed<Vec<Expr>> {
        self.expect(&TokenKind::LeftParen, "", "")?;
        let mut args = Vec::new();
        if self.take(&TokenKind::RightParen) {
            return Ok(args);
        }
        loop {
            self.may_select_all = select_all == Some(args.len());
            args.push(self.expression()?);
            self.may_select_all = false;
            if self.take(&TokenKind::RightParen) {
                return Ok(args);
            }
            let comma = self.pos();
            if !self.take(&TokenKind::Comma) {
                self.tolerate(self.unexpected("", ""))?;
                self.skip_to_delimiter();
                if !self.take(&TokenKind::Comma) {
                    self.take(&TokenKind::RightParen);
                    return Ok(args);
                }
            }
            if !self.begins_expression() && !matches!(self.peek(), TokenKind::Invalid(_)) {
                let message = "trailing commas not allowed in function call args";
                self.tolerate(self.fault(comma, message.to_owned()))?;
            }
        }
    }
}
