//! Which label maps of two folders are of the same case.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::MapFiles;
use crate::custom::describe::{MAX_DEPTH, walk};
use crate::custom::formats::OtherFormats;
use crate::custom::pairs::{File, shared_folders};
use crate::custom::words::{plain, without_roles};
use crate::error::DatasetError;
use crate::names::without_ending;

/// Two label maps of one case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapPair {
    /// Name of the case.
    pub case: String,
    /// What was predicted.
    pub prediction: MapFiles,
    /// What is true.
    pub truth: MapFiles,
}

/// Label maps, paired.
#[derive(Clone, Debug, Default)]
pub struct MapPairs {
    /// The pairs, by the names of their cases.
    pub pairs: Vec<MapPair>,
    /// True label maps without a prediction: cases that are not scored.
    pub missing: Vec<PathBuf>,
    /// Other files that are of no use, and why.
    pub left_out: Vec<(PathBuf, String)>,
}

/// A label map and what its path says.
struct Found {
    files: MapFiles,
    key: Vec<String>,
    /// Folders and name in small letters; the same without the number of a channel; the last part of both.
    tiers: [Option<Vec<String>>; 4],
}

/// Which keys are compared, those that tell most first: of predictions, of true label maps.
const TIERS: [[usize; 2]; 6] = [[0, 0], [1, 0], [0, 1], [2, 2], [3, 2], [2, 3]];

/// Pairs predicted and true label maps, each given by a file or a folder, by what remains of their paths without words like
/// `label`, `seg` or `gt`, as images and label maps are paired. Two files are a pair whatever they are called. With
/// `per_class`, for predictions and for true ones, a folder with a file for each class is one label map.
///
/// # Errors
/// Where a folder can't be read, or no pair is found.
pub fn pair_label_maps(prediction: &Path, truth: &Path, per_class: [bool; 2]) -> Result<MapPairs, DatasetError> {
    let mut found = MapPairs::default();
    let mut predictions = find(prediction, per_class[0], &mut found.left_out)?;
    let mut truths = find(truth, per_class[1], &mut found.left_out)?;
    let is_single = |path: &Path, per_class: bool| path.is_file() || per_class;
    let mut pairs = Vec::new();
    if predictions.len() == 1
        && truths.len() == 1
        && is_single(prediction, per_class[0])
        && is_single(truth, per_class[1])
    {
        pairs.extend(predictions.pop().zip(truths.pop()));
    }
    pairs.extend(by_keys(&mut predictions, &mut truths));
    if pairs.is_empty() {
        let [n, m] = [predictions.len(), truths.len()];
        return Err(DatasetError::Request(format!(
            "no label map of {} ({n} files) is called like one of {} ({m} files); give files of the same names, or two files",
            prediction.display(),
            truth.display()
        )));
    }
    found.pairs = named(pairs);
    found.missing = truths.iter().map(|truth| truth.files.path().to_owned()).collect();
    let reason = "no true label map is called like it, or several are";
    found.left_out.extend(predictions.iter().map(|p| (p.files.path().to_owned(), reason.to_owned())));
    found.missing.sort();
    found.left_out.sort();
    Ok(found)
}

/// The image of each case that has one, by the names of files.
///
/// # Errors
/// Where the folder can't be read.
pub fn images_of_cases(images: &Path, pairs: &[MapPair]) -> Result<BTreeMap<String, PathBuf>, DatasetError> {
    DatasetError::require(images, "give the images' folder, or the image of the only case")?;
    if images.is_file() {
        return Ok(pairs.iter().take(1).map(|pair| (pair.case.clone(), images.to_owned())).collect());
    }
    let mut paths = Vec::new();
    walk(images, "", MAX_DEPTH, &mut paths, &mut OtherFormats::default())?;
    let n_shared = shared_folders(&paths);
    let files = paths.iter().map(|path| (path, File::new(path, n_shared)));
    let mut found: Vec<Found> = files
        .filter(|(_, file)| !file.is_label && file.channel().is_none_or(|(_, channel)| is_first(channel)))
        .map(|(path, file)| Found::new(MapFiles::One(images.join(path)), file.key.clone(), file.channel()))
        .collect();
    let case = |pair: &MapPair| Found::new(pair.truth.clone(), vec![pair.case.clone()], None);
    let mut cases: Vec<Found> = pairs.iter().map(case).collect();
    let named = by_keys(&mut found, &mut cases).into_iter();
    Ok(named
        .filter_map(|(image, case)| Some((case.key.into_iter().next()?, image.files.path().to_owned())))
        .collect())
}

/// Whether a sequence is none of nnU-Net's numbered channels but the first.
fn is_first(channel: &str) -> bool {
    channel.parse::<usize>().map_or(true, |number| number == 0)
}

/// Takes those out of both lists that are the only ones with a key that they share.
fn by_keys(first: &mut Vec<Found>, second: &mut Vec<Found>) -> Vec<(Found, Found)> {
    let mut pairs = Vec::new();
    for [of_first, of_second] in TIERS {
        let only = |all: &[Found], tier: usize| {
            let mut by_key: BTreeMap<Vec<String>, usize> = BTreeMap::new();
            for key in all.iter().filter_map(|found| found.tiers[tier].as_ref()) {
                *by_key.entry(key.clone()).or_default() += 1;
            }
            by_key.retain(|_, n| *n == 1);
            by_key
        };
        let (mut shared, others) = (only(first, of_first), only(second, of_second));
        shared.retain(|key, _| others.contains_key(key));
        let take = |all: &mut Vec<Found>, tier: usize| {
            let is_shared = |found: &Found| found.tiers[tier].as_ref().is_some_and(|key| shared.contains_key(key));
            let (mut taken, rest): (Vec<Found>, Vec<Found>) = std::mem::take(all).into_iter().partition(is_shared);
            *all = rest;
            // Both in the order of the keys that they share.
            taken.sort_by(|a, b| a.tiers[tier].cmp(&b.tiers[tier]));
            taken
        };
        pairs.extend(take(first, of_first).into_iter().zip(take(second, of_second)));
    }
    pairs
}

/// The label maps that a path stands for.
fn find(path: &Path, per_class: bool, left_out: &mut Vec<(PathBuf, String)>) -> Result<Vec<Found>, DatasetError> {
    DatasetError::require(path, "give a label map or a folder of label maps")?;
    if !path.is_dir() {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let file = File::new(&name, 0);
        return Ok(vec![Found::new(MapFiles::One(path.to_owned()), file.key.clone(), file.channel())]);
    }
    let mut paths = Vec::new();
    walk(path, "", MAX_DEPTH, &mut paths, &mut OtherFormats::default())?;
    if per_class {
        return Ok(folders(path, &paths));
    }
    let n_shared = shared_folders(&paths);
    let files: Vec<File<'_>> = paths.iter().map(|path| File::new(path, n_shared)).collect();
    // Where some are called label maps, the others are images.
    let has_words = files.iter().any(|file| file.is_label);
    let mut found = Vec::new();
    for (file, relative) in files.iter().zip(&paths) {
        if has_words && !file.is_label {
            left_out.push((path.join(relative), "not called a label map, as others there are".to_owned()));
        } else {
            found.push(Found::new(MapFiles::One(path.join(relative)), file.key.clone(), file.channel()));
        }
    }
    Ok(found)
}

/// The folders below one that hold files, each of them one label map.
fn folders(path: &Path, paths: &[String]) -> Vec<Found> {
    let mut by_folder: BTreeMap<&str, BTreeMap<String, PathBuf>> = BTreeMap::new();
    for relative in paths {
        let (folder, name) = relative.rsplit_once('/').unwrap_or(("", relative));
        let stem = without_ending(name).unwrap_or(name).to_owned();
        by_folder.entry(folder).or_default().insert(stem, path.join(relative));
    }
    let found = by_folder.into_iter().map(|(folder, files)| {
        let key: Vec<String> = folder.split('/').map(without_roles).filter(|part| !part.is_empty()).collect();
        Found::new(MapFiles::PerClass { folder: path.join(folder), files }, key, None)
    });
    found.collect()
}

impl Found {
    fn new(files: MapFiles, key: Vec<String>, channel: Option<(Vec<String>, &str)>) -> Self {
        let folded: Vec<String> = key.iter().map(|part| part.to_lowercase()).collect();
        let last = |key: &Vec<String>| key.last().map(|part| vec![part.clone()]);
        let channel = channel.map(|(key, _)| key);
        let tiers = [Some(folded.clone()), channel.clone(), last(&folded), channel.as_ref().and_then(last)];
        Self { files, key, tiers }
    }
}

/// Names each case after its true label map: the last part of the path that tells them apart, or all of it.
fn named(pairs: Vec<(Found, Found)>) -> Vec<MapPair> {
    let last = |key: &[String]| key.last().map_or_else(|| "case".to_owned(), |part| plain(part));
    let short: BTreeSet<String> = pairs.iter().map(|(_, truth)| last(&truth.key)).collect();
    let is_unique = short.len() == pairs.len();
    let mut seen = BTreeSet::new();
    let named = pairs.into_iter().map(|(prediction, truth)| {
        let whole = if is_unique { last(&truth.key) } else { plain(&truth.key.join("_")) };
        let mut numbered = (2_usize..).map(|n| format!("{whole}_{n}"));
        let is_new = seen.insert(whole.clone());
        let other = if is_new { None } else { numbered.find(|name| seen.insert(name.clone())) };
        MapPair { case: other.unwrap_or(whole), prediction: prediction.files, truth: truth.files }
    });
    let mut named: Vec<MapPair> = named.collect();
    named.sort_by(|a, b| a.case.cmp(&b.case));
    named
}
