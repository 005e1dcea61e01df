//! What is done with an input: the program's commands, run in a folder of their own.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use super::check::{Does, Judge, Row};
use crate::nifti::{Nifti, mean_dice};
use crate::product::Run;

/// What a command left.
pub struct Outcome {
    pub command: String,
    pub run: Run,
    /// The folder that it ran in.
    pub folder: PathBuf,
    pub map: PathBuf,
    /// The first line that it printed.
    pub json: Value,
    /// Of the map, by this command, and by `evaluate`.
    pub dice: Option<[f64; 2]>,
}

impl Judge<'_> {
    fn new_folder(&self) -> Result<PathBuf> {
        self.n.set(self.n.get() + 1);
        let folder = self.place.join(self.n.get().to_string());
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        Ok(folder)
    }

    /// Runs what a row says.
    pub fn outcome(&self, row: &Row) -> Result<Outcome> {
        let input = self.inputs.join(row.input);
        let folder = self.new_folder()?;
        let map = folder.join("map.nii");
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let never = ["--pause", "never"];
        let done = |command: String, run: Run| Outcome {
            json: serde_json::from_str(run.stdout.lines().next().unwrap_or_default()).unwrap_or(Value::Null),
            command,
            run,
            folder: folder.clone(),
            map: map.clone(),
            dice: None,
        };
        match row.does {
            Does::Segment(more) => {
                let (input, map) = (text(&input), text(&map));
                let arguments = ["segment", &input, "-m", &self.model, "-o", &map, "--json"];
                let run = self.product.run(&folder, &[&arguments[..], &never, more].concat())?;
                Ok(done(shown("segment", row.input, more), run))
            }
            Does::SegmentBeside(more) => {
                copy(input.parent().unwrap_or(self.inputs), &folder)?;
                let name = input.file_name().unwrap_or_default().to_string_lossy();
                let arguments = ["segment", &name, "-m", &self.model];
                let run = self.product.run(&folder, &[&arguments[..], &never, more].concat())?;
                Ok(done(shown("segment", row.input, more), run))
            }
            Does::Model(model) => {
                let (input, path) = (text(&input), text(&self.inputs.join(model)));
                let run = self.product.run(&folder, &["segment", &input, "-m", &path, "-o", "map.nii"])?;
                Ok(done(shown("segment", row.input, &["-m", model]), run))
            }
            Does::Check(more) => {
                let input = text(&input);
                let run = self
                    .product
                    .run(&folder, &[&["data", "check", &input, "--partial", "--json"], more].concat())?;
                Ok(done(shown("data check", row.input, more), run))
            }
            Does::Describe => {
                copy(&input, &folder)?;
                let _ = fs::remove_file(folder.join("dataset-description.toml"));
                let described = self.product.run(&folder, &["data", "describe", "."])?;
                let command = shown("data describe", row.input, &[]);
                if described.code != Some(0) {
                    return Ok(done(command, described));
                }
                let mut run = self.product.run(&folder, &["data", "check", ".", "--json"])?;
                run.stderr = described.stderr + &run.stderr;
                Ok(done(command, run))
            }
            Does::Evaluate => self.evaluate(row, &input, &folder),
        }
    }

    /// Segments the case of a described folder, scores the map, and lets the program score the same.
    fn evaluate(&self, row: &Row, input: &Path, folder: &Path) -> Result<Outcome> {
        copy(input, folder)?;
        let description = folder.join("dataset-description.toml");
        let text = fs::read_to_string(&description)?;
        // A run needs a case to train on beside the one that is scored.
        for part in ["images", "labels"] {
            fs::copy(folder.join(format!("{part}/a.nii.gz")), folder.join(format!("{part}/b.nii.gz")))?;
        }
        fs::write(&description, text.replace("train = [\"a\"]", "train = [\"b\"]\nvalid = [\"a\"]"))?;
        let experiment = "id = \"case\"\ntitle = \"Case\"\n[data]\nsource = \"files\"\npath = \".\"\ntrain = \"train\"\n\
                          calibrate = { from_training = 1 }\nevaluate = \"valid\"\n[model]\npreset = \"tiny\"\n\
                          pause_points = [0, 2, 4]\n";
        fs::write(folder.join("experiment.toml"), experiment)?;
        let map = folder.join("map.nii");
        let image =
            ["segment", "images/a.nii.gz", "-m", &self.model, "-o", "map.nii", "--pause", "never", "--json"];
        let run = self.product.run(folder, &image)?;
        let json = serde_json::from_str(&run.stdout).unwrap_or(Value::Null);
        let arguments = ["evaluate", "-m", &self.model, "-c", "experiment.toml", "--records", "records", "--json"];
        let scored = self.product.must(folder, &[&arguments[..], &["--pause", "never"]].concat())?;
        let scored: Value = serde_json::from_str(&scored.stdout)?;
        let evaluated = scored["summary"]["transunet"]["dice"].as_f64().context("the record has no Dice")?;
        let truth = Nifti::read(&folder.join("labels/a.nii.gz"))?.codes()?;
        let names = fs::read_to_string(folder.join("map.nii_labels.json"))?;
        let segmented = mean_dice(&Nifti::read(&map)?.codes()?, &by_name(&truth, &text, &names)?)?;
        let command = shown("segment and evaluate", row.input, &[]);
        Ok(Outcome { command, run, folder: folder.to_owned(), map, json, dice: Some([segmented, evaluated]) })
    }
}

fn shown(command: &str, input: &str, more: &[&str]) -> String {
    [&[command, input][..], more].concat().join(" ")
}

/// A label map with codes of a description as one with the codes of the names beside a map.
fn by_name(truth: &[i32], description: &str, names: &str) -> Result<Vec<i32>> {
    let description: toml::Value = toml::from_str(description)?;
    let names: BTreeMap<String, String> = serde_json::from_str(names)?;
    let mut codes: BTreeMap<i32, i32> = BTreeMap::new();
    for label in description["labels"].as_array().into_iter().flatten() {
        let (Some(code), Some(name)) = (label["code"].as_integer(), label["name"].as_str()) else { continue };
        let of_map = names.iter().find(|(_, other)| *other == name).with_context(|| format!("no label {name}"))?;
        codes.insert(i32::try_from(code)?, of_map.0.parse()?);
    }
    Ok(truth.iter().map(|code| codes.get(code).copied().unwrap_or(0)).collect())
}

/// Copies what lies in a folder; links stay links.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy(&entry.path(), &target)?;
        } else if kind.is_symlink() {
            link(&fs::read_link(entry.path())?, &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

#[cfg(unix)]
pub fn link(original: &Path, link: &Path) -> Result<()> {
    Ok(std::os::unix::fs::symlink(original, link)?)
}

#[cfg(not(unix))]
pub fn link(original: &Path, link: &Path) -> Result<()> {
    fs::copy(link.parent().unwrap_or(Path::new(".")).join(original), link)?;
    Ok(())
}
