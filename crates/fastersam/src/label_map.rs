//! What a model found in a scan: label map, where its tokens paused, measurements.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use fastersam_volume::{Components, Grid, LabelTable, Orientation, Scaling, VolumeError, resample};
use ndarray::{Array2, Array3, Array4, ArrayView3, Axis};
use serde::Serialize;

use crate::checkpoint::to_json;
use crate::error::FasterSamError;
use crate::segment::SlicePauses;

/// What a model found in a scan.
#[derive(Clone, Debug)]
pub struct LabelMap {
    /// Classes in the axes of the scan's file, `[i, j, k]`.
    pub classes: Array3<u8>,
    /// What they are called, and their values in the file.
    pub labels: LabelTable,
    /// Where the tokens of each slice paused; slices as the model sees them.
    pub slices: Vec<SlicePauses>,
    /// Probability of each class, `[class, k, j, i]` of the file's axes, where it was asked for.
    pub probabilities: Option<Array4<f32>>,
    /// What a user should know of the scan: what its header leaves open, voxels that are no numbers, intensities of another
    /// kind than those of training.
    pub warnings: Vec<String>,
    pub(crate) grid: Grid,
    /// How the model sees the scan.
    pub(crate) orientation: Orientation,
    pub(crate) scaling: Scaling,
    pub(crate) input_size: usize,
    pub(crate) pause_points: Vec<usize>,
}

/// Measurements of one class of a label map.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassStatistics {
    /// The class.
    pub name: String,
    /// Its value in the label map.
    pub code: u16,
    /// Number of voxels.
    pub n_voxels: usize,
    /// Their volume.
    pub volume_ml: f64,
    /// Mean intensity of those that are finite, as the scan's file has it; `None` where there is none.
    pub mean_intensity: Option<f64>,
    /// Standard deviation of the same (divided by their number).
    pub std_intensity: Option<f64>,
    /// First and last voxel along each axis `[i, j, k]` of the file, from 0; `None` where there is none.
    pub bounding_box_vox: Option<[[usize; 2]; 3]>,
    /// Number of connected components (by face, edge or corner).
    pub n_components: usize,
    /// Volume of the largest of them.
    pub largest_component_ml: f64,
}

/// One slice of a label map as the model sees it.
#[derive(Clone, Debug)]
pub struct SliceView {
    /// Its place among the slices, from 0.
    pub slice: usize,
    /// Gray values in [0, 1].
    pub image: Array2<f32>,
    /// Classes.
    pub classes: Array2<u8>,
    /// For each token, row after row: 0 where it never paused, `k` where it paused at the `k`-th pause point (from 1).
    pub paused_at: Vec<u8>,
    /// Rows to columns: how long a row's pixel is for a column's, from the spacing.
    pub pixel_aspect: f64,
}

impl LabelMap {
    /// Writes the label map as NIfTI (`.nii` or `.nii.gz`) with the orientation, affine and spacing of the scan, and the
    /// labels' names beside it, see [`label_names_path`]. Its values are those of the data set that the model was trained on,
    /// names and colors are in its header as well. Returns the path of the names.
    ///
    /// # Errors
    /// Where a file can't be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<PathBuf, FasterSamError> {
        let path = path.as_ref();
        // The names first: a label map never lies without them.
        let names = label_names_path(path);
        let table: BTreeMap<u16, &str> = self.labels.entries().collect();
        fastersam_files::write_atomically(&names, to_json(&table)?.as_bytes())?;
        self.grid.write_label_map(path, &self.classes, &self.labels)?;
        Ok(names)
    }

    /// Writes the probabilities of the classes, background first, as a 4-D NIfTI file `[i, j, k, class]`.
    ///
    /// # Errors
    /// Where they were not asked for, or the file can't be written.
    pub fn write_probabilities(&self, path: &Path) -> Result<(), FasterSamError> {
        let Some(probabilities) = &self.probabilities else {
            return Err(FasterSamError::Scan("its probabilities were not asked for".to_owned()));
        };
        Ok(self.grid.write_probabilities(path, probabilities)?)
    }

    /// Writes where tokens paused, as a label map on the scan: 0 where a token never did, `k` where it did at the `k`-th pause
    /// point.
    ///
    /// # Errors
    /// Where the file can't be written.
    pub fn write_pause_map(&self, path: &Path) -> Result<(), FasterSamError> {
        let names: Vec<String> = self.pause_points.iter().map(|&point| pause_point_name(point)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        Ok(self.grid.write_label_map(path, &self.pause_map(), &LabelTable::new(&names))?)
    }

    /// The pause point of each voxel's token from 1, 0 where it never paused; in the axes of the file, `[i, j, k]`.
    #[must_use]
    pub fn pause_map(&self) -> Array3<u8> {
        let [n_slices, n_rows, n_cols] = self.grid.oriented_shape(self.orientation);
        let mut map = Array3::zeros((n_slices, n_rows, n_cols));
        for (mut target, slice) in map.outer_iter_mut().zip(&self.slices) {
            let side = slice.paused_at.len().isqrt().max(1);
            let token = |pixel: usize| pixel * side / self.input_size.max(1);
            // By way of the network's input, as classes come back.
            let input = Array2::from_shape_fn((self.input_size, self.input_size), |(row, col)| {
                slice.paused_at.get(token(row) * side + token(col)).copied().unwrap_or(0)
            });
            target.assign(&resample::zoom_nearest(input.view(), [n_rows, n_cols]));
        }
        self.grid.to_file_axes(&map, self.orientation)
    }

    /// Keeps of a class its largest connected component; all others become background. Returns how many voxels that were.
    pub fn keep_largest(&mut self, class: u8) -> usize {
        let volume = self.classes.view_mut().reversed_axes();
        Components::of_class(volume.view(), class).keep_largest(volume)
    }

    /// Volume of each class but the background, in millilitres.
    pub fn volumes_ml(&self) -> impl Iterator<Item = (&str, f64)> {
        let voxel_ml = self.grid.voxel_mm3() / 1000.0;
        let mut n_voxels = [0_usize; 256];
        // In the order of memory: in that of the axes, each step would be to another page.
        self.classes.view().reversed_axes().iter().for_each(|&class| n_voxels[usize::from(class)] += 1);
        let classes = self.labels.names.iter().zip(n_voxels).skip(1);
        classes.map(move |(name, n)| (name.as_str(), n as f64 * voxel_ml))
    }

    /// Measures each class but the background; `pass` gives the scan's voxels in the order of its file.
    ///
    /// # Errors
    /// Where the scan can't be read again.
    pub fn statistics(
        &self,
        pass: impl FnOnce(&mut dyn FnMut(f32)) -> Result<(), VolumeError>,
    ) -> Result<Vec<ClassStatistics>, FasterSamError> {
        let mut found = vec![Measured::default(); 256];
        let volume = self.classes.view().reversed_axes();
        let mut classes = volume.indexed_iter();
        pass(&mut |value| {
            if let Some((place, &class)) = classes.next()
                && class > 0
            {
                found[usize::from(class)].add(place, value.into());
            }
        })?;
        let voxel_ml = self.grid.voxel_mm3() / 1000.0;
        let classes = self.labels.entries().zip(0_u8..).zip(&found).skip(1);
        Ok(classes.map(|(((code, name), class), found)| found.of(name, code, voxel_ml, volume, class)).collect())
    }

    /// Slices through each class, as the model sees them: for every class that was found, the slice that has most of it, each
    /// slice once, in their order, and at most `most`. `pass` gives the scan's voxels in the order of its file.
    ///
    /// # Errors
    /// Where the scan can't be read again.
    pub fn slices_through_classes(
        &self,
        most: usize,
        pass: impl FnOnce(&mut dyn FnMut(f32)) -> Result<(), VolumeError>,
    ) -> Result<Vec<SliceView>, FasterSamError> {
        let classes = self.oriented();
        let n_slices = classes.len_of(Axis(0));
        let mut counts = vec![[0_usize; 256]; n_slices];
        for (counts, slice) in counts.iter_mut().zip(classes.outer_iter()) {
            slice.iter().for_each(|&class| counts[usize::from(class)] += 1);
        }
        let best = |class: usize| (0..n_slices).rev().max_by_key(|&slice| counts[slice][class]);
        let found = (1..256).filter(|&class| counts.iter().any(|counts| counts[class] > 0));
        let mut shown: Vec<usize> = found.filter_map(best).collect();
        if shown.is_empty() {
            shown.push(n_slices / 2);
        }
        let mut seen = Vec::new();
        shown.retain(|slice| !seen.contains(slice) && (seen.push(*slice), true).1);
        shown.truncate(most);
        shown.sort_unstable();
        let mut images: Vec<Array2<f32>> =
            shown.iter().map(|_| Array2::zeros((classes.len_of(Axis(1)), classes.len_of(Axis(2))))).collect();
        self.collect(&shown, &mut images, pass)?;
        let [_, row_mm, col_mm] = self.grid.oriented_spacing_mm(self.orientation);
        let views = shown.into_iter().zip(images).map(|(slice, image)| SliceView {
            slice,
            image,
            classes: classes.index_axis(Axis(0), slice).to_owned(),
            paused_at: self.slices.get(slice).map(|slice| slice.paused_at.clone()).unwrap_or_default(),
            pixel_aspect: row_mm / col_mm,
        });
        Ok(views.collect())
    }

    /// The intensities, in the scan's unit, that the model takes for 0 and 1.
    #[must_use]
    pub fn window(&self) -> [f64; 2] {
        self.scaling.range().map(f64::from)
    }

    /// The pause points of the model, as [`SlicePauses::paused_at`] counts them, in words.
    pub fn pause_point_names(&self) -> impl Iterator<Item = String> {
        self.pause_points.iter().map(|&point| pause_point_name(point))
    }

    /// The classes as the model sees them, `[slices, rows, columns]`.
    fn oriented(&self) -> ArrayView3<'_, u8> {
        let own = self.grid.orientation();
        let mut view = self.classes.view().reversed_axes().permuted_axes(own.permutation(self.orientation));
        own.flip(&mut view, self.orientation);
        view
    }

    /// The gray values of some slices.
    fn collect(
        &self,
        slices: &[usize],
        images: &mut [Array2<f32>],
        pass: impl FnOnce(&mut dyn FnMut(f32)) -> Result<(), VolumeError>,
    ) -> Result<(), FasterSamError> {
        let own = self.grid.orientation();
        let (permutation, turns) = (own.permutation(self.orientation), own.turns(self.orientation));
        let sizes = self.grid.oriented_shape(self.orientation);
        let [n_cols, n_rows, _] = self.grid.shape;
        let mut at = 0;
        pass(&mut |value| {
            let file = [at / (n_cols * n_rows), at / n_cols % n_rows, at % n_cols];
            at += 1;
            let place: [usize; 3] = std::array::from_fn(|axis| {
                let place = file[permutation[axis]];
                if turns[axis] { sizes[axis].saturating_sub(place + 1) } else { place }
            });
            if let Ok(shown) = slices.binary_search(&place[0])
                && let Some(pixel) = images[shown].get_mut((place[1], place[2]))
            {
                *pixel = self.scaling.apply(value);
            }
        })?;
        Ok(())
    }
}

/// What is known of a class after a pass.
#[derive(Clone, Default)]
struct Measured {
    n_voxels: usize,
    n_finite: usize,
    mean: f64,
    squares: f64,
    /// First and last place along the axes `[k, j, i]`.
    bounds: Option<[[usize; 2]; 3]>,
}

impl Measured {
    fn add(&mut self, (k, j, i): (usize, usize, usize), value: f64) {
        self.n_voxels += 1;
        let place = [i, j, k];
        let bounds = self.bounds.get_or_insert(place.map(|at| [at, at]));
        for ([first, last], at) in bounds.iter_mut().zip(place) {
            (*first, *last) = ((*first).min(at), (*last).max(at));
        }
        if value.is_finite() {
            // Welford's update: no sum of squares that swallows what it is the difference of.
            self.n_finite += 1;
            let before = value - self.mean;
            self.mean += before / self.n_finite as f64;
            self.squares += before * (value - self.mean);
        }
    }

    fn of(&self, name: &str, code: u16, voxel_ml: f64, volume: ArrayView3<u8>, class: u8) -> ClassStatistics {
        let components = Components::of_class(volume, class);
        let is_known = self.n_finite > 0;
        ClassStatistics {
            name: name.to_owned(),
            code,
            n_voxels: self.n_voxels,
            volume_ml: self.n_voxels as f64 * voxel_ml,
            mean_intensity: is_known.then_some(self.mean),
            std_intensity: is_known.then(|| (self.squares / self.n_finite as f64).sqrt()),
            bounding_box_vox: self.bounds,
            n_components: components.len(),
            largest_component_ml: components.largest() as f64 * voxel_ml,
        }
    }
}

fn pause_point_name(point: usize) -> String {
    if point == 0 { "paused before the first block".to_owned() } else { format!("paused after block {point}") }
}

/// Where the names of a label map's labels go: beside it, for `liver.nii.gz` into `liver_labels.json`, for `liver.nii` into
/// `liver.nii_labels.json`.
#[must_use]
pub fn label_names_path(label_map: &Path) -> PathBuf {
    let (mut name, ending) = split_ending(label_map);
    if ending == ".nii" {
        name.push(ending);
    }
    name.push("_labels.json");
    label_map.with_file_name(name)
}

/// A file's name without `.nii.gz` or `.nii`, and that; a name that ends in neither is whole, and `.nii.gz` its ending.
#[must_use]
pub fn split_ending(path: &Path) -> (OsString, &'static str) {
    let name = Path::new(path.file_name().unwrap_or_default());
    let ends_in = |name: &Path, ending: &str| name.extension().is_some_and(|found| found == ending);
    let stem = |name: &Path| name.file_stem().unwrap_or_default().to_owned();
    let unpacked = stem(name);
    if ends_in(name, "gz") && ends_in(Path::new(&unpacked), "nii") {
        (stem(Path::new(&unpacked)), ".nii.gz")
    } else if ends_in(name, "nii") {
        (unpacked, ".nii")
    } else {
        (name.as_os_str().to_owned(), ".nii.gz")
    }
}
