//! Where the voxels of a file lie in the patient, as nibabel and ITK decide it.

use std::path::Path;

use ndarray::Array3;
use nifti::NiftiHeader;

use super::header::Header;
use crate::error::VolumeError;
use crate::limits::MAX_VOXELS;
use crate::orientation::Orientation;

/// Lengths that differ by less than this share are the same, but for rounding.
const SAME_LENGTH: f64 = 1e-3;
/// Axes that span less than this share of a box of their lengths lie in a plane.
const MIN_VOLUME: f64 = 1e-6;

/// The voxels of a file: how many there are, where they lie and how far apart.
#[derive(Clone, Debug)]
pub struct Grid {
    /// Numbers of voxels along the axes `[i, j, k]` of the file.
    pub shape: [usize; 3],
    /// Voxel indices to world coordinates in millimetres, three rows of `[3 x 3 | offset]`.
    pub affine: [[f64; 4]; 3],
    /// Distance between neighbours along the file's axes, by the affine.
    pub spacing_mm: [f64; 3],
    /// The header for files that lie on this one, in the unit of the file.
    pub(super) template: NiftiHeader,
}

impl Grid {
    /// A grid from a shape `[i, j, k]` and an affine to world coordinates in millimetres (to the right, front and top), for
    /// scans that come from other files than NIfTI. Label maps are written with the affine by rows.
    ///
    /// # Errors
    /// The shape is empty or larger than [`MAX_VOXELS`](crate::MAX_VOXELS), or the affine does not span a volume; `path` is
    /// the file to be named.
    pub fn new(path: &Path, shape: [usize; 3], affine: [[f64; 4]; 3]) -> Result<Self, VolumeError> {
        let n_voxels = shape.iter().try_fold(1_u64, |n, &size| n.checked_mul(size as u64));
        if !n_voxels.is_some_and(|n| (1..=MAX_VOXELS).contains(&n)) {
            let reason = format!("it has the shape {shape:?}; 1 to {MAX_VOXELS} voxels are possible");
            return Err(VolumeError::malformed(path, reason));
        }
        let [srow_x, srow_y, srow_z] = affine.map(|row| row.map(|v| v as f32));
        let template = NiftiHeader {
            qform_code: 0,
            sform_code: 1,
            srow_x,
            srow_y,
            srow_z,
            xyzt_units: 2,
            ..NiftiHeader::default()
        };
        let mut grid = Self::of_affine(path, shape, affine, template)?;
        let [x, y, z] = grid.spacing_mm.map(|mm| mm as f32);
        grid.template.pixdim = [1.0, x, y, z, 1.0, 1.0, 1.0, 1.0];
        Ok(grid)
    }

    /// Checks that an affine spans a volume.
    fn of_affine(
        path: &Path,
        shape: [usize; 3],
        affine: [[f64; 4]; 3],
        template: NiftiHeader,
    ) -> Result<Self, VolumeError> {
        if !affine.iter().flatten().all(|v| v.is_finite()) {
            return Err(VolumeError::malformed(path, "its affine holds a value that is not finite"));
        }
        let spacing_mm = [0, 1, 2].map(|axis| affine.iter().map(|row| row[axis] * row[axis]).sum::<f64>().sqrt());
        let grid = Self { shape, affine, spacing_mm, template };
        let most = spacing_mm.iter().product::<f64>();
        if !(most > 0.0 && most.is_finite() && grid.voxel_mm3() > MIN_VOLUME * most) {
            let reason =
                format!("its affine is singular: its axes {affine:?} do not span a volume; set a real one");
            return Err(VolumeError::malformed(path, reason));
        }
        Ok(grid)
    }

    /// The grid that a header describes, and what had to be assumed for it.
    ///
    /// The affine by rows goes before the one by a quaternion; one that is empty or not finite counts as none. Where there
    /// is neither, the first axis runs to the patient's left.
    pub(super) fn of(path: &Path, header: &Header) -> Result<(Self, Vec<String>), VolumeError> {
        let mut notes = Vec::new();
        let unit_mm = unit_mm(header, &mut notes);
        let pixdim = distances(header, &mut notes);
        let has_rows = header.rows.iter().flatten().all(|v| v.is_finite())
            && header.rows.iter().any(|row| row[..3].iter().any(|&v| v != 0.0));
        let mut affine = if header.sform_code > 0 && has_rows {
            header.rows
        } else if header.qform_code > 0 {
            if header.sform_code > 0 {
                notes.push("its sform is empty or not finite: the qform is used".to_owned());
            }
            quaternion_affine(path, header, check_distances(path, pixdim)?)?
        } else if header.sform_code > 0 {
            return Err(VolumeError::malformed(path, "its sform is empty or not finite, and it has no qform"));
        } else {
            notes.push(
                "its header does not say how it lies in the patient: as other programs do, its first axis is taken to run to \
                 the left, the second to the front, the third up"
                    .to_owned(),
            );
            base_affine(header.shape, check_distances(path, pixdim)?)
        };
        affine.iter_mut().flatten().for_each(|v| *v *= unit_mm);
        let grid = Self::of_affine(path, header.shape, affine, header.template.clone())?;
        let spacing_mm = grid.spacing_mm;
        let said = pixdim.map(|distance| distance * unit_mm);
        let differs = (0..header.n_axes.min(3))
            .any(|axis| (said[axis] - spacing_mm[axis]).abs() > SAME_LENGTH * spacing_mm[axis]);
        if differs {
            notes.push(format!(
                "its pixdim says that voxels are {} mm apart, its affine {} mm: the affine is used",
                lengths(said),
                lengths(spacing_mm)
            ));
        }
        Ok((grid, notes))
    }

    /// The orientation of the volume `[k, j, i]`, read from the affine.
    #[must_use]
    pub fn orientation(&self) -> Orientation {
        Orientation::of_affine(&self.affine)
    }

    /// Volume of a voxel.
    #[must_use]
    pub fn voxel_mm3(&self) -> f64 {
        let [a, b, c] = self.affine;
        let minor = |i: usize, j: usize| b[i] * c[j] - b[j] * c[i];
        (a[0] * minor(1, 2) - a[1] * minor(0, 2) + a[2] * minor(0, 1)).abs()
    }

    /// The distance between neighbours along the slices, rows and columns of a volume that is oriented as `wanted`.
    #[must_use]
    pub fn oriented_spacing_mm(&self, wanted: Orientation) -> [f64; 3] {
        self.orientation().permutation(wanted).map(|axis| self.spacing_mm[2 - axis])
    }

    /// The numbers of slices, rows and columns of a volume that is oriented as `wanted`.
    #[must_use]
    pub fn oriented_shape(&self, wanted: Orientation) -> [usize; 3] {
        self.orientation().permutation(wanted).map(|axis| self.shape[2 - axis])
    }

    /// Brings classes that are oriented as `from` back to the file's axes `[i, j, k]`.
    #[must_use]
    pub fn to_file_axes(&self, classes: &Array3<u8>, from: Orientation) -> Array3<u8> {
        let own = self.orientation();
        let mut view = classes.view();
        own.flip(&mut view, from);
        let mut back = [0; 3];
        for (to, axis) in own.permutation(from).into_iter().enumerate() {
            back[axis] = to;
        }
        let volume = view.permuted_axes(back);
        // In memory as in the volume, which is the order of the file where the axes are those of the file.
        volume.permuted_axes([2, 1, 0]).to_owned()
    }

    /// Where a corner of the volume lies: `far` says for each axis of the volume in its canonical orientation (slices up, rows
    /// to anterior, columns to the right) whether it is that of its last voxels.
    fn corner_mm(&self, far: [bool; 3]) -> [f64; 3] {
        let (own, canonical) = (self.orientation(), Orientation::default());
        let mut at = [0.0; 3];
        for (axis, of_volume) in own.permutation(canonical).into_iter().enumerate() {
            // The volume's axes are those of the file in reverse.
            let file_axis = 2 - of_volume;
            if far[axis] != own.turns(canonical)[axis] {
                at[file_axis] = (self.shape[file_axis] - 1) as f64;
            }
        }
        self.affine.map(|row| row[0] * at[0] + row[1] * at[1] + row[2] * at[2] + row[3])
    }

    /// What tells another grid from this one, in words; `None` where each voxel of one lies on a voxel of the other, but for
    /// rounding, whatever the order of their axes.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Option<String> {
        let axes = Orientation::default();
        if self.oriented_shape(axes) != other.oriented_shape(axes) {
            return Some(format!("they have the shapes {:?} and {:?}", self.shape, other.shape));
        }
        let place = |grid: &Self, corner: usize| grid.corner_mm([0, 1, 2].map(|axis| corner >> axis & 1 == 1));
        let apart = |corner: usize| -> f64 {
            let (a, b) = (place(self, corner), place(other, corner));
            (0..3).map(|world| (a[world] - b[world]).powi(2)).sum::<f64>().sqrt()
        };
        let farthest = (0..8).map(apart).fold(0.0, f64::max);
        let canonical = |grid: &Self| grid.oriented_spacing_mm(Orientation::default());
        let (own, others) = (canonical(self), canonical(other));
        if farthest <= SAME_PLACE * own.into_iter().fold(f64::INFINITY, f64::min) {
            return None;
        }
        let (turned, seen) = (self.orientation(), other.orientation());
        Some(if turned != seen {
            format!("their axes point to {} and to {}", turned.letters(), seen.letters())
        } else if (0..3).any(|axis| (own[axis] - others[axis]).abs() > SAME_LENGTH * own[axis]) {
            format!("their voxels are {} mm and {} mm apart", lengths(own), lengths(others))
        } else {
            format!("their corners lie up to {farthest:.1} mm apart")
        })
    }
}

/// Voxels of one grid lie on those of another where their corners are at most so many voxels apart, as rounded headers are.
const SAME_PLACE: f64 = 0.1;

fn lengths(mm: [f64; 3]) -> String {
    mm.map(|mm| format!("{}", (mm * 1e4).round() / 1e4)).join(" x ")
}

fn unit_mm(header: &Header, notes: &mut Vec<String>) -> f64 {
    match header.units & 7 {
        0 | 2 => 1.0,
        1 => 1000.0,
        3 => 0.001,
        other => {
            notes.push(format!("its unit of length has the unknown code {other}: millimetres are assumed"));
            1.0
        }
    }
}

/// The distances along the axes, in the file's unit. A slice alone may have no thickness.
fn distances(header: &Header, notes: &mut Vec<String>) -> [f64; 3] {
    let mut pixdim = [1, 2, 3].map(|axis| header.pixdim[axis].abs());
    let is_known = pixdim[2] > 0.0 && pixdim[2].is_finite();
    if header.n_axes < 3 && !is_known {
        pixdim[2] = 1.0;
        if header.sform_code <= 0 {
            notes.push("it is a slice without a thickness: 1 is assumed".to_owned());
        }
    }
    pixdim
}

fn check_distances(path: &Path, distances: [f64; 3]) -> Result<[f64; 3], VolumeError> {
    match distances.iter().position(|distance| !(distance.is_finite() && *distance > 0.0)) {
        Some(axis) => Err(VolumeError::malformed(
            path,
            format!("the spacing along axis {axis} is {}; set a real one in its header", distances[axis]),
        )),
        None => Ok(distances),
    }
}

/// Where nothing is said: the first axis to the left, the middle of the volume at the origin, as nibabel has it.
fn base_affine(shape: [usize; 3], [x, y, z]: [f64; 3]) -> [[f64; 4]; 3] {
    let middle = shape.map(|n| (n - 1) as f64 / 2.0);
    [[-x, 0.0, 0.0, x * middle[0]], [0.0, y, 0.0, -y * middle[1]], [0.0, 0.0, z, -z * middle[2]]]
}

/// The affine of method 2 of the NIfTI-1 standard.
fn quaternion_affine(path: &Path, header: &Header, [x, y, z]: [f64; 3]) -> Result<[[f64; 4]; 3], VolumeError> {
    let [b, c, d] = header.quaternion;
    let rest = 1.0 - (b * b + c * c + d * d);
    // Rounding makes it a little longer than 1.
    if rest.is_nan() || rest < -1e-5 {
        let reason = format!("its qform holds the quaternion {b}, {c}, {d}, which is no rotation");
        return Err(VolumeError::malformed(path, reason));
    }
    let a = rest.max(0.0).sqrt();
    let z = if header.pixdim[0] < 0.0 { -z } else { z };
    let rotation = [
        [a * a + b * b - c * c - d * d, 2.0 * (b * c - a * d), 2.0 * (b * d + a * c)],
        [2.0 * (b * c + a * d), a * a + c * c - b * b - d * d, 2.0 * (c * d - a * b)],
        [2.0 * (b * d - a * c), 2.0 * (c * d + a * b), a * a + d * d - b * b - c * c],
    ];
    Ok(std::array::from_fn(|row| {
        let [r, s, t] = rotation[row];
        [r * x, s * y, t * z, header.quaternion_offset[row]]
    }))
}
