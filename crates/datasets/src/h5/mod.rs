//! `image` and `label` of an HDF5 file, as the prepared forms of Synapse and ACDC hold them.

mod write;

use std::path::Path;

use fastersam_files::FileError;
use fastersam_volume::{MAX_DEFLATE_RATIO, MAX_VOXELS_IN_MEMORY, VolumeError};
use hdf5_reader::{Dataset, Datatype, Hdf5File, OpenOptions};
use ndarray::{Array3, ArrayD, Ix3};

use crate::error::DatasetError;

pub(crate) use write::write_volume;

/// Reads a volume (or a slice, as a volume of one): image and label values, `[slices, rows, columns]`.
///
/// # Errors
/// Where the file is none, lacks a data set, or their shapes differ or are no volume's.
pub fn read_volume(path: &Path) -> Result<(Array3<f32>, Array3<f32>), DatasetError> {
    VolumeError::require_file(path)?;
    let options = OpenOptions::default().with_max_read_bytes(1 << 30).with_max_chunk_bytes(1 << 28);
    let file_len = std::fs::metadata(path).map_err(FileError::at(path))?.len();
    let file = Hdf5File::open_with_options(path, options)
        .map_err(|e| DatasetError::malformed(path, format!("it can't be read as HDF5 ({e})")))?;
    let image = read(path, &file, file_len, "image")?;
    let label = read(path, &file, file_len, "label")?;
    if image.dim() != label.dim() {
        return Err(DatasetError::malformed(
            path,
            format!("`image` has the shape {:?}, `label` {:?}", image.dim(), label.dim()),
        ));
    }
    Ok((image, label))
}

fn read(path: &Path, file: &Hdf5File, file_len: u64, name: &str) -> Result<Array3<f32>, DatasetError> {
    let malformed = |reason: String| DatasetError::malformed(path, reason);
    let dataset = file.dataset(name).map_err(|e| malformed(format!("it has no data set `{name}` ({e})")))?;
    let shape = dataset.shape().to_vec();
    if !matches!(shape.len(), 2 | 3) {
        return Err(malformed(format!("`{name}` has the shape {shape:?}; two or three axes are needed")));
    }
    let n = shape.iter().try_fold(1_u64, |n, &size| n.checked_mul(size));
    if n.is_none_or(|n| n == 0 || n > MAX_VOXELS_IN_MEMORY || n > file_len.saturating_mul(MAX_DEFLATE_RATIO)) {
        return Err(malformed(format!("`{name}` claims the shape {shape:?}")));
    }
    let values = to_f32(&dataset).map_err(|e| malformed(format!("`{name}` can't be read ({e})")))?;
    let values = if values.ndim() == 2 { values.insert_axis(ndarray::Axis(0)) } else { values };
    values.into_dimensionality::<Ix3>().map_err(|e| malformed(format!("`{name}` has an unexpected shape ({e})")))
}

/// The elements as f32, whatever type of number they are.
fn to_f32(dataset: &Dataset) -> Result<ArrayD<f32>, String> {
    macro_rules! numbers {
        ($kind:ty) => {
            dataset.read_array::<$kind>().map(|values| values.mapv(|v| v as f32)).map_err(|e| e.to_string())
        };
    }
    let shaped = |values: Vec<f32>| {
        let shape: Vec<usize> = dataset.shape().iter().map(|&size| size as usize).collect();
        ArrayD::from_shape_vec(shape, values).map_err(|e| e.to_string())
    };
    match *dataset.dtype() {
        // The reader has no type of its own for these two: half floats, and the enumeration that h5py writes for bool.
        Datatype::FloatingPoint { size: 2, .. } => {
            let bytes = dataset.read_native_bytes().map_err(|e| e.to_string())?;
            shaped(bytes.chunks_exact(2).map(|two| half::f16::from_ne_bytes([two[0], two[1]]).to_f32()).collect())
        }
        Datatype::Enum { ref base, .. } if matches!(**base, Datatype::FixedPoint { size: 1, .. }) => {
            let bytes = dataset.read_raw_bytes().map_err(|e| e.to_string())?;
            shaped(bytes.into_iter().map(f32::from).collect())
        }
        Datatype::FloatingPoint { size: 4, .. } => numbers!(f32),
        Datatype::FloatingPoint { size: 8, .. } => numbers!(f64),
        Datatype::FixedPoint { size: 1, signed: false, .. } => numbers!(u8),
        Datatype::FixedPoint { size: 1, signed: true, .. } => numbers!(i8),
        Datatype::FixedPoint { size: 2, signed: false, .. } => numbers!(u16),
        Datatype::FixedPoint { size: 2, signed: true, .. } => numbers!(i16),
        Datatype::FixedPoint { size: 4, signed: false, .. } => numbers!(u32),
        Datatype::FixedPoint { size: 4, signed: true, .. } => numbers!(i32),
        Datatype::FixedPoint { size: 8, signed: false, .. } => numbers!(u64),
        Datatype::FixedPoint { size: 8, signed: true, .. } => numbers!(i64),
        ref other => Err(format!("its elements are no numbers of 1 to 8 bytes: {other:?}")),
    }
}
