//! Thread-local switches that last for one call, also where it panics.

use std::cell::Cell;
use std::thread::LocalKey;

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

#[cfg(all(test, feature = "flex"))]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::workers::on_workers;
    use crate::{count, generic, level};

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

    /// Everything that a thread of the workers would otherwise keep for the next one who uses it.
    #[test]
    fn no_switch_of_the_crate_survives_a_panic() {
        // All of it stays on this one thread.
        on_workers(|| {
            let chosen = level::current();
            for level in level::levels() {
                panics(|| level::with_level(level, || panic!("on purpose")));
                panics(|| level::with_level(level, || level::apart(|| panic!("on purpose"))));
                assert_eq!(level::current(), chosen);
            }
            panics(|| generic::instead_of_fused(|| panic!("on purpose")));
            assert!(!generic::is_forced());
            generic::instead_of_fused(|| {
                panics(|| generic::apart(|| panic!("on purpose")));
                assert!(generic::is_forced());
            });
            let ((), macs) = count::counted(|| {
                count::product(2, 3, 5);
                panics(|| {
                    count::apart(|| {
                        count::product(7, 7, 7);
                        panic!("on purpose");
                    });
                });
            });
            assert_eq!(macs, 30);
        });
    }
}
