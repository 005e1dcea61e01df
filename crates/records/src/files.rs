//! Records as files: one JSON file a record, put in place atomically.

use std::io;
use std::path::{Path, PathBuf};

use fastersam_files::{FileError, UNSEALED, is_sealed, read_text, remove_leftovers, seal, write_atomically};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{PauseRecord, Provenance, Record};

/// Version of the files' layout. A file of another version is refused, never guessed at.
pub const RECORD_SCHEMA: u32 = 2;
/// Those of thousands of cases have less.
const MAX_BYTES: u64 = 256 << 20;

/// Why a record could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The file system said no.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is there, but not a record.
    #[error("{} is not a readable record: {reason}. Delete it, and run its experiment again", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The record holds a number that JSON can't hold (NaN or infinite); nothing was written.
    #[error("the record {name} was not written: {reason}")]
    Unwritable {
        /// File name that the record would have had.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// The file's outer layer; the record inside is read once kind and schema are known.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    schema: u32,
    /// SHA-256 of the file, see [`fastersam_files::seal`].
    seal: String,
    kind: String,
    record: serde_json::Value,
}

impl Record {
    /// The `kind` tag.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Evaluation(_) => "evaluation",
            Self::Throughput(_) => "throughput",
            Self::Slice(_) => "slice",
            Self::Training(_) => "training",
            Self::Bench(_) => "bench",
        }
    }

    /// The experiment that it belongs to.
    pub fn experiment(&self) -> &str {
        match self {
            Self::Evaluation(r) => &r.experiment,
            Self::Throughput(r) => &r.experiment,
            Self::Slice(r) => &r.experiment,
            Self::Training(r) => &r.experiment,
            Self::Bench(r) => &r.experiment,
        }
    }

    /// Where it comes from.
    pub fn provenance(&self) -> &Provenance {
        match self {
            Self::Evaluation(r) => &r.provenance,
            Self::Throughput(r) => &r.provenance,
            Self::Slice(r) => &r.provenance,
            Self::Training(r) => &r.provenance,
            Self::Bench(r) => &r.provenance,
        }
    }

    /// File name: readable words, then eight hex digits that keep two identities apart whose words agree.
    /// The same measurement of the same weights on the same data, made again, has the same name and replaces the old
    /// file.
    pub fn file_name(&self) -> String {
        // Which setting is recommended is not part of what was measured.
        let identity_of =
            |pause: &PauseRecord| serde_json::json!([pause.pause_points, pause.settings]).to_string();
        let (words, pause, identity) = match self {
            Self::Evaluation(r) => {
                (vec![&r.experiment, &r.dataset, &r.split, &r.method], Some(&r.pause), String::new())
            }
            Self::Throughput(r) => (
                vec![&r.experiment, &r.dataset, &r.method],
                Some(&r.pause),
                // A device of its own has a time of its own.
                match r.provenance.device.as_str() {
                    "flex" => format!("{} {} {}", r.batch_size, r.input_size, r.scope),
                    device => format!("{} {} {} {device}", r.batch_size, r.input_size, r.scope),
                },
            ),
            Self::Slice(r) => {
                (vec![&r.experiment, &r.dataset, &r.case, &r.method], Some(&r.pause), r.slice.to_string())
            }
            Self::Training(r) => (vec![&r.experiment, &r.dataset, &r.method], None, String::new()),
            Self::Bench(r) => (vec![&r.experiment], None, String::new()),
        };
        let mut words: Vec<String> = words.into_iter().cloned().collect();
        words.extend(pause.map(|pause| pause.settings.full_label(&pause.pause_points)));
        let Provenance { weights_sha256, data_manifest_sha256, .. } = self.provenance();
        let measured = serde_json::json!([weights_sha256, data_manifest_sha256]);
        let identity = format!("{} {identity} {measured}", pause.map(identity_of).unwrap_or_default());
        // A zero byte between the parts, so that no two lists of parts run into the same bytes.
        let parts = words.iter().map(|word| word.as_bytes()).chain([identity.as_bytes()]);
        let digest = fastersam_files::sha256(parts.flat_map(|part| [part, &[0]]));
        let digest = &digest[..8];
        let slugs: Vec<String> = words.iter().map(|word| slug(word).chars().take(40).collect()).collect();
        format!("{}-{}-{digest}.json", self.kind(), slugs.join("-"))
    }
}

/// Lower-case letters and digits, everything else as single hyphens.
#[must_use]
pub fn slug(text: &str) -> String {
    let mut slug = String::new();
    for letter in text.chars() {
        if letter.is_ascii_alphanumeric() {
            slug.push(letter.to_ascii_lowercase());
        } else if letter == '.' || letter == '_' {
            slug.push('_');
        } else if !slug.ends_with('-') && !slug.is_empty() {
            slug.push('-');
        }
    }
    slug.trim_end_matches('-').to_owned()
}

/// Writes one record into `folder` (made if missing) and returns its path. The file appears complete or
/// not at all: temporary file, fsync, rename, fsync of the folder. A file of the same name is replaced.
///
/// # Errors
/// The file system refuses, or the record could not be read back (a NaN or infinite number).
pub fn write_record(folder: &Path, record: &Record) -> Result<PathBuf, RecordError> {
    let name = record.file_name();
    let unwritable = |reason: String| RecordError::Unwritable { name: name.clone(), reason };
    let value = serde_json::to_value(record).map_err(|error| unwritable(error.to_string()))?;
    let envelope =
        Envelope { schema: RECORD_SCHEMA, seal: UNSEALED.to_owned(), kind: record.kind().into(), record: value };
    let mut json = serde_json::to_string_pretty(&envelope).map_err(|error| unwritable(error.to_string()))?;
    json.push('\n');
    let json = seal(&json);
    parse(&json).map_err(unwritable)?;

    let path = folder.join(&name);
    std::fs::create_dir_all(folder).map_err(FileError::at(folder))?;
    remove_leftovers(folder);
    write_atomically(&path, json.as_bytes())?;
    Ok(path)
}

/// Reads every `*.json` of `folder` (hidden files and sub-folders left out), by file name.
///
/// # Errors
/// The folder can't be read, or one of the files is not a record of this version; the error names it.
pub fn read_records(folder: &Path) -> Result<Vec<Record>, RecordError> {
    record_files(folder).map_err(FileError::at(folder))?.into_iter().map(|path| read_record(&path)).collect()
}

fn read_record(path: &Path) -> Result<Record, RecordError> {
    parse(&read_text(path, MAX_BYTES)?).map_err(|reason| RecordError::Broken { path: path.to_owned(), reason })
}

/// Every `*.json` of a folder, by name.
fn record_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        let path = entry.path();
        if !hidden && path.extension().is_some_and(|extension| extension == "json") && path.is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// The records of an experiment in a folder; files that are none are passed over.
fn records_of(folder: &Path, experiment: &str) -> impl Iterator<Item = PathBuf> {
    let files = record_files(folder).unwrap_or_default().into_iter();
    files.filter(move |path| read_record(path).is_ok_and(|record| record.experiment() == experiment))
}

/// Whether a folder holds records of an experiment.
#[must_use]
pub fn has_records(folder: &Path, experiment: &str) -> bool {
    records_of(folder, experiment).next().is_some()
}

/// Removes the records of an experiment, and nothing else. What can't be removed does no harm.
pub fn remove_records(folder: &Path, experiment: &str) {
    records_of(folder, experiment).for_each(|path| {
        let _ = std::fs::remove_file(path);
    });
}

/// A record from a file's text; `Err` says what is wrong.
fn parse(json: &str) -> Result<Record, String> {
    fn inner<T: DeserializeOwned>(value: serde_json::Value) -> Result<Box<T>, String> {
        serde_json::from_value(value).map(Box::new).map_err(|error| error.to_string())
    }
    /// What all versions have in common.
    #[derive(Deserialize)]
    struct Versioned {
        schema: u32,
    }
    let Versioned { schema } = serde_json::from_str(json).map_err(|error| error.to_string())?;
    if schema != RECORD_SCHEMA {
        return Err(format!("schema {schema} where this version reads {RECORD_SCHEMA}"));
    }
    let envelope: Envelope = serde_json::from_str(json).map_err(|error| error.to_string())?;
    if !is_sealed(json, &envelope.seal) {
        return Err("it was changed or damaged after it was written: its seal does not fit".to_owned());
    }
    match envelope.kind.as_str() {
        "evaluation" => inner(envelope.record).map(Record::Evaluation),
        "throughput" => inner(envelope.record).map(Record::Throughput),
        "slice" => {
            let slice: Box<super::SliceRecord> = inner(envelope.record)?;
            slice.check()?;
            Ok(Record::Slice(slice))
        }
        "training" => inner(envelope.record).map(Record::Training),
        "bench" => inner(envelope.record).map(Record::Bench),
        kind => Err(format!("unknown kind `{kind}`; known: evaluation, throughput, slice, training, bench")),
    }
}

impl super::SliceRecord {
    /// The maps have the sizes that the fields say, and no token paused at a point that isn't there.
    ///
    /// # Errors
    /// The words say what is wrong.
    pub fn check(&self) -> Result<(), String> {
        let pixels = self.rows.checked_mul(self.cols);
        let tokens = self.grid.checked_mul(self.grid);
        for (name, found, expected) in [
            ("image", self.image.len(), pixels),
            ("truth", self.truth.len(), pixels),
            ("prediction", self.prediction.len(), pixels),
            ("paused_after", self.paused_after.len(), tokens),
        ] {
            if Some(found) != expected || found == 0 {
                return Err(format!("`{name}` has {found} values, which is not its size"));
            }
        }
        match self.paused_after.iter().find(|&&point| usize::from(point) > self.pause.pause_points.len()) {
            Some(point) => {
                Err(format!("`paused_after` holds {point} with {} pause points", self.pause.pause_points.len()))
            }
            None => Ok(()),
        }
    }
}
