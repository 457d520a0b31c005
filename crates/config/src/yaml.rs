//! YAML as Go reads it, with a position for every node.
//!
//! [`parse`] turns text into a [`Node`] tree; [`read`](crate::yaml::reader) turns nodes into types and collects *all*
//! problems with their path, line and column instead of stopping at the first. The parser library is used here only.
//!
//! # Invariants
//! - Aliases and merge keys (`<<`) are expanded; an explicit key wins over a merged one.
//! - A document has at most [`N_NODES_MAX`] nodes after expansion and [`DEPTH_MAX`] levels: no alias bomb.
//! - Keys that occur twice are kept twice: the reader refuses them, naming the type.
//! # Source: YAML 1.1 as Go's yaml.v2 understands it (`spec/prometheus-core.md` §3).

pub mod reader;

use std::collections::{HashMap, HashSet};

use base64::Engine as _;
use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, Span};

/// Most nodes of one document, aliases expanded.
pub const N_NODES_MAX: usize = 200_000;
/// Deepest nesting, aliases expanded.
pub const DEPTH_MAX: usize = 128;

/// Where a node begins in its file, both counted from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Line.
    pub line: usize,
    /// Column, in characters.
    pub column: usize,
}

/// One node of a document.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where it begins; of an aliased node, where the alias stands.
    pub position: Position,
    /// What it is.
    pub value: Value,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A scalar as written; only a plain one (without quotes) can be null, a boolean or a number.
    Scalar {
        /// Text after escapes.
        text: String,
        /// Whether it was written without quotes and without a string tag.
        is_plain: bool,
    },
    /// A list.
    Sequence(Vec<Node>),
    /// Keys and values in file order.
    Mapping(Vec<(Key, Node)>),
}

/// Key of a mapping entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// Where it stands.
    pub position: Position,
    /// Its text.
    pub text: String,
}

impl Node {
    /// Returns whether the node is null: nothing, `~` or `null`.
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, is_plain: true }
            if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// Returns whether the node says nothing: null, or a collection of nothing but such nodes. A null entry of a list
    /// does say something: it is a mistake.
    pub fn is_void(&self) -> bool {
        match &self.value {
            Value::Scalar { .. } => self.is_null(),
            Value::Sequence(items) => items.iter().all(|item| !item.is_null() && item.is_void()),
            Value::Mapping(entries) => entries.iter().all(|(_, value)| value.is_void()),
        }
    }

    /// Returns what kind of node this is, for messages.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Scalar { .. } if self.is_null() => "null",
            Value::Scalar { .. } => "a scalar",
            Value::Sequence(_) => "a list",
            Value::Mapping(_) => "a mapping",
        }
    }
}

/// Why a text is not YAML.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {}, column {}: {message}", position.line, position.column)]
pub struct SyntaxError {
    /// Where.
    pub position: Position,
    /// What is wrong.
    pub message: String,
}

/// Reads one document; `None` for a text without any (empty, or comments only). Empty documents after it say nothing.
/// # Errors
/// When the text is not YAML, has something in a second document, or expands beyond the limits of this module.
pub fn parse(text: &str) -> Result<Option<Node>, SyntaxError> {
    let mut builder = Builder::default();
    let mut parser = Parser::new_from_str(text);
    while let Some(next) = parser.next_event() {
        let (event, span) = next.map_err(|error| SyntaxError {
            position: position_of_marker(error.marker()),
            message: error.info(),
        })?;
        builder.accept(event, &span)?;
    }
    Ok(builder.root)
}

fn position_of_marker(marker: &serde_saphyr::granit_parser::Marker) -> Position {
    Position { line: marker.line(), column: marker.col() + 1 }
}

/// Builds the tree from parser events.
#[derive(Default)]
struct Builder {
    root: Option<Node>,
    n_nodes: usize,
    open: Vec<Open>,
    /// Finished anchored nodes: node, number of nodes in it, levels below it.
    anchors: HashMap<usize, (Node, usize, usize)>,
}

/// A collection that has not ended yet.
struct Open {
    position: Position,
    /// An entry whose value is not UTF-8: where, its key and its bytes. What is wrong with it depends on its neighbours.
    not_text: Option<(Position, String, Vec<u8>)>,
    anchor: usize,
    n_nodes_before: usize,
    /// Levels below, so far.
    depth: usize,
    items: Items,
}

enum Items {
    Sequence(Vec<Node>),
    Mapping { entries: Vec<(Key, Node)>, merged: Vec<(Key, Node)>, key: Option<(Key, bool)> },
}

impl Builder {
    fn accept(&mut self, event: Event<'_>, span: &Span) -> Result<(), SyntaxError> {
        let position = position_of_marker(&span.start);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let is_binary = tag.as_deref().is_some_and(|tag| tag.suffix() == "binary");
                let text = if is_binary { self.decode_binary(&text, position)? } else { text.into_owned() };
                let is_string = tag.as_deref().is_some_and(|tag| tag.is_yaml_core_schema_tag("str"));
                let is_plain = style == ScalarStyle::Plain && !is_string && !is_binary;
                let value = Value::Scalar { text, is_plain };
                self.n_nodes += 1;
                let node = Node { position, value };
                self.finish(node, anchor, self.n_nodes - 1, 0)?;
            }
            Event::SequenceStart(_, anchor, _) => self.open(position, anchor, Items::Sequence(Vec::new()))?,
            Event::MappingStart(_, anchor, _) => {
                let items = Items::Mapping { entries: Vec::new(), merged: Vec::new(), key: None };
                self.open(position, anchor, items)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close()?,
            Event::Alias(anchor) => self.alias(position, anchor)?,
            _ => {}
        }
        Ok(())
    }

    /// Decodes `!!binary`. All our texts are UTF-8; only a label's name or value could sensibly be anything else.
    fn decode_binary(&mut self, text: &str, position: Position) -> Result<String, SyntaxError> {
        let compact: String = text.chars().filter(|ch| !ch.is_whitespace()).collect();
        let bytes = base64::engine::general_purpose::STANDARD.decode(compact).map_err(|error| {
            fail(position, &format!("!!binary value contains invalid base64 data: {error}"))
        })?;
        let error = match String::from_utf8(bytes) {
            Ok(text) => return Ok(text),
            Err(error) => error,
        };
        if let Some(open) = self.open.last_mut()
            && let Items::Mapping { key: Some((key, _)), .. } = &open.items
        {
            open.not_text = Some((position, key.text.clone(), error.into_bytes()));
            return Ok(String::new());
        }
        let shown = error.as_bytes().escape_ascii();
        Err(fail(position, &format!("\"{shown}\" is not a valid label name: it is not UTF-8")))
    }

    fn open(&mut self, position: Position, anchor: usize, items: Items) -> Result<(), SyntaxError> {
        if self.open.len() >= DEPTH_MAX {
            return Err(fail(position, &format!("nested deeper than {DEPTH_MAX} levels")));
        }
        let n_nodes_before = self.n_nodes;
        self.n_nodes += 1;
        self.open.push(Open { position, not_text: None, anchor, n_nodes_before, depth: 0, items });
        Ok(())
    }

    fn close(&mut self) -> Result<(), SyntaxError> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let value = match open.items {
            Items::Sequence(items) => Value::Sequence(items),
            Items::Mapping { mut entries, merged, .. } => {
                let mut known = HashSet::new();
                if !merged.is_empty() {
                    known.extend(entries.iter().map(|(key, _)| key.text.clone()));
                }
                entries.extend(merged.into_iter().filter(|(key, _)| known.insert(key.text.clone())));
                if let Some((position, key, bytes)) = open.not_text {
                    return Err(fail(position, &not_text(&key, &bytes, &entries)));
                }
                Value::Mapping(entries)
            }
        };
        let node = Node { position: open.position, value };
        self.finish(node, open.anchor, open.n_nodes_before, open.depth + 1)
    }

    fn alias(&mut self, position: Position, anchor: usize) -> Result<(), SyntaxError> {
        let Some((node, n_nodes, depth)) = self.anchors.get(&anchor) else {
            return Err(fail(position, "alias inside the node it names"));
        };
        let (depth, n_nodes) = (*depth, *n_nodes);
        if self.n_nodes + n_nodes > N_NODES_MAX || self.open.len() + depth > DEPTH_MAX {
            return Err(fail(position, "aliases expand the document beyond its limits"));
        }
        let node = Node { position, value: node.value.clone() };
        self.n_nodes += n_nodes;
        self.finish(node, 0, self.n_nodes - n_nodes, depth)
    }

    /// Puts a complete node where it belongs.
    fn finish(
        &mut self,
        node: Node,
        anchor: usize,
        n_before: usize,
        depth: usize,
    ) -> Result<(), SyntaxError> {
        if self.n_nodes > N_NODES_MAX {
            return Err(fail(node.position, &format!("more than {N_NODES_MAX} nodes")));
        }
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), self.n_nodes - n_before, depth));
        }
        let Some(parent) = self.open.last_mut() else {
            match self.root {
                None => self.root = Some(node),
                Some(_) if node.is_null() => {}
                Some(_) => {
                    let message =
                        "a second document, which the original leaves unread without a word: remove it";
                    return Err(fail(node.position, message));
                }
            }
            return Ok(());
        };
        parent.depth = parent.depth.max(depth);
        match &mut parent.items {
            Items::Sequence(items) => items.push(node),
            Items::Mapping { entries, merged, key } => match key.take() {
                None => *key = Some(key_of(node)?),
                Some((key, true)) => merge(merged, &key, node)?,
                Some((key, false)) => entries.push((key, node)),
            },
        }
        Ok(())
    }
}

/// Says what is wrong with a value that is not UTF-8, as the one who would use it does.
fn not_text(key: &str, bytes: &[u8], entries: &[(Key, Node)]) -> String {
    let shown = bytes.escape_ascii();
    let action = entries.iter().find(|(key, _)| key.text == "action").map(|(_, node)| &node.value);
    let action = match action {
        Some(Value::Scalar { text, .. }) => text.to_lowercase(),
        _ => "replace".to_owned(),
    };
    match key {
        "target_label" | "replacement" => format!("\"{shown}\" is invalid '{key}' for {action} action"),
        _ => format!("\"{shown}\" is not a valid label value: it is not UTF-8"),
    }
}

/// Reads a key, and whether it is the merge key.
fn key_of(node: Node) -> Result<(Key, bool), SyntaxError> {
    let Value::Scalar { text, is_plain } = node.value else {
        return Err(fail(node.position, "a key must be a scalar"));
    };
    let is_merge = is_plain && text == "<<";
    Ok((Key { position: node.position, text }, is_merge))
}

/// Takes over the entries of the mapping, or the list of mappings, behind a merge key; of equal keys the first will win.
fn merge(merged: &mut Vec<(Key, Node)>, key: &Key, node: Node) -> Result<(), SyntaxError> {
    let sources = match node.value {
        Value::Sequence(items) => items,
        _ => vec![node],
    };
    for source in sources {
        let Value::Mapping(entries) = source.value else {
            return Err(fail(
                key.position,
                "map merge requires a mapping or a list of mappings as the value",
            ));
        };
        merged.extend(entries);
    }
    Ok(())
}

fn fail(position: Position, message: &str) -> SyntaxError {
    SyntaxError { position, message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_ok(text: &str) -> Node {
        parse(text).unwrap().unwrap()
    }

    fn value<'a>(node: &'a Node, key: &str) -> &'a Node {
        let Value::Mapping(entries) = &node.value else { panic!("{node:?} is no mapping") };
        &entries.iter().find(|(known, _)| known.text == key).unwrap().1
    }

    fn text(node: &Node) -> &str {
        let Value::Scalar { text, .. } = &node.value else { panic!("{node:?} is no scalar") };
        text
    }

    #[test]
    fn binary_scalars_are_texts_if_they_can_be() {
        assert_eq!(text(value(&parse_ok("a: !!binary aGVsbG8=\n"), "a")), "hello");
        let error = parse("a:\n  !!binary \"/w==\": b\n").unwrap_err().to_string();
        assert_eq!(error, "line 2, column 12: \"\\xff\" is not a valid label name: it is not UTF-8");
        assert!(parse("a: !!binary '*'\n").is_err());
        let check = |text: &str, want: &str| {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.ends_with(want), "{error}");
        };
        check("a: !!binary /w==\n", "\"\\xff\" is not a valid label value: it is not UTF-8");
        check("source_labels: [!!binary /w==]\n", "\"\\xff\" is not a valid label name: it is not UTF-8");
        check("target_label: !!binary /w==\n", "\"\\xff\" is invalid 'target_label' for replace action");
        check(
            "- replacement: !!binary /w==\n  action: LabelMap\n",
            "\"\\xff\" is invalid 'replacement' for labelmap action",
        );
    }

    #[test]
    fn a_second_document_may_only_be_empty() {
        for text in ["a: b\n---\n", "---\na: b\n...\n", "a: b\n--- # end\n---\n~\n"] {
            assert_eq!(self::text(value(&parse_ok(text), "a")), "b", "{text}");
        }
        let error = parse("a: b\n---\nc: d\n").unwrap_err();
        assert_eq!(error.position, Position { line: 3, column: 1 });
    }

    #[test]
    fn positions_count_from_one() {
        let node = parse_ok("a:\n  - b\n  - c: d\n");
        let Value::Sequence(items) = &value(&node, "a").value else { panic!() };
        assert_eq!(items[0].position, Position { line: 2, column: 5 });
        assert_eq!(value(&items[1], "c").position, Position { line: 3, column: 8 });
    }

    #[test]
    fn merge_keys_give_way_to_explicit_ones() {
        let node = parse_ok("base: &base {x: 1, y: 2}\nuse:\n  <<: *base\n  x: 3\n");
        let used = value(&node, "use");
        assert_eq!((text(value(used, "x")), text(value(used, "y"))), ("3", "2"));
    }

    #[test]
    fn quoted_null_is_a_string() {
        let node = parse_ok("a: null\nb: 'null'\nc:\nd: ~\n");
        let nulls: Vec<bool> = ["a", "b", "c", "d"].iter().map(|key| value(&node, key).is_null()).collect();
        assert_eq!(nulls, [true, false, true, true]);
    }

    #[test]
    fn an_empty_text_has_no_document() {
        assert_eq!(parse(""), Ok(None));
        assert_eq!(parse("# only a comment\n"), Ok(None));
    }

    #[test]
    fn broken_text_is_refused_with_its_place() {
        let check = |text: &str, line: usize| {
            assert_eq!(parse(text).unwrap_err().position.line, line, "{text:?}");
        };
        check("a: b\n c: d\n", 2);
        check("a: [1, 2\n", 1);
        check("a: *nowhere\n", 1);
        check("---\na: 1\n---\nb: 2\n", 4);
        check("\"unclosed", 1);
    }

    #[test]
    fn an_alias_bomb_does_not_go_off() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
        for level in 1..12 {
            let alias = format!("*a{}", level - 1);
            bomb.push_str(&format!("a{level}: &a{level} [{}]\n", [alias.as_str(); 9].join(", ")));
        }
        assert!(parse(&bomb).unwrap_err().message.contains("beyond its limits"));
        let deep = "[".repeat(100_000);
        assert!(parse(&deep).is_err());
    }

    #[test]
    fn of_equal_merged_keys_the_first_wins() {
        let node = parse_ok("a: &a {x: 1}\nb: &b {x: 2, y: 2}\nuse:\n  <<: [*a, *b]\n");
        let used = value(&node, "use");
        assert_eq!((text(value(used, "x")), text(value(used, "y"))), ("1", "2"));
    }
}
