//! Small good files of every kind that the program reads.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::program::Program;

/// A training of seconds.
const EXPERIMENT: &str = r#"id = "abuse"
title = "Abuse"

[data]
source = "phantom"
family = "heart"
train_cases = 2
calibrate_cases = 1
evaluate_cases = 1

[model]
preset = "tiny"
input_size = 64
pause_points = [0, 2, 4]

[train]
epochs = 2
batch_size = 4
learning_rate = 1e-3
warmup_steps = 2
weight_decay = 0.05
augment = true
checkpoint_every_steps = 2

[measure]
batch_size = 4
thresholds = [0.1]
dice_tolerance = 1.0
throughput_batch_sizes = [4]
throughput_runs = 1
"#;

const DESCRIPTION: &str = r#"name = "abuse"
image = "images/{case}.nii.gz"
label = "labels/{case}.nii.gz"
intensity = { clip_top = { percentile = 99.0 } }
labels = [
    { code = 1, name = "right ventricle" }, { code = 2, name = "myocardium" }, { code = 3, name = "left ventricle" },
]
"#;

/// The files, in one folder: `experiment.toml`, `suite.toml`, `run/` (trained, scored, with its report), `scan.nii.gz`,
/// `scan.nii`, `scan_label.nii.gz`, data sets in `nifti/`, `npz/`, `h5/`, `acdc/`, `prepared/`, `own/`,
/// `weights.safetensors`, and the run as the one-file model `model.fastersam`.
#[derive(Debug)]
pub struct Fixture {
    /// The folder.
    pub folder: PathBuf,
}

impl Fixture {
    /// Makes them with the program itself.
    pub fn make(program: &Program, folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        fs::write(folder.join("experiment.toml"), EXPERIMENT)?;
        fs::write(folder.join("suite.toml"), "title = \"Abuse\"\nexperiments = [\"experiment.toml\"]\n")?;
        let must = |arguments: &[&str]| -> Result<()> {
            let run = program.run(folder, arguments)?;
            if run.succeeded() {
                return Ok(());
            }
            bail!("fastersam {} failed: {}", arguments.join(" "), run.stderr)
        };
        must(&["train", "-c", "experiment.toml", "-o", "run"])?;
        must(&["evaluate", "-m", "run/checkpoints", "-c", "experiment.toml", "--pause", "0.1"])?;
        must(&["export", "run", "-o", "model.fastersam"])?;
        for (form, name) in [
            ("synapse-nifti", "nifti"),
            ("synapse-npz", "npz"),
            ("acdc-h5", "h5"),
            ("acdc-nifti", "acdc"),
            ("nifti", "own"),
            ("prepared", "prepared"),
        ] {
            must(&["data", "phantom", "--form", form, "-o", name, "--cases", "1", "--size", "32"])?;
        }
        fs::write(folder.join("own/dataset-description.toml"), DESCRIPTION)?;
        let scan = first_file(&folder.join("own/images"))?;
        fs::copy(&scan, folder.join("scan.nii.gz"))?;
        fs::copy(first_file(&folder.join("own/labels"))?, folder.join("scan_label.nii.gz"))?;
        let unpacked = Command::new("gzip").args(["-dc"]).arg(&scan).output().context("gzip")?;
        fs::write(folder.join("scan.nii"), unpacked.stdout)?;
        fs::write(folder.join("weights.safetensors"), safetensors())?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// The file that `latest` of the trained run leads to.
    pub fn checkpoint(&self, name: &str) -> Result<String> {
        let latest = fs::read_to_string(self.folder.join("run/checkpoints/latest"))?;
        Ok(format!("run/checkpoints/{latest}/{name}"))
    }
}

/// The first file of a folder by name.
pub fn first_file(folder: &Path) -> Result<PathBuf> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let files = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).filter(|path| path.is_file());
    files.min().with_context(|| format!("{} holds no file", folder.display()))
}

/// Two tensors under names of SAM's.
fn safetensors() -> Vec<u8> {
    let header = r#"{"image_encoder.pos_embed":{"dtype":"F32","shape":[1,2,2,4],"data_offsets":[0,64]},"image_encoder.patch_embed.proj.bias":{"dtype":"F32","shape":[4],"data_offsets":[64,80]}}"#;
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend([0; 80]);
    bytes
}
