//! Which files of a folder belong together: images and their label maps, in the layouts that people have.
//!
//! What a file is, is told by words: by that of the nearest folder that has one (`imagesTr`, `labels`, `segmentations`), or by
//! those of its own name (`case_seg`, `mask`, `GT`). What belongs together, is told by what remains of the paths without
//! these words.

use std::collections::{BTreeMap, BTreeSet};

use super::patients::{Unnamed, named};
use super::words::{
    Role, Split, is_sequence, label_words_at_ends, rank, role_of_folder, sequence_of, split_of_folder,
    without_roles,
};
use crate::names::without_ending;

/// An image and its label maps, by paths below the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    /// Name of the case; letters, digits, `_`, `-` and `.`.
    pub case: String,
    /// Name of the patient, whose scans stay together.
    pub patient: String,
    /// What a folder says that it is for.
    pub split: Option<Split>,
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

impl Labels {
    pub fn paths(&self) -> Vec<&str> {
        match self {
            Self::Map(path) => vec![path],
            Self::Files(files) => files.values().map(String::as_str).collect(),
        }
    }
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub pairs: Vec<Pair>,
    /// Files that are of no use, and why.
    pub left_out: Vec<(String, String)>,
    /// Sequences or channels of cases that have several images, and those that are used.
    pub sequences: BTreeSet<String>,
    pub used_sequences: BTreeSet<String>,
}

/// A file by what its path says.
pub(crate) struct File<'a> {
    path: &'a str,
    folder: &'a str,
    stem: &'a str,
    /// Whether folders or name say that it is a label map.
    pub is_label: bool,
    /// Whether folder and name say different things.
    is_doubtful: bool,
    /// What remains of the folder that says a split.
    split_key: String,
    split: Option<Split>,
    /// What remains of folders and name without the words that say what it is.
    pub key: Vec<String>,
    /// Of an image: its sequence or channel, and the key without it.
    sequence: Option<(&'a str, Vec<String>)>,
}

impl<'a> File<'a> {
    /// `n_shared` folders are those of all files, and tell nothing.
    pub fn new(path: &'a str, n_shared: usize) -> Self {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let stem = without_ending(name).unwrap_or(name);
        let folders: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).skip(n_shared).collect();
        // The nearest folder that has a word for one of the two decides, but for a name that ends in one for label maps.
        let nearest = folders.iter().rev().find_map(|part| role_of_folder(part));
        let [by_first, by_last] = label_words_at_ends(stem);
        let is_label = by_last || nearest.map_or(by_first, |role| role == Role::Label);
        let split = folders.iter().rev().find_map(|part| Some((*part, split_of_folder(part)?)));
        let of_split = split.map_or("", |(part, _)| part);
        let remains = |parts: &[&str], name: &str| {
            let folders = parts.iter().filter(|part| **part != of_split).map(|part| without_roles(part));
            folders.chain([without_roles(name)]).filter(|part| !part.is_empty()).collect::<Vec<_>>()
        };
        // The sequence is at the end of the name, or a folder's name.
        let of_folder = folders.iter().position(|part| is_sequence(part));
        let sequence = match (sequence_of(stem), of_folder) {
            (Some((before, sequence)), _) => Some((sequence, remains(&folders, before))),
            (None, Some(at)) => {
                let others: Vec<&str> = [&folders[..at], &folders[at + 1..]].concat();
                Some((folders[at], remains(&others, stem)))
            }
            (None, None) => None,
        };
        Self {
            path,
            folder,
            stem,
            is_label,
            is_doubtful: by_last && nearest == Some(Role::Image),
            split_key: without_roles(of_split).to_lowercase(),
            split: split.map(|(_, split)| split),
            key: remains(&folders, stem),
            sequence,
        }
    }

    /// The key without the sequence or the number of a channel, in small letters, and that sequence. A result may be called like
    /// its image, channel and all.
    pub fn channel(&self) -> Option<(Vec<String>, &str)> {
        let small = |key: &[String]| key.iter().map(|part| part.to_lowercase()).collect();
        if let Some((sequence, key)) = &self.sequence {
            return Some((small(key), sequence));
        }
        let (last, folders) = self.key.split_last()?;
        let (before, sequence) = sequence_of(last)?;
        Some((small(&[folders, &[before.to_owned()]].concat()), sequence))
    }

    /// What files that belong together share.
    fn shared(&self, key: &[String]) -> Vec<String> {
        std::iter::once(&self.split_key).chain(key).map(|part| part.to_lowercase()).collect()
    }

    fn full_key(&self) -> Vec<String> {
        self.shared(&self.key)
    }

    fn sequence_name(&self) -> Option<&'a str> {
        self.sequence.as_ref().map(|(name, _)| *name)
    }

    /// The key that cases are called after.
    fn bare_key(&self) -> &[String] {
        self.sequence.as_ref().map_or(&self.key, |(_, key)| key)
    }
}

/// The files of a folder, sorted into images and label maps. A file in a folder of images is an image, although its name
/// ends in a word for label maps, where a folder of label maps has one of the same name.
fn sort<'f, 'a>(files: &'f [File<'a>]) -> (Vec<&'f File<'a>>, Vec<&'f File<'a>>) {
    let name = |file: &File<'a>| (file.full_key(), file.stem.to_lowercase());
    let certain: BTreeSet<_> = files.iter().filter(|file| file.is_label && !file.is_doubtful).map(name).collect();
    files.iter().partition(|file| file.is_label && !(file.is_doubtful && certain.contains(&name(file))))
}

/// Images by what they may be found by.
#[derive(Default)]
struct Images<'f, 'a> {
    by_key: BTreeMap<Vec<String>, Vec<&'f File<'a>>>,
    without_sequence: BTreeMap<Vec<String>, Vec<&'f File<'a>>>,
    by_folder: BTreeMap<&'a str, Vec<&'f File<'a>>>,
}

impl<'f, 'a> Images<'f, 'a> {
    fn new(images: &[&'f File<'a>]) -> Self {
        let mut found = Self::default();
        for &image in images {
            found.by_key.entry(image.full_key()).or_default().push(image);
            found.by_folder.entry(image.folder).or_default().push(image);
            if let Some((_, key)) = &image.sequence {
                found.without_sequence.entry(image.shared(key)).or_default().push(image);
            }
        }
        found
    }

    /// Those that a label map is called after.
    fn called(&self, key: &[String]) -> Option<&[&'f File<'a>]> {
        self.by_key.get(key).or_else(|| self.without_sequence.get(key)).map(Vec::as_slice)
    }

    /// All of a folder, if these are images of one case.
    fn of_folder(&self, folder: &str) -> Option<&[&'f File<'a>]> {
        let images = self.by_folder.get(folder)?;
        let case = images[0].bare_key();
        images.iter().all(|image| image.bare_key() == case).then_some(images.as_slice())
    }
}

/// Finds pairs among the NIfTI files of a folder, given by their paths below it. Of cases with images of several sequences or
/// channels, the one that `sequence` names is used, or the first.
pub(super) fn pair(paths: &[String], sequence: Option<&str>) -> Found {
    let n_shared = shared_folders(paths);
    let files: Vec<File<'_>> = paths.iter().map(|path| File::new(path, n_shared)).collect();
    let (labels, images) = sort(&files);
    let by = Images::new(&images);
    let mut n_labels: BTreeMap<&str, usize> = BTreeMap::new();
    labels.iter().for_each(|label| *n_labels.entry(label.folder).or_default() += 1);
    let mut found = Found::default();
    let mut taken: BTreeMap<&str, Unnamed> = BTreeMap::new();
    let mut why: BTreeMap<&str, String> = BTreeMap::new();
    for label in &labels {
        let key = label.full_key();
        let above = label.folder.rsplit_once('/').map_or("", |(above, _)| above);
        let called = by.called(&key);
        let is_map = called.is_some() || by.of_folder(label.folder).is_some() && n_labels[label.folder] == 1;
        // A label map is called like its image, or is the only one beside it. One file for each class lies in a folder
        // below the image's, or in one that is called like the image.
        let matching = called
            .or_else(|| by.of_folder(label.folder).filter(|_| is_map))
            .or_else(|| by.of_folder(above).filter(|_| label.folder != above))
            .or_else(|| by.called(&key[..key.len() - 1]).filter(|_| label.key.len() > 1));
        let Some(images) = matching else {
            found.left_out.push((label.path.to_owned(), "a label map without an image".to_owned()));
            continue;
        };
        if images.len() > 1 {
            found.sequences.extend(images.iter().filter_map(|image| image.sequence_name()).map(str::to_owned));
        }
        let best = match sequence {
            Some(wanted) => images
                .iter()
                .find(|image| image.sequence_name().is_some_and(|name| name.eq_ignore_ascii_case(wanted))),
            None => images.iter().min_by_key(|image| (rank(image.sequence_name()), image.stem.to_lowercase())),
        };
        let Some(best) = best else {
            let reason = format!("its case has no image of the sequence {:?}", sequence.unwrap_or_default());
            why.extend(images.iter().map(|image| (image.path, reason.clone())));
            found.left_out.push((label.path.to_owned(), reason));
            continue;
        };
        for other in images.iter().filter(|other| other.path != best.path) {
            let reason = format!("another channel or sequence of the case; {} is used", best.path);
            why.insert(other.path, reason);
        }
        if images.len() > 1 {
            found.used_sequences.extend(best.sequence_name().map(str::to_owned));
        }
        let case = |key: &[String], labels: Labels| Unnamed {
            key: key.to_vec(),
            split: best.split,
            image: best.path.to_owned(),
            labels,
        };
        if is_map {
            let key = if called.is_some() { &label.key } else { best.bare_key() };
            if taken.contains_key(best.path) {
                found.left_out.push((label.path.to_owned(), format!("another label map of {}", best.path)));
            } else {
                taken.insert(best.path, case(key, Labels::Map(label.path.to_owned())));
            }
            continue;
        }
        let known =
            taken.entry(best.path).or_insert_with(|| case(best.bare_key(), Labels::Files(BTreeMap::new())));
        match &mut known.labels {
            Labels::Files(files) => {
                if let Some(twice) = files.insert(label.stem.to_owned(), label.path.to_owned()) {
                    found.left_out.push((twice, format!("{} stands for the same class", label.path)));
                }
            }
            Labels::Map(map) => {
                found.left_out.push((label.path.to_owned(), format!("{map} is the label map of {}", best.path)));
            }
        }
    }
    for image in images.iter().filter(|image| !taken.contains_key(image.path)) {
        let reason = why.remove(image.path).unwrap_or_else(|| "an image without a label map".to_owned());
        found.left_out.push((image.path.to_owned(), reason));
    }
    found.pairs = named(taken.into_values().collect());
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

#[cfg(test)]
mod tests;
