//! The form of a profile: samples of values, each with a stack of places in the program.
//!
//! # Source
//! `profile.proto` of pprof: Profile{1 sample_type, 2 sample, 3 mapping, 4 location, 5 function, 6 string_table, 9 time_nanos,
//! 10 duration_nanos, 11 period_type, 12 period, 13 comment}, ValueType{1 type, 2 unit}, Sample{1 location_id, 2 value, 3 label},
//! Label{1 key, 2 str}, Mapping{1 id, 2 memory_start, 3 memory_limit, 4 file_offset, 5 filename, 7 has_functions}, Location{1 id, 2 mapping_id, 3 address,
//! 4 line}, Line{1 function_id, 2 line}, Function{1 id, 2 name, 3 system_name, 4 filename}; as gzip.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use flate2::Compression;
use flate2::write::GzEncoder;
use wf_exposition::protobuf::encode::Message;

/// What a value counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Count,
    Bytes,
    Nanoseconds,
}

impl Unit {
    fn as_str(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Bytes => "bytes",
            Self::Nanoseconds => "nanoseconds",
        }
    }
}

/// A function call: where in the program, and in which function of which file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Line {
    pub(super) function: String,
    pub(super) file: String,
    pub(super) line: u32,
}

/// A place in the program: its address, and the calls there, what was inlined first; none where no name is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) address: u64,
    pub(super) lines: Vec<Line>,
}

impl Place {
    /// Something that is no function, but has a name.
    pub(super) fn named(name: &str) -> Self {
        Self { address: 0, lines: vec![Line { function: name.to_owned(), ..Line::default() }] }
    }
}

/// Program code in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Mapping {
    pub(super) start: u64,
    /// Behind its last byte.
    pub(super) end: u64,
    /// Where in the file it begins.
    pub(super) offset: u64,
    pub(super) file: String,
}

/// A profile that grows by samples.
#[derive(Debug)]
pub(super) struct Profile {
    types: Vec<(&'static str, Unit)>,
    /// Type, unit and distance of what triggers a sample.
    period: Option<(&'static str, Unit, u64)>,
    duration: Duration,
    comments: Vec<String>,
    mappings: Vec<Mapping>,
    places: Vec<Place>,
    place_of: HashMap<Place, usize>,
    /// Places, innermost first; a value for each type; the thread.
    samples: Vec<(Vec<usize>, Vec<u64>, String)>,
}

impl Profile {
    pub(super) fn new(types: &[(&'static str, Unit)]) -> Self {
        Self {
            types: types.to_vec(),
            period: None,
            duration: Duration::ZERO,
            comments: Vec::new(),
            mappings: Vec::new(),
            places: Vec::new(),
            place_of: HashMap::new(),
            samples: Vec::new(),
        }
    }

    pub(super) fn timed(mut self, period: (&'static str, Unit, u64), duration: Duration) -> Self {
        (self.period, self.duration) = (Some(period), duration);
        self
    }

    /// Tells where the program's code lies: who has its file finds names that are not in the profile.
    pub(super) fn mapped(mut self, mappings: Vec<Mapping>) -> Self {
        self.mappings = mappings;
        self
    }

    pub(super) fn comment(&mut self, text: String) {
        self.comments.push(text);
    }

    /// Adds a sample: places innermost first, a value for each type, and the thread, if that matters.
    pub(super) fn push(&mut self, stack: impl IntoIterator<Item = Place>, values: &[u64], thread: &str) {
        debug_assert_eq!(values.len(), self.types.len(), "a sample has a value for each type");
        let stack = stack.into_iter().map(|place| {
            *self.place_of.entry(place).or_insert_with_key(|place| {
                self.places.push(place.clone());
                self.places.len() - 1
            })
        });
        let stack = stack.collect();
        self.samples.push((stack, values.to_vec(), thread.to_owned()));
    }

    /// Returns the profile as pprof reads it.
    pub(super) fn to_gzip(&self) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        let written = encoder.write_all(self.message().as_bytes());
        written.and_then(|()| encoder.finish()).expect("writing to memory cannot fail")
    }

    fn message(&self) -> Message {
        let mut texts = Texts::default();
        let mut message = Message::new();
        for (name, unit) in &self.types {
            message = message.message(1, &value_type(&mut texts, name, *unit));
        }
        for (stack, values, thread) in &self.samples {
            let ids: Vec<u64> = stack.iter().map(|place| *place as u64 + 1).collect();
            let mut sample = Message::new().packed_varints(1, &ids).packed_varints(2, values);
            if !thread.is_empty() {
                let label = Message::new().varint(1, texts.id("thread")).varint(2, texts.id(thread));
                sample = sample.message(3, &label);
            }
            message = message.message(2, &sample);
        }
        for (id, mapping) in (1..).zip(&self.mappings) {
            message = message.message(3, &self.mapping_message(&mut texts, id, mapping));
        }
        let mut functions = Functions::default();
        for (id, place) in (1..).zip(&self.places) {
            let mut location = Message::new().varint(1, id).varint(3, place.address);
            if let Some((id, _)) = (1..).zip(&self.mappings).find(|(_, mapping)| mapping.holds(place)) {
                location = location.varint(2, id);
            }
            for line in &place.lines {
                let function = functions.id(&mut texts, line);
                location =
                    location.message(4, &Message::new().varint(1, function).varint(2, u64::from(line.line)));
            }
            message = message.message(4, &location);
        }
        for function in &functions.messages {
            message = message.message(5, function);
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        message = message.varint(9, nanos(now)).varint(10, nanos(self.duration));
        if let Some((name, unit, every)) = self.period {
            message = message.message(11, &value_type(&mut texts, name, unit)).varint(12, every);
        }
        let comments: Vec<u64> = self.comments.iter().map(|text| texts.id(text)).collect();
        message = message.packed_varints(13, &comments);
        // Last: by now all are known.
        texts.list.iter().fold(message.bytes(6, ""), |message, text| message.bytes(6, text))
    }

    fn mapping_message(&self, texts: &mut Texts, id: u64, mapping: &Mapping) -> Message {
        let mut within = self.places.iter().filter(|place| mapping.holds(place));
        let has_names = within.all(|place| !place.lines.is_empty());
        let message = Message::new().varint(1, id).varint(2, mapping.start).varint(3, mapping.end);
        let message = message.varint(4, mapping.offset).varint(5, texts.id(&mapping.file));
        message.varint(7, u64::from(has_names))
    }

    /// Returns the profile for people: values, then what they belong to, outermost first; the largest first.
    pub(super) fn to_text(&self) -> String {
        let mut rows: Vec<(&[u64], String)> = Vec::with_capacity(self.samples.len());
        for (stack, values, thread) in &self.samples {
            let places = stack.iter().rev().filter_map(|place| self.places.get(*place));
            let names: Vec<String> = places.flat_map(Place::names).collect();
            let thread = if thread.is_empty() { String::new() } else { format!(" [{thread}]") };
            rows.push((values, format!("{}{thread}", names.join(" > "))));
        }
        rows.sort_by(|a, b| b.0.cmp(a.0).then_with(|| a.1.cmp(&b.1)));
        let types: Vec<String> =
            self.types.iter().map(|(name, unit)| format!("{name}/{}", unit.as_str())).collect();
        let mut text = format!("{}\n", types.join(" "));
        self.comments.iter().for_each(|comment| text.push_str(&format!("# {comment}\n")));
        for (values, name) in rows {
            let values: Vec<String> = values.iter().map(u64::to_string).collect();
            writeln!(text, "{}\t{name}", values.join(" ")).expect("writing to a string cannot fail");
        }
        text
    }
}

impl Mapping {
    fn holds(&self, place: &Place) -> bool {
        (self.start..self.end).contains(&place.address)
    }
}

impl Place {
    /// Returns the names of the calls there, the outermost first.
    fn names(&self) -> Vec<String> {
        if self.lines.is_empty() {
            return vec![format!("{:#x}", self.address)];
        }
        self.lines.iter().rev().map(|line| line.function.clone()).collect()
    }
}

fn value_type(texts: &mut Texts, name: &str, unit: Unit) -> Message {
    Message::new().varint(1, texts.id(name)).varint(2, texts.id(unit.as_str()))
}

/// The string table; number 0 is the empty text.
#[derive(Default)]
struct Texts {
    list: Vec<String>,
    ids: HashMap<String, u64>,
}

impl Texts {
    fn id(&mut self, text: &str) -> u64 {
        if text.is_empty() {
            return 0;
        }
        if let Some(id) = self.ids.get(text) {
            return *id;
        }
        self.list.push(text.to_owned());
        let id = self.list.len() as u64;
        self.ids.insert(text.to_owned(), id);
        id
    }
}

#[derive(Default)]
struct Functions {
    ids: HashMap<(String, String), u64>,
    messages: Vec<Message>,
}

impl Functions {
    fn id(&mut self, texts: &mut Texts, line: &Line) -> u64 {
        let key = (line.function.clone(), line.file.clone());
        let next = self.messages.len() as u64 + 1;
        *self.ids.entry(key).or_insert_with(|| {
            let name = texts.id(&line.function);
            let function = Message::new().varint(1, next).varint(2, name).varint(3, name);
            self.messages.push(function.varint(4, texts.id(&line.file)));
            next
        })
    }
}
