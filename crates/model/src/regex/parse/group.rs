//! Groups: `(re)`, `(?:re)`, `(?P<name>re)`, `(?<name>re)`, `(?i)`, `(?i-s:re)`.

use super::{DEPTH_MAX, Flags, Level, Open, Parser, fault};
use crate::regex::RegexError;

impl Parser<'_> {
    pub(super) fn open_group(&mut self) -> Result<(), RegexError> {
        if !self.rest().starts_with("(?") {
            self.at += 1;
            return self.begin(true, self.flags);
        }
        let rest = self.rest();
        if let Some(name_and_more) = rest.strip_prefix("(?P<").or_else(|| rest.strip_prefix("(?<")) {
            return self.open_named(name_and_more);
        }
        self.open_flagged()
    }

    fn open_named(&mut self, name_and_more: &str) -> Result<(), RegexError> {
        let rest = self.rest();
        let Some((name, after)) = name_and_more.split_once('>') else {
            return Err(fault("invalid named capture", rest));
        };
        let length = rest.len() - after.len();
        let is_word = |byte: u8| byte == b'_' || byte.is_ascii_alphanumeric();
        if name.is_empty() || !name.bytes().all(is_word) {
            return Err(fault("invalid named capture", rest.get(..length).unwrap_or("")));
        }
        self.at += length;
        // Several groups may share a name, which the engine refuses: it sees none.
        self.names.push((self.n_captures + 1, name.to_owned()));
        self.begin(true, self.flags)
    }

    /// `(?flags)` changes the rest of the enclosing group, `(?flags:re)` only what it encloses.
    fn open_flagged(&mut self) -> Result<(), RegexError> {
        let start = self.at;
        self.at += 2;
        let (mut flags, mut is_on, mut has_flag) = (self.flags, true, false);
        while let Some(ch) = self.peek() {
            self.at += ch.len_utf8();
            let flag = match ch {
                'i' => &mut flags.is_case_folded,
                'm' => &mut flags.is_multi_line,
                's' => &mut flags.is_dot_all,
                'U' => &mut flags.is_swapped_greed,
                '-' if is_on => {
                    (is_on, has_flag) = (false, false);
                    continue;
                }
                ':' | ')' if is_on || has_flag => {
                    if ch == ':' {
                        return self.begin(false, flags);
                    }
                    self.flags = flags;
                    return Ok(());
                }
                _ => break,
            };
            (*flag, has_flag) = (is_on, true);
        }
        if self.at >= self.pattern.len() && !self.pattern.ends_with(['=', '!', '<', '>', '#', '-']) {
            return Err(fault("missing closing )", self.pattern));
        }
        Err(fault("invalid or unsupported Perl syntax", self.slice(start, self.at)))
    }

    /// Enters a group; `Some` captures, under a name or not.
    fn begin(&mut self, captures: bool, inner: Flags) -> Result<(), RegexError> {
        if self.open.len() >= DEPTH_MAX {
            return Err(fault("expression nests too deeply", self.pattern));
        }
        let capture = captures.then(|| {
            self.n_captures += 1;
            self.n_captures
        });
        let level = std::mem::take(&mut self.level);
        self.open.push(Open { level, flags: self.flags, capture });
        self.flags = inner;
        Ok(())
    }

    pub(super) fn close_group(&mut self) -> Result<(), RegexError> {
        let Some(mut open) = self.open.pop() else {
            return Err(fault("unexpected )", self.pattern));
        };
        self.at += 1;
        let outer: Level = std::mem::take(&mut open.level);
        self.flags = open.flags;
        let (inner, repeats) = std::mem::replace(&mut self.level, outer).finish();
        self.level.items.push((open.finish(inner), repeats));
        Ok(())
    }
}
