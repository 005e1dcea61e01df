//! Writing `image` and `label`, for phantoms and tests: the feature `h5-write`.

use std::path::Path;

use ndarray::{ArrayView, Dimension};

use crate::error::DatasetError;

/// Writes `image` and `label`, both of two or three axes; the file appears when it is complete.
#[cfg(feature = "h5-write")]
pub(crate) fn write_volume<D: Dimension>(
    path: &Path,
    image: ArrayView<f32, D>,
    label: ArrayView<u8, D>,
) -> Result<(), DatasetError> {
    use hdf5_writer::{DatasetBuilder, Hdf5Builder, WriteOptions};

    let shape: Vec<u64> = image.shape().iter().map(|&n| n as u64).collect();
    let (image, label): (Vec<f32>, Vec<u8>) = (image.iter().copied().collect(), label.iter().copied().collect());
    let encode = || {
        let image = DatasetBuilder::typed_data("image", shape.clone(), &image)?;
        let label = DatasetBuilder::typed_data("label", shape.clone(), &label)?;
        Hdf5Builder::new().dataset(image).dataset(label).into_plan()?.encode(WriteOptions::default())
    };
    let bytes = encode()
        .map_err(|e: hdf5_writer::Error| DatasetError::malformed(path, format!("it can't be written ({e})")))?;
    Ok(fastersam_files::write_atomically(path, &bytes)?)
}

/// Says that the feature is missing.
#[cfg(not(feature = "h5-write"))]
pub(crate) fn write_volume<D: Dimension>(
    path: &Path,
    _: ArrayView<f32, D>,
    _: ArrayView<u8, D>,
) -> Result<(), DatasetError> {
    Err(DatasetError::Request(format!(
        "{} can't be written: this program was built without the feature `h5-write` of fastersam-datasets",
        path.display()
    )))
}
