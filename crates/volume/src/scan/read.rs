//! Reading NIfTI: what a header claims is checked before anything is allocated for it.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use fastersam_files::FileError;
use flate2::read::MultiGzDecoder;
use nifti::{NiftiError, NiftiHeader};

use crate::error::VolumeError;
use crate::limits::{MAX_DEFLATE_RATIO, MAX_VOXELS};

fn is_gz(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("gz"))
}

fn open(path: &Path) -> Result<Box<dyn Read>, VolumeError> {
    let file = std::io::BufReader::new(File::open(path).map_err(FileError::at(path))?);
    Ok(if is_gz(path) { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) })
}

pub(super) fn read_header(path: &Path) -> Result<NiftiHeader, VolumeError> {
    NiftiHeader::from_reader(open(path)?.take(4096)).map_err(|error| {
        // The crate prints a failed read in the debugger's words.
        let reason = match error {
            NiftiError::Io(error) => error.to_string(),
            other => other.to_string(),
        };
        VolumeError::malformed(path, format!("it has no NIfTI-1 header ({reason}); it may be truncated"))
    })
}

/// The sizes of the three axes; a fourth of length 1 is accepted.
pub(super) fn check_dims(path: &Path, header: &NiftiHeader) -> Result<[u64; 3], VolumeError> {
    let malformed = |reason: String| Err(VolumeError::malformed(path, reason));
    let n_axes = usize::from(header.dim[0]);
    if !(2..=7).contains(&n_axes) {
        return malformed(format!("its header claims {n_axes} axes"));
    }
    let sizes = &header.dim[1..=n_axes];
    if sizes.contains(&0) {
        return malformed(format!("its header claims the shape {sizes:?}, which is empty"));
    }
    if sizes.iter().skip(3).any(|&n| n != 1) {
        return malformed(format!(
            "it has the shape {sizes:?}; a 3-D scan is needed: take one frame out of it first"
        ));
    }
    let dims = std::array::from_fn(|i| sizes.get(i).map_or(1, |&n| u64::from(n)));
    let n_voxels: u64 = dims.iter().product();
    if n_voxels > MAX_VOXELS {
        return malformed(format!("its header claims {n_voxels} voxels; {MAX_VOXELS} are the most"));
    }
    Ok(dims)
}

pub(super) fn check_type(path: &Path, header: &NiftiHeader) -> Result<u64, VolumeError> {
    use nifti::NiftiType::{Float32, Float64, Int8, Int16, Int32, Int64, Uint8, Uint16, Uint32, Uint64};
    match header.data_type() {
        Ok(kind @ (Uint8 | Int8 | Uint16 | Int16 | Uint32 | Int32 | Uint64 | Int64 | Float32 | Float64)) => {
            Ok(kind.size_of() as u64)
        }
        Ok(kind) => Err(VolumeError::malformed(path, format!("voxels of type {kind:?} are no gray values"))),
        Err(e) => Err(VolumeError::malformed(path, format!("its voxel type is unknown ({e})"))),
    }
}

/// The bytes of the voxels. Memory grows with what the file holds, not with what its header claims.
pub(super) fn read_voxels(path: &Path, header: &NiftiHeader, needed: u64) -> Result<Vec<u8>, VolumeError> {
    if &header.magic != b"n+1\0" {
        return Err(VolumeError::malformed(
            path,
            "it is not a single NIfTI-1 file, with its voxels behind its header",
        ));
    }
    let offset = f64::from(header.vox_offset);
    if !(0.0..=1e9).contains(&offset) {
        return Err(VolumeError::malformed(path, format!("its voxels start at byte {offset}")));
    }
    // Some writers leave the offset 0: the voxels then follow the header's 348 bytes and 4 more.
    let offset = offset.max(352.0) as u64;
    // Before anything is unpacked: deflate shrinks to a 1032nd at best.
    let file_len = std::fs::metadata(path).map_err(FileError::at(path))?.len();
    let most = if is_gz(path) { file_len.saturating_mul(MAX_DEFLATE_RATIO) } else { file_len };
    if most < offset + needed {
        return Err(VolumeError::malformed(
            path,
            format!("it is truncated: its header needs {} bytes, its {file_len} can't hold them", offset + needed),
        ));
    }
    let damaged = |e: std::io::Error| {
        VolumeError::malformed(path, format!("it can't be unpacked ({e}); it may be truncated: get it again"))
    };
    let mut file = open(path)?;
    let mut found = std::io::copy(&mut file.by_ref().take(offset), &mut std::io::sink()).map_err(damaged)?;
    let mut bytes = Vec::new();
    found += file.by_ref().take(needed).read_to_end(&mut bytes).map_err(damaged)? as u64;
    if found < offset + needed {
        return Err(VolumeError::malformed(
            path,
            format!("it is truncated: its header needs {} bytes, it has {found}; get it again", offset + needed),
        ));
    }
    // A little beyond what is needed, so that a cut-off checksum at the end shows.
    std::io::copy(&mut file.take(4096), &mut std::io::sink()).map_err(damaged)?;
    Ok(bytes)
}

pub(super) fn check_scaling(path: &Path, header: &NiftiHeader) -> Result<(), VolumeError> {
    let (slope, inter) = (header.scl_slope, header.scl_inter);
    if slope.is_infinite() || (slope != 0.0 && !slope.is_nan() && !inter.is_finite()) {
        return Err(VolumeError::malformed(path, format!("its values are scaled by {slope} and {inter}")));
    }
    Ok(())
}

/// The voxels as f32, scaled as the header says; a slope of 0 or NaN stands for none.
pub(super) fn to_f32(bytes: &[u8], header: &NiftiHeader) -> Result<Vec<f32>, String> {
    use nifti::NiftiType::{Float32, Float64, Int8, Int16, Int32, Int64, Uint8, Uint16, Uint32, Uint64};
    let is_big = header.endianness == nifti::Endianness::Big;
    macro_rules! numbers {
        ($kind:ty) => {{
            const SIZE: usize = size_of::<$kind>();
            let number = |chunk: &[u8]| {
                let mut number = [0; SIZE];
                number.copy_from_slice(chunk);
                let number = if is_big { <$kind>::from_be_bytes(number) } else { <$kind>::from_le_bytes(number) };
                #[allow(clippy::cast_lossless, clippy::cast_precision_loss)]
                let number = number as f32;
                number
            };
            bytes.chunks_exact(SIZE).map(number).collect::<Vec<f32>>()
        }};
    }
    let mut values = match header.data_type().map_err(|e| e.to_string())? {
        Uint8 => numbers!(u8),
        Int8 => numbers!(i8),
        Uint16 => numbers!(u16),
        Int16 => numbers!(i16),
        Uint32 => numbers!(u32),
        Int32 => numbers!(i32),
        Uint64 => numbers!(u64),
        Int64 => numbers!(i64),
        Float32 => numbers!(f32),
        Float64 => numbers!(f64),
        kind => return Err(format!("voxels of type {kind:?} are no gray values")),
    };
    let (slope, inter) = (header.scl_slope, header.scl_inter);
    if slope != 0.0 && !slope.is_nan() && (slope, inter) != (1.0, 0.0) {
        values.iter_mut().for_each(|value| *value = *value * slope + inter);
    }
    Ok(values)
}

pub(super) fn check_spacing(path: &Path, header: &NiftiHeader) -> Result<[f64; 3], VolumeError> {
    let n_axes = usize::from(header.dim[0]).min(3);
    let mut spacing = [1.0; 3];
    for (axis, spacing) in spacing.iter_mut().enumerate().take(n_axes) {
        let mm = f64::from(header.pixdim[axis + 1].abs());
        if !(mm.is_finite() && mm > 0.0) {
            return Err(VolumeError::malformed(
                path,
                format!("the spacing along axis {axis} is {mm} mm; set a real one in its header"),
            ));
        }
        *spacing = mm;
    }
    Ok(spacing)
}

pub(super) fn affine_of(
    path: &Path,
    header: &NiftiHeader,
    spacing: [f64; 3],
) -> Result<[[f64; 4]; 3], VolumeError> {
    let affine = if header.sform_code > 0 {
        [header.srow_x, header.srow_y, header.srow_z].map(|row| row.map(f64::from))
    } else if header.qform_code > 0 {
        quaternion_affine(header, spacing)
    } else {
        let [x, y, z] = spacing;
        [[x, 0.0, 0.0, 0.0], [0.0, y, 0.0, 0.0], [0.0, 0.0, z, 0.0]]
    };
    if affine.iter().flatten().any(|v| !v.is_finite()) {
        return Err(VolumeError::malformed(path, "its affine holds a value that is not finite"));
    }
    if (0..3).any(|axis| affine.iter().all(|row| row[axis] == 0.0)) {
        return Err(VolumeError::malformed(
            path,
            "its affine leads along an axis nowhere: it has a column of zeros",
        ));
    }
    Ok(affine)
}

/// The affine of method 2 of the NIfTI-1 standard.
fn quaternion_affine(header: &NiftiHeader, spacing: [f64; 3]) -> [[f64; 4]; 3] {
    let [b, c, d] = [header.quatern_b, header.quatern_c, header.quatern_d].map(f64::from);
    let a = (1.0 - (b * b + c * c + d * d)).max(0.0).sqrt();
    let handed = if header.pixdim[0] < 0.0 { -1.0 } else { 1.0 };
    let [x, y, z] = spacing;
    let z = z * handed;
    let offset = [header.quatern_x, header.quatern_y, header.quatern_z].map(f64::from);
    let rotation = [
        [a * a + b * b - c * c - d * d, 2.0 * (b * c - a * d), 2.0 * (b * d + a * c)],
        [2.0 * (b * c + a * d), a * a + c * c - b * b - d * d, 2.0 * (c * d - a * b)],
        [2.0 * (b * d - a * c), 2.0 * (c * d + a * b), a * a + d * d - b * b - c * c],
    ];
    std::array::from_fn(|row| {
        let [r, s, t] = rotation[row];
        [r * x, s * y, t * z, offset[row]]
    })
}
