//! Which files of a folder make up the log, and which were left behind by a crash.

use super::names::{self, Named, Span};
use crate::StoreError;
use crate::file::{File, Files};

/// What stands in a folder.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Listing {
    /// Sealed segments in order, without overlap.
    pub(crate) sealed: Vec<Span>,
    /// Where segments of frames begin that are not sealed, in order.
    pub(crate) frames: Vec<u64>,
    /// Indexes in order, the larger of two that overlap.
    pub(crate) indexes: Vec<Span>,
    /// What is not needed: half made, or something larger holds it.
    pub(crate) left_behind: Vec<String>,
}

impl Listing {
    /// Lists a folder.
    pub(crate) fn of<F: Files>(files: &F) -> Result<Self, StoreError> {
        let names =
            files.list().map_err(|error| StoreError::of_disk("list", files.place(""), error))?;
        Ok(Self::sort(&names))
    }

    /// How large the files of events are together, as far as they can be asked.
    pub(crate) fn bytes<F: Files>(&self, files: &F) -> u64 {
        let sealed = self.sealed.iter().map(|span| names::sealed(*span));
        let all = sealed.chain(self.frames.iter().map(|base| names::frames(*base)));
        all.map(|name| size(files, &name)).sum()
    }

    /// How large the indexes are together.
    pub(crate) fn index_bytes<F: Files>(&self, files: &F) -> u64 {
        self.indexes.iter().map(|span| size(files, &names::index(*span))).sum()
    }

    fn sort(names: &[String]) -> Self {
        let mut listing = Self::default();
        let mut frames = Vec::new();
        for name in names {
            match names::parse(name) {
                Named::Frames(base) => frames.push(base),
                Named::Sealed(span) => listing.sealed.push(span),
                Named::Index(span) => listing.indexes.push(span),
                Named::Unfinished => listing.left_behind.push(name.clone()),
                Named::Other => {}
            }
        }
        frames.sort_unstable();
        listing.sealed.sort_unstable_by_key(|span| span.base);
        // A segment of frames is removed after its sealed form has its name.
        let sealed_to = listing.sealed.last().map_or(0, |span| span.last);
        for base in frames {
            if base <= sealed_to && listing.sealed.iter().any(|span| span.base == base) {
                listing.left_behind.push(names::frames(base));
            } else {
                listing.frames.push(base);
            }
        }
        // Merged indexes are removed after the one that they were merged into has its name.
        listing.indexes.sort_unstable_by_key(|span| (span.base, std::cmp::Reverse(span.last)));
        let mut covered = 0;
        let (kept, rest) = std::mem::take(&mut listing.indexes).into_iter().partition(|span| {
            let needed = span.base > covered && span.last <= sealed_to;
            if needed {
                covered = span.last;
            }
            needed
        });
        listing.indexes = kept;
        let rest: Vec<Span> = rest;
        listing.left_behind.extend(rest.into_iter().map(names::index));
        listing
    }
}

/// What a log's files are, as their names and sizes tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Outline {
    /// Sealed segments.
    pub sealed: usize,
    /// The last position in them.
    pub sealed_to: u64,
    /// Their bytes.
    pub sealed_bytes: u64,
    /// Segments of frames.
    pub frames: usize,
    /// Their bytes.
    pub frame_bytes: u64,
    /// Indexes.
    pub indexes: usize,
    /// Their bytes.
    pub index_bytes: u64,
}

/// Looks at a log's names and sizes.
///
/// # Errors
/// The disk's.
pub fn outline<F: Files>(files: &F) -> Result<Outline, StoreError> {
    let listing = Listing::of(files)?;
    let (index_bytes, bytes) = (listing.index_bytes(files), listing.bytes(files));
    let frames = Listing { frames: listing.frames.clone(), ..Listing::default() };
    let frame_bytes = frames.bytes(files);
    Ok(Outline {
        sealed: listing.sealed.len(),
        sealed_to: listing.sealed.last().map_or(0, |span| span.last),
        sealed_bytes: bytes - frame_bytes,
        frames: listing.frames.len(),
        frame_bytes,
        indexes: listing.indexes.len(),
        index_bytes,
    })
}

fn size<F: Files>(files: &F, name: &str) -> u64 {
    files.open_to_read(name).and_then(|file| file.size()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_crash_left_behind_is_told_from_what_is_needed() {
        let span = |base, last| Span { base, last };
        let names: Vec<String> = vec![
            names::sealed(span(1, 10)),
            names::sealed(span(11, 20)),
            names::frames(11),
            names::frames(21),
            names::frames(31),
            names::index(span(1, 10)),
            names::index(span(1, 20)),
            names::index(span(11, 20)),
            names::index(span(21, 30)),
            "x.tmp".to_owned(),
            "stopped".to_owned(),
        ];
        let listing = Listing::sort(&names);
        assert_eq!(listing.sealed, [span(1, 10), span(11, 20)]);
        assert_eq!((listing.frames, listing.indexes), (vec![21, 31], vec![span(1, 20)]));
        let left = [
            "x.tmp".to_owned(),
            names::frames(11),
            names::index(span(1, 10)),
            names::index(span(11, 20)),
            names::index(span(21, 30)),
        ];
        let mut found = listing.left_behind;
        found.sort();
        let mut wanted = left.to_vec();
        wanted.sort();
        assert_eq!(found, wanted);
    }
}
