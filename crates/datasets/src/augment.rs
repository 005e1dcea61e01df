//! The augmentation of `TransUNet` and SAMed, slice by slice.

use fastersam_volume::KeyedRng;
use fastersam_volume::resample::{rot90, rotate_nearest};
use ndarray::{Array2, ArrayView2, Axis};

/// What happens to one slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Augmentation {
    /// Nothing.
    None,
    /// `rot90` by `quarter_turns`, then a flip of `axis`.
    Rot90Flip {
        /// 0 to 3, counter-clockwise.
        quarter_turns: usize,
        /// 0 or 1.
        axis: usize,
    },
    /// A rotation about the centre with nearest neighbours.
    Rotate {
        /// In [-20, 19].
        degrees: i32,
    },
}

impl Augmentation {
    /// With probability 0.5 turned and flipped, else with probability 0.5 rotated.
    #[must_use]
    pub fn draw(rng: &mut KeyedRng) -> Self {
        if rng.uniform() > 0.5 {
            Self::Rot90Flip { quarter_turns: rng.below(4), axis: rng.below(2) }
        } else if rng.uniform() > 0.5 {
            Self::Rotate { degrees: rng.below(40) as i32 - 20 }
        } else {
            Self::None
        }
    }

    /// Applies it to an image or a label map.
    #[must_use]
    pub fn apply<T: Copy + Default>(&self, slice: ArrayView2<T>) -> Array2<T> {
        match *self {
            Self::None => slice.to_owned(),
            Self::Rot90Flip { quarter_turns, axis } => {
                let mut turned = rot90(slice, quarter_turns);
                turned.invert_axis(Axis(axis.min(1)));
                turned.as_standard_layout().into_owned()
            }
            Self::Rotate { degrees } => rotate_nearest(slice, degrees),
        }
    }
}
