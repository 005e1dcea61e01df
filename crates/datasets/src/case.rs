//! A labelled volume, ready for a network.

use fastersam_files::Sha256Hasher;
use fastersam_volume::Orientation;
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
}

impl Case {
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
