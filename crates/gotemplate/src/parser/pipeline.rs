//! Pipelines: declarations, commands, operands.

use wf_model::quote::GoQuoted;

use super::{Parsed, Parser};
use crate::token::Kind;
use crate::tree::{Arg, ArgKind, Command, Pipeline};

impl Parser<'_> {
    /// Parses a pipeline and the token `end` behind it.
    pub(super) fn pipeline(&mut self, context: &str, end: &Kind) -> Parsed<Pipeline> {
        self.skip_space();
        let mut pipeline = Pipeline { at: self.at(), ..Pipeline::default() };
        self.targets(&mut pipeline, context)?;
        loop {
            self.skip_space();
            match self.peek() {
                kind if kind == end => {
                    self.advance();
                    self.check(&pipeline, context)?;
                    return Ok(pipeline);
                }
                kind if begins_operand(kind) => {
                    let command = self.command()?;
                    pipeline.commands.push(command);
                }
                _ => return self.unexpected(context),
            }
        }
    }

    /// Parses `$a :=`, `$a =`, and for `range` `$i, $a :=`.
    fn targets(&mut self, pipeline: &mut Pipeline, context: &str) -> Parsed<()> {
        let start = self.next;
        while let Kind::Variable(name) = self.peek().clone() {
            self.advance();
            self.skip_space();
            match self.peek() {
                sign @ (Kind::Declare | Kind::Assign) => {
                    pipeline.is_assignment = *sign == Kind::Assign;
                    self.advance();
                    pipeline.targets.push(name);
                    return self.bring_into_scope(pipeline);
                }
                Kind::Comma if context == "range" && pipeline.targets.is_empty() => {
                    self.advance();
                    self.skip_space();
                    pipeline.targets.push(name);
                    if !matches!(self.peek(), Kind::Variable(_) | Kind::Close | Kind::CloseParen) {
                        return self.fail("range can only initialize variables");
                    }
                }
                Kind::Comma => return self.fail(format!("too many declarations in {context}")),
                _ => break,
            }
        }
        // `range $i, $v` without a sign declares nothing that could be ranged over.
        if !pipeline.targets.is_empty() {
            return self.unexpected(context);
        }
        self.next = start;
        Ok(())
    }

    fn bring_into_scope(&mut self, pipeline: &Pipeline) -> Parsed<()> {
        for name in &pipeline.targets {
            if pipeline.is_assignment {
                self.check_variable(name)?;
            } else {
                self.variables.push(name.clone());
            }
        }
        Ok(())
    }

    fn check(&self, pipeline: &Pipeline, context: &str) -> Parsed<()> {
        if pipeline.commands.is_empty() {
            return self.fail(format!("missing value for {context}"));
        }
        for (stage, command) in pipeline.commands.iter().enumerate().skip(1) {
            let is_constant = matches!(
                command.args.first().map(|arg| &arg.kind),
                Some(
                    ArgKind::Bool(_)
                        | ArgKind::Dot
                        | ArgKind::Nil
                        | ArgKind::Number(_)
                        | ArgKind::Text { .. }
                )
            );
            if is_constant {
                return self.fail(format!("non executable command in pipeline stage {}", stage + 1));
            }
        }
        Ok(())
    }

    /// Parses operands up to `|`, which is taken, or the end of the pipeline, which is not.
    fn command(&mut self) -> Parsed<Command> {
        let mut args = Vec::new();
        loop {
            self.skip_space();
            if begins_operand(self.peek()) {
                args.push(self.operand()?);
            }
            match self.peek() {
                Kind::Space => {}
                Kind::Close | Kind::CloseParen => break,
                Kind::Pipe => {
                    self.advance();
                    self.skip_space();
                    if !begins_operand(self.peek()) {
                        return self.fail("missing value for command");
                    }
                    break;
                }
                _ => return self.unexpected("operand"),
            }
        }
        match args.is_empty() {
            true => self.fail("empty command"),
            false => Ok(Command { args }),
        }
    }

    /// Parses a term and the fields taken of it.
    fn operand(&mut self) -> Parsed<Arg> {
        let mut arg = self.term()?;
        let mut names = Vec::new();
        let fields_at = self.at();
        while let Kind::Field(name) = self.peek().clone() {
            self.advance();
            names.push(name);
        }
        if names.is_empty() {
            return Ok(arg);
        }
        // Errors point at the first field, as the original's do.
        arg.at = fields_at;
        match &mut arg.kind {
            ArgKind::Field(fields) | ArgKind::Variable(fields) => {
                fields.extend(names);
                Ok(arg)
            }
            ArgKind::Function(_) | ArgKind::Pipeline(_) | ArgKind::Chain(..) => {
                Ok(Arg { at: arg.at, kind: ArgKind::Chain(Box::new(arg), names) })
            }
            ArgKind::Dot | ArgKind::Nil | ArgKind::Bool(_) | ArgKind::Number(_) | ArgKind::Text { .. } => {
                let message = format!("unexpected . after term {}", GoQuoted(&arg.to_string()));
                self.fail(message)
            }
        }
    }

    fn term(&mut self) -> Parsed<Arg> {
        let at = self.at();
        let kind = match self.peek().clone() {
            Kind::Dot => ArgKind::Dot,
            Kind::Field(name) => ArgKind::Field(vec![name]),
            Kind::Number(number) => ArgKind::Number(number),
            Kind::Quoted { value, source } => ArgKind::Text { value, source },
            Kind::Variable(name) => {
                self.check_variable(&name)?;
                ArgKind::Variable(vec![name])
            }
            Kind::Word(word) => match word.as_str() {
                "true" => ArgKind::Bool(true),
                "false" => ArgKind::Bool(false),
                "nil" => ArgKind::Nil,
                name if (self.is_function)(name) => ArgKind::Function(word),
                name => return self.fail(format!("function {} not defined", GoQuoted(name))),
            },
            Kind::OpenParen => {
                self.deeper()?;
                self.advance();
                let inner = self.pipeline("parenthesized pipeline", &Kind::CloseParen)?;
                self.depth -= 1;
                return Ok(Arg { at, kind: ArgKind::Pipeline(Box::new(inner)) });
            }
            _ => return self.unexpected("operand"),
        };
        self.advance();
        Ok(Arg { at, kind })
    }

    fn check_variable(&self, name: &str) -> Parsed<()> {
        match self.variables.iter().any(|known| known == name) {
            true => Ok(()),
            false => self.fail(format!("undefined variable {}", GoQuoted(name))),
        }
    }
}

fn begins_operand(kind: &Kind) -> bool {
    match kind {
        Kind::Word(word) => word == "nil" || !crate::token::is_keyword(word),
        Kind::Dot
        | Kind::Field(_)
        | Kind::Variable(_)
        | Kind::Number(_)
        | Kind::Quoted { .. }
        | Kind::OpenParen => true,
        Kind::Text(_)
        | Kind::Open
        | Kind::Close
        | Kind::Space
        | Kind::Pipe
        | Kind::CloseParen
        | Kind::Declare
        | Kind::Assign
        | Kind::Comma
        | Kind::End => false,
    }
}
