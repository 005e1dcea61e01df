//! What the words in names of files and folders say: image or label map, which sequence, which split.

use unicode_normalization::UnicodeNormalization;

/// Words for label maps.
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
/// Words for images.
const IMAGE_WORDS: [&str; 15] = [
    "image", "images", "imaging", "img", "imgs", "scan", "scans", "volume", "volumes", "vol", "ct", "cts", "mr",
    "mri", "data",
];
/// Sequences and modalities. Of several images of one case, the first of these that is there is used.
const SEQUENCES: [&str; 16] = [
    "flair", "t2f", "t1ce", "t1c", "t1gd", "t2w", "t2", "t1n", "t1w", "t1", "ct", "pet", "pt", "dwi", "adc", "pd",
];
/// Words at the end of folders that say what their cases are for.
const SPLIT_WORDS: [(&str, Split); 10] = [
    ("tr", Split::Train),
    ("train", Split::Train),
    ("training", Split::Train),
    ("va", Split::Valid),
    ("val", Split::Valid),
    ("valid", Split::Valid),
    ("validation", Split::Valid),
    ("ts", Split::Test),
    ("test", Split::Test),
    ("testing", Split::Test),
];

/// What a folder says that its cases are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Split {
    Train,
    Valid,
    Test,
}

impl Split {
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Valid => "valid",
            Self::Test => "test",
        }
    }
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Image,
    Label,
}

/// A word of a name, in small letters, and where it is.
struct Word {
    text: String,
    start: usize,
    end: usize,
}

impl Word {
    fn is_of(&self, words: &[&str]) -> bool {
        words.contains(&self.text.as_str())
    }
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

/// What a folder's name says of the files in it; nothing where it has words for both.
pub(super) fn role_of_folder(name: &str) -> Option<Role> {
    let words = words(name);
    let has = |all: &[&str]| words.iter().any(|word| word.is_of(all));
    match (has(&LABEL_WORDS), has(&IMAGE_WORDS)) {
        (true, false) => Some(Role::Label),
        (false, true) => Some(Role::Image),
        _ => None,
    }
}

/// Whether the first and the last word of a name are such for label maps.
pub(super) fn label_words_at_ends(stem: &str) -> [bool; 2] {
    let words = words(stem);
    [words.first(), words.last()].map(|word| word.is_some_and(|word| word.is_of(&LABEL_WORDS)))
}

/// What a folder says that its cases are for: `imagesTs`, `train`, `Validation_Set`. `Tr`, `Va` and `Ts` say it only beside
/// words for images or label maps, or alone.
pub(super) fn split_of_folder(name: &str) -> Option<Split> {
    let words = words(name);
    let others: Vec<&Word> = words
        .iter()
        .filter(|word| !word.is_of(&LABEL_WORDS) && !word.is_of(&IMAGE_WORDS) && !word.is_of(&["set", "sets"]))
        .collect();
    let last = others.last()?;
    let (_, split) = SPLIT_WORDS.iter().find(|(word, _)| *word == last.text)?;
    (last.text.len() > 2 || others.len() == 1).then_some(*split)
}

/// A name without the words that say what a file is, and without what joined them to the others.
pub(crate) fn without_roles(text: &str) -> String {
    let text: String = text.nfc().collect();
    let mut rest = String::new();
    let mut from = 0;
    for word in words(&text).iter().filter(|word| word.is_of(&LABEL_WORDS) || word.is_of(&IMAGE_WORDS)) {
        rest.push_str(&text[from..word.start]);
        from = word.end;
    }
    rest.push_str(&text[from..]);
    rest.trim_matches(['_', '-', '.', ' ']).to_owned()
}

/// The name of an image without the sequence or the channel of nnU-Net at its end, and that: `B1_t1ce` is `B1` and `t1ce`,
/// `liver_0_0000` is `liver_0` and `0000`.
pub(super) fn sequence_of(stem: &str) -> Option<(&str, &str)> {
    let start = stem.rfind(['_', '-', ' ', '.']).map_or(0, |at| at + 1);
    let (before, last) = stem.split_at(start);
    let before = before.trim_end_matches(['_', '-', ' ', '.']);
    let is_channel = last.len() == 4 && last.bytes().all(|byte| byte.is_ascii_digit()) && !before.is_empty();
    (is_channel || is_sequence(last)).then_some((before, last))
}

/// Whether a name is that of a sequence or modality.
pub(super) fn is_sequence(name: &str) -> bool {
    SEQUENCES.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// The place of a sequence among several of a case: the lowest is used. Channels go by their number.
pub(super) fn rank(sequence: Option<&str>) -> usize {
    let Some(name) = sequence else { return 0 };
    let known = SEQUENCES.iter().position(|known| name.eq_ignore_ascii_case(known));
    known.or_else(|| name.parse().ok()).unwrap_or(usize::MAX)
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

    #[test]
    fn folders_say_what_their_cases_are_for() {
        for (name, expected) in [
            ("imagesTr", Some(Split::Train)),
            ("labelsTs", Some(Split::Test)),
            ("imagesVal", Some(Split::Valid)),
            ("train", Some(Split::Train)),
            ("Test-Set", Some(Split::Test)),
            ("train_images", Some(Split::Train)),
            ("BraTS2021_Training_Data", Some(Split::Train)),
            ("validation", Some(Split::Valid)),
            ("test_patient_3", None),
            ("hospital_ts", None),
            ("images", None),
            ("trained", None),
        ] {
            assert_eq!(split_of_folder(name), expected, "{name}");
        }
    }

    #[test]
    fn sequences_and_channels_end_names() {
        for (stem, expected) in [
            ("B1_t1ce", Some(("B1", "t1ce"))),
            ("BraTS-GLI-00001-000-T2F", Some(("BraTS-GLI-00001-000", "T2F"))),
            ("liver_0_0000", Some(("liver_0", "0000"))),
            ("t1", Some(("", "t1"))),
            ("0001", None),
            ("patient_12", None),
            ("exact", None),
        ] {
            assert_eq!(sequence_of(stem), expected, "{stem}");
        }
        assert!(rank(Some("FLAIR")) < rank(Some("t1")) && rank(Some("0000")) < rank(Some("0001")));
    }
}
