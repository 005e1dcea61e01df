//! What cases are called, whose scans they are, and which are trained on: scans of one patient stay together.

use std::collections::{BTreeMap, BTreeSet};

use super::pairs::{Labels, Pair};
use super::words::{Split, plain};

/// Words for one of several scans of a patient, with or without a number behind them.
const SCAN_WORDS: [&str; 28] = [
    "frame",
    "ed",
    "es",
    "visit",
    "v",
    "session",
    "ses",
    "scan",
    "time",
    "timepoint",
    "tp",
    "t",
    "phase",
    "run",
    "pre",
    "post",
    "baseline",
    "bl",
    "followup",
    "fu",
    "day",
    "week",
    "month",
    "year",
    "arterial",
    "venous",
    "portal",
    "delayed",
];
/// A number at the end of names is taken for that of a patient's scan where patients have no more on average.
const MAX_NUMBERED_SCANS: usize = 3;

/// An image and its label maps, with what the paths leave of a name.
pub(super) struct Unnamed {
    /// Folders and name, without words for roles and splits.
    pub key: Vec<String>,
    pub split: Option<Split>,
    pub image: String,
    pub labels: Labels,
}

/// The cases with names of their own: the last part of the path, or all of it, or that with its split, whatever tells them
/// apart.
pub(super) fn named(cases: Vec<Unnamed>) -> Vec<Pair> {
    let last = |case: &Unnamed| case.key.last().map_or_else(|| plain(""), |part| plain(part));
    let whole = |case: &Unnamed| plain(&case.key.join("_"));
    let of_split = |case: &Unnamed| {
        case.split.map_or_else(|| whole(case), |split| format!("{}_{}", split.name(), whole(case)))
    };
    let names = [&last as &dyn Fn(&Unnamed) -> String, &whole, &of_split]
        .map(|name| cases.iter().map(name).collect::<Vec<_>>());
    let [short, longer, longest] = names;
    let mut names = [short, longer].into_iter().find(|names| are_unique(names)).unwrap_or(longest);
    // Names that differ in signs alone.
    let mut seen = BTreeSet::new();
    for name in &mut names {
        let numbered = (2_usize..).map(|n| format!("{name}_{n}"));
        let free = std::iter::once(name.clone()).chain(numbered).find(|name| seen.insert(name.clone()));
        *name = free.unwrap_or_default();
    }
    let patients = patient_folders(&cases).unwrap_or_else(|| patients(&names));
    let pairs = cases.into_iter().zip(names).zip(patients).map(|((case, name), patient)| Pair {
        case: name,
        patient,
        split: case.split,
        image: case.image,
        labels: case.labels,
    });
    pairs.collect()
}

fn are_unique(names: &[String]) -> bool {
    names.iter().collect::<BTreeSet<_>>().len() == names.len()
}

/// The folders, where scans are called after the folders that they lie in: these are patients; `batch 1` is none.
fn patient_folders(cases: &[Unnamed]) -> Option<Vec<String>> {
    let is_nested =
        |case: &Unnamed| case.key.len() > 1 && case.key.last().is_some_and(|name| name.starts_with(&case.key[0]));
    let n_folders = cases.iter().filter_map(|case| case.key.first()).collect::<BTreeSet<_>>().len();
    (cases.iter().all(is_nested) && n_folders > 1).then(|| cases.iter().map(|case| plain(&case.key[0])).collect())
}

/// Whose scans cases are, by their names: `patient001_frame01` is `patient001`'s, `G-00001-001` is `G-00001`'s where some
/// patient has two of them.
fn patients(cases: &[String]) -> Vec<String> {
    let by_words: Vec<&str> = cases.iter().map(|case| without_scan_words(case)).collect();
    let by_number: Vec<&str> = cases.iter().map(|case| without_number(case)).collect();
    let n_different = |names: &[&str]| names.iter().collect::<BTreeSet<_>>().len();
    let (n_by_words, n_by_number) = (n_different(&by_words), n_different(&by_number));
    let chosen = if n_by_words > 1 && n_by_words < cases.len() {
        by_words
    } else if n_by_number > 1 && n_by_number < cases.len() && cases.len() <= MAX_NUMBERED_SCANS * n_by_number {
        by_number
    } else {
        return cases.to_vec();
    };
    chosen.into_iter().map(str::to_owned).collect()
}

/// `patient001` of `patient001_frame12`, `sub-01` of `sub-01_ses-2`.
fn without_scan_words(case: &str) -> &str {
    let mut name = case;
    while let Some((before, last)) = split_last(name) {
        let is_number = last.bytes().all(|byte| byte.is_ascii_digit());
        name = match split_last(before) {
            _ if is_scan_word(last) => before,
            // `ses-2`: a word and its number.
            Some((before, word)) if is_number && is_scan_word(word) => before,
            _ => return name,
        };
    }
    name
}

fn is_scan_word(word: &str) -> bool {
    let word = word.to_lowercase();
    SCAN_WORDS.contains(&word.trim_end_matches(|c: char| c.is_ascii_digit()))
}

/// `BraTS-GLI-00001` of `BraTS-GLI-00001-001`: the number of a scan behind that of a patient.
fn without_number(case: &str) -> &str {
    let is_small = |last: &str| last.len() <= 3 && last.parse::<usize>().is_ok_and(|number| number < 10);
    split_last(case)
        .filter(|(before, last)| is_small(last) && before.ends_with(|c: char| c.is_ascii_digit()))
        .map_or(case, |(before, _)| before)
}

/// A name without its last part, and that part.
fn split_last(name: &str) -> Option<(&str, &str)> {
    name.rsplit_once(['_', '-']).filter(|(before, last)| !before.is_empty() && !last.is_empty())
}

/// Patients of each split: as folders of the data say, else every fifth to validate on. Says which patients have scans in
/// several splits: they are trained on, so that nobody is trained on and scored.
pub(super) fn splits(pairs: &[Pair]) -> (BTreeMap<String, Vec<String>>, Vec<String>) {
    let mut patients: BTreeMap<&str, Split> = BTreeMap::new();
    let mut in_several: BTreeSet<&str> = BTreeSet::new();
    for pair in pairs {
        let split = pair.split.unwrap_or(Split::Train);
        let known = patients.entry(&pair.patient).or_insert(split);
        if *known != split {
            in_several.insert(&pair.patient);
            *known = split.min(*known);
        }
    }
    if patients.values().all(|split| *split == patients.values().copied().next().unwrap_or(Split::Train)) {
        let n = patients.len();
        for (at, split) in patients.values_mut().enumerate() {
            *split = if n > 1 && at % 5 == 4.min(n - 1) { Split::Valid } else { Split::Train };
        }
    } else if patients.values().all(|split| *split != Split::Train) {
        // Cases to validate and to test on alone: the former are trained on.
        patients.values_mut().filter(|split| **split == Split::Valid).for_each(|split| *split = Split::Train);
    }
    let mut splits: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (patient, split) in patients {
        splits.entry(split.name().to_owned()).or_default().push(patient.to_owned());
    }
    let notes = in_several
        .into_iter()
        .map(|patient| format!("{patient} has scans in folders of several splits: all are in the first of them"));
    (splits, notes.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scans_of_one_patient_are_known_by_their_names() {
        for (cases, expected) in [
            (
                ["patient001_frame01", "patient001_frame12", "patient002_frame01"],
                ["patient001", "patient001", "patient002"],
            ),
            (["sub-01_ses-1", "sub-01_ses-2", "sub-02_ses-1"], ["sub-01", "sub-01", "sub-02"]),
            (["G-00001-000", "G-00001-001", "G-00002-000"], ["G-00001", "G-00001", "G-00002"]),
            (["p1_pre", "p1_post", "p2_pre"], ["p1", "p1", "p2"]),
        ] {
            assert_eq!(patients(&cases.map(str::to_owned)), expected);
        }
        for alone in [
            ["liver_0", "liver_1", "liver_2"],
            ["visit-0", "visit-1", "visit-2"],
            ["FLARE22_Tr_0001", "FLARE22_Tr_0002", "FLARE22_Tr_0003"],
            ["s0011", "s0058", "s0100"],
            ["2019_001", "2019_002", "2019_003"],
        ] {
            assert_eq!(patients(&alone.map(str::to_owned)), alone);
        }
    }

    #[track_caller]
    fn check(cases: &[(&str, Option<Split>)], expected: &[(&str, &[&str])]) -> Vec<String> {
        let pair = |(patient, split): &(&str, Option<Split>)| Pair {
            case: (*patient).to_owned(),
            patient: (*patient).to_owned(),
            split: *split,
            image: String::new(),
            labels: Labels::Map(String::new()),
        };
        let (found, notes) = splits(&cases.iter().map(pair).collect::<Vec<_>>());
        let expected: BTreeMap<String, Vec<String>> = expected
            .iter()
            .map(|(split, patients)| {
                ((*split).to_owned(), patients.iter().map(|name| (*name).to_owned()).collect())
            })
            .collect();
        assert_eq!(found, expected);
        notes
    }

    #[test]
    fn folders_decide_the_splits_where_they_say_something() {
        let (train, valid, test) = (Some(Split::Train), Some(Split::Valid), Some(Split::Test));
        let all = |split| ["a", "b", "c", "d", "e", "f"].map(|name| (name, split));
        for split in [None, train, test] {
            check(&all(split), &[("train", &["a", "b", "c", "d", "f"]), ("valid", &["e"])]);
        }
        check(
            &[("a", train), ("b", test), ("c", valid)],
            &[("train", &["a"]), ("test", &["b"]), ("valid", &["c"])],
        );
        check(&[("a", None), ("b", test)], &[("train", &["a"]), ("test", &["b"])]);
        check(&[("a", valid), ("b", test)], &[("train", &["a"]), ("test", &["b"])]);
        check(&[("a", None), ("b", None)], &[("train", &["a"]), ("valid", &["b"])]);
        check(&[("a", None)], &[("train", &["a"])]);
        let notes = check(&[("a", test), ("a", train), ("b", test)], &[("train", &["a"]), ("test", &["b"])]);
        assert!(notes.len() == 1 && notes[0].starts_with("a has scans in folders of several splits"), "{notes:?}");
    }
}
