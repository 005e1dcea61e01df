//! NIfTI scans: any orientation in, the same orientation, affine and spacing out.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use ndarray::{Array3, ShapeBuilder};
use nifti::writer::WriterOptions;
use nifti::NiftiHeader;
use serde::{Deserialize, Serialize};

use crate::error::DatasetError;

/// A scan with more voxels than this is refused before anything is allocated.
pub(crate) const MAX_VOXELS: u64 = 1 << 28;

/// The most that a file can shrink by deflate; one that claims more is a bomb.
pub(crate) const MAX_RATIO: u64 = 1100;

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

/// A volume as a NIfTI file holds it.
#[derive(Clone, Debug)]
pub struct Scan {
    /// Scaled values, `[i, j, k]` in the file's axis order.
    pub voxels: Array3<f32>,
    /// Voxel indices to world coordinates, three rows of `[3 x 3 | offset]`.
    pub affine: [[f64; 4]; 3],
    /// Distance between neighbours along the file's axes.
    pub spacing_mm: [f64; 3],
    header: NiftiHeader,
}

impl Scan {
    /// Reads `.nii` or `.nii.gz`.
    ///
    /// # Errors
    /// Where the file is missing, truncated, no NIfTI, not 3-D, larger than any scan, or has a spacing
    /// or affine that is not finite.
    pub fn read(path: &Path) -> Result<Self, DatasetError> {
        DatasetError::require(path, "check the path")?;
        let header = read_header(path)?;
        let dims = check_dims(path, &header)?;
        let voxel_bytes = check_type(path, &header)?;
        let spacing_mm = check_spacing(path, &header)?;
        let affine = affine_of(path, &header, spacing_mm)?;
        check_scaling(path, &header)?;
        let n_voxels: u64 = dims.iter().product();
        let bytes = read_voxels(path, &header, n_voxels * voxel_bytes)?;
        let values = to_f32(&bytes, &header).map_err(|reason| DatasetError::malformed(path, reason))?;
        // The first axis runs fastest, in memory as in the file.
        let shape = dims.map(|n| n as usize);
        let voxels = Array3::from_shape_vec(shape.f(), values)
            .map_err(|e| DatasetError::malformed(path, format!("its voxels don't fit its header ({e})")))?;
        Ok(Self { voxels, affine, spacing_mm, header })
    }

    /// The orientation of the volume `[k, j, i]`, read from the affine.
    #[must_use]
    pub fn orientation(&self) -> Orientation {
        let mut free = [true; 3];
        let mut orientation = Orientation::default();
        // The file's axes in the order of the volume's: slices k, rows j, columns i.
        for (axis, file_axis) in [2, 1, 0].into_iter().enumerate() {
            let direction = |world: usize| self.affine[world][file_axis];
            let world = (0..3)
                .filter(|&world| free[world])
                .max_by(|&a, &b| direction(a).abs().total_cmp(&direction(b).abs()))
                .unwrap_or(0);
            free[world] = false;
            orientation.axes[axis] = world as u8;
            orientation.positive[axis] = direction(world) >= 0.0;
        }
        orientation
    }

    /// The voxels as `[slices, rows, columns]` with axes that point as `wanted` says.
    #[must_use]
    pub fn oriented(&self, wanted: Orientation) -> (Array3<f32>, [f64; 3]) {
        let volume = self.voxels.view().permuted_axes([2, 1, 0]);
        let own = self.orientation();
        let mut view = volume.permuted_axes(permutation(own, wanted));
        flip(&mut view, own, wanted);
        let spacing = permutation(own, wanted).map(|axis| self.spacing_mm[2 - axis]);
        (view.as_standard_layout().into_owned(), spacing)
    }

    /// Brings a class map that is oriented as `from` back to the file's axes `[i, j, k]`.
    #[must_use]
    pub fn to_file_axes(&self, classes: &Array3<u8>, from: Orientation) -> Array3<u8> {
        let own = self.orientation();
        let mut view = classes.view();
        flip(&mut view, own, from);
        let mut back = [0; 3];
        for (to, axis) in permutation(own, from).into_iter().enumerate() {
            back[axis] = to;
        }
        let volume = view.permuted_axes(back);
        // As `volume` in memory, which is the order of the file where the axes are the file's.
        volume.permuted_axes([2, 1, 0]).to_owned()
    }

    /// Writes a class map `[i, j, k]` with this scan's affine, orientation and spacing, as bytes; the
    /// file appears as a whole or not at all.
    ///
    /// # Errors
    /// Where the shape differs or the file can't be written.
    pub fn write_classes(&self, path: &Path, classes: &Array3<u8>) -> Result<(), DatasetError> {
        if classes.dim() != self.voxels.dim() {
            return Err(DatasetError::malformed(
                path,
                format!("a class map of {:?} for a scan of {:?}", classes.dim(), self.voxels.dim()),
            ));
        }
        let header = NiftiHeader { scl_slope: 1.0, scl_inter: 0.0, cal_max: 0.0, cal_min: 0.0, ..self.header.clone() };
        write_classes(path, classes, &header)
    }
}

/// Writes gray values `[i, j, k]` as NIfTI with an axis-aligned affine of the given spacing.
///
/// # Errors
/// Where the file can't be written.
pub fn write_image(path: &Path, voxels: &Array3<f32>, spacing_mm: [f64; 3]) -> Result<(), DatasetError> {
    let header = aligned_header(spacing_mm);
    write_atomically(path, |scratch| {
        WriterOptions::new(scratch).reference_header(&header).write_nifti(voxels)
    })
}

/// Writes intensities `[slices, rows, columns]` whose axes point as `orientation` says, as NIfTI `[i, j, k]`
/// with the columns first: reading the file gives the same volume, orientation and spacing.
///
/// # Errors
/// Where the file can't be written.
pub fn write_image_volume(
    path: &Path,
    volume: &Array3<i16>,
    spacing_mm: [f64; 3],
    orientation: Orientation,
) -> Result<(), DatasetError> {
    let header = oriented_header(spacing_mm, orientation);
    let voxels = volume.view().permuted_axes([2, 1, 0]);
    write_atomically(path, |scratch| WriterOptions::new(scratch).reference_header(&header).write_nifti(&voxels))
}

/// Writes classes like [`write_image_volume`].
///
/// # Errors
/// Where the file can't be written.
pub fn write_label_volume(
    path: &Path,
    volume: &Array3<u8>,
    spacing_mm: [f64; 3],
    orientation: Orientation,
) -> Result<(), DatasetError> {
    let header = oriented_header(spacing_mm, orientation);
    let voxels = volume.view().permuted_axes([2, 1, 0]);
    write_atomically(path, |scratch| WriterOptions::new(scratch).reference_header(&header).write_nifti(&voxels))
}

fn oriented_header(spacing_mm: [f64; 3], orientation: Orientation) -> NiftiHeader {
    let [slice, row, col] = spacing_mm.map(|mm| mm as f32);
    let mut affine = [[0.0_f32; 4]; 3];
    for (axis, mm) in [slice, row, col].into_iter().enumerate() {
        let world = usize::from(orientation.axes[axis]).min(2);
        affine[world][2 - axis] = if orientation.positive[axis] { mm } else { -mm };
    }
    NiftiHeader {
        pixdim: [1.0, col, row, slice, 1.0, 1.0, 1.0, 1.0],
        sform_code: 2,
        srow_x: affine[0],
        srow_y: affine[1],
        srow_z: affine[2],
        xyzt_units: 2,
        ..NiftiHeader::default()
    }
}

/// Writes classes `[i, j, k]` as NIfTI with an axis-aligned affine of the given spacing.
///
/// # Errors
/// Where the file can't be written.
pub fn write_labels(path: &Path, classes: &Array3<u8>, spacing_mm: [f64; 3]) -> Result<(), DatasetError> {
    write_classes(path, classes, &aligned_header(spacing_mm))
}

fn write_classes(path: &Path, classes: &Array3<u8>, header: &NiftiHeader) -> Result<(), DatasetError> {
    // The writer takes its slices as they lie in memory: in the order of the file, the first axis fastest.
    let volume = classes.view().reversed_axes();
    let volume = volume.as_standard_layout();
    let voxels = volume.view().reversed_axes();
    write_atomically(path, |scratch| WriterOptions::new(scratch).reference_header(header).write_nifti(&voxels))
}

fn aligned_header(spacing_mm: [f64; 3]) -> NiftiHeader {
    let [x, y, z] = spacing_mm.map(|mm| mm as f32);
    NiftiHeader {
        pixdim: [1.0, x, y, z, 1.0, 1.0, 1.0, 1.0],
        sform_code: 2,
        srow_x: [x, 0.0, 0.0, 0.0],
        srow_y: [0.0, y, 0.0, 0.0],
        srow_z: [0.0, 0.0, z, 0.0],
        xyzt_units: 2,
        ..NiftiHeader::default()
    }
}

/// The file appears under its name only when it is complete.
fn write_atomically(
    path: &Path,
    write: impl FnOnce(&Path) -> nifti::Result<()>,
) -> Result<(), DatasetError> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let suffix = if path.extension().is_some_and(|e| e == "nii") { ".nii" } else { ".nii.gz" };
    let scratch = tempfile::Builder::new()
        .prefix(".writing-")
        .suffix(suffix)
        .tempfile_in(folder)
        .map_err(DatasetError::io(folder))?
        .into_temp_path();
    write(&scratch)
        .map_err(|e| DatasetError::malformed(path, format!("it can't be written ({e})")))?;
    File::open(&scratch).and_then(|f| f.sync_all()).map_err(DatasetError::io(path))?;
    scratch.persist(path).map_err(|e| DatasetError::io(path)(e.error))
}

fn is_gz(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("gz"))
}

fn open(path: &Path) -> Result<Box<dyn Read>, DatasetError> {
    let file = std::io::BufReader::new(File::open(path).map_err(DatasetError::io(path))?);
    Ok(if is_gz(path) { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) })
}

fn read_header(path: &Path) -> Result<NiftiHeader, DatasetError> {
    NiftiHeader::from_reader(open(path)?.take(4096)).map_err(|e| {
        DatasetError::malformed(path, format!("it has no NIfTI-1 header ({e}); it may be truncated"))
    })
}

/// The sizes of the three axes; a fourth of length 1 is accepted.
fn check_dims(path: &Path, header: &NiftiHeader) -> Result<[u64; 3], DatasetError> {
    let malformed = |reason: String| Err(DatasetError::malformed(path, reason));
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

fn check_type(path: &Path, header: &NiftiHeader) -> Result<u64, DatasetError> {
    use nifti::NiftiType::{Float32, Float64, Int8, Int16, Int32, Int64, Uint8, Uint16, Uint32, Uint64};
    match header.data_type() {
        Ok(
            kind @ (Uint8 | Int8 | Uint16 | Int16 | Uint32 | Int32 | Uint64 | Int64 | Float32
            | Float64),
        ) => Ok(kind.size_of() as u64),
        Ok(kind) => Err(DatasetError::malformed(path, format!("voxels of type {kind:?} are no gray values"))),
        Err(e) => Err(DatasetError::malformed(path, format!("its voxel type is unknown ({e})"))),
    }
}

/// The bytes of the voxels. Memory grows with what the file holds, not with what its header claims.
fn read_voxels(path: &Path, header: &NiftiHeader, needed: u64) -> Result<Vec<u8>, DatasetError> {
    if &header.magic != b"n+1\0" {
        return Err(DatasetError::malformed(path, "it is not a single NIfTI-1 file, with its voxels behind its header"));
    }
    let offset = f64::from(header.vox_offset);
    if !(0.0..=1e9).contains(&offset) {
        return Err(DatasetError::malformed(path, format!("its voxels start at byte {offset}")));
    }
    // Some writers leave the offset 0: the voxels then follow the header's 348 bytes and 4 more.
    let offset = offset.max(352.0) as u64;
    // Before anything is unpacked: deflate shrinks to a 1032nd at best.
    let file_len = std::fs::metadata(path).map_err(DatasetError::io(path))?.len();
    let most = if is_gz(path) { file_len.saturating_mul(MAX_RATIO) } else { file_len };
    if most < offset + needed {
        return Err(DatasetError::malformed(
            path,
            format!("it is truncated: its header needs {} bytes, its {file_len} can't hold them", offset + needed),
        ));
    }
    let damaged = |e: std::io::Error| {
        DatasetError::malformed(path, format!("it can't be unpacked ({e}); it may be truncated: get it again"))
    };
    let mut file = open(path)?;
    let mut found = std::io::copy(&mut file.by_ref().take(offset), &mut std::io::sink()).map_err(damaged)?;
    let mut bytes = Vec::new();
    found += file.by_ref().take(needed).read_to_end(&mut bytes).map_err(damaged)? as u64;
    if found < offset + needed {
        return Err(DatasetError::malformed(
            path,
            format!("it is truncated: its header needs {} bytes, it has {found}; get it again", offset + needed),
        ));
    }
    // A little beyond what is needed, so that a cut-off checksum at the end shows.
    std::io::copy(&mut file.take(4096), &mut std::io::sink()).map_err(damaged)?;
    Ok(bytes)
}

fn check_scaling(path: &Path, header: &NiftiHeader) -> Result<(), DatasetError> {
    let (slope, inter) = (header.scl_slope, header.scl_inter);
    if slope.is_infinite() || (slope != 0.0 && !slope.is_nan() && !inter.is_finite()) {
        return Err(DatasetError::malformed(path, format!("its values are scaled by {slope} and {inter}")));
    }
    Ok(())
}

/// The voxels as f32, scaled as the header says; a slope of 0 or NaN stands for none.
fn to_f32(bytes: &[u8], header: &NiftiHeader) -> Result<Vec<f32>, String> {
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

fn check_spacing(path: &Path, header: &NiftiHeader) -> Result<[f64; 3], DatasetError> {
    let n_axes = usize::from(header.dim[0]).min(3);
    let mut spacing = [1.0; 3];
    for (axis, spacing) in spacing.iter_mut().enumerate().take(n_axes) {
        let mm = f64::from(header.pixdim[axis + 1].abs());
        if !(mm.is_finite() && mm > 0.0) {
            return Err(DatasetError::malformed(
                path,
                format!("the spacing along axis {axis} is {mm} mm; set a real one in its header"),
            ));
        }
        *spacing = mm;
    }
    Ok(spacing)
}

fn affine_of(path: &Path, header: &NiftiHeader, spacing: [f64; 3]) -> Result<[[f64; 4]; 3], DatasetError> {
    let affine = if header.sform_code > 0 {
        [header.srow_x, header.srow_y, header.srow_z].map(|row| row.map(f64::from))
    } else if header.qform_code > 0 {
        quaternion_affine(header, spacing)
    } else {
        let [x, y, z] = spacing;
        [[x, 0.0, 0.0, 0.0], [0.0, y, 0.0, 0.0], [0.0, 0.0, z, 0.0]]
    };
    if affine.iter().flatten().any(|v| !v.is_finite()) {
        return Err(DatasetError::malformed(path, "its affine holds a value that is not finite"));
    }
    if (0..3).any(|axis| affine.iter().all(|row| row[axis] == 0.0)) {
        return Err(DatasetError::malformed(path, "its affine leads along an axis nowhere: it has a column of zeros"));
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

/// Axis `i` of a volume oriented as `wanted` is axis `permutation[i]` of one oriented as `own`.
fn permutation(own: Orientation, wanted: Orientation) -> [usize; 3] {
    wanted.axes.map(|world| own.axes.iter().position(|&a| a == world).unwrap_or(0))
}

/// Reverses the axes of a volume (in the axis order of `wanted`) that run the other way.
fn flip<T>(view: &mut ndarray::ArrayView3<T>, own: Orientation, wanted: Orientation) {
    for (axis, own_axis) in permutation(own, wanted).into_iter().enumerate() {
        if own.positive[own_axis] != wanted.positive[axis] {
            view.invert_axis(ndarray::Axis(axis));
        }
    }
}
