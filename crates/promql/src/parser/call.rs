//! Function calls.

use wf_model::quote::GoQuoted;

use super::{Parsed, Parser, check, join};
use crate::ast::{Call, Expr, ExprKind, Pos};
use crate::functions::{Function, Variadic, lookup};

impl Parser<'_> {
    pub(super) fn call(&mut self) -> Parsed<Expr> {
        let start = self.pos();
        let name = self.word_at(0);
        let Some(function) = lookup(name) else { return Err(self.unknown_function(name)) };
        if function.experimental && !self.options.experimental_functions {
            return Err(self.fault(start, format!("function {} is not enabled", GoQuoted(name))));
        }
        self.advance();
        let args = self.arguments("function call")?;
        let pos = join(start, Pos { start: start.start, end: self.previous_end() });
        self.check_count(function, args.len(), pos)?;
        check::arguments(function, &args)?;
        Ok(Expr { pos, kind: ExprKind::Call(Call { function, args }) })
    }

    fn check_count(&self, function: &Function, given: usize, pos: Pos) -> Parsed<()> {
        let all = function.args.len();
        let (least, most) = match function.variadic {
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
