//! Function calls.

use wf_model::quote::GoQuoted;

use super::{Parsed, Parser, check, join};
use crate::ast::{Call, Expr, ExprKind, Pos};
use crate::functions::{Function, FunctionId, Variadic, lookup};

impl Parser<'_> {
    pub(super) fn call(&mut self) -> Parsed<Expr> {
        let start = self.pos();
        let name = self.word_at(0);
        let function = lookup(name);
        let n_complaints = self.complaints.len();
        self.advance();
        let select_all = function.is_some_and(|function| function.id == FunctionId::Info).then_some(1);
        let args = self.arguments(select_all)?;
        // Told behind the arguments: what is wrong with their syntax comes first.
        let Some(function) = function else {
            let message = format!("unknown function with name {}", GoQuoted(name));
            self.tolerate(self.fault(start, message))?;
            return Ok(self.hole());
        };
        if function.experimental && !self.options.experimental_functions {
            self.tolerate(self.fault(start, format!("function {} is not enabled", GoQuoted(name))))?;
        }
        let pos = join(start, Pos { start: start.start, end: self.previous_end() });
        let operands: Vec<&Expr> = args.iter().collect();
        let count = self.check_count(function, args.len(), pos);
        let wrong_count = count.is_err() && !operands.iter().any(|operand| self.is_hole(operand));
        self.check(count, &operands);
        // The count is told before what is wrong inside the arguments.
        if let Some(inside) = self.complaints.get_mut(n_complaints..) {
            inside.rotate_right(usize::from(wrong_count));
        }
        let types = check::arguments(function, &args);
        self.check(types, &operands);
        Ok(Expr { pos, kind: ExprKind::Call(Call { function, args }) })
    }

    fn check_count(&self, function: &Function, given: usize, pos: Pos) -> Parsed<()> {
        let all = function.args.len();
        let (least, most) = match function.variadic {
            // One to ten quantiles.
            _ if function.id == FunctionId::HistogramQuantiles => (all, all + 9),
            Variadic::Fixed => (all, all),
            Variadic::Optional(n) => (all.saturating_sub(n), all),
            Variadic::Unbounded => (all.saturating_sub(1), usize::MAX),
        };
        let name = GoQuoted(function.name);
        let complain = |wanted: String| {
            Err(self.fault(pos, format!("expected {wanted} in call to {name}, got {given}")))
        };
        if least == most && given != least {
            return complain(format!("{least} argument(s)"));
        }
        if given < least {
            return complain(format!("at least {least} argument(s)"));
        }
        if given > most {
            return complain(format!("at most {most} argument(s)"));
        }
        Ok(())
    }
}
