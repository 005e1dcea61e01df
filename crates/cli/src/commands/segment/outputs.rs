//! Where results go: names, and that nothing is in their place.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use fastersam::{label_names_path, split_ending};
use fastersam_dicom::{files_of, is_dicom};
use fastersam_files::{FileError, claim_output};

/// What is written beside the label map.
#[derive(Clone, Copy, Debug, Default, Args)]
#[allow(clippy::struct_excessive_bools)]
pub struct Extras {
    /// Write where tokens paused, as a label map: SCAN_segmentation_pause_map.nii.gz; `--html` does so too
    #[arg(long)]
    pub save_pause_map: bool,
    /// Write the probability of each class, a 4-D file: SCAN_segmentation_probabilities.nii.gz
    #[arg(long)]
    pub save_probabilities: bool,
    /// Write each class's volume, intensity, bounding box and number of components: SCAN_segmentation_statistics.json and .csv
    #[arg(long)]
    pub statistics: bool,
    /// Draw slices through each class, with the map over them and where tokens paused: SCAN_segmentation_preview.png
    #[arg(long)]
    pub preview: bool,
    /// Write a page that shows the scan with its map, slice by slice and in 3-D, and opens from disk:
    /// SCAN_segmentation_viewer.html; scan and pause map are in it. A DICOM series is also written as NIfTI:
    /// SCAN_segmentation_scan.nii.gz
    #[arg(long)]
    pub html: bool,
    /// Write colors and names for 3D Slicer (SCAN_segmentation_colors.ctbl) and ITK-SNAP (SCAN_segmentation_labels.txt)
    #[arg(long)]
    pub color_tables: bool,
}

/// What kind of file a label map is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// NIfTI: .nii.gz or .nii
    #[default]
    Nifti,
    /// A DICOM segmentation (.dcm) that refers to the images of the series; the scan must be DICOM
    DicomSeg,
}

impl Format {
    /// The endings of its files, the usual one first.
    fn endings(self) -> &'static [&'static str] {
        match self {
            Self::Nifti => &[".nii.gz", ".nii"],
            Self::DicomSeg => &[".dcm"],
        }
    }

    fn has_name(self, path: &Path) -> bool {
        let name = path.to_string_lossy();
        self.endings().iter().any(|ending| name.ends_with(ending))
    }
}

/// Where results go.
#[derive(Debug, Args)]
pub struct Destination {
    /// Where to write: the label map's file (.nii.gz or .nii; .dcm with `--format dicom-seg`), or a folder for
    /// SCAN_segmentation.nii.gz of each scan; all else goes beside the label map [default: beside the scan]
    #[arg(long, short, value_name = "PATH")]
    pub output: Option<PathBuf>,
    /// What kind of file the label map is
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Replace results that are there already
    #[arg(long)]
    overwrite: bool,
    /// Pass over scans whose label map is there already
    #[arg(long, conflicts_with = "overwrite")]
    skip_existing: bool,
    #[command(flatten)]
    pub extras: Extras,
}

/// A scan and where its results go.
#[derive(Clone, Debug)]
pub struct Job {
    /// The scan.
    pub scan: PathBuf,
    /// Whether it is read as DICOM.
    pub is_dicom: bool,
    /// Its label map.
    pub label_map: PathBuf,
    /// What kind of file that is.
    pub format: Format,
}

/// The ends of the names of results, before their ending, that are NIfTI files.
const RESULTS: [&str; 4] = ["_segmentation", "_pause_map", "_probabilities", "_segmentation_scan"];

/// Whether a file is called like a result of this command.
pub fn is_result(path: &Path) -> bool {
    let (stem, _) = split_ending(path);
    RESULTS.iter().any(|end| stem.to_string_lossy().ends_with(end))
}

impl Job {
    /// A file beside the label map, called like it with another end.
    pub fn beside(&self, end: &str) -> PathBuf {
        let mut name = match self.format {
            Format::Nifti => split_ending(&self.label_map).0,
            Format::DicomSeg => self.label_map.file_stem().unwrap_or_default().to_owned(),
        };
        name.push(end);
        self.label_map.with_file_name(name)
    }

    /// The label map as NIfTI, which a viewer needs.
    pub fn nifti_label_map(&self) -> PathBuf {
        match self.format {
            Format::Nifti => self.label_map.clone(),
            Format::DicomSeg => self.beside(".nii.gz"),
        }
    }

    /// The scan as NIfTI, which a viewer needs.
    pub fn nifti_scan(&self) -> PathBuf {
        if self.is_dicom { self.beside("_scan.nii.gz") } else { self.scan.clone() }
    }

    pub fn pause_map(&self) -> PathBuf {
        self.beside("_pause_map.nii.gz")
    }

    pub fn probabilities(&self) -> PathBuf {
        self.beside("_probabilities.nii.gz")
    }

    pub fn statistics(&self) -> [PathBuf; 2] {
        [self.beside("_statistics.json"), self.beside("_statistics.csv")]
    }

    pub fn preview(&self) -> PathBuf {
        self.beside("_preview.png")
    }

    pub fn viewer(&self) -> PathBuf {
        self.beside("_viewer.html")
    }

    /// For 3D Slicer and for ITK-SNAP.
    pub fn color_tables(&self) -> [PathBuf; 2] {
        [self.beside("_colors.ctbl"), self.beside("_labels.txt")]
    }

    /// All files that are written.
    fn outputs(&self, extras: &Extras) -> Vec<PathBuf> {
        let mut outputs = vec![self.label_map.clone()];
        if self.format == Format::Nifti || extras.html {
            let nifti = self.nifti_label_map();
            outputs.push(label_names_path(&nifti));
            outputs.extend((nifti != self.label_map).then_some(nifti));
        }
        outputs.extend((extras.html && self.is_dicom).then(|| self.nifti_scan()));
        outputs.extend((extras.save_pause_map || extras.html).then(|| self.pause_map()));
        outputs.extend(extras.save_probabilities.then(|| self.probabilities()));
        outputs.extend(extras.preview.then(|| self.preview()));
        outputs.extend(extras.html.then(|| self.viewer()));
        outputs.extend(extras.statistics.then(|| self.statistics()).into_iter().flatten());
        outputs.extend(extras.color_tables.then(|| self.color_tables()).into_iter().flatten());
        outputs
    }
}

impl Destination {
    /// Before minutes of work: where the results of each scan go, and that they can be written there, onto nothing else. Also
    /// says how many scans have their label map already, where these are passed over.
    pub fn plan(&self, scans: &[PathBuf], weights: Option<&Path>) -> Result<(Vec<Job>, usize)> {
        let mut jobs = Vec::with_capacity(scans.len());
        for scan in scans {
            let is_dicom = is_dicom(scan);
            if self.format == Format::DicomSeg && !is_dicom && scan.exists() {
                bail!(
                    "{} is no DICOM series, and a DICOM segmentation refers to the images of one: leave out --format dicom-seg",
                    scan.display()
                );
            }
            jobs.push(Job {
                scan: scan.clone(),
                is_dicom,
                label_map: self.label_map_path(scan, scans.len())?,
                format: self.format,
            });
        }
        if self.skip_existing {
            jobs.retain(|job| !job.label_map.exists());
        }
        let mut inputs: Vec<PathBuf> = weights.map(Path::to_owned).into_iter().collect();
        for scan in scans {
            inputs.extend(files_of(scan)?);
        }
        let inputs: Vec<&Path> = inputs.iter().map(PathBuf::as_path).collect();
        let mut taken: BTreeMap<PathBuf, &Path> = BTreeMap::new();
        for job in &jobs {
            for output in job.outputs(&self.extras) {
                if let Some(other) = taken.insert(output.clone(), &job.scan) {
                    bail!(
                        "{} and {} would both write {}; segment them one by one, or into different folders",
                        other.display(),
                        job.scan.display(),
                        output.display()
                    );
                }
            }
        }
        // The folder only when all else is in order.
        if let Some(folder) = self.output.as_deref().filter(|path| !self.is_file_name(path, scans.len()))
            && !folder.exists()
        {
            let parent = fastersam_files::parent_folder(folder);
            if !parent.is_dir() {
                bail!("the folder {} for {} does not exist; make it first", parent.display(), folder.display());
            }
            fs::create_dir(folder).map_err(FileError::at(folder))?;
        }
        for output in jobs.iter().flat_map(|job| job.outputs(&self.extras)) {
            claim_output(&output, &inputs, self.overwrite)?;
        }
        let n_skipped = scans.len() - jobs.len();
        Ok((jobs, n_skipped))
    }

    /// Whether `--output` names the label map itself, and not a folder.
    fn is_file_name(&self, output: &Path, n_scans: usize) -> bool {
        n_scans == 1 && self.format.has_name(output)
    }

    fn label_map_path(&self, scan: &Path, n_scans: usize) -> Result<PathBuf> {
        let name = default_output(scan, self.format);
        let Some(output) = self.output.as_deref() else { return Ok(name) };
        if self.is_file_name(output, n_scans) {
            let folder = fastersam_files::parent_folder(output);
            fs::metadata(folder).ok().filter(fs::Metadata::is_dir).with_context(|| {
                format!("the folder {} for the label map does not exist; make it first", folder.display())
            })?;
            return Ok(output.to_owned());
        }
        let text = output.to_string_lossy();
        let is_new = !output.exists() && !text.ends_with(['/', '\\']);
        if n_scans > 1 && self.format.has_name(output) {
            bail!("{} is one file for {n_scans} scans: give --output a folder", output.display());
        }
        if output.is_file() || (is_new && output.extension().is_some()) {
            let kind = match self.format {
                Format::Nifti => "a NIfTI file",
                Format::DicomSeg => "a DICOM segmentation",
            };
            let endings = self.format.endings().join(" or ");
            bail!("the label map is {kind}: give --output a name that ends in {endings}, or a folder, not {text}");
        }
        Ok(output.join(name.file_name().unwrap_or_default()))
    }
}

/// Beside the scan, with its ending: scans of different names have label maps of different names. A folder, archive or file of
/// DICOM gives its name without an ending.
fn default_output(scan: &Path, format: Format) -> PathBuf {
    let (mut name, ending) = split_ending(scan);
    let is_dicom =
        scan.extension().is_some_and(|end| ["dcm", "zip"].iter().any(|known| end.eq_ignore_ascii_case(known)));
    if is_dicom {
        scan.file_stem().unwrap_or_default().clone_into(&mut name);
    }
    name.push("_segmentation");
    name.push(if format == Format::Nifti { ending } else { format.endings()[0] });
    scan.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_outputs_differ_where_their_scans_do() {
        for (scan, expected) in [
            ("a/scan.nii.gz", "a/scan_segmentation.nii.gz"),
            ("a/scan.nii", "a/scan_segmentation.nii"),
            ("scan.NII.GZ", "scan.NII.GZ_segmentation.nii.gz"),
            ("scan.gz", "scan.gz_segmentation.nii.gz"),
            ("scan", "scan_segmentation.nii.gz"),
            ("scan.1.nii.gz", "scan.1_segmentation.nii.gz"),
        ] {
            assert_eq!(default_output(Path::new(scan), Format::Nifti), Path::new(expected));
        }
        for (scan, expected) in [
            ("a/series/", "a/series_segmentation.dcm"),
            ("a/export 1.2", "a/export 1.2_segmentation.dcm"),
            ("a/series.ZIP", "a/series_segmentation.dcm"),
            ("IM1.dcm", "IM1_segmentation.dcm"),
        ] {
            assert_eq!(default_output(Path::new(scan), Format::DicomSeg), Path::new(expected));
        }
    }

    #[cfg(unix)]
    #[test]
    fn names_that_are_no_text_have_outputs_of_their_own() {
        use std::os::unix::ffi::OsStrExt;
        let names: [&[u8]; 2] = [b"scan-\xff.nii.gz", b"scan-\xfe.nii.gz"];
        let [first, second] =
            names.map(|name| default_output(Path::new(std::ffi::OsStr::from_bytes(name)), Format::Nifti));
        assert_eq!(first.as_os_str().as_bytes(), b"scan-\xff_segmentation.nii.gz");
        assert_ne!(first, second);
        assert_ne!(label_names_path(&first), label_names_path(&second));
    }
}
