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
mod heart;
mod noise;
mod render;
mod shape;

use ndarray::Array3;
use serde::{Deserialize, Serialize};

use crate::case::{Case, Intensity, LabelTable};
use crate::coding::{acdc_labels, synapse_labels};
use crate::scan::Orientation;

/// Rows and columns of the phantoms that the built-in experiments use.
pub const SIZE: usize = 160;

/// Sizes below this leave structures of a few pixels only.
const MIN_SIZE: usize = 16;

/// Keeps the draws of the two families apart from each other and from every other use of the seed.
const ABDOMEN: u64 = 0x6162_646f;
const HEART: u64 = 0x6865_6172;

/// A family of phantoms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phantom {
    /// A CT of 12 to 20 slices with eight organs in the canonical Synapse coding.
    Abdomen,
    /// A short-axis MR of 12 to 16 slices: right ventricle, myocardium and left ventricle. Indices
    /// `2 i` and `2 i + 1` are end diastole and end systole of the same patient: keep them in one split.
    Heart,
}

impl Phantom {
    /// Names of the classes.
    #[must_use]
    pub fn labels(self) -> LabelTable {
        match self {
            Self::Abdomen => synapse_labels(),
            Self::Heart => acdc_labels(),
        }
    }

    /// How the protocol of the data set that the family stands for scales intensities.
    #[must_use]
    pub fn intensity(self) -> Intensity {
        match self {
            Self::Abdomen => crate::synapse::INTENSITY,
            Self::Heart => crate::acdc::INTENSITY,
        }
    }

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

/// A phantom before preparation: whole-numbered intensities that nobody has scaled yet.
#[derive(Clone, Debug)]
pub struct Acquisition {
    /// The family it is from.
    pub family: Phantom,
    /// `case0001` (abdomen), `patient001_frame01` (heart).
    pub id: String,
    /// Hounsfield units (abdomen) or arbitrary units (heart), `[slices, rows, columns]`.
    pub raw: Array3<i16>,
    /// Classes in the canonical coding, of the same shape.
    pub label: Array3<u8>,
    /// Along slices, rows and columns; exact as f32, the precision of NIfTI.
    pub spacing_mm: [f64; 3],
}

impl Acquisition {
    /// Rows to posterior, columns to the patient's left.
    pub const ORIENTATION: Orientation = Orientation { axes: [2, 1, 0], positive: [true, false, false] };

    /// The volume with gray values scaled to [0, 1] by the protocol of its data set.
    #[must_use]
    pub fn into_case(self) -> Case {
        let mut image = self.raw.mapv(f32::from);
        self.family.intensity().scale(&mut image);
        let orientation = Self::ORIENTATION;
        Case { id: self.id, image, label: self.label, spacing_mm: Some(self.spacing_mm), orientation }
    }
}
