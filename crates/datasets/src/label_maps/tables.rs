//! Which label table holds for which label map.

use std::collections::BTreeSet;

use fastersam_volume::{LabelTable, Orientation, ScanFile};

use super::{ClassMap, LabelNames, MapFiles, MapPair, codes_in, read_classes};
use crate::error::DatasetError;

/// The most names that a sentence lists.
const MAX_LISTED: usize = 8;

/// One of the two label maps of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// What was predicted.
    Prediction,
    /// What is true.
    Truth,
}

/// The label tables of paired label maps. Of true ones: that which the user gives; else the names in their own headers; else
/// the values themselves. Of predictions: that which the user gives for them; else the names in their own headers; else that
/// of the true ones. Classes are known by their names, so that both sides may have other values.
#[derive(Clone, Debug)]
pub struct Tables {
    given: [Option<LabelNames>; 2],
    common: LabelNames,
    classes: Vec<String>,
    orientation: Orientation,
    /// Where the names come from, in words.
    pub source: &'static str,
    /// What a user should know of the tables.
    pub notes: Vec<String>,
}

impl Tables {
    /// Finds the tables; looks at all headers and, where nothing has names, at all values.
    ///
    /// # Errors
    /// Where a file can't be read, there is no class or more than bytes can tell apart, or no class of the predictions is
    /// called like one of the truth.
    pub fn find(
        pairs: &[MapPair],
        prediction: Option<LabelNames>,
        truth: Option<LabelNames>,
    ) -> Result<Self, DatasetError> {
        let of_truth = headers(pairs.iter().map(|pair| &pair.truth))?;
        let of_predictions = headers(pairs.iter().map(|pair| &pair.prediction))?;
        let (common, source) = if let Some(given) = &truth {
            (given.clone(), "the label table")
        } else if !of_truth.is_empty() {
            (LabelNames::of_header(of_truth.clone()), "the headers of the true label maps")
        } else if let Some(stems) = stems(pairs.iter().map(|pair| &pair.truth)) {
            (LabelNames::of_files(&stems), "the files of the true label maps, one a class")
        } else if let Some(given) = &prediction {
            (given.clone(), "the label table of the predictions")
        } else if !of_predictions.is_empty() {
            (LabelNames::of_header(of_predictions.clone()), "the headers of the predictions")
        } else if let Some(stems) = stems(pairs.iter().map(|pair| &pair.prediction)) {
            (LabelNames::of_files(&stems), "the files of the predictions, one a class")
        } else {
            let mut codes = BTreeSet::new();
            for path in pairs.iter().flat_map(|pair| pair.truth.files().chain(pair.prediction.files())) {
                codes.extend(codes_in(path)?);
            }
            (LabelNames::of_codes(&codes), "the values themselves")
        };
        let classes = common.classes().to_vec();
        let names: Vec<&str> = classes.iter().map(String::as_str).collect();
        LabelTable::new(&names).validate().map_err(|reason| {
            DatasetError::Request(format!("the label table by {source} can't be used: {reason}"))
        })?;
        let mut tables = Self {
            orientation: common.axis.orientation(),
            given: [prediction, truth],
            classes,
            common,
            source,
            notes: Vec::new(),
        };
        tables.compare_names(&of_predictions)?;
        Ok(tables)
    }

    /// Names of the classes, without background.
    #[must_use]
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// Reads a label map of a pair, turned so that its slices lie as the table's description says.
    ///
    /// # Errors
    /// As [`read_classes`].
    pub fn read(&self, pair: &MapPair, side: Side) -> Result<ClassMap, DatasetError> {
        let files = if side == Side::Truth { &pair.truth } else { &pair.prediction };
        let given = &self.given[usize::from(side == Side::Truth)];
        let own = match (given, files) {
            (None, MapFiles::One(path)) => {
                Some(ScanFile::open(path)?.label_names()?).filter(|names| !names.is_empty())
            }
            _ => None,
        };
        // A header that knows none of the classes calls them otherwise: the common table counts.
        let is_known = |names: &LabelNames| names.classes().iter().any(|name| self.classes.contains(name));
        let own = own.map(LabelNames::of_header).filter(is_known);
        read_classes(
            files,
            given.as_ref().or(own.as_ref()).unwrap_or(&self.common),
            &self.classes,
            self.orientation,
        )
    }

    /// Across what the slices of the maps that are read are cut.
    #[must_use]
    pub fn orientation(&self) -> Orientation {
        self.orientation
    }

    /// Says where the names of predictions and truth differ.
    fn compare_names(&mut self, of_predictions: &BTreeSet<(u16, String)>) -> Result<(), DatasetError> {
        let table = match &self.given[0] {
            Some(given) => {
                let other = of_predictions.iter().find_map(|(code, name)| match given.of(*code) {
                    Some(Some(known)) if known != name => Some((*code, name, known.to_owned())),
                    _ => None,
                });
                if let Some((code, name, known)) = other {
                    self.notes.push(format!(
                        "the label table calls {code} `{known}`, the predictions' headers call it `{name}`: the table counts"
                    ));
                }
                given.clone()
            }
            None if of_predictions.is_empty() => return Ok(()),
            None => LabelNames::of_header(of_predictions.clone()),
        };
        let (known, other): (Vec<&String>, Vec<&String>) =
            table.classes().iter().partition(|name| self.classes.contains(name));
        let missed: Vec<&String> = self.classes.iter().filter(|name| !table.classes().contains(name)).collect();
        if known.is_empty() && self.given[0].is_none() && self.given[1].is_some() {
            self.notes.push(format!("names in the predictions' headers are passed over: {}", listed(&other)));
            return Ok(());
        }
        if known.is_empty() {
            return Err(DatasetError::Request(format!(
                "no class of the predictions ({}) is called like one of the truth ({}); give a label table for each",
                listed(&other),
                listed(&missed)
            )));
        }
        if !other.is_empty() {
            self.notes.push(format!("classes of the predictions that count as background: {}", listed(&other)));
        }
        if !missed.is_empty() {
            self.notes
                .push(format!("the predictions have no such classes, which are missed: {}", listed(&missed)));
        }
        Ok(())
    }
}

fn listed(names: &[&String]) -> String {
    let mut listed: Vec<&str> = names.iter().take(MAX_LISTED).map(|name| name.as_str()).collect();
    let more = format!("and {} more", names.len().saturating_sub(MAX_LISTED));
    if names.len() > MAX_LISTED {
        listed.push(&more);
    }
    listed.join(", ")
}

/// Values and names in the headers of label maps, all together: files may call one value by several names.
fn headers<'a>(maps: impl Iterator<Item = &'a MapFiles>) -> Result<BTreeSet<(u16, String)>, DatasetError> {
    let mut names = BTreeSet::new();
    for map in maps {
        if let MapFiles::One(path) = map {
            names.extend(ScanFile::open(path)?.label_names()?);
        }
    }
    Ok(names)
}

/// What the files of single classes are called.
fn stems<'a>(maps: impl Iterator<Item = &'a MapFiles>) -> Option<BTreeSet<String>> {
    let stems: BTreeSet<String> = maps
        .filter_map(|map| match map {
            MapFiles::PerClass { files, .. } => Some(files.keys().cloned()),
            MapFiles::One(_) => None,
        })
        .flatten()
        .collect();
    (!stems.is_empty()).then_some(stems)
}
