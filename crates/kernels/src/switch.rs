//! Thread-local switches that last for one call, also where it panics.

use std::cell::Cell;
use std::thread::LocalKey;

use crate::instruction_set::Level;

thread_local! {
    /// Multiply-accumulates that the operations of this thread started; see [`count`](crate::count).
    pub(crate) static EXECUTED: Cell<u64> = const { Cell::new(0) };
    /// Whether this thread asked for the compositions; see [`generic`](crate::generic).
    pub(crate) static COMPOSED: Cell<bool> = const { Cell::new(false) };
    /// The instruction set that this thread asked for; see [`level`](crate::level).
    pub(crate) static LEVEL: Cell<Option<Level>> = const { Cell::new(None) };
}

/// Puts a switch back when it is dropped.
struct Restore<T: Copy + 'static> {
    switch: &'static LocalKey<Cell<T>>,
    before: T,
}

impl<T: Copy + 'static> Drop for Restore<T> {
    fn drop(&mut self) {
        // A thread that is being torn down has nothing left to restore.
        let _ = self.switch.try_with(|switch| switch.set(self.before));
    }
}

/// Runs `work` with the switch at `value`; afterwards it is where it was before.
pub(crate) fn with<T: Copy + 'static, R>(
    switch: &'static LocalKey<Cell<T>>,
    value: T,
    work: impl FnOnce() -> R,
) -> R {
    let _restore = Restore { switch, before: switch.replace(value) };
    work()
}

/// Runs `work` as if this thread had asked for nothing, and forgets what it counted.
#[cfg(feature = "flex")]
pub(crate) fn apart<R>(work: impl FnOnce() -> R) -> R {
    with(&EXECUTED, EXECUTED.get(), || with(&COMPOSED, false, || with(&LEVEL, None, work)))
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    thread_local! {
        static SWITCH: Cell<u8> = const { Cell::new(1) };
    }

    fn panics(work: impl FnOnce()) {
        let outcome = catch_unwind(AssertUnwindSafe(work));
        assert!(outcome.is_err());
    }

    #[test]
    fn a_switch_goes_back_in_order_and_after_a_panic() {
        with(&SWITCH, 2, || {
            panics(|| {
                with(&SWITCH, 3, || {
                    assert_eq!(SWITCH.get(), 3);
                    panic!("on purpose");
                });
            });
            assert_eq!(SWITCH.get(), 2);
        });
        assert_eq!(SWITCH.get(), 1);
    }
}
