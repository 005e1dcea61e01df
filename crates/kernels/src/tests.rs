//! What holds for all switches of the crate.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::workers::on_workers;
use crate::{count, generic, level, switch};

fn panics(work: impl FnOnce()) {
    let outcome = catch_unwind(AssertUnwindSafe(work));
    assert!(outcome.is_err());
}

/// Everything that a thread of the workers would otherwise keep for the next one who uses it.
#[test]
fn no_switch_of_the_crate_survives_a_panic() {
    // All of it stays on this one thread.
    on_workers(|| {
        let chosen = level::current();
        for level in level::levels() {
            panics(|| level::with_level(level, || panic!("on purpose")));
            panics(|| level::with_level(level, || switch::apart(|| panic!("on purpose"))));
            assert_eq!(level::current(), chosen);
        }
        panics(|| generic::instead_of_fused(|| panic!("on purpose")));
        assert!(!generic::is_forced());
        generic::instead_of_fused(|| {
            panics(|| switch::apart(|| panic!("on purpose")));
            assert!(generic::is_forced());
        });
        let ((), macs) = count::counted(|| {
            count::product(2, 3, 5);
            panics(|| {
                switch::apart(|| {
                    count::product(7, 7, 7);
                    panic!("on purpose");
                });
            });
        });
        assert_eq!(macs, 30);
    });
}
