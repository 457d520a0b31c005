//! The form for people: expressions that do not fit a line are broken at their seams.
//!
//! # Source
//! `spec/prometheus-query.md` §1.4: at most 100 characters a line, two spaces a level.

use std::fmt::Write;

use crate::ast::{Expr, ExprKind, UnaryOp};

use super::{AggregateHead, OperatorText, Window};

const LINE_BYTES_MAX: usize = 100;

/// Formats `expr` over several lines where one is too short.
pub fn pretty(expr: &Expr) -> String {
    let mut out = String::new();
    write_expr(&mut out, expr, 0, "");
    out
}

/// Writes `expr` indented by `level`, or on one line if `before` and it fit there.
fn write_expr(out: &mut String, expr: &Expr, level: usize, suffix: &str) {
    indent(out, level);
    let line = expr.to_string();
    // As the original counts: bytes of the expression alone, without its indentation.
    if line.len() <= LINE_BYTES_MAX || !is_breakable(expr) {
        out.push_str(&line);
    } else {
        write_broken(out, expr, level);
    }
    out.push_str(suffix);
}

fn is_breakable(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Number(_) | ExprKind::String(_) | ExprKind::Selector(_) | ExprKind::Range(_) => false,
        ExprKind::Call(call) => !call.args.is_empty(),
        _ => true,
    }
}

/// Writes `expr` over several lines; the first one is already indented.
fn write_broken(out: &mut String, expr: &Expr, level: usize) {
    match &expr.kind {
        ExprKind::Paren(inner) => {
            out.push_str("(\n");
            write_expr(out, inner, level + 1, "\n");
            close(out, level);
        }
        ExprKind::Unary(op, operand) => {
            out.push(if *op == UnaryOp::Minus { '-' } else { '+' });
            write_unindented(out, operand, level);
        }
        ExprKind::Binary(binary) => {
            // The left operand continues the line that is already indented; the right one is a level deeper.
            let end = out.len() - 2 * level;
            out.truncate(end);
            write_expr(out, &binary.lhs, level + 1, "\n");
            indent(out, level);
            put(out, format_args!("{}\n", OperatorText(binary)));
            write_expr(out, &binary.rhs, level + 1, "");
        }
        ExprKind::Subquery(subquery) => {
            write_unindented(out, &subquery.expr, level);
            put(out, format_args!("{}", Window(subquery)));
        }
        ExprKind::Aggregate(aggregate) => {
            put(out, format_args!("{}(\n", AggregateHead(aggregate)));
            if let Some(param) = &aggregate.param {
                write_expr(out, param, level + 1, ",\n");
            }
            write_expr(out, &aggregate.expr, level + 1, "\n");
            close(out, level);
        }
        ExprKind::Call(call) => {
            out.push_str(call.function.name);
            out.push_str("(\n");
            for (position, arg) in call.args.iter().enumerate() {
                let is_last = position + 1 == call.args.len();
                write_expr(out, arg, level + 1, if is_last { "\n" } else { ",\n" });
            }
            close(out, level);
        }
        _ => put(out, format_args!("{expr}")),
    }
}

/// Writes `expr` behind what already stands on the line.
fn write_unindented(out: &mut String, expr: &Expr, level: usize) {
    let mut inner = String::new();
    write_expr(&mut inner, expr, level, "");
    out.push_str(inner.trim_start());
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to a string cannot fail");
}

fn indent(out: &mut String, level: usize) {
    out.extend(std::iter::repeat_n("  ", level));
}

fn close(out: &mut String, level: usize) {
    indent(out, level);
    out.push(')');
}
