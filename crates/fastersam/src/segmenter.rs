//! From a scan to its label map, with what a checkpoint says of itself.

use std::path::Path;

use burn::tensor::Device;
use fastersam_kernels::WeightPrecision;
use fastersam_pausing_encoder::PauseSettings;
use fastersam_volume::{Grid, Intensity, Orientation, Planes, Scaling, Scan, ScanFile, Survey, VolumeError};
use ndarray::{Array2, Array3, Array4, ArrayView3, Axis};
use tracing::info_span;

use crate::checkpoint::{Checkpoint, CheckpointInfo};
use crate::error::FasterSamError;
use crate::label_map::LabelMap;
use crate::segment::{Targets, VolumeSegmenter, resample};

/// A trained model that takes scans as they are: it knows from its checkpoint how they must lie, how their
/// intensities are scaled, and what its classes are called.
#[derive(Clone, Debug)]
pub struct Segmenter {
    info: CheckpointInfo,
    volumes: VolumeSegmenter,
}

/// How a scan is segmented.
#[derive(Clone, Debug, Default)]
pub struct SegmentOptions {
    /// Which tokens pause.
    pub pausing: PauseSettings,
    /// Whether a scan may have more than [`MAX_INVALID_SHARE`](fastersam_volume::MAX_INVALID_SHARE) of voxels that are NaN or
    /// infinite.
    pub allow_invalid: bool,
    /// How intensities are scaled, where that is not as the checkpoint says.
    pub intensity: Option<Intensity>,
    /// Whether the probabilities of all classes are wanted: memory for one number a voxel and class.
    pub probabilities: bool,
}

/// The most probabilities of a scan, 4 GiB of memory.
const MAX_PROBABILITIES: usize = 1 << 30;

impl Segmenter {
    /// Loads a trained model: a one-file model, a checkpoint, or the newest checkpoint of a run or of a folder of checkpoints.
    ///
    /// # Errors
    /// As [`Checkpoint::load`].
    pub fn load(path: impl AsRef<Path>, device: &Device) -> Result<Self, FasterSamError> {
        Checkpoint::load(path.as_ref(), device).map(Self::from)
    }

    /// Of a checkpoint, with the weights of the encoder's blocks in some [precision](crate::FasterSam::prepack_as).
    #[must_use]
    pub fn of(checkpoint: Checkpoint, precision: WeightPrecision) -> Self {
        Self::new(checkpoint.info, VolumeSegmenter::new(checkpoint.model.prepack_as(precision)))
    }

    /// Of a model that is loaded already, with what its checkpoint says of it.
    #[must_use]
    pub fn new(info: CheckpointInfo, volumes: VolumeSegmenter) -> Self {
        Self { info, volumes }
    }

    /// The same with `batch_size` slices at a time; 8 where this is not asked for.
    #[must_use]
    pub fn with_batch_size(self, batch_size: usize) -> Self {
        Self { volumes: self.volumes.with_batch_size(batch_size), ..self }
    }

    /// What the checkpoint says of itself.
    #[must_use]
    pub fn info(&self) -> &CheckpointInfo {
        &self.info
    }

    /// The pause setting that is recommended for the model; `never` where none is.
    #[must_use]
    pub fn recommended_pausing(&self) -> PauseSettings {
        self.info.recommended.as_ref().map(|found| found.settings.clone()).unwrap_or_default()
    }

    /// What segments volumes that are prepared already.
    #[must_use]
    pub fn volumes(&self) -> &VolumeSegmenter {
        &self.volumes
    }

    /// Segments a scan in any orientation: turns it as the training scans lay, scales its intensities as theirs,
    /// segments it slice by slice, and brings the classes back to the axes of the file.
    ///
    /// # Errors
    /// Where the scan is empty, has too many voxels that are not finite, or the pause settings don't fit the model.
    pub fn segment_scan(&self, scan: &Scan, pausing: &PauseSettings) -> Result<LabelMap, FasterSamError> {
        let options = SegmentOptions { pausing: pausing.clone(), ..SegmentOptions::default() };
        self.segment_scan_with(scan, &options, |_| {})
    }

    /// [`segment_scan`](Self::segment_scan) with all options; `done` hears after each batch how many slices it had.
    ///
    /// # Errors
    /// As there.
    pub fn segment_scan_with(
        &self,
        scan: &Scan,
        options: &SegmentOptions,
        done: impl FnMut(usize),
    ) -> Result<LabelMap, FasterSamError> {
        let mut survey = Survey::default();
        let voxels = scan.voxels.view().permuted_axes([2, 1, 0]);
        voxels.outer_iter().for_each(|plane| survey.add_slice(plane.iter().copied()));
        let task = self.task(&scan.grid, &scan.notes, &survey, options, |see| scan.for_each_voxel(see))?;
        self.segment_planes(task, options, InMemory::new(voxels), done)
    }

    /// Segments a scan that stays in its file: slices are read as they are needed where they lie one behind the other in it,
    /// so that memory holds the label map and some slices. The result is that of [`segment_scan`](Self::segment_scan).
    ///
    /// `done` hears after each batch how many slices it had.
    ///
    /// # Errors
    /// As there, and where the file is truncated or damaged.
    pub fn segment_file(
        &self,
        file: &mut ScanFile,
        options: &SegmentOptions,
        done: impl FnMut(usize),
    ) -> Result<LabelMap, FasterSamError> {
        let survey = info_span!("survey").in_scope(|| file.survey())?;
        let (grid, notes) = (file.grid.clone(), file.notes.clone());
        let task = self.task(&grid, &notes, &survey, options, |see| file.for_each_voxel(see))?;
        if task.slice_axis() == 0 {
            let planes = file.planes()?;
            self.segment_planes(task, options, planes, done)
        } else {
            let scan = file.clone().read()?;
            self.segment_planes(task, options, InMemory::new(scan.voxels.view().permuted_axes([2, 1, 0])), done)
        }
    }

    /// What is to be done with a scan; `pass` gives its voxels once more.
    fn task(
        &self,
        grid: &Grid,
        notes: &[String],
        survey: &Survey,
        options: &SegmentOptions,
        pass: impl FnOnce(&mut dyn FnMut(f32)) -> Result<(), VolumeError>,
    ) -> Result<Task, FasterSamError> {
        survey.check(options.allow_invalid).map_err(|reason| match survey.range() {
            Some(_) => FasterSamError::InvalidVoxels(reason),
            None => FasterSamError::Scan(reason),
        })?;
        let intensity = options.intensity.as_ref().unwrap_or(&self.info.intensity);
        let mut warnings = notes.to_vec();
        warnings.extend(survey.invalid_note());
        if survey.is_constant() {
            warnings.push("all its voxels have the same value: there is nothing to segment".to_owned());
        } else if let (Some(training), Some(found), None) =
            // Where the user says how to scale, the comparison with training is theirs too.
            (&self.info.training_intensities, survey.quantiles(), &options.intensity)
        {
            warnings.extend(intensity.mismatch(training, &found));
        }
        let scaling = intensity.scaling(survey, pass)?;
        Ok(Task { grid: grid.clone(), warnings, scaling, wanted: self.info.orientation })
    }

    fn segment_planes(
        &self,
        task: Task,
        options: &SegmentOptions,
        mut planes: impl PlaneSource + Send,
        mut done: impl FnMut(usize),
    ) -> Result<LabelMap, FasterSamError> {
        let Task { grid, warnings, scaling, wanted } = task;
        let own = grid.orientation();
        let permutation = own.permutation(wanted);
        let [n_cols, n_rows, n_planes] = grid.shape;
        // In the order of the file, whatever the slices are.
        let mut classes = Array3::<u8>::zeros((n_planes, n_rows, n_cols));
        let mut target = classes.view_mut().permuted_axes(permutation);
        let mut probabilities = self.probabilities_for(&grid, options)?;
        let mut probability_target = probabilities.as_mut().map(|all| {
            let [a, b, c] = permutation.map(|axis| axis + 1);
            all.view_mut().permuted_axes([0, a, b, c])
        });
        // Slices come in the order of the file; each is turned by itself.
        let turns = own.turns(wanted);
        for axis in [1, 2].into_iter().filter(|&axis| turns[axis]) {
            target.invert_axis(Axis(axis));
            probability_target.iter_mut().for_each(|target| target.invert_axis(Axis(axis + 1)));
        }
        let targets = Targets { classes: target, probabilities: probability_target };
        let size = self.volumes.model().encoder_config().img_size;
        let next = |n: usize| {
            let span = info_span!("slices").entered();
            let mut slices = Vec::with_capacity(n);
            for _ in 0..n {
                let plane = planes.next_slice(permutation)?;
                let mut slice = plane.mapv(|value| scaling.apply(value));
                for axis in [1, 2].into_iter().filter(|&axis| turns[axis]) {
                    slice.invert_axis(Axis(axis - 1));
                }
                slices.push(slice);
            }
            drop(span);
            let views: Vec<_> = slices.iter().map(|slice: &Array2<f32>| slice.view()).collect();
            Ok(resample(&views, size))
        };
        let mut slices = self.volumes.segment_batches(next, &options.pausing, targets, &mut done)?;
        planes.finish()?;
        if turns[0] {
            slices.reverse();
        }
        Ok(LabelMap {
            classes: classes.reversed_axes(),
            labels: self.info.labels.clone(),
            slices,
            probabilities,
            warnings,
            grid,
            orientation: wanted,
            scaling,
            input_size: size,
            pause_points: self.info.model.encoder.pause_points.clone(),
        })
    }

    /// Room for the probabilities of a scan, `[class, k, j, i]`, where they are wanted.
    fn probabilities_for(
        &self,
        grid: &Grid,
        options: &SegmentOptions,
    ) -> Result<Option<Array4<f32>>, FasterSamError> {
        if !options.probabilities {
            return Ok(None);
        }
        let n_classes = self.info.labels.n_classes();
        let [n_cols, n_rows, n_planes] = grid.shape;
        // A scan has at most 2^30 voxels.
        let n = n_cols * n_rows * n_planes * n_classes;
        if n > MAX_PROBABILITIES {
            return Err(FasterSamError::Scan(format!(
                "it has {n} probabilities; {MAX_PROBABILITIES} are the most that are kept"
            )));
        }
        Ok(Some(Array4::zeros((n_classes, n_planes, n_rows, n_cols))))
    }
}

/// A scan on its way through the model.
struct Task {
    grid: Grid,
    warnings: Vec<String>,
    scaling: Scaling,
    wanted: Orientation,
}

impl Task {
    /// Which axis of the volume `[k, j, i]` the slices lie along.
    fn slice_axis(&self) -> usize {
        self.grid.orientation().permutation(self.wanted)[0]
    }
}

/// Gives the slices of a scan in the order of its file, with rows and columns in the model's order, not yet turned.
trait PlaneSource {
    /// The next slice; `permutation` says which axes of the volume `[k, j, i]` slices, rows and columns are.
    fn next_slice(&mut self, permutation: [usize; 3]) -> Result<Array2<f32>, FasterSamError>;

    /// Nothing must be behind the last slice.
    fn finish(&mut self) -> Result<(), FasterSamError>;
}

impl PlaneSource for Planes {
    fn next_slice(&mut self, permutation: [usize; 3]) -> Result<Array2<f32>, FasterSamError> {
        let plane = self.next_plane()?.ok_or_else(|| FasterSamError::Scan("it has fewer slices".to_owned()))?;
        Ok(if permutation[1] == 1 { plane } else { plane.reversed_axes() })
    }

    fn finish(&mut self) -> Result<(), FasterSamError> {
        Ok(self.next_plane().map(|_| ())?)
    }
}

/// Slices of a volume `[k, j, i]` in memory.
struct InMemory<'a> {
    volume: ArrayView3<'a, f32>,
    next: usize,
}

impl<'a> InMemory<'a> {
    fn new(volume: ArrayView3<'a, f32>) -> Self {
        Self { volume, next: 0 }
    }
}

impl PlaneSource for InMemory<'_> {
    fn next_slice(&mut self, permutation: [usize; 3]) -> Result<Array2<f32>, FasterSamError> {
        let volume = self.volume.permuted_axes(permutation);
        self.next += 1;
        Ok(volume.index_axis(Axis(0), self.next - 1).to_owned())
    }

    fn finish(&mut self) -> Result<(), FasterSamError> {
        Ok(())
    }
}

impl From<Checkpoint> for Segmenter {
    fn from(checkpoint: Checkpoint) -> Self {
        Self::of(checkpoint, WeightPrecision::F32)
    }
}
