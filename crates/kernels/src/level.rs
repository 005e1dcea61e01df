//! The instruction set that the fused operations use now.

pub(crate) use crate::instruction_set::Kind;
pub use crate::instruction_set::{Level, LevelError, VARIABLE};
use crate::instruction_set::{detected, from_environment, widest};
use crate::switch::{LEVEL, with};
use crate::workers::on_workers;

/// The level of the operations that this thread calls. Each asks once, when it starts, and hands the answer on
/// to the threads that it works on.
///
/// # Panics
/// Where `FASTERSAM_SIMD` asks for what this machine does not have.
#[must_use]
pub fn current() -> Level {
    LEVEL.get().or_else(from_environment).unwrap_or_else(widest)
}

/// The levels to test: those of the machine, or the one that `FASTERSAM_SIMD` names.
///
/// # Panics
/// As [`current`].
#[must_use]
pub fn levels() -> Vec<Level> {
    from_environment().map_or_else(|| detected().collect(), |level| vec![level])
}

/// Runs `work` with the fused operations at `level`. Weights that were prepacked before stay at theirs.
pub fn with_level<T: Send>(level: Level, work: impl FnOnce() -> T + Send) -> T {
    // Where `work` itself goes to the workers, it stays on this thread of theirs.
    on_workers(|| with(&LEVEL, Some(level), work))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_lasts_for_one_call() {
        let before = current();
        for level in detected() {
            assert_eq!(with_level(level, current), level);
            assert_eq!(current(), before);
        }
    }
}
