//! Cases of npz and h5 files, which are scaled already and say no spacing: what these forms share.

use std::path::Path;

use fastersam_volume::{Intensity, Orientation};
use ndarray::{Array2, Array3, Axis, Ix2, Ix3};

use super::values::{scale, to_classes};
use crate::axis_order::AxisOrder;
use crate::case::Case;
use crate::dataset::{DataSet, Entry};
use crate::error::DatasetError;
use crate::npz::Npz;
use crate::phantom::Acquisition;

/// Image and label of a file, `[slices, rows, columns]`.
type Arrays = (Array3<f32>, Array3<f32>);

/// Reads a case, one volume or its slices in their order; `arrays` reads a file.
pub(super) fn read(
    set: &DataSet,
    entry: &Entry,
    arrays: impl Fn(&Path) -> Result<Arrays, DatasetError>,
) -> Result<Case, DatasetError> {
    let Some((path, others)) = entry.files.split_first() else {
        return Err(DatasetError::Request(format!("{} has no files", entry.id)));
    };
    let (mut image, mut values) = arrays(path)?;
    let first = image.dim();
    for path in others {
        let (next, next_values) = arrays(path)?;
        if next.dim() != first || first.0 != 1 {
            let reason = format!("it has the shape {:?}, the first slice {first:?}", next.dim());
            return Err(DatasetError::malformed(path, reason));
        }
        let failed = |e: ndarray::ShapeError| DatasetError::malformed(path, e.to_string());
        image.append(Axis(0), next.view()).map_err(failed)?;
        values.append(Axis(0), next_values.view()).map_err(failed)?;
    }
    let (_, notes) = scale(path, &mut image, &Intensity::Unit)?;
    let label = set.axes.swap(to_classes(path, &values, &set.codes, &set.label_scheme)?);
    let (id, image) = (entry.id.clone(), set.axes.swap(image));
    // These files hold gray values; nobody knows what they were made of.
    Ok(Case {
        id,
        image,
        label,
        spacing_mm: None,
        orientation: Orientation::default(),
        turned_from: None,
        intensities: None,
        notes,
    })
}

/// Image and label of an npz file.
pub(super) fn read_npz(path: &Path, image_key: &str) -> Result<Arrays, DatasetError> {
    let mut npz = Npz::open(path)?;
    let mut volume = |key: &str| {
        let array = npz.read(key)?;
        let shape = array.shape().to_vec();
        let volume = match array.ndim() {
            2 => array.into_dimensionality::<Ix2>().map(|slice| slice.insert_axis(Axis(0))),
            _ => array.into_dimensionality::<Ix3>(),
        };
        let reason = format!("`{key}` has the shape {shape:?}; two or three axes are needed");
        volume.map_err(|_| DatasetError::malformed(path, reason))
    };
    let (image, label) = (volume(image_key)?, volume("label")?);
    if image.dim() != label.dim() {
        let reason = format!("`{image_key}` has the shape {:?}, `label` {:?}", image.dim(), label.dim());
        return Err(DatasetError::malformed(path, reason));
    }
    Ok((image, label))
}

/// A phantom as these files hold it: scaled, with the given codes and axis order.
pub(super) fn scaled(scan: Acquisition, axes: AxisOrder, code: impl Fn(u8) -> u8) -> (Array3<f32>, Array3<u8>) {
    let Case { image, label, .. } = scan.into_case();
    (axes.swap(image), axes.swap(label.mapv(code)))
}

/// The slices of a volume, with their numbers from 0 on.
pub(super) fn slices<'a>(
    image: &'a Array3<f32>,
    label: &'a Array3<u8>,
) -> impl Iterator<Item = (usize, Array2<f32>, Array2<u8>)> + 'a {
    let pairs = image.outer_iter().zip(label.outer_iter());
    pairs.enumerate().map(|(slice, (image, label))| (slice, image.to_owned(), label.to_owned()))
}
