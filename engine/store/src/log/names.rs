//! What the files of a log are called.

/// Which events a sealed segment holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Span {
    pub(crate) base: u64,
    pub(crate) last: u64,
}

/// The segment of frames that begins at a position.
pub(crate) fn frames(base: u64) -> String {
    format!("{base:020}.log")
}

/// The sealed segment of a span.
pub(crate) fn sealed(span: Span) -> String {
    format!("{:020}-{:020}.sealed", span.base, span.last)
}

/// The index of the streams of a span.
pub(crate) fn index(span: Span) -> String {
    format!("{:020}-{:020}.index", span.base, span.last)
}

/// What a file is, by its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Named {
    Frames(u64),
    Sealed(Span),
    Index(Span),
    /// Was being made when its writer died.
    Unfinished,
    /// None of the log's.
    Other,
}

/// Reads a name.
pub(crate) fn parse(name: &str) -> Named {
    let span = |stem: &str| {
        let (base, last) = stem.split_once('-')?;
        Some(Span { base: position(base)?, last: position(last)? })
    };
    let known = match name.rsplit_once('.') {
        Some((stem, "log")) => position(stem).map(Named::Frames),
        Some((stem, "sealed")) => span(stem).map(Named::Sealed),
        Some((stem, "index")) => span(stem).map(Named::Index),
        Some((_, "tmp")) => Some(Named::Unfinished),
        _ => None,
    };
    known.unwrap_or(Named::Other)
}

fn position(digits: &str) -> Option<u64> {
    let sound = digits.len() == 20 && digits.bytes().all(|digit| digit.is_ascii_digit());
    if sound { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_reads_back_as_what_it_names() {
        let span = Span { base: 7, last: 99 };
        for (name, named) in [
            (frames(7), Named::Frames(7)),
            (sealed(span), Named::Sealed(span)),
            (index(span), Named::Index(span)),
            (format!("{}.tmp", sealed(span)), Named::Unfinished),
            ("7.log".to_owned(), Named::Other),
            ("stopped".to_owned(), Named::Other),
            ("00000000000000000007-.sealed".to_owned(), Named::Other),
        ] {
            assert_eq!(parse(&name), named, "{name}");
        }
    }
}
