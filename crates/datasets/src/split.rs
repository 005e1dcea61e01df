//! The splits of the public data sets, from `data/splits.toml`.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::error::DatasetError;

const SPLITS: &str = include_str!("../data/splits.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    acdc: Acdc,
    synapse: Synapse,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Acdc {
    #[allow(dead_code, reason = "for the reader of the file")]
    source: String,
    train: Vec<u32>,
    valid: Vec<u32>,
    test: Vec<u32>,
    slices: BTreeMap<String, usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Synapse {
    #[allow(dead_code, reason = "for the reader of the file")]
    source: String,
    #[allow(dead_code, reason = "for the reader of the file")]
    folds_source: String,
    train: Vec<u32>,
    test: Vec<u32>,
    folds: BTreeMap<String, Vec<u32>>,
    slices: BTreeMap<String, usize>,
}

fn file() -> Result<File, DatasetError> {
    toml::from_str(SPLITS).map_err(|e| DatasetError::Request(format!("the built-in splits can't be read: {e}")))
}

/// The patients of an ACDC split: `train`, `valid` or `test`.
///
/// # Errors
/// Where there is no such split.
pub fn acdc(split: &str) -> Result<Vec<u32>, DatasetError> {
    let splits = file()?.acdc;
    match split {
        "train" => Ok(splits.train),
        "valid" => Ok(splits.valid),
        "test" => Ok(splits.test),
        _ => Err(unknown("ACDC", split, "train, valid, test")),
    }
}

/// The cases of a Synapse split: `train`, `test`, `fold-a` (the cases that fold a evaluates on) or
/// `fold-a-train` (the other training cases); likewise b, c, d.
///
/// # Errors
/// Where there is no such split.
pub fn synapse(split: &str) -> Result<Vec<u32>, DatasetError> {
    let splits = file()?.synapse;
    let fold = |name: &str| splits.folds.get(name).cloned();
    let found = match (split, split.strip_prefix("fold-")) {
        ("train", _) => Some(splits.train),
        ("test", _) => Some(splits.test),
        (_, Some(name)) => match name.strip_suffix("-train") {
            Some(name) => {
                fold(name).map(|held_out| splits.train.into_iter().filter(|c| !held_out.contains(c)).collect())
            }
            None => fold(name),
        },
        _ => None,
    };
    found.ok_or_else(|| unknown("Synapse", split, "train, test, fold-a, fold-a-train (also b, c, d)"))
}

/// All splits of ACDC, by the names of patients.
pub(crate) fn acdc_splits() -> Result<BTreeMap<String, Vec<String>>, DatasetError> {
    let names =
        |split: &str| Ok((split.to_owned(), acdc(split)?.iter().map(|n| format!("patient{n:03}")).collect()));
    ["train", "valid", "test"].into_iter().map(names).collect()
}

/// All splits of Synapse, by the names of cases.
pub(crate) fn synapse_splits() -> Result<BTreeMap<String, Vec<String>>, DatasetError> {
    let folds = file()?.synapse.folds.into_keys();
    let folds = folds.flat_map(|fold| [format!("fold-{fold}"), format!("fold-{fold}-train")]);
    let names = |split: String| {
        let cases = synapse(&split)?.iter().map(|n| format!("case{n:04}")).collect();
        Ok((split, cases))
    };
    ["train", "test"].map(str::to_owned).into_iter().chain(folds).map(names).collect()
}

/// Number of slices of the published splits of ACDC.
pub(crate) fn acdc_slices() -> Result<BTreeMap<String, usize>, DatasetError> {
    Ok(file()?.acdc.slices)
}

/// Number of slices of the published splits and cases of Synapse.
pub(crate) fn synapse_slices() -> Result<BTreeMap<String, usize>, DatasetError> {
    Ok(file()?.synapse.slices)
}

fn unknown(dataset: &str, split: &str, known: &str) -> DatasetError {
    DatasetError::Request(format!("{dataset} has no split {split:?}; there are: {known}"))
}
