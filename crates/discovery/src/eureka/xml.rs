//! A small tree of XML elements.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::source::SdError;

/// Deepest nesting; Eureka's answers have six levels.
const DEPTH_MAX: usize = 32;

/// One element.
#[derive(Debug, Default)]
pub(super) struct Element {
    pub(super) name: String,
    attributes: Vec<(String, String)>,
    /// Text directly inside, without white space at its ends.
    pub(super) text: String,
    pub(super) children: Vec<Element>,
}

impl Element {
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    pub(super) fn first(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// Returns the text of the first child of that name; empty if there is none.
    pub(super) fn text(&self, name: &str) -> String {
        self.first(name).map_or_else(String::new, |child| child.text.clone())
    }

    pub(super) fn attribute(&self, name: &str) -> &str {
        self.attributes.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

/// Reads a document and returns its root.
pub(super) fn parse(bytes: &[u8]) -> Result<Element, SdError> {
    let text = std::str::from_utf8(bytes).map_err(|error| format!("eureka apps: {error}"))?;
    let mut reader = Reader::from_str(text);
    // The first holds the root.
    let mut open = vec![Element::default()];
    loop {
        match reader.read_event()? {
            Event::Start(start) => {
                if open.len() > DEPTH_MAX {
                    return Err(format!("eureka apps: nested deeper than {DEPTH_MAX} levels").into());
                }
                open.push(element(&start)?);
            }
            Event::Empty(start) => {
                let element = element(&start)?;
                last(&mut open)?.children.push(element);
            }
            Event::End(_) => {
                let mut element = open.pop().ok_or("eureka apps: more ends than starts")?;
                element.text = element.text.trim().to_owned();
                last(&mut open)?.children.push(element);
            }
            Event::Text(text) => last(&mut open)?.text.push_str(&text.decode()?),
            Event::CData(data) => last(&mut open)?.text.push_str(&data.decode()?),
            Event::GeneralRef(reference) => {
                let name = reference.decode()?.into_owned();
                let resolved = match reference.resolve_char_ref()? {
                    Some(ch) => ch.to_string(),
                    None => quick_xml::escape::resolve_predefined_entity(&name)
                        .ok_or_else(|| format!("eureka apps: unknown entity &{name};"))?
                        .to_owned(),
                };
                last(&mut open)?.text.push_str(&resolved);
            }
            Event::Eof => break,
            _ => {}
        }
    }
    let root = open.pop().filter(|_| open.is_empty()).and_then(|mut outer| outer.children.pop());
    root.ok_or_else(|| "eureka apps: the answer is no whole XML document".into())
}

fn last(open: &mut [Element]) -> Result<&mut Element, SdError> {
    open.last_mut().ok_or_else(|| "eureka apps: more ends than starts".into())
}

fn element(start: &BytesStart<'_>) -> Result<Element, SdError> {
    let name = String::from_utf8_lossy(start.local_name().as_ref()).into_owned();
    let mut attributes = Vec::new();
    for attribute in start.attributes() {
        let attribute = attribute?;
        let key = String::from_utf8_lossy(attribute.key.local_name().as_ref()).into_owned();
        attributes.push((key, String::from_utf8_lossy(&attribute.value).into_owned()));
    }
    Ok(Element { name, attributes, ..Element::default() })
}
