//! Aggregations: the clause may stand before or behind the arguments.

use wf_model::quote::GoQuoted;

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
        if is_experimental(op) && !self.options.experimental_functions {
            let hint =
                "is experimental and must be enabled with --enable-feature=promql-experimental-functions";
            self.tolerate(self.fault(start, format!("{}() {hint}", op.as_str())))?;
        }
        let clause_before = self.grouping_clause()?;
        let mut args = self.arguments("aggregation", None)?;
        let clause_behind = if clause_before.is_none() { self.grouping_clause()? } else { None };
        let (without, grouping) = clause_before.or(clause_behind).unwrap_or_default();
        let mut end = start;
        end.end = self.previous_end();
        let pos = join(start, end);
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
    pub(super) fn arguments(&mut self, context: &str, select_all: Option<usize>) -> Parsed<Vec<Expr>> {
        self.expect(&TokenKind::LeftParen, context, "\"(\"")?;
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
                self.tolerate(self.unexpected(context, "\",\" or \")\""))?;
                self.skip_to_delimiter();
                if !self.take(&TokenKind::Comma) {
                    self.take(&TokenKind::RightParen);
                    return Ok(args);
                }
            }
            if self.peek() == &TokenKind::RightParen {
                let message = "trailing commas not allowed in function call args";
                self.tolerate(self.fault(comma, message.to_owned()))?;
            }
        }
    }

    /// Says that nothing is called `name`.
    pub(super) fn unknown_function(&self, name: &str) -> super::Fault {
        self.fault(self.pos(), format!("unknown function with name {}", GoQuoted(name)))
    }
}
