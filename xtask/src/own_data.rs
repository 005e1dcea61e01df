//! `cargo xtask own-data`: what a person with scans of their own does, from a folder of files to maps that one looks at.
//!
//! Five commands, and no file is edited between them: `data describe`, `data check`, `train`, `segment` of a folder, and the
//! same with `--preview`. The scans are phantoms in layouts of other tools; the maps of scans that the model has not seen are
//! compared with the truth, so that a wrong pairing, a mirrored label map or a wrong window fails here.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::nifti::{Nifti, mean_dice, write};
use crate::product::{Product, Scratch, print, say};

/// How much is done.
#[derive(Args)]
pub struct OwnData {
    /// 20 pairs of 160 pixels and the drafted experiment as it is, in place of few and small ones for few epochs
    #[arg(long)]
    full: bool,
    /// Only these layouts
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    only: Vec<String>,
    /// The program [default: compiled from this workspace]
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// Keep all files in this folder
    #[arg(long, value_name = "FOLDER")]
    keep: Option<PathBuf>,
}

/// The sizes of a run.
struct Scale {
    n_pairs: usize,
    n_new: usize,
    size: usize,
    /// What is set otherwise than the draft has it, for a run of seconds.
    overrides: &'static [&'static str],
    /// The mean Dice that maps of new scans must have; untrained models have 0.06 at most.
    least_dice: f64,
    most_seconds: f64,
}

const SHORT: Scale = Scale {
    n_pairs: 8,
    n_new: 2,
    size: 64,
    overrides: &["--set", "model.input_size=64", "--set", "train.epochs=12", "--set", "train.warmup_steps=10"],
    least_dice: 0.3,
    most_seconds: 60.0,
};
const FULL: Scale =
    Scale { n_pairs: 20, n_new: 4, size: 160, overrides: &[], least_dice: 0.7, most_seconds: 600.0 };

/// A layout: its name, the form of the phantoms, and how a pair of files is laid out.
struct Layout {
    name: &'static str,
    form: &'static str,
    place: fn(&Path, &str, &Path, &Path) -> Result<()>,
}

const LAYOUTS: [Layout; 3] = [
    Layout { name: "nnunet", form: "synapse-nifti", place: nnunet },
    Layout { name: "patients", form: "nifti", place: patients },
    Layout { name: "totalsegmentator", form: "synapse-nifti", place: totalsegmentator },
];

/// The organs of the abdomen's label maps, by code.
const ORGANS: [(u8, &str); 8] = [
    (1, "spleen"),
    (2, "kidney_right"),
    (3, "kidney_left"),
    (4, "gallbladder"),
    (6, "liver"),
    (7, "stomach"),
    (8, "aorta"),
    (11, "pancreas"),
];

/// `imagesTr/case_0000.nii.gz`, `labelsTr/case.nii.gz`, names of labels in `dataset.json`, and a scan without label map.
fn nnunet(folder: &Path, case: &str, image: &Path, label: &Path) -> Result<()> {
    copy(image, &folder.join(format!("imagesTr/{case}_0000.nii.gz")))?;
    copy(label, &folder.join(format!("labelsTr/{case}.nii.gz")))?;
    copy(image, &folder.join("imagesTs/unlabelled_0000.nii.gz"))?;
    let names = ORGANS.map(|(code, name)| format!("\"{name}\": {code}")).join(", ");
    let json = format!("{{\"channel_names\": {{\"0\": \"CT\"}}, \"labels\": {{\"background\": 0, {names}}}}}");
    write(&folder.join("dataset.json"), json.as_bytes())
}

/// One folder a patient: `p/p.nii.gz`, `p/p_seg.nii.gz`.
fn patients(folder: &Path, case: &str, image: &Path, label: &Path) -> Result<()> {
    copy(image, &folder.join(format!("{case}/{case}.nii.gz")))?;
    copy(label, &folder.join(format!("{case}/{case}_seg.nii.gz")))
}

/// One file an organ: `p/ct.nii.gz`, `p/segmentations/liver.nii.gz`.
fn totalsegmentator(folder: &Path, case: &str, image: &Path, label: &Path) -> Result<()> {
    copy(image, &folder.join(format!("{case}/ct.nii.gz")))?;
    let label = Nifti::read(label)?;
    let codes = label.codes()?;
    for (code, organ) in ORGANS {
        let marks: Vec<u8> = codes.iter().map(|&other| u8::from(other == i32::from(code))).collect();
        label.with_bytes(&marks).write(&folder.join(format!("{case}/segmentations/{organ}.nii.gz")))?;
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    write(to, &fs::read(from).with_context(|| from.display().to_string())?)
}

/// What a layout came to.
struct Row {
    name: &'static str,
    seconds: [f64; 5],
    dice: f64,
    problems: Vec<String>,
}

impl OwnData {
    /// Runs the five commands in each layout and prints a table.
    pub fn run(&self) -> Result<()> {
        let product = Product::new(self.program.as_deref())?;
        let scale = if self.full { &FULL } else { &SHORT };
        let scratch = Scratch::new("own-data")?;
        let place = self.keep.as_deref().unwrap_or(scratch.path());
        fs::create_dir_all(place).with_context(|| place.display().to_string())?;
        let place = place.canonicalize()?;
        if let Some(unknown) = self.only.iter().find(|name| LAYOUTS.iter().all(|layout| layout.name != **name)) {
            bail!("there is no layout {unknown:?}; there are: {}", LAYOUTS.map(|layout| layout.name).join(", "));
        }
        let chosen = LAYOUTS
            .iter()
            .filter(|layout| self.only.is_empty() || self.only.iter().any(|name| name == layout.name));
        let rows =
            chosen.map(|layout| five_commands(layout, scale, &product, &place)).collect::<Result<Vec<_>>>()?;
        print("layout            describe  check  train  segment  preview  total s  Dice of new scans");
        for Row { name, seconds: [describe, check, train, segment, preview], dice, .. } in &rows {
            let total = describe + check + train + segment + preview;
            print(&format!(
                "{name:<17} {describe:>8.1} {check:>6.1} {train:>6.1} {segment:>8.1} {preview:>8.1} {total:>8.1}  {dice:.4}"
            ));
        }
        let problems: Vec<&String> = rows.iter().flat_map(|row| &row.problems).collect();
        problems.iter().for_each(|problem| print(problem));
        if problems.is_empty() {
            Ok(())
        } else {
            bail!(
                "own data: {} of {} layouts failed",
                rows.iter().filter(|row| !row.problems.is_empty()).count(),
                rows.len()
            )
        }
    }
}

/// The five commands on one layout.
fn five_commands(layout: &Layout, scale: &Scale, product: &Product, place: &Path) -> Result<Row> {
    say(&format!("{}: {} pairs", layout.name, scale.n_pairs));
    let folder = place.join(layout.name);
    let pairs = phantoms(product, layout, scale.n_pairs, scale.size, 1, &folder.join("phantoms"))?;
    for (at, [image, label]) in pairs.iter().enumerate() {
        (layout.place)(&folder.join("data"), &format!("case_{at:03}"), image, label)?;
    }
    let new = phantoms(product, layout, scale.n_new, scale.size, 1001, &folder.join("new-phantoms"))?;
    for (at, [image, _]) in new.iter().enumerate() {
        copy(image, &folder.join(format!("new/{at}.nii.gz")))?;
    }
    let train = [&["train", "-c", "data/experiment.toml", "-o", "run"], scale.overrides].concat();
    let commands: [&[&str]; 5] = [
        &["data", "describe", "data"],
        &["data", "check", "data"],
        &train,
        &["segment", "new", "--model", "run/checkpoints", "--output", "maps"],
        &["segment", "new/0.nii.gz", "--model", "run/checkpoints", "--output", "seen", "--preview"],
    ];
    let mut seconds = [0.0; 5];
    for (command, seconds) in commands.iter().zip(&mut seconds) {
        let started = Instant::now();
        product.must(&folder, command)?;
        *seconds = started.elapsed().as_secs_f64();
    }
    let dice = new
        .iter()
        .enumerate()
        .map(|(at, [_, truth])| dice(&folder.join(format!("maps/{at}_segmentation.nii.gz")), truth, layout))
        .collect::<Result<Vec<f64>>>()?;
    let dice = dice.iter().sum::<f64>() / dice.len() as f64;
    let mut problems = Vec::new();
    if dice < scale.least_dice {
        problems.push(format!(
            "{}: the maps of new scans have a Dice of {dice:.4}, not {}",
            layout.name, scale.least_dice
        ));
    }
    let total: f64 = seconds.iter().sum();
    if total > scale.most_seconds {
        problems.push(format!(
            "{}: the five commands took {total:.0} s, not {} at most",
            layout.name, scale.most_seconds
        ));
    }
    let preview = fs::read(folder.join("seen/0_segmentation_preview.png")).context("the preview")?;
    if !preview.starts_with(b"\x89PNG") {
        problems.push(format!("{}: the preview is no PNG file", layout.name));
    }
    Ok(Row { name: layout.name, seconds, dice, problems })
}

/// Scans and label maps, in order.
fn phantoms(
    product: &Product,
    layout: &Layout,
    n: usize,
    size: usize,
    seed: u64,
    folder: &Path,
) -> Result<Vec<[PathBuf; 2]>> {
    // Of the heart, a patient has two scans.
    let n_patients = if layout.form == "nifti" { n.div_ceil(2) } else { n };
    let [n_patients, size, seed] = [n_patients, size, seed as usize].map(|number| number.to_string());
    let output = folder.to_string_lossy();
    let arguments =
        ["data", "phantom", "--form", layout.form, "-o", &output, "--cases", &n_patients, "--size", &size];
    product.must(
        folder.parent().filter(|above| above.exists()).unwrap_or(Path::new(".")),
        &[&arguments[..], &["--seed", &seed]].concat(),
    )?;
    let parts = if layout.form == "nifti" { ["images", "labels"] } else { ["img", "label"] };
    let [images, labels] = parts.map(|part| files_in(&folder.join(part)));
    Ok(images?.into_iter().zip(labels?).take(n).map(|(image, label)| [image, label]).collect())
}

fn files_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    files.sort();
    Ok(files)
}

/// The mean Dice of a map. Its codes are those of the user's own files, or of the organs by name, where these are files.
fn dice(map: &Path, truth: &Path, layout: &Layout) -> Result<f64> {
    let mut truth = Nifti::read(truth)?.codes()?;
    if layout.name == "totalsegmentator" {
        let names = map.with_file_name(
            map.file_name().unwrap_or_default().to_string_lossy().replace(".nii.gz", "_labels.json"),
        );
        let text = fs::read_to_string(&names).with_context(|| names.display().to_string())?;
        let names: BTreeMap<String, String> = serde_json::from_str(&text).context("names of labels")?;
        let code = |organ: &str| {
            names
                .iter()
                .find(|(_, name)| **name == organ.replace('_', " "))
                .and_then(|(code, _)| code.parse().ok())
        };
        let codes = ORGANS.map(|(old, organ)| code(organ).map(|new: i32| (i32::from(old), new)));
        let codes: BTreeMap<i32, i32> = codes.into_iter().flatten().collect();
        if codes.len() < ORGANS.len() {
            bail!("the label map names {names:?}, not all of the {} organs", ORGANS.len());
        }
        // Codes that are no organ's here count as background, as in training.
        truth.iter_mut().for_each(|code| *code = codes.get(code).copied().unwrap_or(0));
    }
    mean_dice(&Nifti::read(map)?.codes()?, &truth)
}
