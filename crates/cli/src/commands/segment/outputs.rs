//! Where results go: names, and that nothing is in their place.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use fastersam::{label_names_path, split_ending};
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
    /// SCAN_segmentation_viewer.html; scan and pause map are in it
    #[arg(long)]
    pub html: bool,
    /// Write colors and names for 3D Slicer (SCAN_segmentation_colors.ctbl) and ITK-SNAP (SCAN_segmentation_labels.txt)
    #[arg(long)]
    pub color_tables: bool,
}

/// Where results go.
#[derive(Debug, Args)]
pub struct Destination {
    /// Where to write: the label map's file (.nii.gz or .nii), or a folder for SCAN_segmentation.nii.gz of each scan; all else
    /// goes beside the label map [default: beside the scan]
    #[arg(long, short, value_name = "PATH")]
    pub output: Option<PathBuf>,
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
    /// Its label map.
    pub label_map: PathBuf,
}

/// The ends of the names of results, before their ending, that are NIfTI files.
const RESULTS: [&str; 3] = ["_segmentation", "_pause_map", "_probabilities"];

/// Whether a file is called like a result of this command.
pub fn is_result(path: &Path) -> bool {
    let (stem, _) = split_ending(path);
    RESULTS.iter().any(|end| stem.to_string_lossy().ends_with(end))
}

impl Job {
    /// A file beside the label map, called like it with another end.
    pub fn beside(&self, end: &str) -> PathBuf {
        let (mut name, _) = split_ending(&self.label_map);
        name.push(end);
        self.label_map.with_file_name(name)
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
        let mut outputs = vec![self.label_map.clone(), label_names_path(&self.label_map)];
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
            jobs.push(Job {
                scan: scan.clone(),
                label_map: label_map_path(scan, scans.len(), self.output.as_deref())?,
            });
        }
        if self.skip_existing {
            jobs.retain(|job| !job.label_map.exists());
        }
        let inputs: Vec<&Path> = scans.iter().map(PathBuf::as_path).chain(weights).collect();
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
        if let Some(folder) = self.output.as_deref().filter(|path| !is_file_name(path, scans.len()))
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
}

/// Whether `--output` names the label map itself, and not a folder.
fn is_file_name(output: &Path, n_scans: usize) -> bool {
    let name = output.to_string_lossy();
    n_scans == 1 && (name.ends_with(".nii") || name.ends_with(".nii.gz"))
}

fn label_map_path(scan: &Path, n_scans: usize, output: Option<&Path>) -> Result<PathBuf> {
    let name = default_output(scan);
    let Some(output) = output else { return Ok(name) };
    if is_file_name(output, n_scans) {
        let folder = fastersam_files::parent_folder(output);
        fs::metadata(folder).ok().filter(fs::Metadata::is_dir).with_context(|| {
            format!("the folder {} for the label map does not exist; make it first", folder.display())
        })?;
        return Ok(output.to_owned());
    }
    let text = output.to_string_lossy();
    let is_new = !output.exists() && !text.ends_with(['/', '\\']);
    if n_scans > 1 && (text.ends_with(".nii") || text.ends_with(".nii.gz")) {
        bail!("{} is one file for {n_scans} scans: give --output a folder", output.display());
    }
    if output.is_file() || (is_new && output.extension().is_some()) {
        bail!(
            "the label map is a NIfTI file: give --output a name that ends in .nii.gz or .nii, or a folder, not {text}"
        );
    }
    Ok(output.join(name.file_name().unwrap_or_default()))
}

/// Beside the scan, with its ending: scans of different names have label maps of different names.
fn default_output(scan: &Path) -> PathBuf {
    let (mut name, ending) = split_ending(scan);
    name.push("_segmentation");
    name.push(ending);
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
            assert_eq!(default_output(Path::new(scan)), Path::new(expected));
        }
    }

    #[cfg(unix)]
    #[test]
    fn names_that_are_no_text_have_outputs_of_their_own() {
        use std::os::unix::ffi::OsStrExt;
        let names: [&[u8]; 2] = [b"scan-\xff.nii.gz", b"scan-\xfe.nii.gz"];
        let [first, second] = names.map(|name| default_output(Path::new(std::ffi::OsStr::from_bytes(name))));
        assert_eq!(first.as_os_str().as_bytes(), b"scan-\xff_segmentation.nii.gz");
        assert_ne!(first, second);
        assert_ne!(label_names_path(&first), label_names_path(&second));
    }
}
