//! What the values of a label map mean.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;

use crate::custom::describe::names_of;
use crate::custom::{Description, LabelName, MAX_CODE, SliceAxis};
use crate::error::DatasetError;
use crate::text::read_text;

/// A table of thousands of cases has some MiB.
const MAX_BYTES: u64 = 16 << 20;

/// What the values of label maps mean: a class by its name, or background.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LabelNames {
    /// The class of each value but 0; `None` for background.
    codes: BTreeMap<u16, Option<String>>,
    /// The classes in their order.
    classes: Vec<String>,
    /// What the file of a class is called, where each has one of its own and it is not called like the class.
    files: BTreeMap<String, String>,
    /// Across what slices are cut.
    pub axis: SliceAxis,
}

/// The part of a description that says what values mean.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    labels: Vec<LabelName>,
    #[serde(default)]
    background: Vec<u16>,
}

impl LabelNames {
    /// Reads a table from a TOML file with `labels` and, if need be, `background` (a data set's description is one), or from
    /// nnU-Net's or the Decathlon's `dataset.json`.
    ///
    /// # Errors
    /// Where the file can't be read or names no labels.
    pub fn read(path: &Path) -> Result<Self, DatasetError> {
        let malformed = |reason: String| DatasetError::malformed(path, reason);
        if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json")) {
            read_text(path, MAX_BYTES)?;
            let codes: BTreeMap<u16, String> = names_of(path).into_iter().filter(|(code, _)| *code > 0).collect();
            if codes.is_empty() {
                let reason = "it has no `labels` of names and codes, as nnU-Net's dataset.json has";
                return Err(malformed(reason.to_owned()));
            }
            return Ok(Self::of_header(codes));
        }
        let text = read_text(path, MAX_BYTES)?;
        let value: toml::Table = toml::from_str(&text).map_err(|error| malformed(error.to_string()))?;
        if value.contains_key("intensity") || value.contains_key("name") {
            let described = Description::read(path)?;
            return Ok(Self::of_table(&described.labels, &described.background, described.axis));
        }
        let Table { labels, background } = toml::from_str(&text).map_err(|error| malformed(error.to_string()))?;
        let mut seen = BTreeSet::new();
        let mut codes = labels.iter().map(|label| label.code).chain(background.iter().copied());
        if let Some(code) = codes.find(|code| *code == 0 || *code > MAX_CODE || !seen.insert(*code)) {
            let reason = format!("the code {code}: each is there once, from 1 to {MAX_CODE}; 0 is background");
            return Err(malformed(reason));
        }
        if labels.is_empty() || labels.iter().any(|label| label.name.trim().is_empty()) {
            return Err(malformed("its `labels` must have a code and a name each".to_owned()));
        }
        Ok(Self::of_table(&labels, &background, SliceAxis::Axial))
    }

    fn of_table(labels: &[LabelName], background: &[u16], axis: SliceAxis) -> Self {
        let mut names = Self { axis, ..Self::default() };
        for label in labels {
            names.add(label.code, &label.name);
            if let Some(file) = &label.file {
                names.files.insert(label.name.clone(), file.clone());
            }
        }
        names.codes.extend(background.iter().map(|&code| (code, None)));
        names
    }

    /// The table that a header brings along: values and names.
    #[must_use]
    pub fn of_header(codes: impl IntoIterator<Item = (u16, String)>) -> Self {
        let mut names = Self::default();
        codes.into_iter().for_each(|(code, name)| names.add(code, &name));
        names
    }

    /// Values as their own names: `class 7`.
    #[must_use]
    pub fn of_codes(codes: &BTreeSet<u16>) -> Self {
        let named = codes.iter().filter(|&&code| code > 0).map(|&code| (code, format!("class {code}")));
        Self::of_header(named)
    }

    /// Classes that have a file each, and are called like it.
    #[must_use]
    pub fn of_files<'a>(stems: impl IntoIterator<Item = &'a String>) -> Self {
        let stems: BTreeSet<&String> = stems.into_iter().collect();
        Self::of_header((1..).zip(stems.into_iter().map(|stem| stem.replace('_', " "))))
    }

    fn add(&mut self, code: u16, name: &str) {
        if !self.classes.iter().any(|known| known == name) {
            self.classes.push(name.to_owned());
        }
        self.codes.insert(code, Some(name.to_owned()));
    }

    /// Names of the classes, without background.
    #[must_use]
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// What a value means: a class by its name, or `Some(None)` for background; `None` where the table does not say.
    #[must_use]
    pub fn of(&self, code: u16) -> Option<Option<&str>> {
        if code == 0 { Some(None) } else { self.codes.get(&code).map(Option::as_deref) }
    }

    /// The class that a file of a single class holds, by its name without ending; `None` where the table has no such class.
    #[must_use]
    pub fn of_file(&self, stem: &str) -> Option<&str> {
        let alike = |name: &str| {
            name.to_lowercase().replace(['_', '-'], " ") == stem.to_lowercase().replace(['_', '-'], " ")
        };
        let is_file = |class: &&String| self.files.get(*class).map_or_else(|| alike(class), |file| alike(file));
        self.classes.iter().find(is_file).map(String::as_str)
    }
}
