//! Which files of a folder belong together: images and their label maps, in the layouts that people have.
//!
//! What a file is, is told by words: by that of the nearest folder that has one (`imagesTr`, `labels`, `segmentations`), or by
//! those of its own name (`case_seg`, `mask`, `GT`). What belongs together, is told by what remains of the paths without
//! these words.

use std::collections::{BTreeMap, BTreeSet};

use unicode_normalization::UnicodeNormalization;

use crate::names::without_ending;

/// An image and its label maps, by paths below the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    /// Name of the case; letters, digits, `_`, `-` and `.`.
    pub case: String,
    /// Name of the patient, whose scans stay together.
    pub patient: String,
    /// The image.
    pub image: String,
    /// The label map, or one file for each class.
    pub labels: Labels,
}

/// The label maps of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Labels {
    /// One file with a code for each class.
    Map(String),
    /// One file for each class: the name without ending, and the path.
    Files(BTreeMap<String, String>),
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub pairs: Vec<Pair>,
    /// Files that are of no use, and why.
    pub left_out: Vec<(String, String)>,
}

/// Words for label maps and for images. In names of folders they may begin a word.
const LABEL_WORDS: [&str; 16] = [
    "label",
    "labels",
    "labelmap",
    "seg",
    "segs",
    "segmentation",
    "segmentations",
    "mask",
    "masks",
    "gt",
    "groundtruth",
    "truth",
    "annotation",
    "annotations",
    "contour",
    "contours",
];
const IMAGE_WORDS: [&str; 15] = [
    "image", "images", "imaging", "img", "imgs", "scan", "scans", "volume", "volumes", "vol", "ct", "cts", "mr",
    "mri", "data",
];
/// Of several sequences of one patient, the first of these that is there.
const SEQUENCES: [&str; 9] = ["flair", "t2f", "t1ce", "t1c", "t1gd", "t2w", "t2", "t1n", "t1"];

/// A file by what its path says.
pub(crate) struct File<'a> {
    path: &'a str,
    folder: &'a str,
    stem: &'a str,
    /// Whether folders or name say that it is a label map.
    pub is_label: bool,
    /// What remains of folders and name without the words that say what it is.
    pub key: Vec<String>,
    /// The rank of its sequence among [`SEQUENCES`], where its name ends in one; the key is without it.
    sequence: usize,
}

impl<'a> File<'a> {
    /// `n_shared` folders are those of all files, and tell nothing.
    pub fn new(path: &'a str, n_shared: usize) -> Self {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let stem = without_ending(name).unwrap_or(name);
        let folders: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).skip(n_shared).collect();
        let has = |part: &str, all: &[&str]| words(part).iter().any(|word| all.contains(&word.text.as_str()));
        // The nearest folder with a word for one of the two decides.
        let nearest = folders.iter().rev().find(|part| has(part, &LABEL_WORDS) != has(part, &IMAGE_WORDS));
        // In a name, the first or the last word.
        let of_name = words(stem);
        let is_word = |word: Option<&Word>| word.is_some_and(|word| LABEL_WORDS.contains(&word.text.as_str()));
        let (by_first, by_last) = (is_word(of_name.first()), is_word(of_name.last()));
        let is_label = by_last || nearest.map_or(by_first, |part| has(part, &LABEL_WORDS));
        let mut key: Vec<String> = folders.iter().map(|part| without_roles(part)).collect();
        let own = without_roles(stem);
        let last = own.rsplit(['_', '-']).next().unwrap_or_default();
        let sequence = SEQUENCES.iter().position(|known| !is_label && last.eq_ignore_ascii_case(known));
        key.push(match sequence {
            Some(_) => own[..own.len() - last.len()].trim_end_matches(['_', '-']).to_owned(),
            None => own,
        });
        key.retain(|part| !part.is_empty());
        Self { path, folder, stem, is_label, key, sequence: sequence.unwrap_or(0) }
    }

    /// What the key is compared by.
    pub fn folded(&self) -> Vec<String> {
        self.key.iter().map(|part| part.to_lowercase()).collect()
    }

    /// The key without the number of a channel at its end, as nnU-Net names images, and that number.
    pub fn channel(&self) -> Option<(Vec<String>, &str)> {
        let (name, channel) = self.key.last()?.rsplit_once('_')?;
        let is_channel = channel.len() == 4 && channel.bytes().all(|byte| byte.is_ascii_digit());
        let mut key = self.folded();
        key.pop();
        key.push(name.to_lowercase());
        is_channel.then_some((key, channel))
    }
}

/// A word of a name, in small letters, and where it is.
struct Word {
    text: String,
    start: usize,
    end: usize,
}

/// The words of a name: `labelsTr_2` has `labels`, `tr` and `2`.
fn words(text: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        let goes_on = before.is_alphanumeric()
            && !(c.is_uppercase() && before.is_lowercase())
            && before.is_numeric() == c.is_numeric();
        if c.is_alphanumeric() {
            if !goes_on {
                words.push(Word { text: String::new(), start: at, end: at });
            }
            if let Some(word) = words.last_mut() {
                word.text.extend(c.to_lowercase());
                word.end = at + c.len_utf8();
            }
        }
        before = c;
    }
    words
}

/// A name without the words that say what a file is, and without what joined them to the others.
pub(crate) fn without_roles(text: &str) -> String {
    let text: String = text.nfc().collect();
    let mut rest = String::new();
    let mut from = 0;
    for word in words(&text)
        .iter()
        .filter(|word| LABEL_WORDS.contains(&word.text.as_str()) || IMAGE_WORDS.contains(&word.text.as_str()))
    {
        rest.push_str(&text[from..word.start]);
        from = word.end;
    }
    rest.push_str(&text[from..]);
    rest.trim_matches(['_', '-', '.', ' ']).to_owned()
}

/// Finds pairs among the NIfTI files of a folder, given by their paths below it.
pub(super) fn pair(paths: &[String]) -> Found {
    let n_shared = shared_folders(paths);
    let files: Vec<File<'_>> = paths.iter().map(|path| File::new(path, n_shared)).collect();
    let (labels, images): (Vec<&File<'_>>, Vec<&File<'_>>) = files.iter().partition(|file| file.is_label);
    let mut by_key: BTreeMap<Vec<String>, Vec<&File<'_>>> = BTreeMap::new();
    let mut by_channel: BTreeMap<Vec<String>, Vec<&File<'_>>> = BTreeMap::new();
    let mut by_folder: BTreeMap<&str, Vec<&File<'_>>> = BTreeMap::new();
    for image in &images {
        by_key.entry(image.folded()).or_default().push(image);
        by_folder.entry(image.folder).or_default().push(image);
        if let Some((key, _)) = image.channel() {
            by_channel.entry(key).or_default().push(image);
        }
    }
    let mut found = Found::default();
    let mut taken: BTreeMap<&str, (Vec<String>, Labels)> = BTreeMap::new();
    let mut why: BTreeMap<&str, String> = BTreeMap::new();
    for label in &labels {
        let key = label.folded();
        let matching = by_key.get(&key).or_else(|| by_channel.get(&key));
        // Where names tell nothing: the only image of the folder, or of the folder above one of label maps.
        let above = label.folder.rsplit_once('/').map_or("", |(above, _)| above);
        let is_alone =
            |folder: &str| by_folder.get(folder).filter(|images| images.len() == 1).map(|images| images[0]);
        let beside = || {
            let n_labels = labels.iter().filter(|other| other.folder == label.folder).count();
            is_alone(label.folder).filter(|_| n_labels == 1)
        };
        if let Some(images) = matching {
            let best = images.iter().min_by_key(|image| (image.sequence, image.stem.to_lowercase()));
            let Some(best) = best else { continue };
            for other in images.iter().filter(|other| other.path != best.path) {
                let reason = format!("another channel or sequence of the case; {} is used", best.path);
                why.insert(other.path, reason);
            }
            if taken.contains_key(best.path) {
                found.left_out.push((label.path.to_owned(), format!("another label map of {}", best.path)));
            } else {
                taken.insert(best.path, (label.key.clone(), Labels::Map(label.path.to_owned())));
            }
        } else if let Some(image) = beside() {
            taken.entry(image.path).or_insert_with(|| (image.key.clone(), Labels::Map(label.path.to_owned())));
        } else if let Some(image) = is_alone(above).filter(|_| label.folder != above) {
            let (_, labels) =
                taken.entry(image.path).or_insert_with(|| (image.key.clone(), Labels::Files(BTreeMap::new())));
            if let Labels::Files(files) = labels {
                files.insert(label.stem.to_owned(), label.path.to_owned());
            }
        } else {
            found.left_out.push((label.path.to_owned(), "a label map without an image".to_owned()));
        }
    }
    for image in images.iter().filter(|image| !taken.contains_key(image.path)) {
        let reason = why.remove(image.path).unwrap_or_else(|| "an image without a label map".to_owned());
        found.left_out.push((image.path.to_owned(), reason));
    }
    found.left_out.sort();
    found.pairs = named(taken);
    found
}

/// Number of folders that all files lie in.
pub(crate) fn shared_folders(paths: &[String]) -> usize {
    let folders =
        |path: &str| path.split('/').map(str::to_owned).rev().skip(1).collect::<Vec<_>>().into_iter().rev();
    let mut shared: Option<Vec<String>> = None;
    for path in paths {
        let own = folders(path);
        shared = Some(match shared {
            None => own.collect(),
            Some(shared) => shared.into_iter().zip(own).take_while(|(a, b)| a == b).map(|(a, _)| a).collect(),
        });
    }
    shared.map_or(0, |shared| shared.len())
}

/// The cases with names of their own: the last part of the path that tells them apart, or all of it.
fn named(taken: BTreeMap<&str, (Vec<String>, Labels)>) -> Vec<Pair> {
    let last = |key: &[String]| key.last().map_or_else(|| "case".to_owned(), |part| plain(part));
    let short: Vec<String> = taken.values().map(|(key, _)| last(key)).collect();
    let is_unique = short.iter().collect::<BTreeSet<_>>().len() == short.len();
    // A folder that its scans are called after is a patient's; `Tr`, `Va`, `batch 1` are not.
    let is_nested = taken
        .values()
        .all(|(key, _)| key.len() > 1 && key.last().is_some_and(|name| name.starts_with(key[0].as_str())));
    let n_patients = taken.values().filter_map(|(key, _)| key.first()).collect::<BTreeSet<_>>().len();
    let mut seen = BTreeSet::new();
    let pairs = taken.into_iter().map(|(image, (key, labels))| {
        let whole = if is_unique { last(&key) } else { plain(&key.join("_")) };
        // Names that differ in signs alone.
        let numbered = (2_usize..).map(|n| format!("{whole}_{n}"));
        let case = std::iter::once(whole.clone()).chain(numbered).find(|name| seen.insert(name.clone()));
        let case = case.unwrap_or_else(|| whole.clone());
        let patient = if is_nested && n_patients > 1 { plain(&key[0]) } else { patient_of(&case).to_owned() };
        Pair { case, patient, image: image.to_owned(), labels }
    });
    pairs.collect()
}

/// A case's name without the words for one of several scans at its end: `patient001_frame01` is `patient001`.
fn patient_of(case: &str) -> &str {
    const WORDS: [&str; 12] =
        ["frame", "visit", "session", "ses", "scan", "time", "timepoint", "tp", "t", "phase", "ed", "es"];
    let Some((patient, end)) = case.rsplit_once(['_', '-']) else { return case };
    let word = end.trim_end_matches(|c: char| c.is_ascii_digit()).to_lowercase();
    if WORDS.contains(&word.as_str()) && !patient.is_empty() { patient } else { case }
}

/// A name of letters, digits, `_`, `-` and `.`.
pub(crate) fn plain(text: &str) -> String {
    let text: String = text.nfc().collect();
    let text: String =
        text.chars().map(|c| if c.is_alphanumeric() || matches!(c, '_' | '-' | '.') { c } else { '_' }).collect();
    let text = text.trim_start_matches('.').to_owned();
    if text.is_empty() { "case".to_owned() } else { text.chars().take(120).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pairs as `case (patient): image + label`, and the files that are left out.
    fn check(paths: &[&str], expected: &[&str], left_out: &[&str]) {
        let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        let found = pair(&paths);
        let pairs: Vec<String> = found
            .pairs
            .iter()
            .map(|pair| {
                let labels = match &pair.labels {
                    Labels::Map(path) => path.clone(),
                    Labels::Files(files) => files.keys().cloned().collect::<Vec<_>>().join(","),
                };
                let patient =
                    if pair.patient == pair.case { String::new() } else { format!(" ({})", pair.patient) };
                format!("{}{patient}: {} + {labels}", pair.case, pair.image)
            })
            .collect();
        assert_eq!(pairs, expected);
        let names: Vec<&str> = found.left_out.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(names, left_out);
    }

    #[test]
    fn the_layouts_of_challenges_and_tools_are_known() {
        check(
            &[
                "imagesTr/liver_0_0000.nii.gz",
                "imagesTr/liver_1_0000.nii.gz",
                "imagesTs/liver_9_0000.nii.gz",
                "labelsTr/liver_0.nii.gz",
                "labelsTr/liver_1.nii.gz",
            ],
            &[
                "liver_0: imagesTr/liver_0_0000.nii.gz + labelsTr/liver_0.nii.gz",
                "liver_1: imagesTr/liver_1_0000.nii.gz + labelsTr/liver_1.nii.gz",
            ],
            &["imagesTs/liver_9_0000.nii.gz"],
        );
        check(
            &["imagesTr/B_000_0000.nii.gz", "imagesTr/B_000_0001.nii.gz", "labelsTr/B_000.nii.gz"],
            &["B_000: imagesTr/B_000_0000.nii.gz + labelsTr/B_000.nii.gz"],
            &["imagesTr/B_000_0001.nii.gz"],
        );
        check(
            &[
                "case_00000/imaging.nii.gz",
                "case_00000/segmentation.nii.gz",
                "case_00001/imaging.nii.gz",
                "case_00001/segmentation.nii.gz",
            ],
            &[
                "case_00000: case_00000/imaging.nii.gz + case_00000/segmentation.nii.gz",
                "case_00001: case_00001/imaging.nii.gz + case_00001/segmentation.nii.gz",
            ],
            &[],
        );
        check(
            &["volume-0.nii", "volume-10.nii", "segmentation-0.nii", "segmentation-10.nii"],
            &["0: volume-0.nii + segmentation-0.nii", "10: volume-10.nii + segmentation-10.nii"],
            &[],
        );
        check(
            &[
                "B1/B1_t1.nii.gz",
                "B1/B1_t1ce.nii.gz",
                "B1/B1_flair.nii.gz",
                "B1/B1_seg.nii.gz",
                "B2/B2_t1.nii.gz",
                "B2/B2_flair.nii.gz",
                "B2/B2_seg.nii.gz",
            ],
            &["B1: B1/B1_flair.nii.gz + B1/B1_seg.nii.gz", "B2: B2/B2_flair.nii.gz + B2/B2_seg.nii.gz"],
            &["B1/B1_t1.nii.gz", "B1/B1_t1ce.nii.gz", "B2/B2_t1.nii.gz"],
        );
        check(
            &[
                "s1/ct.nii.gz",
                "s1/segmentations/liver.nii.gz",
                "s1/segmentations/spleen.nii.gz",
                "s2/ct.nii.gz",
                "s2/segmentations/liver.nii.gz",
            ],
            &["s1: s1/ct.nii.gz + liver,spleen", "s2: s2/ct.nii.gz + liver"],
            &[],
        );
        check(
            &[
                "patient001/patient001_frame01.nii.gz",
                "patient001/patient001_frame01_gt.nii.gz",
                "patient001/patient001_frame12.nii.gz",
                "patient001/patient001_frame12_gt.nii.gz",
                "patient001/patient001_4d.nii.gz",
                "patient002/patient002_frame01.nii.gz",
                "patient002/patient002_frame01_gt.nii.gz",
            ],
            &[
                "patient001_frame01 (patient001): patient001/patient001_frame01.nii.gz + patient001/patient001_frame01_gt.nii.gz",
                "patient001_frame12 (patient001): patient001/patient001_frame12.nii.gz + patient001/patient001_frame12_gt.nii.gz",
                "patient002_frame01 (patient002): patient002/patient002_frame01.nii.gz + patient002/patient002_frame01_gt.nii.gz",
            ],
            &["patient001/patient001_4d.nii.gz"],
        );
        check(
            &["img/img0001.nii.gz", "img/img0010.nii.gz", "label/label0001.nii.gz", "label/label0010.nii.gz"],
            &[
                "0001: img/img0001.nii.gz + label/label0001.nii.gz",
                "0010: img/img0010.nii.gz + label/label0010.nii.gz",
            ],
            &[],
        );
        check(
            &["imagesTr/a1.nii.gz", "imagesVa/a2.nii.gz", "labelsTr/a1.nii.gz", "labelsVa/a2.nii.gz"],
            &["a1: imagesTr/a1.nii.gz + labelsTr/a1.nii.gz", "a2: imagesVa/a2.nii.gz + labelsVa/a2.nii.gz"],
            &[],
        );
        check(
            &["images/FLARE_0001_0000.nii.gz", "labels/FLARE_0001.nii.gz"],
            &["FLARE_0001: images/FLARE_0001_0000.nii.gz + labels/FLARE_0001.nii.gz"],
            &[],
        );
    }

    #[test]
    fn names_are_as_people_have_them() {
        check(
            &[
                "images/Patient 0.nii.gz",
                "images/p(1)+.nii.gz",
                "images/Mu\u{308}ller.nii.gz",
                "images/P2.NII.GZ",
                "labels/Patient 0.nii.gz",
                "labels/p(1)+.nii.gz",
                "labels/M\u{fc}ller.nii.gz",
                "labels/P2.nii.gz",
            ],
            &[
                "M\u{fc}ller: images/Mu\u{308}ller.nii.gz + labels/M\u{fc}ller.nii.gz",
                "P2: images/P2.NII.GZ + labels/P2.nii.gz",
                "Patient_0: images/Patient 0.nii.gz + labels/Patient 0.nii.gz",
                "p_1__: images/p(1)+.nii.gz + labels/p(1)+.nii.gz",
            ],
            &[],
        );
        check(
            &["case0.nii.gz", "case0_seg.nii.gz", "case1.nii.gz", "case1-label.nii.gz"],
            &["case0: case0.nii.gz + case0_seg.nii.gz", "case1: case1.nii.gz + case1-label.nii.gz"],
            &[],
        );
        check(
            &[
                "images/1.nii.gz",
                "images/10.nii.gz",
                "images/u3.nii.gz",
                "labels/1.nii.gz",
                "labels/10.nii",
                "labels/u4.nii.gz",
            ],
            &["1: images/1.nii.gz + labels/1.nii.gz", "10: images/10.nii.gz + labels/10.nii"],
            &["images/u3.nii.gz", "labels/u4.nii.gz"],
        );
    }

    #[test]
    fn words_in_folders_above_and_in_names_of_cases_mislead_nobody() {
        check(
            &["segmentation_2024/imagesTr/c0.nii.gz", "segmentation_2024/labelsTr/c0.nii.gz"],
            &["c0: segmentation_2024/imagesTr/c0.nii.gz + segmentation_2024/labelsTr/c0.nii.gz"],
            &[],
        );
        check(
            &[
                "SegTHOR/train/Patient_00/Patient_00.nii.gz",
                "SegTHOR/train/Patient_00/GT.nii.gz",
                "SegTHOR/train/Patient_01/Patient_01.nii.gz",
                "SegTHOR/train/Patient_01/GT.nii.gz",
            ],
            &[
                "Patient_00: SegTHOR/train/Patient_00/Patient_00.nii.gz + SegTHOR/train/Patient_00/GT.nii.gz",
                "Patient_01: SegTHOR/train/Patient_01/Patient_01.nii.gz + SegTHOR/train/Patient_01/GT.nii.gz",
            ],
            &[],
        );
        check(
            &[
                "images/segmed_0.nii.gz",
                "images/segmed_1.nii.gz",
                "labels/segmed_0.nii.gz",
                "labels/segmed_1.nii.gz",
            ],
            &[
                "segmed_0: images/segmed_0.nii.gz + labels/segmed_0.nii.gz",
                "segmed_1: images/segmed_1.nii.gz + labels/segmed_1.nii.gz",
            ],
            &[],
        );
        check(
            &["labeled/images/c0.nii.gz", "labeled/gt/c0.nii.gz"],
            &["c0: labeled/images/c0.nii.gz + labeled/gt/c0.nii.gz"],
            &[],
        );
    }
}
