//! Keys one by one, from the file or the environment, with every fault in its place.
//!
//! What is asked for is what is known: a key that nobody asked for is an error, and the nearest
//! of those that were asked for is named.

use super::fault::{ConfigFault, ConfigFaults, Place};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::ops::{Range, RangeInclusive};
use std::str::FromStr;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What an environment variable of ours begins with.
const PREFIX: &str = "CALLFOLD_";

/// A value as it was given.
enum Given<'a> {
    File(&'a DeValue<'a>),
    Environment(&'a str),
}

impl Given<'_> {
    fn text(&self) -> Option<&str> {
        match self {
            Self::File(value) => value.as_str(),
            Self::Environment(text) => Some(text),
        }
    }

    fn number(&self) -> Option<f64> {
        match self {
            Self::File(DeValue::Integer(n)) if n.radix() == 10 => n.as_str().parse().ok(),
            Self::File(DeValue::Float(n)) => n.as_str().parse().ok(),
            Self::File(_) => None,
            Self::Environment(text) => text.trim().parse().ok(),
        }
        .filter(|n: &f64| n.is_finite())
    }

    fn switch(&self) -> Option<bool> {
        match self {
            Self::File(DeValue::Boolean(on)) => Some(*on),
            Self::File(_) => None,
            Self::Environment(text) => text.trim().parse().ok(),
        }
    }

    /// A list of texts; with commas in the environment.
    fn texts(&self) -> Option<Vec<&str>> {
        match self {
            Self::File(value) => {
                value.as_array()?.iter().map(|item| item.get_ref().as_str()).collect()
            }
            Self::Environment(text) => {
                Some(text.split(',').map(str::trim).filter(|item| !item.is_empty()).collect())
            }
        }
    }
}

/// Reads a configuration.
pub(super) struct Reader<'a> {
    text: &'a str,
    root: &'a DeTable<'a>,
    /// By key: the variable's name and its value.
    environment: BTreeMap<String, (String, String)>,
    asked: BTreeSet<String>,
    faults: Vec<ConfigFault>,
}

/// Reads it with `build`, and gives what that built if nothing is wrong.
pub(super) fn read<T>(
    text: &str,
    environment: impl IntoIterator<Item = (String, String)>,
    build: impl FnOnce(&mut Reader<'_>) -> Option<T>,
) -> Result<T, ConfigFaults> {
    let line = |at: usize| Place::Line(line_of(text, at));
    let document = DeTable::parse(text).map_err(|error| {
        let message = format!("this is no TOML: {}", error.message());
        let place = error.span().map(|span| line(span.start));
        ConfigFaults(vec![ConfigFault { place, message }])
    })?;
    let keys = environment.into_iter().filter_map(|(variable, value)| {
        let path = variable.strip_prefix(PREFIX)?;
        let key = path.contains("__").then(|| path.to_ascii_lowercase().replace("__", "."))?;
        Some((key, (variable, value)))
    });
    let mut reader = Reader {
        text,
        root: document.get_ref(),
        environment: keys.collect(),
        asked: BTreeSet::new(),
        faults: Vec::new(),
    };
    let built = build(&mut reader);
    reader.refuse_unknown();
    let mut faults = reader.faults;
    faults.sort();
    match built {
        Some(built) if faults.is_empty() => Ok(built),
        _ => Err(ConfigFaults(faults)),
    }
}

impl<'a> Reader<'a> {
    /// A section of the file, there or not.
    pub(super) fn section<'r>(&'r mut self, name: &'static str) -> Section<'r, 'a> {
        self.asked.insert(name.to_owned());
        let found = self.root.get(name);
        let table = found.and_then(|value| value.get_ref().as_table());
        if let Some(value) = found.filter(|_| table.is_none()) {
            let message = format!("`{name}` must be a section: [{name}]");
            self.fault(Some(self.line(value.span())), message);
        }
        let place = found.map(|value| self.line(value.span()));
        Section { reader: self, name, table, place }
    }

    /// The sections of a list, in their order.
    pub(super) fn sections<T>(
        &mut self,
        name: &'static str,
        mut read: impl FnMut(&mut Section<'_, 'a>) -> Option<T>,
    ) -> Vec<Option<T>> {
        self.asked.insert(name.to_owned());
        let Some(found) = self.root.get(name) else {
            // Asked all the same: it makes the keys known, for whoever misspelt the section.
            let known = self.faults.len();
            read(&mut Section { reader: self, name, table: None, place: None });
            self.faults.truncate(known);
            return Vec::new();
        };
        let tables: Option<Vec<_>> = found.get_ref().as_array().and_then(|list| {
            list.iter().map(|item| Some((item.span(), item.get_ref().as_table()?))).collect()
        });
        let Some(tables) = tables else {
            let message = format!("`{name}` must be a list of sections: [[{name}]]");
            self.fault(Some(self.line(found.span())), message);
            return Vec::new();
        };
        let of_table = |(span, table)| {
            let place = Some(self.line(span));
            read(&mut Section { reader: &mut *self, name, table: Some(table), place })
        };
        tables.into_iter().map(of_table).collect()
    }

    pub(super) fn fault(&mut self, place: Option<Place>, message: String) {
        self.faults.push(ConfigFault { place, message });
    }

    #[cfg(test)]
    pub(super) fn keys(&self) -> Vec<String> {
        self.asked.iter().filter(|key| key.contains('.')).cloned().collect()
    }

    fn line(&self, span: Range<usize>) -> Place {
        Place::Line(line_of(self.text, span.start))
    }

    fn refuse_unknown(&mut self) {
        let mut unknown = Vec::new();
        for (section, value) in self.root {
            let name = section.get_ref().to_string();
            if !self.asked.contains(&name) {
                unknown.push((self.line(section.span()), name));
                continue;
            }
            let value = value.get_ref();
            let of_list = value.as_array().into_iter().flatten();
            let tables = value.as_table().into_iter();
            for table in tables.chain(of_list.filter_map(|item| item.get_ref().as_table())) {
                let keys =
                    table.iter().map(|(key, _)| (key.span(), format!("{name}.{}", key.get_ref())));
                let strange = keys.filter(|(_, key)| !self.asked.contains(key));
                unknown.extend(strange.map(|(span, key)| (self.line(span), key)));
            }
        }
        for (key, (variable, _)) in &self.environment {
            if self.asked.contains(key) && !key.starts_with("gateways.") {
                continue;
            }
            unknown.push((Place::Variable(variable.clone()), key.clone()));
        }
        for (place, key) in unknown {
            let message = self.not_a_key(&place, &key);
            self.fault(Some(place), message);
        }
    }

    fn not_a_key(&self, place: &Place, key: &str) -> String {
        if key.starts_with("gateways.") && matches!(place, Place::Variable(_)) {
            return "gateways are told in the file, not by the environment".to_owned();
        }
        // A beginning of the name is nearer than any misspelling: `user` for `username`.
        let near = |known: &&String| match known.starts_with(key) || key.starts_with(*known) {
            true => 0,
            false => strsim::osa_distance(known, key),
        };
        // A section for a section, a key for a key.
        let alike = self.asked.iter().filter(|known| known.contains('.') == key.contains('.'));
        match alike.min_by_key(near).filter(|known| near(known) <= key.len().max(6) / 2) {
            Some(known) => format!("`{key}` is no key; did you mean `{known}`?"),
            None => format!("`{key}` is no key; `callfold config --print-default` shows them all"),
        }
    }
}

/// One section: its keys are asked for one by one.
pub(super) struct Section<'r, 'a> {
    reader: &'r mut Reader<'a>,
    name: &'static str,
    table: Option<&'a DeTable<'a>>,
    place: Option<Place>,
}

impl Section<'_, '_> {
    /// Whether the file or the environment says anything of it.
    pub(super) fn is_there(&self) -> bool {
        let prefix = format!("{}.", self.name);
        let mut told = self.reader.environment.keys();
        self.table.is_some() || told.any(|key| key.starts_with(&prefix))
    }

    /// A key by its own reading: `None` when it is absent or wrong. `wanted` says what it must be.
    pub(super) fn read<T>(
        &mut self,
        key: &str,
        wanted: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        self.given(key, wanted, |given| given.text().and_then(parse))
    }

    /// A key by the reading of its type, which says itself what is wrong.
    pub(super) fn parse<T: FromStr<Err: Display>>(&mut self, key: &str, wanted: &str) -> Option<T> {
        let text = self.read(key, wanted, |text| Some(text.to_owned()))?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.refuse(key, format!("`{}.{key}`: {error}", self.name));
                None
            }
        }
    }

    pub(super) fn number(
        &mut self,
        key: &str,
        what: &str,
        range: RangeInclusive<f64>,
    ) -> Option<f64> {
        let wanted = format!("{what} from {} to {}", range.start(), range.end());
        self.given(key, &wanted, |given| given.number().filter(|n| range.contains(n)))
    }

    pub(super) fn whole(&mut self, key: &str, range: RangeInclusive<u32>) -> Option<u32> {
        let wanted = format!("a whole number from {} to {}", range.start(), range.end());
        let parse = |given: Given<'_>| {
            let number = given.number().filter(|n| n.fract() == 0.0)?;
            // Compared as numbers of the wider kind: nothing is cut off before it is refused.
            let fits = (f64::from(*range.start())..=f64::from(*range.end())).contains(&number);
            fits.then_some(number as u32)
        };
        self.given(key, &wanted, parse)
    }

    /// Seconds, as milliseconds.
    pub(super) fn seconds(&mut self, key: &str, range: RangeInclusive<f64>) -> Option<u32> {
        let seconds = self.number(key, "a number of seconds", range)?;
        // Every range asked for ends below 49 days.
        Some((seconds * 1000.0).round() as u32)
    }

    pub(super) fn switch(&mut self, key: &str) -> Option<bool> {
        self.given(key, "true or false", |given| given.switch())
    }

    pub(super) fn texts<T>(
        &mut self,
        key: &str,
        wanted: &str,
        parse: impl FnOnce(Vec<&str>) -> Option<T>,
    ) -> Option<T> {
        self.given(key, wanted, |given| given.texts().and_then(parse))
    }

    /// A key that must be there; `None` puts a fault in its place.
    pub(super) fn required<T>(&mut self, key: &str, wanted: &str, value: Option<T>) -> Option<T> {
        if value.is_none() && self.place_of(key).is_none() {
            let message = format!("`{}.{key}` is missing: {wanted}", self.name);
            let place = self.place.clone();
            self.reader.fault(place, message);
        }
        value
    }

    /// Two keys that mean nothing without each other.
    pub(super) fn pair<A, B>(
        &mut self,
        (a_key, a): (&str, Option<A>),
        (b_key, b): (&str, Option<B>),
    ) -> Option<(A, B)> {
        let half = match (a.is_some() || self.is_given(a_key), b.is_some() || self.is_given(b_key))
        {
            (true, false) => Some((a_key, b_key)),
            (false, true) => Some((b_key, a_key)),
            _ => None,
        };
        if let Some((there, missing)) = half {
            let name = self.name;
            self.refuse(there, format!("`{name}.{there}` needs `{name}.{missing}` beside it"));
        }
        a.zip(b)
    }

    /// Refuses the value of a key for what others say.
    pub(super) fn refuse(&mut self, key: &str, message: String) {
        let place = self.place_of(key).or_else(|| self.place.clone());
        self.reader.fault(place, message);
    }

    /// Whether the key is there at all, right or wrong.
    pub(super) fn is_given(&self, key: &str) -> bool {
        self.place_of(key).is_some()
    }

    fn place_of(&self, key: &str) -> Option<Place> {
        let path = format!("{}.{key}", self.name);
        if let Some((variable, _)) = self.reader.environment.get(&path) {
            return Some(Place::Variable(variable.clone()));
        }
        let value: &Spanned<DeValue<'_>> = self.table?.get(key)?;
        Some(self.reader.line(value.span()))
    }

    fn given<T>(
        &mut self,
        key: &str,
        wanted: &str,
        parse: impl FnOnce(Given<'_>) -> Option<T>,
    ) -> Option<T> {
        let path = format!("{}.{key}", self.name);
        let place = self.place_of(key);
        let told = self.reader.environment.get(&path).map(|(_, value)| value.as_str());
        let given = match (told, self.table.and_then(|table| table.get(key))) {
            (Some(text), _) => Some(Given::Environment(text)),
            (None, Some(value)) => Some(Given::File(value.get_ref())),
            (None, None) => None,
        };
        let parsed = given.map(parse);
        if let Some(None) = parsed {
            self.reader.fault(place, format!("`{path}` must be {wanted}"));
        }
        self.reader.asked.insert(path);
        parsed.flatten()
    }
}

fn line_of(text: &str, at: usize) -> usize {
    let before = text.as_bytes().iter().take(at);
    before.filter(|byte| **byte == b'\n').count() + 1
}
