//! A scan as it is read: a NIfTI file, or a DICOM series.

use std::path::Path;

use anyhow::Result;
use fastersam::{LabelMap, Scan, ScanFile, SegmentOptions, Segmenter};
use fastersam_dicom::{DicomSeries, is_dicom};
use fastersam_volume::{Grid, VolumeError};

/// A scan that was found good as far as its headers say.
pub enum Source {
    /// A NIfTI file, whose voxels stay in it.
    Nifti(Box<ScanFile>),
    /// A DICOM series, whose voxels are read by [`segment`](Self::segment).
    Dicom(Box<DicomSeries>, Option<Box<Scan>>),
}

impl Source {
    /// Reads the headers. `series` is the UID or number of a DICOM series; of other scans nothing is chosen.
    ///
    /// # Errors
    /// The scan can't be read, or it is not clear which series is meant.
    pub fn open(path: &Path, series: Option<&str>) -> Result<Self> {
        if is_dicom(path) {
            Ok(Self::Dicom(Box::new(DicomSeries::open(path, series)?), None))
        } else {
            Ok(Self::Nifti(Box::new(ScanFile::open(path)?)))
        }
    }

    /// Where the voxels lie.
    pub fn grid(&self) -> &Grid {
        match self {
            Self::Nifti(file) => &file.grid,
            Self::Dicom(series, _) => series.grid(),
        }
    }

    /// The series, where it is one.
    pub fn series(&self) -> Option<&DicomSeries> {
        match self {
            Self::Nifti(_) => None,
            Self::Dicom(series, _) => Some(series),
        }
    }

    /// Segments the scan; `done` hears after each batch how many slices it had.
    ///
    /// # Errors
    /// The voxels can't be read, or the model can't segment them.
    pub fn segment(
        &mut self,
        segmenter: &Segmenter,
        options: &SegmentOptions,
        done: impl FnMut(usize),
    ) -> Result<LabelMap> {
        match self {
            Self::Nifti(file) => Ok(segmenter.segment_file(file, options, done)?),
            Self::Dicom(series, voxels) => {
                let scan = voxels.insert(Box::new(series.scan()?));
                Ok(segmenter.segment_scan_with(scan, options, done)?)
            }
        }
    }

    /// All voxels of a scan that was segmented, in its order.
    ///
    /// # Errors
    /// They can't be read again.
    pub fn for_each_voxel(&self, see: &mut dyn FnMut(f32)) -> Result<(), VolumeError> {
        match self {
            Self::Nifti(file) => file.for_each_voxel(see),
            Self::Dicom(_, voxels) => voxels.as_ref().map_or(Ok(()), |scan| scan.for_each_voxel(see)),
        }
    }

    /// Writes the intensities of a DICOM series that was segmented as NIfTI; does nothing for a scan that is NIfTI already.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn write_nifti(&self, path: &Path) -> Result<(), VolumeError> {
        match self {
            Self::Dicom(_, Some(scan)) => scan.grid.write_intensities(path, &scan.voxels),
            _ => Ok(()),
        }
    }
}
