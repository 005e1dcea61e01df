//! Checks a data set: everything is there, can be read and is what the published one is.

use std::collections::BTreeMap;
use std::fmt;

use rayon::prelude::*;
use serde::Serialize;

use crate::dataset::DataSet;
use crate::label_scheme::synapse_labels;

/// What a check found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The data set's name.
    pub name: String,
    /// Form of its files.
    pub form: String,
    /// Label scheme of its files.
    pub label_scheme: String,
    /// Order of its files' axes.
    pub axes: String,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// The cases that can be read.
    pub cases: Vec<CaseReport>,
    /// The splits of which at least one case is there.
    pub splits: BTreeMap<String, SplitReport>,
    /// Splits of which no case is there.
    pub absent_splits: Vec<String>,
    /// What a user should know: what headers leave open, voxels that are no numbers, scans that lie otherwise than others.
    pub warnings: Vec<String>,
    /// What is wrong, and where.
    pub problems: Vec<String>,
}

/// One case.
#[derive(Clone, Debug, Serialize)]
pub struct CaseReport {
    /// Its name.
    pub id: String,
    /// Slices, rows, columns.
    pub shape: [usize; 3],
    /// Distance of neighbours along the same axes, where the form says it.
    pub spacing_mm: Option<[f64; 3]>,
    /// Voxels of each class, background first.
    pub voxels: Vec<usize>,
}

/// One split.
#[derive(Clone, Debug, Serialize)]
pub struct SplitReport {
    /// Number of scans that can be read.
    pub cases: usize,
    /// Their slices.
    pub slices: usize,
    /// The published number of slices.
    pub published_slices: Option<usize>,
    /// Voxels of each class, background first.
    pub voxels: Vec<usize>,
    /// Cases or patients that are not there.
    pub missing: Vec<String>,
}

/// Reads every case. Splits of which only some cases are there are a problem unless `partial`; splits in `required`
/// must be there.
#[must_use]
pub fn check(set: &DataSet, required: &[String], partial: bool) -> Report {
    let n_classes = set.labels.n_classes();
    let read = |at: usize| {
        let case = set.read(at).map_err(|e| e.to_string())?;
        let (low, high) = case.image.fold((f32::MAX, f32::MIN), |(low, high), &v| (low.min(v), high.max(v)));
        let (slices, rows, cols) = case.image.dim();
        let found = CaseReport {
            id: case.id.clone(),
            shape: [slices, rows, cols],
            spacing_mm: case.spacing_mm,
            voxels: case.count_voxels(n_classes),
        };
        let (mut notes, mut problems) = (case.notes, Vec::new());
        if low < -1e-4 || high > 1.0001 {
            problems.push(format!("{}: gray values run from {low} to {high}, not from 0 to 1", case.id));
        } else if low >= high {
            problems.push(format!("{}: all gray values are {low}", case.id));
        }
        if found.voxels[1..].iter().all(|&n| n == 0) {
            notes.push(format!("{}: its label map holds background only", case.id));
        }
        if let Some(spacing) =
            case.spacing_mm.filter(|spacing| spacing.iter().any(|mm| !(0.05..=20.0).contains(mm)))
        {
            problems.push(format!("{}: a spacing of {spacing:?} mm is none of a scan", case.id));
        }
        Ok::<_, String>((found, case.turned_from.unwrap_or(case.orientation), notes, problems))
    };
    let found: Vec<_> = (0..set.len()).into_par_iter().map(read).collect();
    let mut report = Report {
        name: set.name.clone(),
        form: set.form.name().to_owned(),
        label_scheme: set.label_scheme.clone(),
        axes: set.axes.name().to_owned(),
        classes: set.labels.names.clone(),
        cases: Vec::new(),
        splits: BTreeMap::new(),
        absent_splits: Vec::new(),
        warnings: Vec::new(),
        problems: Vec::new(),
    };
    let mut orientations: BTreeMap<String, usize> = BTreeMap::new();
    // Slices and voxels of each key, for those that can be read.
    let mut by_key: BTreeMap<&str, (usize, usize, Vec<usize>)> = BTreeMap::new();
    for (at, found) in found.into_iter().enumerate() {
        match found {
            Ok((case, orientation, notes, problems)) => {
                *orientations.entry(orientation.letters()).or_default() += 1;
                report.warnings.extend(notes);
                let of_key = by_key.entry(set.key(at)).or_insert_with(|| (0, 0, vec![0; n_classes]));
                of_key.0 += 1;
                of_key.1 += case.shape[0];
                of_key.2.iter_mut().zip(&case.voxels).for_each(|(sum, n)| *sum += n);
                report.problems.extend(problems);
                report.cases.push(case);
            }
            Err(problem) => report.problems.push(problem),
        }
    }
    if orientations.len() > 1 {
        let lie: Vec<String> = orientations.iter().map(|(axes, n)| format!("{n} {axes}")).collect();
        report
            .warnings
            .push(format!("the scans lie in different orientations ({}): they are turned to one", lie.join(", ")));
    }
    splits(set, &by_key, required, partial, &mut report);
    classes(set, &mut report);
    report
}

fn splits(
    set: &DataSet,
    by_key: &BTreeMap<&str, (usize, usize, Vec<usize>)>,
    required: &[String],
    partial: bool,
    report: &mut Report,
) {
    for name in required.iter().filter(|name| !set.splits.contains_key(*name)) {
        report.problems.push(format!("there is no split {name:?}"));
    }
    let is_there = |key: &String| (0..set.len()).any(|case| set.key(case) == key);
    for (name, keys) in &set.splits {
        let missing: Vec<String> = keys.iter().filter(|key| !is_there(key)).cloned().collect();
        if missing.len() == keys.len() && !required.contains(name) {
            report.absent_splits.push(name.clone());
            continue;
        }
        let mut split = SplitReport {
            cases: 0,
            slices: 0,
            published_slices: set.published_slices.get(name).copied(),
            voxels: vec![0; set.labels.n_classes()],
            missing,
        };
        for (cases, slices, voxels) in keys.iter().filter_map(|key| by_key.get(key.as_str())) {
            split.cases += cases;
            split.slices += slices;
            split.voxels.iter_mut().zip(voxels).for_each(|(sum, n)| *sum += n);
        }
        // A fold's training cases lack what the training split lacks: once is enough.
        let is_named = !name.starts_with("fold-") || required.contains(name);
        if !split.missing.is_empty() && is_named && (!partial || required.contains(name)) {
            let shown = split.missing.iter().take(8).cloned().collect::<Vec<_>>().join(", ");
            let more = if split.missing.len() > 8 { ", ..." } else { "" };
            report.problems.push(format!(
                "{name} is not complete: {} of {} {} missing: {shown}{more}",
                split.missing.len(),
                keys.len(),
                if split.missing.len() == 1 { "is" } else { "are" }
            ));
        }
        let absent =
            |class: &usize| split.voxels[*class] == 0 && by_key.values().any(|(_, _, voxels)| voxels[*class] > 0);
        let absent: Vec<&str> =
            (1..split.voxels.len()).filter(absent).map(|class| set.labels.names[class].as_str()).collect();
        if !absent.is_empty() && split.cases > 0 {
            report.warnings.push(format!("{name} has no voxel of {}", absent.join(", ")));
        }
        if let Some(published) = split.published_slices.filter(|n| *n != split.slices && split.missing.is_empty())
        {
            report
                .problems
                .push(format!("{name} has {}, the published one has {published}", count(split.slices, "slice")));
        }
        report.splits.insert(name.clone(), split);
    }
    for (key, published) in &set.published_slices {
        if let Some((_, slices, _)) = by_key.get(key.as_str()).filter(|(_, slices, _)| slices != published) {
            let slices = count(*slices, "slice");
            report.problems.push(format!("{key} has {slices}, the published one has {published}"));
        }
    }
}

/// Classes that are nowhere, and organs whose sizes say that the files have another label scheme.
fn classes(set: &DataSet, report: &mut Report) {
    const ENOUGH_CASES: usize = 5;
    if report.cases.len() < ENOUGH_CASES {
        return;
    }
    let total = |class: usize| report.cases.iter().map(|case| case.voxels[class]).sum::<usize>();
    let mut problems = Vec::new();
    for (class, name) in set.labels.names.iter().enumerate().skip(1) {
        if total(class) == 0 {
            problems
                .push(format!("{name} is in no case: are the labels in the label scheme `{}`?", set.label_scheme));
        }
    }
    if set.labels == synapse_labels() && problems.is_empty() {
        let size = |organ: &str| set.labels.names.iter().position(|name| name == organ).map_or(0, &total);
        let others = set.labels.names[1..].iter().filter(|organ| *organ != "liver");
        let larger = others.map(|organ| ("liver", organ.as_str())).chain([("stomach", "pancreas")]);
        for (large, small) in larger.filter(|(large, small)| size(large) < size(small)) {
            problems.push(format!(
                "over all cases the {large} has {} voxels, the {small} {}: are the labels in the label scheme `{}`?",
                size(large),
                size(small),
                set.label_scheme
            ));
        }
    }
    report.problems.extend(problems);
}

/// `1 case`, `2 cases`.
fn count(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: form {}, label scheme {}, axes {}", self.name, self.form, self.label_scheme, self.axes)?;
        let range = |of: &dyn Fn(&CaseReport) -> f64| {
            let values = || self.cases.iter().map(of);
            (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max))
        };
        if !self.cases.is_empty() {
            let shape = [0, 1, 2].map(|axis| range(&|c| c.shape[axis] as f64));
            let spacing = [0, 1, 2].map(|axis| range(&|c| c.spacing_mm.map_or(f64::NAN, |mm| mm[axis])));
            let text = |ranges: [(f64, f64); 3]| {
                ranges
                    .map(|(low, high)| if low == high { format!("{low}") } else { format!("{low} to {high}") })
                    .join(" x ")
            };
            let n = self.cases.len();
            let is_known = self.cases.iter().all(|case| case.spacing_mm.is_some());
            let spacing = if is_known { text(spacing) } else { "not known in every case".to_owned() };
            writeln!(
                f,
                "{}; slices x rows x columns: {}; spacing in mm: {spacing}",
                count(n, "case"),
                text(shape)
            )?;
        }
        for (name, split) in self.splits.iter().filter(|(name, _)| !name.starts_with("fold-")) {
            let published = split.published_slices.map_or(String::new(), |n| format!(" (published: {n})"));
            writeln!(f, "{name}: {}, {}{published}", count(split.cases, "case"), count(split.slices, "slice"))?;
            for (class, voxels) in self.classes.iter().zip(&split.voxels).skip(1) {
                writeln!(f, "  {class:<20} {voxels:>12} voxel{}", if *voxels == 1 { "" } else { "s" })?;
            }
        }
        if !self.absent_splits.is_empty() {
            writeln!(f, "not there: {}", self.absent_splits.join(", "))?;
        }
        for warning in &self.warnings {
            writeln!(f, "warning: {warning}")?;
        }
        for problem in &self.problems {
            writeln!(f, "problem: {problem}")?;
        }
        Ok(())
    }
}
