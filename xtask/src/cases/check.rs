//! One row of the table: a command is run, and what comes of it is compared with what is right.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::nifti::{Nifti, mean_dice};
use crate::product::{Product, Run};

/// A case's input, what is done with it, and what must come of it.
#[derive(Debug)]
pub struct Row {
    /// Number of the case.
    pub case: &'static str,
    /// The file or folder, below that of the inputs.
    pub input: &'static str,
    pub does: Does,
    pub expect: &'static [Expect],
}

/// What is done with an input.
#[derive(Clone, Copy, Debug)]
pub enum Does {
    /// `segment INPUT -o MAP --json --pause never`, and these.
    Segment(&'static [&'static str]),
    /// `segment INPUT` as it is, in a folder with a copy of what lies beside the input; `{name}` in the arguments is a file of
    /// that folder.
    SegmentBeside(&'static [&'static str]),
    /// `segment` with this path, below the inputs, as the model.
    Model(&'static str),
    /// `data check INPUT`, and these.
    Check(&'static [&'static str]),
    /// `data describe` of a copy, then `data check`.
    Describe,
    /// `segment` and `evaluate` of the only case of a described folder with its label map.
    Evaluate,
}

/// What must come of it.
#[derive(Clone, Copy, Debug)]
pub enum Expect {
    Succeeds,
    Fails,
    /// One of these is said, in small or capital letters.
    Says(&'static [&'static str]),
    /// The map is that of another scan, but for this share of its voxels.
    MapOf(&'static str, f64),
    /// The volumes are those of another scan.
    VolumesOf(&'static str),
    /// The map has the codes of a label map at this Dice or better, by class.
    Dice(&'static str, f64),
    /// So many cases can be read, and there is no problem.
    Cases(usize),
    /// The cases that can be read have the shapes and voxels of another data set's.
    CasesOf(&'static str),
    /// The file is as it was, beside the input.
    Unchanged(&'static str),
    /// These files are written beside the input.
    Writes(&'static [&'static str]),
    /// The file that was written may be read by all, where the umask allows that.
    Mode(u32),
    /// `segment` and `evaluate` give the same Dice, which is this at least.
    SameDice(f64),
}

/// What came of a row.
pub struct Judgement {
    pub command: String,
    pub expected: String,
    pub found: String,
    pub is_right: bool,
}

/// What a command left.
struct Outcome {
    command: String,
    run: Run,
    /// The folder that it ran in.
    folder: PathBuf,
    map: PathBuf,
    json: Value,
    dice: Option<[f64; 2]>,
}

/// Runs rows.
pub struct Judge<'a> {
    product: &'a Product,
    inputs: &'a Path,
    model: String,
    place: PathBuf,
    n: Cell<usize>,
    /// Maps and what was printed with them, of scans that others are compared with.
    known: RefCell<BTreeMap<&'static str, (Vec<i32>, Value)>>,
}

impl<'a> Judge<'a> {
    pub fn new(product: &'a Product, inputs: &'a Path, model: &Path, place: &Path) -> Result<Self> {
        let place = place.join("results");
        if place.exists() {
            fs::remove_dir_all(&place).with_context(|| place.display().to_string())?;
        }
        let model = model.to_string_lossy().into_owned();
        Ok(Self { product, inputs, model, place, n: Cell::new(0), known: RefCell::default() })
    }

    /// Runs a row, and compares.
    pub fn judge(&self, row: &Row) -> Result<Judgement> {
        let outcome = self.outcome(row)?;
        let mut expected = Vec::new();
        let mut wrong = Vec::new();
        for expect in row.expect {
            let (what, found) = self.compare(row, &outcome, *expect)?;
            expected.push(what);
            wrong.extend(found);
        }
        let said = outcome.run.stderr.lines().find(|line| !line.starts_with("FasterSAM")).unwrap_or_default();
        let found = if wrong.is_empty() { said.to_owned() } else { format!("{} ({said})", wrong.join(", ")) };
        Ok(Judgement {
            command: outcome.command,
            expected: expected.join(", "),
            found: found.chars().take(240).collect(),
            is_right: wrong.is_empty(),
        })
    }

    fn new_folder(&self) -> Result<PathBuf> {
        self.n.set(self.n.get() + 1);
        let folder = self.place.join(self.n.get().to_string());
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        Ok(folder)
    }

    fn outcome(&self, row: &Row) -> Result<Outcome> {
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

    /// The map and the printed volumes of a scan that is right.
    fn reference(&self, input: &'static str) -> Result<(Vec<i32>, Value)> {
        if let Some(known) = self.known.borrow().get(input) {
            return Ok(known.clone());
        }
        let row = Row { case: "", input, does: Does::Segment(&[]), expect: &[] };
        let outcome = self.outcome(&row)?;
        let map = Nifti::read(&outcome.map).with_context(|| outcome.run.stderr.clone())?.codes()?;
        self.known.borrow_mut().insert(input, (map.clone(), outcome.json["volume_ml"].clone()));
        Ok((map, outcome.json["volume_ml"].clone()))
    }

    /// What was expected, and what is wrong.
    fn compare(&self, row: &Row, outcome: &Outcome, expect: Expect) -> Result<(String, Option<String>)> {
        let code = outcome.run.code;
        let wrong = |is_wrong: bool, found: String| is_wrong.then_some(found);
        Ok(match expect {
            Expect::Succeeds => ("works".to_owned(), wrong(code != Some(0), format!("exit code {code:?}"))),
            Expect::Fails => ("is refused".to_owned(), wrong(code != Some(1), format!("exit code {code:?}"))),
            Expect::Says(words) => {
                let said = format!("{}{}", outcome.run.stderr, outcome.run.stdout).to_lowercase();
                let says = words.iter().any(|word| said.contains(&word.to_lowercase()));
                (format!("says `{}`", words.join("` or `")), wrong(!says, "it does not say it".to_owned()))
            }
            Expect::MapOf(other, share) => {
                let (expected, _) = self.reference(other)?;
                let what = if share == 0.0 {
                    format!("the map of {other}")
                } else {
                    format!("the map of {other} but for {share}")
                };
                let Ok(map) = Nifti::read(&outcome.map).and_then(|map| map.codes()) else {
                    return Ok((what, Some("no map".to_owned())));
                };
                let n_other = map.iter().zip(&expected).filter(|(a, b)| a != b).count();
                let is_other = map.len() != expected.len() || n_other as f64 > share * map.len() as f64;
                let is_empty = expected.iter().all(|&class| class == 0);
                (what, wrong(is_other || is_empty, format!("{n_other} of {} voxels differ", map.len())))
            }
            Expect::VolumesOf(other) => {
                let (_, expected) = self.reference(other)?;
                let found = &outcome.json["volume_ml"];
                let of = |volumes: &Value, name: &str| volumes[name].as_f64().unwrap_or(f64::NAN);
                let names: Vec<&String> =
                    expected.as_object().into_iter().flatten().map(|(name, _)| name).collect();
                let differs = |name: &str| {
                    let (a, b) = (of(found, name), of(&expected, name));
                    (a - b).abs() > 1e-3 * b.max(0.1) || a.is_nan()
                };
                let other_name = names.iter().find(|name| differs(name));
                let is_wrong = names.is_empty() || other_name.is_some();
                (format!("the volumes of {other}"), wrong(is_wrong, format!("{other_name:?} differs: {found}")))
            }
            Expect::Dice(truth, least) => {
                let what = format!("a Dice of {least} at least");
                let truth = Nifti::read(&self.inputs.join(truth))?.codes()?;
                let dice = Nifti::read(&outcome.map).and_then(|map| mean_dice(&map.codes()?, &canonical(&truth)));
                match dice {
                    Ok(dice) => (what, wrong(dice < least, format!("{dice:.3}"))),
                    Err(error) => (what, Some(error.to_string())),
                }
            }
            Expect::Cases(n) => {
                let found = outcome.json["cases"].as_array().map_or(0, Vec::len);
                let problems = &outcome.json["problems"];
                let is_wrong = found != n || problems.as_array().is_none_or(|problems| !problems.is_empty());
                (
                    format!("{n} cases without problems"),
                    wrong(is_wrong, format!("{found} cases, problems {problems}")),
                )
            }
            Expect::CasesOf(other) => {
                let expected = self.outcome(&Row { case: "", input: other, does: row.does, expect: &[] })?.json;
                let of = |report: &Value| -> Vec<Value> {
                    let cases = report["cases"].as_array().into_iter().flatten();
                    cases.map(|case| serde_json::json!([case["shape"], case["voxels"]])).collect()
                };
                let (found, expected) = (of(&outcome.json), of(&expected));
                let is_wrong = expected.is_empty() || found != expected;
                (format!("the cases of {other}"), wrong(is_wrong, format!("{found:?}")))
            }
            Expect::Unchanged(name) => {
                let original = self.inputs.join(row.input).with_file_name(name);
                let is_same = fs::read(&original).ok() == fs::read(outcome.folder.join(name)).ok();
                (format!("{name} as it was"), wrong(!is_same, format!("{name} is another")))
            }
            Expect::Writes(names) => {
                let absent = names.iter().find(|name| !outcome.folder.join(name).is_file());
                (format!("writes {}", names.join(", ")), absent.map(|name| format!("no {name}")))
            }
            Expect::Mode(expected) => {
                let found = mode(&outcome.map);
                (
                    format!("mode {expected:o}"),
                    wrong(found.is_some_and(|found| found != expected), format!("mode {found:?}")),
                )
            }
            Expect::SameDice(least) => {
                let [segmented, evaluated] = outcome.dice.unwrap_or([f64::NAN; 2]);
                let is_same = (segmented - evaluated).abs() < 0.005 && segmented >= least;
                (
                    format!("one Dice, {least} at least"),
                    wrong(!is_same, format!("{segmented:.4} and {evaluated:.4}")),
                )
            }
        })
    }
}

fn shown(command: &str, input: &str, more: &[&str]) -> String {
    [&[command, input][..], more].concat().join(" ")
}

/// Codes of the BTCV challenge as those of the model that was trained on phantoms.
fn canonical(truth: &[i32]) -> Vec<i32> {
    const CODES: [i32; 12] = [0, 7, 4, 3, 2, 0, 5, 8, 1, 0, 0, 6];
    truth
        .iter()
        .map(|&code| usize::try_from(code).ok().and_then(|code| CODES.get(code)).copied().unwrap_or(0))
        .collect()
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

#[cfg(unix)]
fn mode(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).ok().map(|found| found.permissions().mode() & 0o777)
}

#[cfg(not(unix))]
fn mode(_: &Path) -> Option<u32> {
    None
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
