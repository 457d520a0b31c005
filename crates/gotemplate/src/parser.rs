//! Tokens to trees. Names of functions and variables are checked here, as the original does.

use std::collections::BTreeMap;
use std::sync::Arc;

use wf_model::quote::GoQuoted;

use crate::error::ParseError;
use crate::lexer;
use crate::token::{Kind, Token};
use crate::tree::{Branch, Node, Tree};

mod pipeline;

/// Control structures and parentheses inside one another at most: no text exhausts the stack.
const DEPTH_MAX: usize = 200;

/// Parses `text`; returns its own tree and those that it defines, by name.
/// # Errors
/// See [`ParseError`].
pub(crate) fn parse(
    name: &str,
    text: &str,
    is_function: &dyn Fn(&str) -> bool,
) -> Result<BTreeMap<String, Tree>, ParseError> {
    let in_template = |error: ParseError| error.in_template(name);
    let tokens = lexer::tokens(text).map_err(in_template)?;
    let mut parser = Parser {
        name,
        source: text.into(),
        tokens,
        next: 0,
        depth: 0,
        n_ranges: 0,
        variables: vec!["$".to_owned()],
        is_function,
        trees: BTreeMap::new(),
    };
    let body = parser.file().map_err(in_template)?;
    let own = parser.tree(name, body);
    parser.add(own).map_err(in_template)?;
    Ok(parser.trees)
}

/// What ended a list of nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Terminator {
    End,
    Else,
}

struct Parser<'a> {
    name: &'a str,
    source: Arc<str>,
    tokens: Vec<Token>,
    next: usize,
    depth: usize,
    n_ranges: usize,
    /// Those in scope, innermost last.
    variables: Vec<String>,
    is_function: &'a dyn Fn(&str) -> bool,
    trees: BTreeMap<String, Tree>,
}

type Parsed<T> = Result<T, ParseError>;

impl Parser<'_> {
    fn file(&mut self) -> Parsed<Vec<Node>> {
        let mut body = Vec::new();
        loop {
            match self.peek().clone() {
                Kind::End => return Ok(body),
                Kind::Open if self.keyword_after_open() == Some("define") => self.define()?,
                _ => match self.node()? {
                    Ok(node) => body.push(node),
                    Err(Terminator::End) => return self.fail("unexpected {{end}}"),
                    Err(Terminator::Else) => return self.fail("unexpected {{else}}"),
                },
            }
        }
    }

    /// Parses text or an action; an inner `Err` is the action that ends a list.
    fn node(&mut self) -> Parsed<Result<Node, Terminator>> {
        if let Kind::Text(text) = self.peek().clone() {
            self.advance();
            return Ok(Ok(Node::Text(text)));
        }
        if *self.peek() != Kind::Open {
            return self.unexpected("input");
        }
        let keyword = self.keyword_after_open().map(str::to_owned);
        self.advance();
        self.skip_space();
        let Some(keyword) = keyword else {
            return Ok(Ok(Node::Action(self.pipeline("command", &Kind::Close)?)));
        };
        self.advance();
        Ok(match keyword.as_str() {
            "if" => Ok(Node::If(self.branch("if")?)),
            "with" => Ok(Node::With(self.branch("with")?)),
            "range" => Ok(Node::Range(self.branch("range")?)),
            "template" => Ok(self.call()?),
            "block" => Ok(self.block()?),
            "break" | "continue" => Ok(self.jump(&keyword)?),
            "end" => {
                self.expect(&Kind::Close, "end")?;
                Err(Terminator::End)
            }
            "else" => Err(Terminator::Else),
            "nil" => return self.fail("nil is not a command"),
            _ => return self.fail(format!("unexpected <{keyword}> in command")),
        })
    }

    /// Parses nodes up to `{{end}}` or `{{else`.
    fn list(&mut self) -> Parsed<(Vec<Node>, Terminator)> {
        let mut nodes = Vec::new();
        loop {
            if *self.peek() == Kind::End {
                return self.fail("unexpected EOF");
            }
            match self.node()? {
                Ok(node) => nodes.push(node),
                Err(terminator) => return Ok((nodes, terminator)),
            }
        }
    }

    fn branch(&mut self, context: &'static str) -> Parsed<Branch> {
        self.deeper()?;
        let n_variables = self.variables.len();
        let pipeline = self.pipeline(context, &Kind::Close)?;
        self.n_ranges += usize::from(context == "range");
        let (body, terminator) = self.list()?;
        self.n_ranges -= usize::from(context == "range");
        let otherwise = if terminator == Terminator::Else { self.otherwise(context)? } else { Vec::new() };
        self.variables.truncate(n_variables);
        self.depth -= 1;
        Ok(Branch { pipeline, body, otherwise })
    }

    /// Parses what follows `{{else`: `}}` and a list, or another control structure whose end is ours too.
    fn otherwise(&mut self, context: &'static str) -> Parsed<Vec<Node>> {
        self.skip_space();
        if let Kind::Word(word) = self.peek().clone()
            && word == context
            && context != "range"
        {
            self.advance();
            let branch = self.branch(context)?;
            return Ok(vec![if context == "if" { Node::If(branch) } else { Node::With(branch) }]);
        }
        self.expect(&Kind::Close, "else")?;
        let (nodes, terminator) = self.list()?;
        match terminator {
            Terminator::End => Ok(nodes),
            Terminator::Else => self.fail("expected end; found {{else}}"),
        }
    }

    fn define(&mut self) -> Parsed<()> {
        self.advance();
        self.skip_space();
        self.advance();
        let name = self.quoted_name("define clause")?;
        self.expect(&Kind::Close, "define clause")?;
        let body = self.definition()?;
        let tree = self.tree(&name, body);
        self.add(tree)
    }

    fn block(&mut self) -> Parsed<Node> {
        let at = self.at();
        let name = self.quoted_name("block clause")?;
        let argument = self.pipeline("block clause", &Kind::Close)?;
        let body = self.definition()?;
        let tree = self.tree(&name, body);
        self.add(tree)?;
        Ok(Node::Call { at, name, argument: Some(argument) })
    }

    /// Parses the body of a definition, which sees no variables but `$`.
    fn definition(&mut self) -> Parsed<Vec<Node>> {
        self.deeper()?;
        let outer = std::mem::replace(&mut self.variables, vec!["$".to_owned()]);
        let n_ranges = std::mem::take(&mut self.n_ranges);
        let (body, terminator) = self.list()?;
        if terminator == Terminator::Else {
            return self.fail("unexpected {{else}} in define clause");
        }
        (self.variables, self.n_ranges) = (outer, n_ranges);
        self.depth -= 1;
        Ok(body)
    }

    fn call(&mut self) -> Parsed<Node> {
        self.skip_space();
        let at = self.at();
        let name = self.quoted_name("template clause")?;
        self.skip_space();
        let argument = match self.peek() {
            Kind::Close => {
                self.advance();
                None
            }
            _ => Some(self.pipeline("template clause", &Kind::Close)?),
        };
        Ok(Node::Call { at, name, argument })
    }

    fn jump(&mut self, keyword: &str) -> Parsed<Node> {
        self.skip_space();
        if *self.peek() != Kind::Close {
            return self.unexpected(&format!("{{{{{keyword}}}}}"));
        }
        if self.n_ranges == 0 {
            return self.fail(format!("{{{{{keyword}}}}} outside {{{{range}}}}"));
        }
        self.advance();
        Ok(if keyword == "break" { Node::Break } else { Node::Continue })
    }

    fn quoted_name(&mut self, context: &str) -> Parsed<String> {
        self.skip_space();
        match self.peek().clone() {
            Kind::Quoted { value, .. } => {
                self.advance();
                Ok(value)
            }
            _ => self.unexpected(context),
        }
    }

    fn tree(&self, name: &str, body: Vec<Node>) -> Tree {
        Tree { name: name.to_owned(), file: self.name.to_owned(), source: Arc::clone(&self.source), body }
    }

    /// Adds a definition: blank ones do not replace, and two with content are an error.
    fn add(&mut self, tree: Tree) -> Parsed<()> {
        match self.trees.get(&tree.name) {
            Some(old) if !old.is_blank() && !tree.is_blank() => {
                let message = format!("template: multiple definition of template {}", GoQuoted(&tree.name));
                self.fail(message)
            }
            Some(old) if !old.is_blank() => Ok(()),
            _ => {
                self.trees.insert(tree.name.clone(), tree);
                Ok(())
            }
        }
    }
}

/// Moving over tokens.
impl Parser<'_> {
    fn peek(&self) -> &Kind {
        self.tokens.get(self.next).map_or(&Kind::End, |token| &token.kind)
    }

    fn at(&self) -> usize {
        self.tokens.get(self.next).map_or(self.source.len(), |token| token.at)
    }

    fn advance(&mut self) {
        self.next += 1;
    }

    fn skip_space(&mut self) {
        while *self.peek() == Kind::Space {
            self.advance();
        }
    }

    /// Returns the keyword of the action that begins here.
    fn keyword_after_open(&self) -> Option<&str> {
        let mut rest = self.tokens.get(self.next + 1..)?.iter().skip_while(|token| token.kind == Kind::Space);
        match &rest.next()?.kind {
            Kind::Word(word) if crate::token::is_keyword(word) => Some(word),
            _ => None,
        }
    }

    fn expect(&mut self, kind: &Kind, context: &str) -> Parsed<()> {
        self.skip_space();
        if self.peek() != kind {
            return self.unexpected(context);
        }
        self.advance();
        Ok(())
    }

    fn deeper(&mut self) -> Parsed<()> {
        self.depth += 1;
        match self.depth > DEPTH_MAX {
            true => self.fail(format!("nested more than {DEPTH_MAX} deep")),
            false => Ok(()),
        }
    }

    fn unexpected<T>(&self, context: &str) -> Parsed<T> {
        match self.peek() {
            Kind::End => self.fail("unexpected EOF"),
            kind => self.fail(format!("unexpected {kind} in {context}")),
        }
    }

    fn fail<T>(&self, message: impl Into<String>) -> Parsed<T> {
        let line = self.tokens.get(self.next).or(self.tokens.last()).map_or(1, |token| token.line);
        Err(ParseError::new(line, message))
    }
}
