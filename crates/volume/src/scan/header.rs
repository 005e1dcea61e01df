//! NIfTI headers, versions 1 and 2: what they claim is checked before anything is allocated for it.

use std::path::Path;

use fastersam_files::FileError;
use nifti::{Endianness, NiftiHeader, NiftiType};

use super::container::{Content, what_it_is};
use crate::error::VolumeError;
use crate::limits::{MAX_DEFLATE_RATIO, MAX_VOXELS};

/// Where the voxels begin, at the least: behind the header and four bytes that announce extensions.
const NIFTI_1_OFFSET: u64 = 352;
const NIFTI_2_OFFSET: u64 = 544;
/// Extensions have at most some MiB.
const MAX_OFFSET: u64 = 1 << 30;

/// What a header says, whatever its version.
#[derive(Clone, Debug)]
pub(super) struct Header {
    /// Numbers of voxels along the axes of the file; 1 for axes that it lacks.
    pub shape: [usize; 3],
    /// Number of axes that it has.
    pub n_axes: usize,
    /// What the numbers are.
    pub kind: NiftiType,
    /// Whether they begin with their highest byte.
    pub is_big: bool,
    /// Where they begin.
    pub offset: u64,
    /// A number becomes a value by this factor and this summand, if by any.
    pub scaling: Option<[f32; 2]>,
    /// The handedness of the quaternion, then the distances along the axes, in the file's unit.
    pub pixdim: [f64; 4],
    /// Code of the affine that is given by a quaternion.
    pub qform_code: i32,
    /// Code of the affine that is given by its rows.
    pub sform_code: i32,
    /// The quaternion's b, c and d.
    pub quaternion: [f64; 3],
    /// Where the first voxel lies by it.
    pub quaternion_offset: [f64; 3],
    /// The affine by its rows.
    pub rows: [[f64; 4]; 3],
    /// Code of the unit of lengths, in its lowest three bits.
    pub units: i32,
    /// Version 1 of the same, for files that lie on this one.
    pub template: NiftiHeader,
}

impl Header {
    /// Reads and checks a header.
    ///
    /// # Errors
    /// The file is missing, is no NIfTI file (the error says what it is), or claims what can't be.
    pub fn read(path: &Path) -> Result<Self, VolumeError> {
        let head = Content::head(path)?;
        let header = match (head.get(344..348), head.get(4..8)) {
            (Some(b"n+1\0"), _) => Self::of_version_1(path, &head)?,
            (_, Some(b"n+2\0")) if head.len() == 540 => Self::of_version_2(path, &head)?,
            _ => return Err(VolumeError::malformed(path, what_it_is(path, &head))),
        };
        header.check_length(path)?;
        Ok(header)
    }

    fn of_version_1(path: &Path, head: &[u8]) -> Result<Self, VolumeError> {
        let header = NiftiHeader::from_reader(head)
            .map_err(|error| VolumeError::malformed(path, format!("it has no NIfTI-1 header ({error})")))?;
        let n_axes = usize::from(header.dim[0]);
        let sizes: Vec<i64> = header.dim[1..].iter().map(|&n| i64::from(n)).collect();
        let offset = f64::from(header.vox_offset);
        let whole = if offset.is_finite() { offset as i64 } else { -1 };
        Ok(Self {
            shape: check_sizes(path, n_axes, &sizes)?,
            n_axes,
            kind: check_kind(path, header.datatype)?,
            is_big: header.endianness == Endianness::Big,
            offset: check_offset(path, whole, NIFTI_1_OFFSET)?,
            scaling: check_scaling(path, header.scl_slope, header.scl_inter)?,
            pixdim: std::array::from_fn(|axis| f64::from(header.pixdim[axis])),
            qform_code: header.qform_code.into(),
            sform_code: header.sform_code.into(),
            quaternion: [header.quatern_b, header.quatern_c, header.quatern_d].map(f64::from),
            quaternion_offset: [header.quatern_x, header.quatern_y, header.quatern_z].map(f64::from),
            rows: [header.srow_x, header.srow_y, header.srow_z].map(|row| row.map(f64::from)),
            units: header.xyzt_units.into(),
            template: header,
        })
    }

    /// The layout of nifti2.h.
    fn of_version_2(path: &Path, head: &[u8]) -> Result<Self, VolumeError> {
        let is_big = head.starts_with(&540_i32.to_be_bytes());
        if !is_big && !head.starts_with(&540_i32.to_le_bytes()) {
            return Err(VolumeError::malformed(path, "its header has neither the size of NIfTI-1 nor of NIfTI-2"));
        }
        let fields = Fields { bytes: head, is_big };
        let n_axes = usize::try_from(fields.i64(16)).unwrap_or(0);
        let sizes: [i64; 7] = std::array::from_fn(|axis| fields.i64(24 + 8 * axis));
        let shape = check_sizes(path, n_axes, &sizes)?;
        let [slope, inter] = [176, 184].map(|at| fields.f64(at) as f32);
        let rows = [400, 432, 464].map(|at| std::array::from_fn(|column| fields.f64(at + 8 * column)));
        let pixdim: [f64; 8] = std::array::from_fn(|axis| fields.f64(104 + 8 * axis));
        let quaternion = std::array::from_fn(|i| fields.f64(352 + 8 * i));
        let quaternion_offset = std::array::from_fn(|i| fields.f64(376 + 8 * i));
        let [qform_code, sform_code, units] = [344, 348, 500].map(|at| fields.i32(at));
        let [srow_x, srow_y, srow_z] = rows.map(|row: [f64; 4]| row.map(|v| v as f32));
        let [quatern_b, quatern_c, quatern_d] = quaternion.map(|v: f64| v as f32);
        let [quatern_x, quatern_y, quatern_z] = quaternion_offset.map(|v: f64| v as f32);
        let template = NiftiHeader {
            pixdim: pixdim.map(|mm| mm as f32),
            qform_code: i16::try_from(qform_code).unwrap_or(0),
            sform_code: i16::try_from(sform_code).unwrap_or(0),
            xyzt_units: u8::try_from(units).unwrap_or(0),
            srow_x,
            srow_y,
            srow_z,
            quatern_b,
            quatern_c,
            quatern_d,
            quatern_x,
            quatern_y,
            quatern_z,
            ..NiftiHeader::default()
        };
        Ok(Self {
            shape,
            n_axes,
            kind: check_kind(path, fields.i16(12))?,
            is_big,
            offset: check_offset(path, fields.i64(168), NIFTI_2_OFFSET)?,
            scaling: check_scaling(path, slope, inter)?,
            pixdim: std::array::from_fn(|axis| pixdim[axis]),
            qform_code,
            sform_code,
            quaternion,
            quaternion_offset,
            rows,
            units,
            template,
        })
    }

    /// Number of voxels.
    pub fn n_voxels(&self) -> u64 {
        self.shape.iter().map(|&n| n as u64).product()
    }

    /// Number of bytes of its voxels.
    pub fn n_bytes(&self) -> u64 {
        self.n_voxels() * self.kind.size_of() as u64
    }

    /// Whether a file of this length can hold what the header claims: deflate shrinks to a 1032nd at best.
    fn check_length(&self, path: &Path) -> Result<(), VolumeError> {
        let file_len = std::fs::metadata(path).map_err(FileError::at(path))?.len();
        let is_packed = Content::open(path)?.is_packed;
        let most = if is_packed { file_len.saturating_mul(MAX_DEFLATE_RATIO) } else { file_len };
        let needed = self.offset + self.n_bytes();
        if most < needed {
            let reason =
                format!("it is truncated: its header needs {needed} bytes, its {file_len} can't hold them");
            return Err(VolumeError::malformed(path, reason));
        }
        Ok(())
    }
}

/// Numbers at places of a header.
struct Fields<'a> {
    bytes: &'a [u8],
    is_big: bool,
}

impl Fields<'_> {
    fn at<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut bytes: [u8; N] = std::array::from_fn(|i| self.bytes.get(at + i).copied().unwrap_or(0));
        if self.is_big {
            bytes.reverse();
        }
        bytes
    }

    fn i16(&self, at: usize) -> i16 {
        i16::from_le_bytes(self.at(at))
    }

    fn i32(&self, at: usize) -> i32 {
        i32::from_le_bytes(self.at(at))
    }

    fn i64(&self, at: usize) -> i64 {
        i64::from_le_bytes(self.at(at))
    }

    fn f64(&self, at: usize) -> f64 {
        f64::from_le_bytes(self.at(at))
    }
}

/// The sizes of the three axes; a fourth of length 1 is accepted.
fn check_sizes(path: &Path, n_axes: usize, sizes: &[i64]) -> Result<[usize; 3], VolumeError> {
    let malformed = |reason: String| Err(VolumeError::malformed(path, reason));
    if !(2..=7).contains(&n_axes) {
        return malformed(format!("its header claims {n_axes} axes"));
    }
    let sizes = &sizes[..n_axes];
    if sizes.iter().any(|&n| n <= 0) {
        return malformed(format!("its header claims the shape {sizes:?}, which is empty"));
    }
    if sizes.iter().skip(3).any(|&n| n != 1) {
        return malformed(format!(
            "it has the shape {sizes:?}; a 3-D scan is needed: take one frame out of it first"
        ));
    }
    let n_voxels = sizes.iter().try_fold(1_u64, |n, &size| n.checked_mul(size.unsigned_abs()));
    match n_voxels {
        Some(n) if n <= MAX_VOXELS => Ok(std::array::from_fn(|i| sizes.get(i).map_or(1, |&n| n as usize))),
        _ => malformed(format!("its header claims the shape {sizes:?}; {MAX_VOXELS} voxels are the most")),
    }
}

fn check_kind(path: &Path, code: i16) -> Result<NiftiType, VolumeError> {
    use NiftiType::{Float32, Float64, Int8, Int16, Int32, Int64, Uint8, Uint16, Uint32, Uint64};
    match num_type(code) {
        Some(kind @ (Uint8 | Int8 | Uint16 | Int16 | Uint32 | Int32 | Uint64 | Int64 | Float32 | Float64)) => {
            Ok(kind)
        }
        Some(kind) => Err(VolumeError::malformed(path, format!("voxels of type {kind:?} are no gray values"))),
        None => Err(VolumeError::malformed(path, format!("its voxels have the unknown type {code}"))),
    }
}

fn num_type(code: i16) -> Option<NiftiType> {
    NiftiHeader { datatype: code, ..NiftiHeader::default() }.data_type().ok()
}

/// Some writers leave the offset 0: the voxels then follow the header.
fn check_offset(path: &Path, offset: i64, least: u64) -> Result<u64, VolumeError> {
    match u64::try_from(offset) {
        Ok(offset) if offset <= MAX_OFFSET => Ok(offset.max(least)),
        _ => Err(VolumeError::malformed(path, format!("its voxels start at byte {offset}"))),
    }
}

/// A slope of 0 or NaN stands for none.
fn check_scaling(path: &Path, slope: f32, inter: f32) -> Result<Option<[f32; 2]>, VolumeError> {
    if slope == 0.0 || slope.is_nan() || (slope, inter) == (1.0, 0.0) {
        return Ok(None);
    }
    if slope.is_infinite() || !inter.is_finite() {
        return Err(VolumeError::malformed(path, format!("its values are scaled by {slope} and {inter}")));
    }
    Ok(Some([slope, inter]))
}
