//! Deliberate faults. The code that must not have one says where it would be:
//!
//! ```
//! use mutants::mutant;
//! fn may_dial(is_free: bool) -> bool {
//!     is_free || mutant!("lanes are ignored")
//! }
//! assert!(!may_dial(false));
//! ```
//!
//! Without the feature `on` a point is the constant `false`, and nothing of it is in the program.
//! With it, the one fault that the thread was given with `with` is there. Each must be found by the
//! simulation: what nobody finds, nobody checks.

/// Whether this deliberate fault is in the program now.
#[macro_export]
macro_rules! mutant {
    ($name:literal) => {
        $crate::is_in($name)
    };
}

/// Whether the fault of this name is in the program now.
#[cfg(not(feature = "on"))]
#[inline(always)]
pub const fn is_in(_name: &str) -> bool {
    false
}

#[cfg(feature = "on")]
thread_local! {
    static IN: std::cell::Cell<&'static str> = const { std::cell::Cell::new("") };
}

/// Whether the fault of this name is in the program now.
#[cfg(feature = "on")]
pub fn is_in(name: &str) -> bool {
    IN.get() == name
}

/// Does something with this fault in the program, on this thread.
#[cfg(feature = "on")]
pub fn with<T>(name: &'static str, act: impl FnOnce() -> T) -> T {
    struct Out;
    impl Drop for Out {
        fn drop(&mut self) {
            IN.set("");
        }
    }
    IN.set(name);
    let _out = Out;
    act()
}
