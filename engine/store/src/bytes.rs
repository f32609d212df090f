//! Bytes as numbers and as digits.

/// `N` bytes at `at`, which the caller knows to be there.
pub(crate) fn bytes<const N: usize>(from: &[u8], at: usize) -> [u8; N] {
    from[at..at + N].try_into().expect("a slice of N bytes is an array of N bytes")
}

/// Bytes as lower-case hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
