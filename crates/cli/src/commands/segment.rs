//! `fastersam segment`

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use burn::tensor::Device;
use clap::Args;
use fastersam::{Checkpoint, Intensity, ScanFile, SegmentOptions, Segmenter, label_names_path, split_ending};
use fastersam_files::claim_output;
use serde_json::json;

use super::{Batching, Pausing};
use crate::output::print;
use fastersam_progress::{self as progress, say};
use fastersam_records::NOTICE;

/// What to segment, and with what.
#[derive(Debug, Args)]
pub struct SegmentArgs {
    /// The scan, .nii or .nii.gz (NIfTI-1 or NIfTI-2), in any orientation
    scan: PathBuf,
    /// Checkpoint: the folder `checkpoints` that training wrote, or one in it; it says all that is needed
    #[arg(long, short, value_name = "FOLDER")]
    model: PathBuf,
    /// The backbone's weight file, or the folder of all weight files, where they lie elsewhere than in training
    #[arg(long, value_name = "PATH")]
    weights: Option<PathBuf>,
    /// Where to write the label map; the labels' names go beside it [default:
    /// SCAN_segmentation.nii.gz, beside the scan]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace a label map, or names, that are there already
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    pausing: Pausing,
    /// Scale intensities otherwise than the checkpoint says: window=LOW..HIGH, percentiles=LOW..HIGH, clip-top=PERCENTILE,
    /// or unit (they are in 0 to 1 already)
    #[arg(long, value_name = "SCALING", allow_hyphen_values = true)]
    intensity: Option<Intensity>,
    /// Accept a scan of which more than a tenth is NaN or infinite
    #[arg(long)]
    allow_invalid: bool,
    #[command(flatten)]
    batching: Batching,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Segments a scan, writes the label map and the names of its labels, and prints where they are.
///
/// # Errors
/// Where the scan or the checkpoint can't be read, or the files can't be written or are there already.
pub fn run(arguments: &SegmentArgs, device: &Device) -> Result<()> {
    let output = arguments.output.clone().unwrap_or_else(|| default_output(&arguments.scan));
    arguments.claim(&output)?;
    let scan = ScanFile::open(&arguments.scan)?;
    let checkpoint = Checkpoint::load_with(&arguments.model, arguments.weights.as_deref(), device)?;
    let options = SegmentOptions {
        pausing: arguments.pausing.settings(checkpoint.info.recommended.as_ref())?,
        allow_invalid: arguments.allow_invalid,
        intensity: arguments.intensity.clone(),
    };
    let weights_sha256 = checkpoint.weights_sha256.clone();
    let segmenter = Segmenter::from(checkpoint).with_batch_size(arguments.batching.batch_size);
    let started = Instant::now();
    let n_slices = scan.grid.oriented_shape(segmenter.info().orientation)[0];
    let bar = progress::bar("segmenting", n_slices, "slices");
    let found = segmenter.segment_file(scan, &options, |n| bar.inc(n as u64))?;
    bar.finish_and_clear();
    let seconds = started.elapsed().as_secs_f64();
    found.warnings.iter().for_each(|warning| say(&format!("warning: {}: {warning}", arguments.scan.display())));
    let names = found.write(&output)?;
    let volumes_ml = found.volumes_ml();
    if arguments.json {
        let volumes: serde_json::Map<_, _> = volumes_ml.map(|(name, ml)| (name.to_owned(), json!(ml))).collect();
        let result = json!({
            "segmentation": output.to_string_lossy(), "labels": names.to_string_lossy(), "seconds": seconds,
            "volume_ml": volumes, "pause": options.pausing, "model_sha256": weights_sha256,
            "warnings": found.warnings, "notice": NOTICE,
        });
        return print(&result.to_string());
    }
    for (name, ml) in volumes_ml {
        say(&format!("{name:<20} {ml:>10.1} ml"));
    }
    say(&format!("{n_slices} slices in {seconds:.2} s; label names in {}", names.display()));
    say(NOTICE);
    print(&output.display().to_string())
}

impl SegmentArgs {
    /// Before minutes of work: the label map and its names can be written where the user wants them, onto nothing else.
    fn claim(&self, output: &Path) -> Result<()> {
        let name = output.to_string_lossy();
        if !name.ends_with(".nii") && !name.ends_with(".nii.gz") {
            bail!("the label map is a NIfTI file: give --output a name that ends in .nii.gz or .nii, not {name}");
        }
        let folder = output.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::metadata(folder).ok().filter(std::fs::Metadata::is_dir).with_context(|| {
            format!("the folder {} for the label map does not exist; make it first", folder.display())
        })?;
        let inputs: Vec<&Path> = std::iter::once(self.scan.as_path()).chain(self.weights.as_deref()).collect();
        for path in [output, &label_names_path(output)] {
            claim_output(path, &inputs, self.overwrite)?;
        }
        Ok(())
    }
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
