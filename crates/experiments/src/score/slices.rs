//! The slices of a case on which prediction and truth differ most.

use std::path::Path;

use anyhow::{Result, bail};
use fastersam_datasets::label_maps::{ClassMap, MapPair, Tables};
use fastersam_metrics::CaseScores;
use fastersam_volume::{Intensity, Scan};
use ndarray::{Array3, Axis};

/// Of these many of its worst classes, a case shows a slice each.
const MAX_CLASSES: usize = 3;
/// How an image becomes gray, whatever its intensities are.
const GRAY: Intensity = Intensity::Percentiles { low: 0.5, high: 99.5 };

/// One slice with both label maps.
#[derive(Clone, Debug)]
pub struct ScoredSlice {
    /// Its place among the slices, from 0, and their number.
    pub slice: [usize; 2],
    /// Rows of the slice.
    pub rows: usize,
    /// Columns of the slice.
    pub cols: usize,
    /// Gray values, row after row; all 0 where the case has no image.
    pub image: Vec<u8>,
    /// Predicted classes, row after row.
    pub prediction: Vec<u8>,
    /// True classes, row after row.
    pub truth: Vec<u8>,
    /// How long a row's pixel is for a column's.
    pub pixel_aspect: f64,
}

/// For each of the worst classes of a case by their strict Dice, the slice on which most of its voxels are wrong; each slice
/// once, in their order.
///
/// # Errors
/// Where a file can't be read, or the image does not lie on the label maps.
pub fn worst_slices(
    tables: &Tables,
    pair: &MapPair,
    scores: &CaseScores,
    image: Option<&Path>,
) -> Result<Vec<ScoredSlice>> {
    let [prediction, truth] = super::read(tables, pair)?;
    let image = image.map(|path| gray(path, &truth, tables)).transpose()?;
    let mut classes: Vec<(f64, u8)> =
        scores.classes.iter().filter_map(|score| Some((score.strict?.dice, score.class))).collect();
    classes.sort_by(|a, b| a.0.total_cmp(&b.0));
    let n_slices = truth.classes.len_of(Axis(0));
    let n_wrong = |slice: usize, class: u8| {
        let maps = [&prediction, &truth].map(|map| map.classes.index_axis(Axis(0), slice));
        maps[0].iter().zip(maps[1]).filter(|&(p, t)| p != t && (*p == class || *t == class)).count()
    };
    let mut shown: Vec<usize> = classes
        .iter()
        .take(MAX_CLASSES)
        .filter_map(|&(_, class)| (0..n_slices).rev().max_by_key(|&slice| n_wrong(slice, class)))
        .collect();
    shown.sort_unstable();
    shown.dedup();
    let [_, row_mm, col_mm] = truth.spacing_mm;
    let view = |slice: usize| {
        let of = |map: &Array3<u8>| map.index_axis(Axis(0), slice).iter().copied().collect::<Vec<u8>>();
        let (_, rows, cols) = truth.classes.dim();
        ScoredSlice {
            slice: [slice, n_slices],
            rows,
            cols,
            image: image.as_ref().map_or_else(|| vec![0; rows * cols], &of),
            prediction: of(&prediction.classes),
            truth: of(&truth.classes),
            pixel_aspect: row_mm / col_mm,
        }
    };
    Ok(shown.into_iter().map(view).collect())
}

/// The image of a case in gray values, turned like its label maps.
fn gray(path: &Path, truth: &ClassMap, tables: &Tables) -> Result<Array3<u8>> {
    let scan = Scan::read(path)?;
    if let Some(difference) = scan.grid.difference(&truth.grid) {
        bail!("the image {} does not lie on its label map: {difference}", path.display());
    }
    let (mut values, _) = scan.oriented(tables.orientation());
    GRAY.scale(&mut values);
    Ok(values.mapv(|value| (255.0 * value.clamp(0.0, 1.0)) as u8))
}
