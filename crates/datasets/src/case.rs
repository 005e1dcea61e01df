//! A labelled volume, ready for a network.

use fastersam_files::Sha256Hasher;
use fastersam_volume::{IntensityQuantiles, Orientation};
use ndarray::Array3;

/// One labelled volume in canonical form.
#[derive(Clone, Debug)]
pub struct Case {
    /// Name of the case, unique within a data set.
    pub id: String,
    /// Gray values in [0, 1], `[slices, rows, columns]`.
    pub image: Array3<f32>,
    /// Classes in the data set's canonical label scheme, of the same shape.
    pub label: Array3<u8>,
    /// Distance between neighbours along each axis, in the same order; `None` where the files don't say it, as
    /// the npz and h5 forms.
    pub spacing_mm: Option<[f64; 3]>,
    /// Where each axis points.
    pub orientation: Orientation,
    /// Where each axis of the file pointed, if it was turned on reading.
    pub turned_from: Option<Orientation>,
    /// The intensities that the files hold, before they became gray values; `None` where that is not known.
    pub intensities: Option<IntensityQuantiles>,
    /// What a user should know of the files: what their headers leave open, voxels that are no numbers.
    pub notes: Vec<String>,
}

impl Case {
    /// The same volume with axes that point as `wanted` says.
    #[must_use]
    pub fn oriented(self, wanted: Orientation) -> Self {
        if self.orientation == wanted {
            return self;
        }
        let permutation = self.orientation.permutation(wanted);
        let mut image = self.image.view().permuted_axes(permutation);
        let mut label = self.label.view().permuted_axes(permutation);
        self.orientation.flip(&mut image, wanted);
        self.orientation.flip(&mut label, wanted);
        let (image, label) = (image.as_standard_layout().into_owned(), label.as_standard_layout().into_owned());
        let spacing_mm = self.spacing_mm.map(|spacing| permutation.map(|axis| spacing[axis]));
        Self { image, label, spacing_mm, orientation: wanted, ..self }
    }

    /// Voxels of each of the first `n_classes` classes, background first.
    #[must_use]
    pub fn count_voxels(&self, n_classes: usize) -> Vec<usize> {
        let mut counts = vec![0; 256];
        self.label.iter().for_each(|&class| counts[usize::from(class)] += 1);
        counts.resize(n_classes, 0);
        counts
    }
}

/// What data a result rests on, as one hash: SHA-256 over names, shapes, spacing, gray values and classes of the cases.
#[must_use]
pub fn sha256_of_cases<'a>(cases: impl IntoIterator<Item = &'a Case>) -> String {
    let mut hasher = Sha256Hasher::default();
    for case in cases {
        hasher.update(case.id.as_bytes());
        for n in case.image.shape() {
            hasher.update(&(*n as u64).to_le_bytes());
        }
        match case.spacing_mm {
            Some(spacing) => spacing.iter().for_each(|mm| hasher.update(&mm.to_le_bytes())),
            None => hasher.update(b"unknown spacing"),
        }
        let values: Vec<u8> = case.image.iter().flat_map(|v| v.to_le_bytes()).collect();
        hasher.update(&values);
        hasher.update(&case.label.iter().copied().collect::<Vec<u8>>());
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turned_case_has_each_voxel_where_it_was() {
        let own = Orientation { axes: [2, 1, 0], positive: [true, false, false] };
        let image = Array3::from_shape_fn((2, 3, 4), |(i, j, k)| (i * 12 + j * 4 + k) as f32);
        let case = Case {
            id: "a".to_owned(),
            label: image.mapv(|v| v as u8),
            image: image.clone(),
            spacing_mm: Some([5.0, 2.0, 1.0]),
            orientation: own,
            turned_from: None,
            intensities: None,
            notes: Vec::new(),
        };
        assert_eq!(case.clone().oriented(own).image, image);
        // Columns, from the left to the right, become slices; slices, from above to below, become columns.
        let wanted = Orientation { axes: [0, 1, 2], positive: [true, false, false] };
        let turned = case.clone().oriented(wanted);
        assert_eq!((turned.image.dim(), turned.spacing_mm), ((4, 3, 2), Some([1.0, 2.0, 5.0])));
        assert_eq!((turned.image[(3, 1, 1)], turned.label[(3, 1, 1)]), (image[(0, 1, 0)], 4));
        let back = turned.oriented(own);
        assert_eq!((back.image, back.label, back.orientation), (case.image, case.label, own));
    }
}
