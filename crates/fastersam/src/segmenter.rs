//! From a scan to its label map, with what a checkpoint says of itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use fastersam_pausing_encoder::PauseSettings;
use fastersam_volume::{LabelTable, Scan};
use ndarray::Array3;
use tracing::info_span;

use crate::checkpoint::{Checkpoint, CheckpointInfo, to_json};
use crate::error::FasterSamError;
use crate::segment::{SlicePauses, VolumeSegmenter};

/// A trained model that takes scans as they are: it knows from its checkpoint how they must lie, how their
/// intensities are scaled, and what its classes are called.
#[derive(Clone, Debug)]
pub struct Segmenter {
    info: CheckpointInfo,
    volumes: VolumeSegmenter,
}

/// What a model found in a scan.
#[derive(Clone, Debug)]
pub struct LabelMap<'a> {
    /// Classes in the axes of the scan's file, `[i, j, k]`.
    pub classes: Array3<u8>,
    /// What they are called.
    pub labels: LabelTable,
    /// Where the tokens of each slice paused; slices as the model sees them.
    pub slices: Vec<SlicePauses>,
    scan: &'a Scan,
}

impl Segmenter {
    /// Loads a checkpoint: the folder itself, or the newest one of a folder of checkpoints.
    ///
    /// # Errors
    /// As [`Checkpoint::load`].
    pub fn load(path: impl AsRef<Path>, device: &Device) -> Result<Self, FasterSamError> {
        Checkpoint::load(path.as_ref(), device).map(Self::from)
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
    /// Where the scan is empty or the pause settings don't fit the model.
    pub fn segment_scan<'a>(
        &self,
        scan: &'a Scan,
        pausing: &PauseSettings,
    ) -> Result<LabelMap<'a>, FasterSamError> {
        self.segment_scan_with(scan, pausing, |_| {})
    }

    /// [`segment_scan`](Self::segment_scan) that says after each batch how many slices it had.
    ///
    /// # Errors
    /// As [`segment_scan`](Self::segment_scan).
    pub fn segment_scan_with<'a>(
        &self,
        scan: &'a Scan,
        pausing: &PauseSettings,
        done: impl FnMut(usize),
    ) -> Result<LabelMap<'a>, FasterSamError> {
        let volume = info_span!("orient").in_scope(|| {
            let (mut volume, _) = scan.oriented(self.info.orientation);
            self.info.intensity.scale(&mut volume);
            volume
        });
        let found = self.volumes.segment_with(&volume, pausing, done)?;
        let classes =
            info_span!("file_axes").in_scope(|| scan.to_file_axes(&found.classes, self.info.orientation));
        Ok(LabelMap { classes, labels: self.info.labels.clone(), slices: found.slices, scan })
    }
}

impl From<Checkpoint> for Segmenter {
    fn from(checkpoint: Checkpoint) -> Self {
        Self::new(checkpoint.info, VolumeSegmenter::new(checkpoint.model.prepack()))
    }
}

impl LabelMap<'_> {
    /// Writes the label map as NIfTI (`.nii` or `.nii.gz`) with the orientation, affine and spacing of the scan, and the
    /// labels' names beside it: for `liver.nii.gz`, `liver_labels.json`. Returns the path of the names.
    ///
    /// # Errors
    /// Where a file can't be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<PathBuf, FasterSamError> {
        let path = path.as_ref();
        // The names first: a label map never lies without them.
        let names = path.with_file_name(format!("{}_labels.json", stem(path)));
        let table: BTreeMap<usize, &String> = self.labels.names.iter().enumerate().collect();
        fastersam_files::write_atomically(&names, to_json(&table)?.as_bytes())?;
        self.scan.write_classes(path, &self.classes)?;
        Ok(names)
    }

    /// Volume of each class but the background, in millilitres.
    pub fn volumes_ml(&self) -> impl Iterator<Item = (&str, f64)> {
        let voxel_ml = self.scan.spacing_mm.iter().product::<f64>() / 1000.0;
        let mut n_voxels = [0_usize; 256];
        self.classes.iter().for_each(|&class| n_voxels[usize::from(class)] += 1);
        let classes = self.labels.names.iter().zip(n_voxels).skip(1);
        classes.map(move |(name, n)| (name.as_str(), n as f64 * voxel_ml))
    }
}

/// A file's name without `.nii` and `.gz`.
#[must_use]
pub fn stem(path: &Path) -> String {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("scan");
    let name = name.strip_suffix(".gz").unwrap_or(name);
    name.strip_suffix(".nii").unwrap_or(name).to_owned()
}
