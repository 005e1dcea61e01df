//! Phantoms: volumes that look and behave like crude scans, drawn from a seed and nothing else.
//!
//! They let everything run on a machine that has no medical data: training, tests of the readers, a
//! first look. The [abdomen](Phantom::Abdomen) has the eight organs of the Synapse tables, the [heart](Phantom::Heart)
//! the three structures of ACDC. Organs are deformed ellipsoids with low-frequency warps; they start and end along the
//! slices; pose, size, intensity, gain field, texture and noise vary from case to case. Vessels and
//! bowel without a label are as bright as organs, and the mean intensities of the organs overlap, so
//! neither a threshold nor a classifier of single pixels finds them: place, shape and surroundings do.
//!
//! Volumes are `[slices, rows, columns]`: slices run from inferior to superior (heart: from apex to
//! base), rows to posterior, columns to the patient's left, as radiologists look at them.
//!
//! The same `(seed, case_index, size)` gives the same bytes on every machine and for every number of
//! threads: each slice has a generator of its own, and the arithmetic is limited to what IEEE 754
//! fixes to the last bit (no sine, logarithm or exponential).

mod abdomen;
mod acquisition;
mod heart;
mod noise;
mod options;
mod render;
mod shape;

use crate::case::Case;

pub use acquisition::{Acquisition, Phantom, SIZE};
pub use options::PhantomOptions;
pub(crate) use options::is_phantom;

/// Sizes below this leave structures of a few pixels only.
const MIN_SIZE: usize = 16;

impl Phantom {
    /// One phantom of [`SIZE`] x [`SIZE`] pixels.
    ///
    /// # Example
    /// ```
    /// let case = fastersam_datasets::phantom::Phantom::Abdomen.case(1, 0);
    /// assert_eq!(case.image.shape(), case.label.shape());
    /// assert_eq!(case.label.iter().max(), Some(&8));
    /// ```
    #[must_use]
    pub fn case(self, seed: u64, index: usize) -> Case {
        self.acquire(seed, index, SIZE).into_case()
    }

    /// One phantom of `size` x `size` pixels (at least 16), as a scanner would give it.
    #[must_use]
    pub fn acquire(self, seed: u64, index: usize, size: usize) -> Acquisition {
        match self {
            Self::Abdomen => abdomen::draw(seed, index, size.max(MIN_SIZE)),
            Self::Heart => heart::draw(seed, index, size.max(MIN_SIZE)),
        }
    }
}
