//! One row of the table: a command is run, and what comes of it is compared with what is right.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use super::outcome::Outcome;
use crate::nifti::{Nifti, mean_dice};
use crate::product::Product;

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

/// Runs rows.
pub struct Judge<'a> {
    pub product: &'a Product,
    pub inputs: &'a Path,
    pub model: String,
    pub place: PathBuf,
    /// Number of folders that were used.
    pub n: Cell<usize>,
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
                    format!("{n} {} without problems", if n == 1 { "case" } else { "cases" }),
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

/// Codes of the BTCV challenge as those of the model that was trained on phantoms.
fn canonical(truth: &[i32]) -> Vec<i32> {
    const CODES: [i32; 12] = [0, 7, 4, 3, 2, 0, 5, 8, 1, 0, 0, 6];
    truth
        .iter()
        .map(|&code| usize::try_from(code).ok().and_then(|code| CODES.get(code)).copied().unwrap_or(0))
        .collect()
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
