//! Where the axes of a volume point.

use ndarray::{ArrayBase, Axis, Ix3, RawData};
use serde::{Deserialize, Serialize};

/// Where the axes (slices, rows, columns) of a volume point: for each the world axis (0 left to right,
/// 1 posterior to anterior, 2 inferior to superior) and whether it runs towards the larger coordinate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Orientation {
    /// World axis of each volume axis.
    pub axes: [u8; 3],
    /// Whether each volume axis runs to the right, anterior or superior.
    pub positive: [bool; 3],
}

impl Default for Orientation {
    /// Axial slices from inferior to superior; rows to anterior, columns to the right.
    fn default() -> Self {
        Self { axes: [2, 1, 0], positive: [true; 3] }
    }
}

impl Orientation {
    /// The orientation of the volume `[k, j, i]` of a file with this affine: three rows of `[3 x 3 | offset]`.
    pub(crate) fn of_affine(affine: &[[f64; 4]; 3]) -> Self {
        let mut free = vec![0_u8, 1, 2];
        let mut orientation = Self::default();
        // The file's axes in the order of the volume's: slices k, rows j, columns i.
        for (axis, file_axis) in [2, 1, 0].into_iter().enumerate() {
            let direction = |world: u8| affine[usize::from(world)][file_axis];
            let nearest = free.iter().copied().max_by(|&a, &b| direction(a).abs().total_cmp(&direction(b).abs()));
            let world = nearest.unwrap_or(0);
            free.retain(|&other| other != world);
            orientation.axes[axis] = world;
            orientation.positive[axis] = direction(world) >= 0.0;
        }
        orientation
    }

    /// Where the file's axes `[i, j, k]` point, in the letters that nibabel uses: `RAS` for right, anterior, superior.
    #[must_use]
    pub fn letters(&self) -> String {
        const LETTERS: [[char; 2]; 3] = [['L', 'R'], ['P', 'A'], ['I', 'S']];
        let letter = |axis: usize| {
            let world = usize::from(self.axes[axis]).min(2);
            LETTERS[world][usize::from(self.positive[axis])]
        };
        // The columns are the file's first axis.
        (0..3).rev().map(letter).collect()
    }

    /// Axis `i` of a volume oriented as `wanted` is axis `permutation[i]` of one oriented as `self`.
    #[must_use]
    pub fn permutation(self, wanted: Self) -> [usize; 3] {
        wanted.axes.map(|world| self.axes.iter().position(|&a| a == world).unwrap_or(0))
    }

    /// Which axes of a volume, in the axis order of `wanted`, run the other way in `self`.
    #[must_use]
    pub fn turns(self, wanted: Self) -> [bool; 3] {
        let permutation = self.permutation(wanted);
        [0, 1, 2].map(|axis| self.positive[permutation[axis]] != wanted.positive[axis])
    }

    /// Reverses the axes of a volume (in the axis order of `wanted`) that run the other way in `self`.
    pub fn flip<T: RawData>(self, view: &mut ArrayBase<T, Ix3>, wanted: Self) {
        for axis in (0..3).filter(|&axis| self.turns(wanted)[axis]) {
            view.invert_axis(Axis(axis));
        }
    }
}
