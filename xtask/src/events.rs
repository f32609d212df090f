//! A new version of a stored event, or a new type of event: what has to stand where.

use crate::rust_text::{defined_in, fields_of, has_word, struct_of, used_in};
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const FAMILIES: [&str; 3] = ["call", "batch", "node"];
const TABLE: &str = "event/table.rs";

/// The sources of `schemas` as they are to become.
pub struct Sources {
    folder: PathBuf,
    /// By path below `schemas/src`; those that are to be written are marked.
    files: BTreeMap<String, (String, bool)>,
}

impl Sources {
    /// Reads what may have to change.
    pub fn read(root: &Path) -> Result<Self> {
        let folder = root.join("schemas/src");
        let mut files = BTreeMap::new();
        let mut read = |path: String| -> Result<()> {
            let text = std::fs::read_to_string(folder.join(&path));
            files.insert(path.clone(), (text.with_context(|| path)?, false));
            Ok(())
        };
        read(TABLE.to_owned())?;
        for family in FAMILIES {
            for entry in std::fs::read_dir(folder.join(family)).with_context(|| family)? {
                let name = entry?.file_name().to_string_lossy().into_owned();
                read(format!("{family}/{name}"))?;
            }
        }
        Ok(Self { folder, files })
    }

    /// Writes what has changed, as rustfmt lays it out, and says which files those are.
    pub fn write(&self) -> Result<Vec<PathBuf>> {
        let mut written = Vec::new();
        let changed = self.files.iter().filter(|(_, (_, changed))| *changed);
        // All are laid out before any is written: what does not parse changes nothing.
        let laid_out = changed.map(|(path, (text, _))| Ok((path, laid_out(text)?)));
        for (path, text) in laid_out.collect::<Result<Vec<_>>>()? {
            let path = self.folder.join(path);
            std::fs::write(&path, text).with_context(|| path.display().to_string())?;
            written.push(path);
        }
        Ok(written)
    }

    /// Makes the next version of a type, the same as the last one. Says what to do then.
    pub fn new_version(&mut self, name: &str) -> Result<String> {
        let table = self.text(TABLE)?;
        let head = format!("=> {name} {{ ");
        let row = table.lines().find(|line| line.contains(&head));
        let row = row.with_context(|| {
            format!("there is no event {name}: its name stands in schemas/src/{TABLE}")
        })?;
        let (_, versions) = row.split_once(&head).context("it was just found")?;
        let last = versions.trim_end_matches([' ', '}']).rsplit(", ").next().unwrap_or(versions);
        let (version, path) = last.split_once(": ").context("a version has a struct")?;
        let (family, _) = path.split_once("::").context("the struct is of a family")?;
        let (family, version) = (family.to_owned(), version.parse::<u8>()?);
        let next = version.checked_add(1).context("a type has at most 255 versions")?;
        let grown = row.replace(" }", &format!(", {next}: {family}::v{next}::{name} }}"));
        let table = table.replace(row, &grown);
        self.put(TABLE, table);
        self.copy_struct(&family, name, version, next)?;
        self.use_latest(&family, name, version, next)?;
        Ok(format!(
            "{name} is written as version {next} now, which is version {version} still. Change the \
             struct in schemas/src/{family}/v{next}.rs, and let its From say what version {version} \
             meant. Fill the new fields in schemas/src/event/samples.rs. Then\n\n    \
             UPDATE_EXPECT=1 cargo test -p schemas\n\nmakes the golden files of version {next}: \
             look at them, they are for ever."
        ))
    }

    /// Makes a new type of event without fields. Says what to do then.
    pub fn new_event(&mut self, family: &str, name: &str) -> Result<String> {
        ensure!(
            FAMILIES.contains(&family),
            "events are of {}, not of {family}",
            FAMILIES.join(", ")
        );
        let is_name = name.starts_with(|c: char| c.is_ascii_uppercase())
            && name.chars().all(|c| c.is_ascii_alphanumeric());
        ensure!(is_name, "{name}: events are named as CallAnswered is: subject first, past tense");
        let table = self.text(TABLE)?;
        ensure!(!table.contains(&format!("=> {name} ")), "there is an event {name} already");
        let (structs, module) = (format!("{family}/v1.rs"), format!("{family}/mod.rs"));
        if defined_in(self.text(&structs)?).contains(&name) {
            bail!("schemas/src/{structs} has a {name} already, and it is no event");
        }
        let block = format!("stored! {{ {}Event:", capital(family));
        let begin = table.find(&block).context("the family has a table")?;
        let end = begin + table[begin..].find("\n}").context("a table ends")?;
        let numbers = table[begin..end].lines().filter_map(|line| line.split_once(" => "));
        let numbers = numbers.filter_map(|(number, _)| number.trim().parse::<u16>().ok());
        let number = numbers.max().context("a family has events")? + 1;
        let row = format!("\n    {number} => {name} {{ 1: {family}::v1::{name} }}");
        let table = format!("{}{row}{}", &table[..end], &table[end..]);
        self.put(TABLE, table);

        let text = self.text(&structs)?;
        let item = "#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]";
        let text = format!("{text}\n/// It happened.\n{item}\npub struct {name} {{}}\n");
        self.put(&structs, text);

        let text = used_too(self.text(&module)?, &format!("pub use v1::{name};"))?;
        let head = format!("pub enum {}Event {{", capital(family));
        let begin = text.find(&head).context("the family has an enum")?;
        let end = begin + text[begin..].find("\n}").context("an enum ends")?;
        let variant = format!("\n    /// It happened.\n    {name}({name}),");
        self.put(&module, format!("{}{variant}{}", &text[..end], &text[end..]));
        Ok(format!(
            "{name} has the number {number}. Say in schemas/src/{family}/v1.rs what it is and give \
             it its fields, add a sample of it with every field to schemas/src/event/samples.rs, \
             and follow the compiler to whoever has to know it. Then\n\n    UPDATE_EXPECT=1 cargo \
             test -p schemas\n\nmakes its golden files: look at them, they are for ever."
        ))
    }

    /// Puts the struct into the next version's file, with the upcaster that changes nothing.
    fn copy_struct(&mut self, family: &str, name: &str, version: u8, next: u8) -> Result<()> {
        let (from, to) = (format!("{family}/v{version}.rs"), format!("{family}/v{next}.rs"));
        let older = self.text(&from)?;
        let item = struct_of(older, name)?.to_owned();
        let derived = ["Serialize", "Deserialize"].map(|name| ("serde", name));
        let beside = format!("super::v{version}");
        let beside = defined_in(older).into_iter().map(|name| (&*beside, name));
        let all = used_in(older).into_iter().chain(derived).chain(beside);
        let known = self.files.get(&to).map_or("", |(text, _)| text);
        let known = used_in(known);
        let code: String = item.lines().filter(|line| !line.trim().starts_with("//")).collect();
        let mut uses = BTreeMap::<&str, Vec<&str>>::new();
        for used in all.filter(|used| used.1 != name && !known.contains(used)) {
            let names = uses.entry(used.0).or_default();
            if has_word(&code, used.1) && !names.contains(&used.1) {
                names.push(used.1);
            }
        }
        uses.retain(|_, names| !names.is_empty());
        let uses =
            uses.iter().map(|(path, names)| format!("use {path}::{{{}}};\n", names.join(", ")));
        let uses = uses.collect::<String>();
        let mut text = match self.files.get(&to) {
            Some((text, _)) => text.clone(),
            None => format!(
                "//! Version {next} of the {family}'s events, of those that have one. Frozen: a \
                 change is a new\n//! version beside it.\n\n"
            ),
        };
        // Behind the file's own words, and rustfmt sorts them in.
        let body = text.lines().take_while(|line| line.starts_with("//!")).map(|l| l.len() + 1);
        let at = body.sum::<usize>() + 1;
        text.insert_str(at.min(text.len()), &uses);
        let fields = fields_of(&item).join(", ");
        write!(
            text,
            "\n{item}\n\n/// What version {version} meant.\nimpl From<super::v{version}::{name}> for {name} {{\n    \
             fn from(older: super::v{version}::{name}) -> Self {{\n        \
             let super::v{version}::{name} {{ {fields} }} = older;\n        Self {{ {fields} }}\n    }}\n}}\n"
        )?;
        self.put(&to, text);
        Ok(())
    }

    /// Lets the family's module name the next version's struct where it named the last one's.
    fn use_latest(&mut self, family: &str, name: &str, version: u8, next: u8) -> Result<()> {
        let path = format!("{family}/mod.rs");
        let mut text = self.text(&path)?.to_owned();
        if !text.contains(&format!("pub mod v{next};")) {
            let module = format!("pub mod v{version};");
            text = text.replace(&module, &format!("{module}\npub mod v{next};"));
        }
        // One of many in braces, or by itself.
        let itself = format!("pub use v{version}::{name};\n");
        let head = format!("pub use v{version}::{{");
        if text.contains(&itself) {
            text = text.replace(&itself, "");
        } else {
            let begin = text.find(&head).context("the versions are named")? + head.len();
            let end = begin + text[begin..].find("};").context("a use ends")?;
            let names = text[begin..end].split(',').map(str::trim);
            let rest: Vec<_> = names.filter(|one| !one.is_empty() && *one != name).collect();
            text.replace_range(begin..end, &rest.join(", "));
        }
        self.put(&path, used_too(&text, &format!("pub use v{next}::{name};"))?);
        Ok(())
    }

    fn text(&self, path: &str) -> Result<&str> {
        let file =
            self.files.get(path).with_context(|| format!("there is no schemas/src/{path}"))?;
        Ok(&file.0)
    }

    fn put(&mut self, path: &str, text: String) {
        self.files.insert(path.to_owned(), (text, true));
    }
}

/// The text of a module with one more `pub use` behind those it has.
fn used_too(text: &str, line: &str) -> Result<String> {
    let last = text.rfind("\npub use ").context("a family names its versions")?;
    let end = last + text[last..].find(";\n").context("a use ends")? + 2;
    Ok(format!("{}{line}\n{}", &text[..end], &text[end..]))
}

fn capital(word: &str) -> String {
    let (first, rest) = word.split_at(1);
    first.to_uppercase() + rest
}

/// The text as rustfmt lays it out.
fn laid_out(text: &str) -> Result<String> {
    let mut rustfmt = Command::new("rustfmt")
        .args([
            "--edition",
            "2024",
            "--config-path",
            concat!(env!("CARGO_MANIFEST_DIR"), "/../rustfmt.toml"),
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("rustfmt cannot be started: rustup component add rustfmt")?;
    let mut input = rustfmt.stdin.take().context("rustfmt reads")?;
    input.write_all(text.as_bytes())?;
    drop(input);
    let output = rustfmt.wait_with_output()?;
    ensure!(output.status.success(), "what was made does not parse:\n{text}");
    Ok(String::from_utf8(output.stdout)?)
}

#[cfg(test)]
mod tests;
