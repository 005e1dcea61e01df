//! The augmentation of `TransUNet` and SAMed, slice by slice.

use ndarray::{Array2, ArrayView2, Axis};

use crate::resample::rotate_nearest;
use crate::rng::KeyedRng;

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

/// `numpy.rot90`.
#[must_use]
pub fn rot90<T: Copy>(slice: ArrayView2<T>, quarter_turns: usize) -> Array2<T> {
    let mut view = slice;
    match quarter_turns % 4 {
        1 => {
            view.swap_axes(0, 1);
            view.invert_axis(Axis(0));
        }
        2 => {
            view.invert_axis(Axis(0));
            view.invert_axis(Axis(1));
        }
        3 => {
            view.swap_axes(0, 1);
            view.invert_axis(Axis(1));
        }
        _ => {}
    }
    view.as_standard_layout().into_owned()
}
