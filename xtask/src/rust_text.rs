//! Finding things in Rust sources that rustfmt has laid out.

use anyhow::{Context, Result};

/// The text of `pub struct NAME …` with what stands on it: docs and attributes.
pub fn struct_of<'a>(text: &'a str, name: &str) -> Result<&'a str> {
    let head = format!("\npub struct {name} {{");
    let at = text.find(&head).with_context(|| format!("there is no struct {name}"))? + 1;
    let begin = text[..at].rfind("\n\n").map_or(0, |gap| gap + 2);
    let open = at + head.len() - 1;
    let end = match text[open..].starts_with('}') {
        true => open + 1,
        false => open + text[open..].find("\n}").context("a struct ends")? + 2,
    };
    Ok(&text[begin..end])
}

/// The names of a struct's fields.
pub fn fields_of(item: &str) -> Vec<&str> {
    let names = item.lines().filter_map(|line| line.strip_prefix("    pub ")?.split_once(':'));
    names.map(|(name, _)| name).collect()
}

/// The names that a file defines for others.
pub fn defined_in(text: &str) -> Vec<&str> {
    let named = |line: &'_ str| -> Option<usize> {
        ["pub struct ", "pub enum "].iter().find_map(|head| line.strip_prefix(head)).map(str::len)
    };
    let defined = text.lines().filter_map(|line| Some(&line[line.len() - named(line)?..]));
    defined.map(|rest| rest.split([' ', '(', '<', '{']).next().unwrap_or(rest)).collect()
}

/// What a file uses of others, as (path, name): `crate::outcome`, `RetryClass`.
pub fn used_in(text: &str) -> Vec<(&str, &str)> {
    let mut used = Vec::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("use ")) {
        let Some((path, names)) = line.trim_end_matches(';').rsplit_once("::") else { continue };
        // `a::{B, C}` has no `::` behind the brace, since rustfmt merges no deeper.
        let names = names.trim_start_matches('{').trim_end_matches('}').split(", ");
        used.extend(names.map(|name| (path, name)));
    }
    used
}

/// Whether a text has this word, and not only as a part of another.
pub fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        !text[..at].ends_with(is_part) && !text[at + word.len()..].starts_with(is_part)
    })
}
